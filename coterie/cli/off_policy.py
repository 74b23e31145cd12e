"""``coterie evaluate --off-policy``: what a release would have earned where lists were shown."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Final

from coterie.errors import BadInputError

if TYPE_CHECKING:
    from coterie.workflow.off_policy import OffPolicyReport

_REWARDS: Final = ("click", "cart", "purchase")
_MODELS: Final = ("list", "cascade", "pseudo_inverse", "position")
_ESTIMATORS: Final = ("ips", "snips", "dr", "sndr")


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add what off-policy estimates are asked by."""
    add = parser.add_argument_group(
        "off-policy", "judge a release by lists that another one showed, with their propensities"
    ).add_argument
    add("--off-policy", metavar="LOG", help="folder of impressions that serving exported")
    add("--candidate", metavar="RELEASE", help="folder of the release that is judged")
    add("--reward", choices=_REWARDS, default="click", help="what counts (%(default)s)")
    add("--hours", type=float, default=24.0, help="for so long after a list (%(default)s)")
    add("--surface", default="home", help="lists of this place in the shop (%(default)s)")
    add("--places", type=int, default=10, help="places from the top (%(default)s)")
    add("--list-model", choices=_MODELS, default="cascade", help="of shoppers (%(default)s)")
    add("--estimator", choices=_ESTIMATORS, default="snips", help="(%(default)s)")
    add("--clip", type=float, help="bound of weights (square root of the number of lists)")
    add("--temperature", type=float, default=0.0, help="of the candidate (%(default)s)")
    add("--pool", type=int, default=20, help="items that it draws from (%(default)s)")


def add_gate(parser: argparse.ArgumentParser) -> None:
    """Add what a release may be asked to gain over shown lists."""
    parser.add_argument(
        "--min-gain-over-shown",
        type=float,
        metavar="REWARD",
        help="what its lists have to earn more, surely, than shown ones (not asked)",
    )
    parser.add_argument("--log", default="", help="folder of impressions that says so")
    parser.add_argument(
        "--impressions",
        default="",
        metavar="LOG",
        help="what these lists showed often counts less in training (all events count alike)",
    )


def evaluate_off_policy(options: argparse.Namespace) -> None:
    """Judge a release by a log, and show every estimate that the log allows."""
    from coterie.cli import show
    from coterie.offpolicy.estimators import EstimateSettings, Estimator
    from coterie.offpolicy.weights import ListModel
    from coterie.progress import bar
    from coterie.schema import EventKind
    from coterie.workflow.off_policy import OFF_POLICY, OffPolicySettings, off_policy

    if not options.off_policy or not options.candidate:
        raise BadInputError("--off-policy LOG and --candidate RELEASE go together: give both")
    settings = OffPolicySettings(
        EventKind(options.reward),
        options.hours,
        options.surface,
        options.places,
        options.temperature,
        options.pool,
        EstimateSettings(ListModel(options.list_model), Estimator(options.estimator), options.clip),
    )
    with bar() as progress:
        found = off_policy(
            options.clean, options.off_policy, options.candidate, options.out, settings, progress
        )
    _show(found)
    show.say(f"The figures are in {Path(options.out, OFF_POLICY)}")


def _show(found: "OffPolicyReport") -> None:
    from rich.table import Table

    from coterie.cli import show

    table = Table("estimate", box=None, pad_edge=False, padding=(0, 1, 0, 0))
    for head in (found.reward, "95 %", "gain", "95 %", "lists"):
        table.add_column(head, justify="right", no_wrap=True)
    table.title = f"{found.candidate}: {found.num_lists:,} lists, {found.num_shoppers:,} shoppers"
    mean, low, high = found.shown
    table.add_row("as shown", f"{mean:.4f}", f"{low:.4f}..{high:.4f}", "", "", "")
    for name, one in found.estimates.items():
        table.add_row(
            f"{name} *" if name == found.chosen else name,
            f"{one.value:.4f}",
            f"{one.low:.4f}..{one.high:.4f}",
            f"{one.gain:+.4f}",
            f"{one.gain_low:+.4f}..{one.gain_high:+.4f}",
            f"{one.effective:,.0f}",
        )
    show.table(table)
    for model, why in found.refused.items():
        show.say(f"no estimate by {model}: {why}")
    if found.dropped:
        show.say(f"{found.dropped:,} lists were left out: see docs/off-policy.md")
