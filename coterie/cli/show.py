"""Outcomes as people like to read them: tables on standard output."""

import json
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from coterie.release.offline import NamedReason, ShopperList

if TYPE_CHECKING:
    from coterie.workflow import Challenger

MAX_REASONS = 3
"""Of an item's reasons that a terminal shows; ``--json`` has them all."""


def say(text: str) -> None:
    """One line."""
    Console(highlight=False, soft_wrap=True).print(text, markup=False)


def as_json(content: Any) -> None:
    """A dataclass for programs."""
    sys.stdout.write(json.dumps(asdict(content), indent=2) + "\n")


def fitted(challenger: "Challenger") -> None:
    """What a challenger reached on validation, beside popularity."""
    table = Table("validation", challenger.model, "popularity", title=None)
    for metric, value in challenger.validation.items():
        table.add_row(metric, f"{value:.4f}", f"{challenger.popularity[metric]:.4f}")
    Console().print(table)


def listed(answer: ShopperList, version: str) -> None:
    """A shopper's list with its reasons."""
    if not answer.known:
        say(f"{answer.user_id} is not in the data: what most shoppers had")
    table = Table("#", "item", "title", "because", title=f"For {answer.user_id}, by {version}")
    for place, item in enumerate(answer.items, 1):
        why = "\n".join(_reason(reason) for reason in item.reasons[:MAX_REASONS])
        table.add_row(str(place), item.item_id, item.title, why, end_section=True)
    Console().print(table)


def _reason(reason: NamedReason) -> str:
    if reason.kind == "own":
        what = f"you had {reason.title}"
    elif reason.kind == "friend":
        what = f"{reason.user_id or 'a friend'} had {reason.title}"
    else:
        what = "many shoppers had it"
    return f"{reason.share:4.0%} {what}"
