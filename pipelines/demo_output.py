"""What the demo prints."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from pipelines.client import Client

LENGTH: Final = 5
"""Items of each list."""
MAX_REASONS: Final = 2
"""Reasons beside each item."""


@contextmanager
def show_step(name: str) -> Iterator[None]:
    """Print a line when the work is done, as the pipeline does for its steps."""
    started = time.monotonic()
    with _screen().status(name):
        yield
    _screen().print(f"{name:<12}{time.monotonic() - started:6.1f} s")


def show_metrics(evaluation: str) -> None:
    """Print the figures of all models beside each other."""
    from coterie.cli.show import compared
    from coterie.evaluation.results import Comparison
    from coterie.workflow.comparison import COMPARISON

    compared(Comparison.load(Path(evaluation, COMPARISON)))


def show_lists(shop: Client, shoppers: int) -> None:
    """Ask the shop for some shoppers' lists, and print them."""
    for user_id in shop.shoppers(limit=shoppers):
        answer = shop.recommendations(user_id, LENGTH)
        table = Table("#", "item", "because", title=f"For {user_id}", title_justify="left")
        for item in answer["items"]:
            table.add_row(str(item["rank"]), item["item"]["title"], _reasons(item["reasons"]))
        _screen().print(table)


def show_addresses(shop: Client, report: str, work: Path, seconds: float) -> None:
    """Print where to look next."""
    screen = _screen()
    screen.print(f"Up after {seconds:.0f} s. Look at")
    for what, where in (
        ("the shop", f"{shop.address}/"),
        ("the rollouts", f"{shop.address}/operations"),
        ("the HTTP API", f"{shop.address}/docs"),
        ("the metrics", f"{shop.address}/metrics"),
        ("the report", Path(report).absolute().as_uri()),
        ("everything written", str(work.absolute())),
    ):
        screen.print(f"  {what:<20}{where}", soft_wrap=True)


def _reasons(reasons: list[dict[str, Any]]) -> str:
    """Choose the largest reason, and the largest that has to do with friends."""
    friends = [one for one in reasons if one["kind"] == "friend"]
    shown = [*reasons[:1], *friends[:1], *reasons[1:]]
    unique = list({one["text"]: one for one in shown}.values())[:MAX_REASONS]
    return "\n".join(f"{one['share']:4.0%} {one['text']}" for one in unique)


def _screen() -> Console:
    # Titles and ids come from outside: brackets in them are no markup.
    return Console(markup=False, highlight=False)
