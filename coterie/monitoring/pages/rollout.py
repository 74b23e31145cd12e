"""Which release shoppers are on, which comes, and what speaks for and against it."""

from typing import Final

from coterie import metric_names
from coterie.monitoring.panels import FINE, Dashboard, Panel, PanelQuery, Row
from coterie.monitoring.queries import above, quantile, rate, share, signal_share
from coterie.monitoring.rules import NO_DATA_S, QUICK_S, SHIELDED
from coterie.rollout.plan import SIGNALS


def _signal(signal: str) -> Panel:
    meant = SIGNALS[signal]
    whole = (
        "lists whose time to be followed is over" if meant.of_shown else "lists it was asked for"
    )
    if meant.paired:
        whole = "the requests that both arms answered in shadow, where the other arm's list was not"
    text = f"By arm: {meant.about}, as a share of {whole}. The rollout compares both arms."
    steps = FINE
    if meant.harmless:
        text += f" Up to {meant.harmless:.0%} of the canary's are harmless."
    if meant.ceiling is not None:
        text += f" Over {meant.ceiling:.0%} on the canary it is rolled back whatever stable does."
        steps = above(meant.ceiling)
    title = signal.replace("_", " ").capitalize()
    queries = [PanelQuery(signal_share(signal), "{{arm}}")]
    return Panel(title, text, queries, "percentunit", steps=steps, width=6, height=7)


ROLLOUT: Final = Dashboard(
    "rollout",
    "Coterie / Rollout",
    "Which release shoppers are on, which comes, and what speaks for and against it.",
    (
        Row(
            "Where it stands",
            (
                Panel(
                    "State",
                    "The phase that the rollout is in. Paused and inconclusive wait for a person.",
                    [
                        PanelQuery(
                            f"max by (phase) ({metric_names.ROLLOUT_STATE}) == 1", "{{phase}}"
                        )
                    ],
                    "none",
                    "stat",
                    named=True,
                    width=4,
                    height=7,
                ),
                Panel(
                    "Phases",
                    "As they followed each other.",
                    [
                        PanelQuery(
                            f"max by (phase) ({metric_names.ROLLOUT_STATE}) == 1", "{{phase}}"
                        )
                    ],
                    "none",
                    most=1,
                    height=7,
                ),
                Panel(
                    "Weight of the canary",
                    "Share of shoppers that are assigned to it. In shadow it is 0, and requests "
                    "are mirrored.",
                    [PanelQuery(f"max({metric_names.ROLLOUT_WEIGHT})", "weight")],
                    "percentunit",
                    most=1,
                    height=7,
                    width=6,
                ),
                Panel(
                    "Without data",
                    "For how long the controller has had no metrics. The weight is held, and "
                    "nothing is promoted.",
                    [PanelQuery(f"max({metric_names.ROLLOUT_DATA_UNAVAILABLE})", "blind")],
                    "s",
                    "stat",
                    above(1, NO_DATA_S),
                    width=3,
                    height=7,
                ),
                Panel(
                    "In quarantine",
                    "Releases that were rolled back, and may not come again before a person takes "
                    "them out.",
                    [PanelQuery(f"max({metric_names.ROLLOUT_QUARANTINED})", "releases")],
                    "none",
                    "stat",
                    above(1),
                    width=3,
                    height=7,
                ),
            ),
        ),
        Row(
            "The arms",
            (
                Panel(
                    "Answers by arm",
                    "Lists a second that an arm was asked for, mirrored ones too.",
                    [PanelQuery(rate(metric_names.ARM_ANSWERS, "arm"), "{{arm}}")],
                    "reqps",
                    width=6,
                ),
                Panel(
                    "p95 by arm",
                    "Time an arm took to make a list, features not counted.",
                    [PanelQuery(quantile(0.95, metric_names.ARM_DURATION, "arm"), "{{arm}}")],
                    "s",
                    steps=above(QUICK_S),
                    width=6,
                ),
                Panel(
                    "Shielded",
                    "Share of the canary's requests that stable answered in its place: it raised, "
                    "hung, or made a flawed list. Shoppers saw none of it.",
                    [
                        PanelQuery(
                            share(
                                rate(metric_names.SHIELDED),
                                rate(metric_names.ARM_ANSWERS, where='arm="canary"'),
                            ),
                            "shielded",
                        )
                    ],
                    "percentunit",
                    steps=above(SHIELDED),
                    width=6,
                ),
                Panel(
                    "Not mirrored",
                    "Requests a second that were not put to a canary in shadow, as it was busy. "
                    "They only make shadow longer.",
                    [PanelQuery(rate(metric_names.UNMIRRORED), "requests")],
                    "reqps",
                    width=6,
                ),
            ),
        ),
        Row("Signals, canary beside stable", tuple(_signal(name) for name in SIGNALS)),
        Row(
            "What was decided",
            (
                Panel(
                    "Verdicts by reason",
                    "Releases that were taken back since the controller started: by a signal, "
                    "crashed, preflight, metrics; or forced back or on by a person.",
                    [
                        PanelQuery(
                            f"sum by (reason) ({metric_names.ROLLOUT_VERDICTS})",
                            "{{reason}}",
                        )
                    ],
                    "none",
                    "bargauge",
                    above(1),
                    width=12,
                ),
                Panel(
                    "Verdicts over time",
                    "In the hour before.",
                    [
                        PanelQuery(
                            f"sum by (reason) (increase({metric_names.ROLLOUT_VERDICTS}[1h]))",
                            "{{reason}}",
                        )
                    ],
                    "none",
                    width=12,
                ),
            ),
        ),
    ),
)
