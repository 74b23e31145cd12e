"""What shoppers get, and what they do with it."""

from typing import Final

from coterie import metric_names
from coterie.monitoring.panels import Dashboard, Panel, PanelQuery, Row
from coterie.monitoring.queries import above, below, quantiles, rate, share, signal_share
from coterie.monitoring.rules import FRIENDS_SHARE, STALE_FEATURES_S, STRANGERS


def _earned(figure: str) -> list[PanelQuery]:
    """Show a figure of what recommendations earned with its interval."""
    return [
        PanelQuery(
            f'max by (experiment) ({metric_names.EARNED}{{figure="{figure}", bound="{bound}"}})',
            f"{{{{experiment}}}}: {named}",
        )
        for bound, named in (("value", "found"), ("low", "at least"), ("high", "at most"))
    ]


SHOPPERS: Final = Dashboard(
    "shoppers",
    "Coterie / Shoppers",
    "What shoppers get, and what they do with it.",
    (
        Row(
            "What they get",
            (
                Panel(
                    "Lists by source",
                    "Lists a second, by what they could draw on: the shopper's own events, their "
                    "friends' alone, or what is popular. Much more of popular means that features "
                    "are missing.",
                    [PanelQuery(rate(metric_names.LISTS, "source"), "{{source}}")],
                    "reqps",
                    stacked=True,
                ),
                Panel(
                    "Items a list",
                    "How many items a list has on average. It falls when lists come out short.",
                    [
                        PanelQuery(
                            share(rate(metric_names.LIST_ITEMS), rate(metric_names.LISTS)),
                            "items",
                        )
                    ],
                ),
                Panel(
                    "Why: share of reasons",
                    "Which share of shown items' scores comes from the shopper's own events, from "
                    "friends, or from popularity.",
                    [
                        PanelQuery(
                            share(
                                rate(metric_names.REASON_SHARE, "kind"),
                                rate(metric_names.REASON_SHARE),
                                "kind",
                            ),
                            "{{kind}}",
                        )
                    ],
                    "percentunit",
                    stacked=True,
                    most=1,
                ),
            ),
        ),
        Row(
            "Whom lists know",
            (
                Panel(
                    "Strangers",
                    "Share of lists of shoppers of whom nothing is known: no history, no friends. "
                    "All of them at once is an online store that is empty.",
                    [
                        PanelQuery(
                            share(rate(metric_names.ARM_STRANGERS), rate(metric_names.ARM_ANSWERS)),
                            "strangers",
                        )
                    ],
                    "percentunit",
                    steps=above(STRANGERS),
                    width=12,
                ),
                Panel(
                    "Friends' share of lists that have friends to draw on",
                    "Friends' part of the scores of all items of such a list, added up: a list of "
                    "ten has a whole of 10.",
                    [
                        PanelQuery(
                            share(
                                rate(metric_names.REASON_SHARE, where='kind="friend"'),
                                rate(metric_names.BEFRIENDED_LISTS),
                            ),
                            "friends",
                        )
                    ],
                    "none",
                    steps=below(FRIENDS_SHARE),
                    width=12,
                ),
            ),
        ),
        Row(
            "What they do",
            (
                Panel(
                    "Click rate by arm",
                    "Lists that were followed by a click, of those whose time for it is over.",
                    [PanelQuery(signal_share("clicks"), "{{arm}}")],
                    "percentunit",
                    width=6,
                ),
                Panel(
                    "Purchase rate by arm",
                    "Lists that were followed by a purchase, of those whose time for it is over.",
                    [PanelQuery(signal_share("purchases"), "{{arm}}")],
                    "percentunit",
                    width=6,
                ),
                Panel(
                    "Lists that were followed",
                    "Clicks and purchases a second that belong to a list, by arm. Few of them make "
                    "the rates beside this panel jump.",
                    [
                        PanelQuery(
                            rate(
                                metric_names.ARM_SIGNALS,
                                "arm",
                                "signal",
                                where='signal=~"clicks|purchases"',
                            ),
                            "{{signal}} {{arm}}",
                        )
                    ],
                    "cps",
                    width=6,
                ),
                Panel(
                    "Events by kind",
                    "New events a second. All kinds falling to nothing at once is a client that "
                    "cannot send.",
                    [
                        PanelQuery(
                            rate(metric_names.EVENTS, "kind", where='outcome="accepted"'),
                            "{{kind}}",
                        )
                    ],
                    "cps",
                    width=6,
                ),
                Panel(
                    "Events sent twice",
                    "Share of events that were known already: clients that retry. Harmless, unless "
                    "it grows.",
                    [
                        PanelQuery(
                            share(
                                rate(metric_names.EVENTS, where='outcome="duplicate"'),
                                rate(metric_names.EVENTS),
                            ),
                            "duplicates",
                        )
                    ],
                    "percentunit",
                    width=6,
                    height=6,
                ),
                Panel(
                    "Events refused",
                    "Share of events that broke a rule of the contract, or had an impossible time: "
                    "a client to mend, whose receipts name them.",
                    [
                        PanelQuery(
                            share(
                                rate(metric_names.EVENTS, where='outcome="refused"'),
                                rate(metric_names.EVENTS),
                            ),
                            "refused",
                        )
                    ],
                    "percentunit",
                    width=6,
                    height=6,
                ),
                Panel(
                    "Invitations",
                    "Items that shoppers shared with a person, what people came to through "
                    "somebody, and what of that they took, a second.",
                    [PanelQuery(rate(metric_names.INVITATIONS, "step"), "{{step}}")],
                    "cps",
                    width=12,
                    height=6,
                ),
                Panel(
                    "Age of a shopper's newest event",
                    "When their list was made; half of the shoppers are below the median. It grows "
                    "second by second when events do not arrive.",
                    quantiles(metric_names.FEATURE_AGE),
                    "s",
                    steps=above(STALE_FEATURES_S),
                    width=12,
                    height=6,
                ),
            ),
        ),
        Row(
            "What recommendations earned (while a holdout runs)",
            (
                Panel(
                    "Conversion",
                    "How much greater the share of shoppers who buy is with recommendations than "
                    "among those of the holdout, who get popular items. Above 0 at least: surely "
                    "more.",
                    _earned("purchase_rate"),
                    "percentunit",
                ),
                Panel(
                    "Revenue a session",
                    "How much more a session brings with recommendations than in the holdout, in "
                    "the shop's currency. A break of half an hour ends a session.",
                    _earned("revenue_a_session"),
                ),
                Panel(
                    "New to the shopper",
                    "How many more items that they had nothing to do with before a shopper buys.",
                    _earned("discoveries"),
                ),
                Panel(
                    "Purchases that followed from a list",
                    "Share of the purchases of shoppers with recommendations.",
                    _earned("from_lists"),
                    "percentunit",
                    most=1,
                ),
                Panel(
                    "Brought by friends",
                    "Of the purchases that followed from a list, the share of their scores that "
                    "came from friends, as reasons say.",
                    _earned("by_friends"),
                    "percentunit",
                    most=1,
                ),
            ),
        ),
    ),
)
