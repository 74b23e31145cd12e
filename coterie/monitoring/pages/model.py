"""Whether lists are what they were when the release was made."""

from typing import Final

from coterie import metric_names
from coterie.monitoring.panels import Dashboard, Panel, PanelQuery, Row
from coterie.monitoring.queries import above, newest, rate, share
from coterie.monitoring.rules import (
    DRIFT,
    FEATURE_AGE,
    OLD_RELEASE_S,
    PSI,
    SCORE_SHARE,
    STALE_FEATURES_S,
)

_MISSED: Final = rate(metric_names.CHECKED_ITEMS, where='found="no"')
MODEL: Final = Dashboard(
    "model",
    "Coterie / Model",
    "Whether lists are what they were when the release was made.",
    (
        Row(
            "Scores",
            (
                Panel(
                    "Best scores by tenth",
                    "Share of lists whose best score falls into each tenth of the release's "
                    "offline lists; a tenth each is what the release was made with. Shoppers of "
                    "popular lists are not in it.",
                    [PanelQuery(SCORE_SHARE, "tenth {{bin}}")],
                    "percentunit",
                    stacked=True,
                    most=1,
                    width=10,
                ),
                Panel(
                    "Drift of scores",
                    "Population stability index of these tenths against a tenth each: under .1 is "
                    f"nothing, over {DRIFT} a shift. Among few lists, chance alone makes it large.",
                    [PanelQuery(PSI, "index")],
                    "none",
                    steps=above(0.1, DRIFT),
                    width=8,
                ),
                Panel(
                    "Lists behind it",
                    "In the last six hours; over 1,000 are judged.",
                    [PanelQuery(f"sum(increase({metric_names.BEST_SCORE_BIN}[6h]))", "lists")],
                    kind="stat",
                    width=6,
                ),
            ),
        ),
        Row(
            "Lists",
            (
                Panel(
                    "Coverage",
                    "Share of the available items that a replica's last thousand lists show. When "
                    "it falls, everybody is shown the same. Explored: of all shown items those "
                    "that are new and stand there to learn whom they please.",
                    [
                        PanelQuery(f"max({metric_names.CATALOGUE_COVERAGE})", "covered"),
                        PanelQuery(
                            share(
                                rate(metric_names.EXPLORED_ITEMS),
                                rate(metric_names.LIST_ITEMS),
                            ),
                            "explored",
                        ),
                    ],
                    "percentunit",
                ),
                Panel(
                    "Recall of codes",
                    "Of the best items of lists that were checked, those that codes had found. "
                    "Below 99 % a replica reads all vectors instead, and says so in its log.",
                    [
                        # Where none was checked, none was missed.
                        PanelQuery(
                            f"1 - {_MISSED} / clamp_min({rate(metric_names.CHECKED_ITEMS)}, 1e-9)",
                            "found",
                        )
                    ],
                    "percentunit",
                ),
                Panel(
                    "Novelty",
                    "Bits an item: an item that one shopper in a thousand had is worth ten. When "
                    "it falls, lists turn to what is popular.",
                    [
                        PanelQuery(
                            share(
                                rate(metric_names.LIST_NOVELTY),
                                rate(metric_names.LIST_ITEMS),
                            ),
                            "bits",
                        )
                    ],
                    "none",
                ),
                Panel(
                    "Friends' share",
                    "Share of shown items' scores that comes from friends. When it falls to "
                    "nothing, ties do not reach the lists.",
                    [
                        PanelQuery(
                            share(
                                rate(metric_names.REASON_SHARE, where='kind="friend"'),
                                rate(metric_names.REASON_SHARE),
                            ),
                            "friends",
                        )
                    ],
                    "percentunit",
                ),
            ),
        ),
        Row(
            "Age",
            (
                Panel(
                    "Median age of a shopper's newest event",
                    "When their list was made, over an hour.",
                    [PanelQuery(FEATURE_AGE, "median")],
                    "s",
                    steps=above(STALE_FEATURES_S),
                ),
                Panel(
                    "Age of the release",
                    "Of the stable one: what is newer than it, it does not know.",
                    [
                        PanelQuery(
                            newest(metric_names.RELEASE_CREATED, 'arm="stable"'),
                            "stable",
                        )
                    ],
                    "s",
                    "stat",
                    above(OLD_RELEASE_S / 2, OLD_RELEASE_S),
                ),
                Panel(
                    "Releases that are loaded",
                    "Version and digest, by arm. Two of an arm for more than a minute: not all "
                    "replicas have taken the new one.",
                    [
                        PanelQuery(
                            f"sum by (arm, version, digest) ({metric_names.RELEASE_INFO} > 0)",
                            "{{arm}}: {{version}} ({{digest}})",
                        )
                    ],
                    "none",
                    "bargauge",
                ),
            ),
        ),
        Row(
            "Rules of the shop",
            (
                Panel(
                    "Age of the rules in force",
                    "Since a replica took them from their file; nothing where it has none.",
                    [
                        PanelQuery(
                            f"time() - max by (instance) ({metric_names.RULES_TAKEN} > 0)",
                            "{{instance}}",
                        )
                    ],
                    "s",
                    "stat",
                ),
                Panel(
                    "Rules that do not fit",
                    "1 where the file was edited and does not hold: the last good rules stay.",
                    [
                        PanelQuery(
                            f"max by (instance) ({metric_names.RULES_REFUSED})", "{{instance}}"
                        )
                    ],
                    "none",
                    "stat",
                    above(1),
                ),
            ),
        ),
    ),
    span="now-24h",
)
