"""What a shop's own purchases say about buying again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from coterie.data.dataset import Interactions, Ints
from coterie.data.repurchase import DAY_MS, RepurchaseRule, RepurchaseSetting, normal_path
from coterie.schema import EVENT_KINDS, EventKind

MIN_REPEATS: Final = 20
"""Repeat purchases that a category needs before its own median counts."""
MIN_SHOPPERS: Final = 10
"""Different shoppers who made them: two habits are no custom."""
MIN_SHARE: Final = 0.05
"""Share of what was bought (shopper and item) that was bought again; with less it is an accident,
or a present for somebody else."""
MIN_BOUGHT: Final = 200
"""Shopper and item pairs after which too small a share says never; with fewer the category around
it speaks."""
_PURCHASE = EVENT_KINDS.index(EventKind.PURCHASE)


def decide_rule(
    setting: RepurchaseSetting, events: Interactions, categories: pa.Array | pa.ChunkedArray
) -> RepurchaseRule:
    """Decide the rule that a setting means for a shop.

    Args:
        setting: What a person wants.
        events: What may be learned from.
        categories: Of each item, null where it has none.

    Raises:
        BadInputError: The setting names a category that no item has.
    """
    rule = learn_rule(events, categories) if setting.learned else RepurchaseRule()
    rule = rule.changed(setting.given)
    rule.check(categories)
    return rule


def learn_rule(events: Interactions, categories: pa.Array | pa.ChunkedArray) -> RepurchaseRule:
    """Learn median days between purchases of one item by one shopper, by category.

    A category has a median of its own where there are MIN_REPEATS repeats by MIN_SHOPPERS shoppers
    and at least MIN_SHARE of what was bought in it was bought again. Where that share is smaller
    though MIN_BOUGHT pairs were bought, nothing in it comes back. Otherwise it is as the category
    around it; at the top, never. A category speaks for those within it only if two of them, or its
    only one, have days of their own. Purchases of one day are one. Who would have bought again
    after the last event is not seen, so medians are rather too short than too long.

    Args:
        events: Of which purchases count.
        categories: Of each item, null where it has none.
    """
    item, purchases = _purchases(events.take(events.kind == _PURCHASE))
    levels = _levels(categories)
    told: dict[str, float | None] = {}
    for code_of_item, paths in levels:
        verdicts = _verdicts(code_of_item[item], purchases, len(paths))
        told |= {paths[code]: days for code, days in verdicts.items()}
    return _shortest(_of_several(told, [path for _, paths in levels for path in paths]))


def _of_several(told: Mapping[str, float | None], paths: Sequence[str]) -> dict[str, float | None]:
    """Drop categories of whose several parts fewer than two have days of their own.

    Args:
        told: What the purchases in each category say.
        paths: All categories.
    """
    within: dict[str, list[str]] = {}
    for path in paths:
        within.setdefault(path.rpartition("/")[0], []).append(path)
    kept = dict(told)
    for path in sorted(told, key=lambda one: -one.count("/")):
        parts = within.get(path, [])
        if (
            kept[path] is not None
            and len(parts) > 1
            and sum(kept.get(part) is not None for part in parts) < 2
        ):
            kept.pop(path)
    return kept


def _shortest(told: Mapping[str, float | None]) -> RepurchaseRule:
    """Drop each never that the category around says already."""
    found: dict[str, float | None] = {}
    for path in sorted(told, key=lambda one: one.count("/")):
        around = RepurchaseRule(found).for_items(pa.array([path]))[0]
        if told[path] is not None or np.isfinite(around):
            found[path] = told[path]
    return RepurchaseRule(found)


@dataclass(frozen=True, slots=True)
class _Purchases:
    """Purchases on different days, those of one shopper and item side by side, oldest first."""

    user: Ints
    pair: Ints
    """A number for each shopper and item, ascending."""
    days: npt.NDArray[np.float64]
    """Since the purchase before; nan for a pair's first."""


def _purchases(bought: Interactions) -> tuple[Ints, _Purchases]:
    """Order purchases by shopper and item, with the days since the last one; return items first."""
    order = np.lexsort((bought.ts_ms, bought.item_idx, bought.user_idx))
    item, user = bought.item_idx[order], bought.user_idx[order]
    gap = np.diff(bought.ts_ms[order], prepend=0) / DAY_MS
    same = np.zeros(len(item), np.bool_)
    same[1:] = (item[1:] == item[:-1]) & (user[1:] == user[:-1])
    kept = ~same | (gap >= 1.0)
    item, user, days = item[kept], user[kept], np.where(same, gap, np.nan)[kept]
    return item, _Purchases(user, np.cumsum(np.isnan(days)), days)


def _levels(
    categories: pa.Array | pa.ChunkedArray,
) -> list[tuple[Ints, list[str]]]:
    """Code each item at each depth (-1: it has no such depth), and list the codes' paths."""
    coded = pc.dictionary_encode(categories)
    coded = coded.combine_chunks() if isinstance(coded, pa.ChunkedArray) else coded
    whole = pc.fill_null(coded.indices, -1).to_numpy(zero_copy_only=False).astype(np.int64)
    steps = [normal_path(path).split("/") for path in coded.dictionary.to_pylist()]
    levels = []
    for depth in range(1, max(map(len, steps), default=0) + 1):
        paths = sorted({"/".join(parts[:depth]) for parts in steps if len(parts) >= depth})
        code_of = {path: code for code, path in enumerate(paths)}
        short = [code_of["/".join(p[:depth])] if len(p) >= depth else -1 for p in steps]
        # The last entry stands for items without a category.
        levels.append((np.array([*short, -1], np.int64)[whole], paths))
    return levels


def _verdicts(code: Ints, purchases: _Purchases, num: int) -> dict[int, float | None]:
    """Judge each category that there is enough to tell of: days, or None for never.

    Args:
        code: Category of each purchase; -1 for none.
        purchases: All of them.
        num: Categories.
    """
    again = ~np.isnan(purchases.days) & (code >= 0)
    pairs = np.bincount(code[np.isnan(purchases.days) & (code >= 0)], minlength=num)
    repeats = np.bincount(code[again], minlength=num)
    shoppers = _distinct(code[again], purchases.user[again], num)
    share = _distinct(code[again], purchases.pair[again], num) / np.maximum(pairs, 1)
    usual = (repeats >= MIN_REPEATS) & (shoppers >= MIN_SHOPPERS) & (share >= MIN_SHARE)
    rare = (pairs >= MIN_BOUGHT) & (share < MIN_SHARE)
    order = np.lexsort((purchases.days[again], code[again]))
    by_code = np.split(purchases.days[again][order], np.cumsum(repeats)[:-1])
    medians = {at: round(float(np.median(by_code[at])), 1) for at in np.flatnonzero(usual).tolist()}
    return medians | dict.fromkeys(np.flatnonzero(rare).tolist())


def _distinct(code: Ints, value: Ints, num: int) -> Ints:
    """Count different values of each code, shape (num,)."""
    found = np.unique(np.stack([code, value]), axis=1)[0]
    return np.bincount(found, minlength=num).astype(np.int64)
