"""What changed from one release to another: the figures that preflight holds against limits.

Columns are compared whole, by numpy and Arrow: 200,000 items take a part of a second.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from coterie.data.vocab import Vocab
from coterie.errors import BadInputError
from coterie.release.bundle import Release, load_release
from coterie.release.by_category import SharedColumns, had_by_category, places_by_category
from coterie.release.compared_columns import (
    count_changed,
    count_gone,
    count_traded,
    differ,
    floats,
    moved,
    rank_correlation,
    ratio,
    share,
    some,
)
from coterie.release.content_sample import ContentSample
from coterie.release.learned_roles import LearnedRoles
from coterie.release.learned_sample import LearnedSample, twins_of
from coterie.release.learned_until import compare_until, until_of
from coterie.release.made_up import MadeUpLists, MadeUpShoppers
from coterie.rollout.figures import ComparedFigure

FAR_OFF: Final = 3.0
"""A price that changed by a larger factor is far off."""
READABLE: Final = r"[\pL\pN]"
"""A title has a letter or a digit of some script."""
_REST: Final = f"[\\x{{a0}}-\\x{{bf}}{bytes(range(0x80, 0xA0)).decode('cp1252', 'ignore')}]"
GARBLED: Final = rf"[\x{{80}}-\x{{9f}}\x{{fffd}}]|[ÂÃÐÑ]{_REST}|[à-ï]{_REST}{_REST}"
"""What is left of UTF-8 that was read as Latin-1 or cp1252, or as what has no such letter."""
TOP: Final = 20
"""Items that most people had: a tenth of the catalogue where that is less."""
_FEW: Final = 20
"""Of fewer items some figures say nothing."""

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
Rows = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class ReleaseFacts:
    """As much of a release as a comparison needs: parameters are let go before the other's come."""

    items: Vocab
    catalogue: pa.Table
    available: Mask
    popularity: Floats
    size: float
    """Bytes for each item, of all that has to be in memory."""
    types: Mapping[str, str]
    """Of the numbers of each tensor."""
    content: frozenset[str]
    """Kinds of item vectors."""
    days_until_again: npt.NDArray[np.float32]
    """See ``Release.days_until_again``."""
    made: datetime
    learned: Mask
    """Items whose vectors are not zeros alone."""
    lists: MadeUpLists
    sample: ContentSample
    """Of its item vectors."""
    twins: Mask
    """Items with the very vectors of another item."""
    learned_sample: LearnedSample
    """Of what it learned of items."""
    roles: LearnedRoles
    """Which part in a score what it learned has."""
    until: float | None
    """See ``until_of``."""

    @classmethod
    def of(cls, release: Release, shoppers: MadeUpShoppers) -> "ReleaseFacts":
        """Read a release, and make the lists of some shoppers."""
        said = pc.fill_null(release.catalogue.column("available"), True)
        learned = sum(t.nbytes for t in release.parameters.values())
        size = learned + sum(vectors.nbytes for vectors in release.vectors.values())
        return cls(
            release.items,
            release.catalogue,
            np.asarray(said.to_numpy(), np.bool_),
            release.popularity.astype(np.float64),
            size / max(len(release.items), 1),
            {name: str(tensor.dtype) for name, tensor in release.parameters.items()},
            frozenset(release.manifest.encoders),
            release.days_until_again,
            datetime.fromisoformat(release.manifest.created_at),
            np.asarray(release.parameters["item_out"].any(dim=1).numpy(), np.bool_),
            MadeUpLists.of(release, shoppers),
            ContentSample.of(release),
            twins_of(release),
            LearnedSample.of(release),
            LearnedRoles.of(release),
            until_of(release.manifest.metrics),
        )


def compare_releases(
    live: Callable[[], str], canary: Callable[[], str]
) -> tuple[ComparedFigure, ...]:
    """Compare a canary with what is live, one after the other in memory.

    Args:
        live: Finds the folder or URL of the live release.
        canary: Finds that of the canary.

    Raises:
        BadInputError: The canary is damaged, or not there.
        UnavailableError: A store did not answer.
    """
    try:
        known = load_release(live())
    except BadInputError as error:
        return (ComparedFigure("live_unread", 1.0, examples=(str(error),)),)
    shoppers = MadeUpShoppers.of(known)
    before = ReleaseFacts.of(known, shoppers)
    del known
    return compare(before, ReleaseFacts.of(load_release(canary()), shoppers))


def compare(live: ReleaseFacts, canary: ReleaseFacts) -> tuple[ComparedFigure, ...]:
    """Compare what is known of two releases, in the order of FIGURES."""
    pairs = _SharedItems.of(live, canary)
    return (
        ComparedFigure("live_unread", 0.0),
        *_of_items(live, canary, pairs),
        *_of_texts(live, canary, pairs),
        *_of_prices(live, canary, pairs),
        *_of_categories(live, canary, pairs),
        *_of_making(live, canary, pairs),
        *live.lists.compare(canary.lists, live.items, canary.items),
        *_listed(live, canary),
    )


@dataclass(frozen=True, slots=True)
class _SharedItems:
    """Items that both releases have: row i of each is the same item."""

    live: Rows
    canary: Rows
    found: Rows
    """The canary's row of each of live's items, shape (live items,); -1: it lacks it."""
    ids: pa.Array
    """Of the pairs."""

    @classmethod
    def of(cls, live: ReleaseFacts, canary: ReleaseFacts) -> "_SharedItems":
        found = canary.items.rows(live.items.ids)
        rows = np.flatnonzero(found >= 0)
        return cls(rows, found[rows], found, live.items.ids.take(pa.array(rows)))

    def columns(
        self, live: ReleaseFacts, canary: ReleaseFacts, name: str
    ) -> tuple[pa.ChunkedArray, pa.ChunkedArray]:
        """Take a column of both, one row a pair."""
        before, after = live.catalogue.column(name), canary.catalogue.column(name)
        return before.take(pa.array(self.live)), after.take(pa.array(self.canary))


def _listed(live: ReleaseFacts, canary: ReleaseFacts) -> list[ComparedFigure]:
    """Compare what both list for the same shoppers: categories, and items that live lacks."""
    ours, theirs = (one.lists.item_idx[one.lists.item_idx >= 0] for one in (live, canary))
    as_lives = live.items.rows(canary.items.ids.take(pa.array(theirs)))
    known = as_lives >= 0
    category = live.catalogue.column("category")
    return [
        ComparedFigure("new_listed", share(~known)),
        places_by_category(category, ours, as_lives[known]),
    ]


def _of_items(
    live: ReleaseFacts, canary: ReleaseFacts, pairs: _SharedItems
) -> list[ComparedFigure]:
    lost, gained = pairs.found < 0, live.items.rows(canary.items.ids) < 0
    had = live.popularity + 1e-9
    known = pairs.found >= 0
    in_stock = np.zeros(len(known), np.bool_)
    in_stock[known] = canary.available[pairs.canary]
    before, after = share(live.available), share(canary.available)
    had_before = float(had[live.available].sum() / had.sum())
    had_after = float(had[in_stock].sum() / had.sum())
    gone = np.zeros(len(canary.available), np.bool_)
    gone[pairs.canary] = live.available[pairs.live] & ~canary.available[pairs.canary]
    back = ~live.available[pairs.live] & canary.available[pairs.canary]
    num = len(lost)
    had_by = live.popularity[pairs.live], canary.popularity[pairs.canary]
    return [
        ComparedFigure("items_lost", share(lost), examples=some(live.items.ids, lost)),
        ComparedFigure(
            "items_gained",
            float(gained.sum()) / num,
            float(num),
            float(len(gained)),
            some(canary.items.ids, gained),
        ),
        _newest_lost(live, lost),
        ComparedFigure(
            "available", ratio(after, before), before, after, some(canary.items.ids, gone)
        ),
        ComparedFigure("had_available", ratio(had_after, had_before), had_before, had_after),
        ComparedFigure("restocked", share(back), examples=some(pairs.ids, back)),
        ComparedFigure("history_known", float(had[known].sum() / had.sum())),
        ComparedFigure("popularity_kept", rank_correlation(*had_by)),
        _popular_lost(live, canary, pairs),
        had_by_category(live.catalogue.column("category").take(pa.array(pairs.live)), *had_by),
    ]


def _newest_lost(live: ReleaseFacts, lost: Mask) -> ComparedFigure:
    """Look for the tenth of live's items that entered last; where few say when, nothing is told."""
    entered = pc.cast(live.catalogue.column("created_at"), pa.int64())
    known = np.flatnonzero(~np.asarray(entered.is_null().to_numpy(), np.bool_))
    if len(known) < len(lost) / 2 or len(known) < _FEW:
        return ComparedFigure("newest_lost", None)
    times = np.asarray(entered.take(pa.array(known)).to_numpy(), np.int64)
    newest = known[np.argsort(-times, kind="stable")[: len(known) // 10]]
    gone = np.zeros(len(lost), np.bool_)
    gone[newest] = lost[newest]
    return ComparedFigure(
        "newest_lost", float(lost[newest].mean()), examples=some(live.items.ids, gone)
    )


def _popular_lost(live: ReleaseFacts, canary: ReleaseFacts, pairs: _SharedItems) -> ComparedFigure:
    """Count the most popular items that are not among twice as many of the canary's."""
    num = min(TOP, len(live.popularity) // 10)
    if num < 2 or not live.popularity.std():
        return ComparedFigure("popular_lost", None)
    top = np.argsort(-live.popularity, kind="stable")[:num]
    least = np.sort(canary.popularity)[-2 * num :][0] if len(canary.popularity) else 0.0
    had = np.full(len(live.popularity), -np.inf)
    had[pairs.live] = canary.popularity[pairs.canary]
    lost = np.zeros(len(had), np.bool_)
    lost[top] = had[top] < least
    return ComparedFigure(
        "popular_lost", float(lost.sum()) / num, examples=some(live.items.ids, lost)
    )


def _of_texts(
    live: ReleaseFacts, canary: ReleaseFacts, pairs: _SharedItems
) -> list[ComparedFigure]:
    told = live.catalogue, canary.catalogue
    titles = pairs.columns(live, canary, "title")
    changed = differ(*titles)
    descriptions = pairs.columns(live, canary, "description")
    rewritten = differ(*descriptions) & np.asarray(descriptions[0].is_valid().to_numpy(), np.bool_)
    return [
        _more("blank_titles", [~_title_has(READABLE, one) for one in told], canary),
        _more("garbled_titles", [_title_has(GARBLED, one) for one in told], canary),
        ComparedFigure("titles_changed", share(changed), examples=moved(titles, changed)),
        _more("titles_shared", [_shared(one) for one in told], canary),
        count_traded("titles_traded", titles),
        ComparedFigure(
            "descriptions_changed", share(rewritten), examples=some(pairs.ids, rewritten)
        ),
    ]


def _shared(catalogue: pa.Table) -> Mask:
    """Find items whose title another item of the same release has too; blank ones are counted as
    such."""
    titles = catalogue.column("title")
    counted = pc.value_counts(titles.drop_null())
    several = counted.field("values").filter(pc.greater(counted.field("counts"), 1))
    twice = pc.is_in(titles, value_set=several).to_numpy()
    return np.asarray(twice, np.bool_) & _title_has(READABLE, catalogue)


def _title_has(pattern: str, catalogue: pa.Table) -> Mask:
    found = pc.match_substring_regex(catalogue.column("title"), pattern)
    return np.asarray(pc.fill_null(found, False).to_numpy(), np.bool_)


def _more(name: str, masks: Sequence[Mask], canary: ReleaseFacts) -> ComparedFigure:
    """Say by how much a share of items is larger than live's."""
    before, after = (share(mask) for mask in masks)
    examples = some(canary.items.ids, masks[1])
    return ComparedFigure(name, max(after - before, 0.0), before, after, examples)


def _of_prices(
    live: ReleaseFacts, canary: ReleaseFacts, pairs: _SharedItems
) -> list[ComparedFigure]:
    prices = [floats(one.catalogue.column("price")) for one in (live, canary)]
    missing = [share(np.isnan(one)) for one in prices]
    free = [one <= 0 for one in prices]
    zero = [
        float(some.sum()) / max(int((~np.isnan(p)).sum()), 1)
        for some, p in zip(free, prices, strict=True)
    ]
    before, after = prices[0][pairs.live], prices[1][pairs.canary]
    both = (before > 0) & (after > 0)
    factors = after[both] / before[both]
    median = float(np.median(factors)) if len(factors) else None
    far = np.zeros(len(before), np.bool_)
    far[both] = np.maximum(factors, 1 / factors) > FAR_OFF
    texts = [pa.chunked_array([pa.array(one, pa.float64())]) for one in (before, after)]
    return [
        ComparedFigure("prices_missing", max(missing[1] - missing[0], 0.0), missing[0], missing[1]),
        ComparedFigure(
            "zero_prices",
            max(zero[1] - zero[0], 0.0),
            zero[0],
            zero[1],
            some(canary.items.ids, free[1]),
        ),
        ComparedFigure(
            "price_ratio",
            None if median is None else max(median, 1 / median),
            None if median is None else 1.0,
            median,
        ),
        ComparedFigure(
            "prices_far_off",
            float(far.sum()) / int(both.sum()) if both.any() else None,
            examples=moved((texts[0], texts[1]), far),
        ),
        count_changed("brands_changed", pairs.columns(live, canary, "brand")),
        count_gone("pictures_lost", pairs.columns(live, canary, "image_uri"), pairs.ids),
    ]


def _of_categories(
    live: ReleaseFacts, canary: ReleaseFacts, pairs: _SharedItems
) -> list[ComparedFigure]:
    known = pc.unique(live.catalogue.column("category")).drop_null()
    there = pc.unique(canary.catalogue.column("category")).drop_null()
    lost = ~np.asarray(pc.is_in(known, value_set=there).to_numpy(zero_copy_only=False), np.bool_)
    columns = pairs.columns(live, canary, "category")
    changed = differ(*columns)
    prices = [floats(one) for one in pairs.columns(live, canary, "price")]
    shared = SharedColumns(
        columns,
        (live.available[pairs.live], canary.available[pairs.canary]),
        (prices[0], prices[1]),
    )
    return [
        ComparedFigure(
            "categories_lost",
            share(lost) if len(known) else None,
            float(len(known)),
            float(len(there)),
            some(known, lost),
        ),
        ComparedFigure(
            "categories_changed",
            share(changed) if len(known) else None,
            examples=moved(columns, changed),
        ),
        *shared.compare(),
    ]


def _of_making(
    live: ReleaseFacts, canary: ReleaseFacts, pairs: _SharedItems
) -> list[ComparedFigure]:
    lost = live.content - canary.content
    other = [n for n, kind in live.types.items() if canary.types.get(n, kind) != kind]
    before = live.days_until_again[pairs.live]
    sooner = canary.days_until_again[pairs.canary] < before / 2
    return [
        ComparedFigure(
            "content_lost",
            len(lost) / max(len(live.content), 1),
            float(len(live.content)),
            float(len(canary.content)),
            tuple(sorted(lost)),
        ),
        live.sample.compare(canary.sample),
        ComparedFigure("size_ratio", ratio(canary.size, live.size), live.size, canary.size),
        ComparedFigure(
            "types_changed", len(other) / max(len(live.types), 1), examples=tuple(other)
        ),
        ComparedFigure("again_sooner", share(sooner), examples=some(pairs.ids, sooner)),
        ComparedFigure("older_than_live", float(canary.made < live.made)),
        compare_until(live.until, canary.until),
        _more("vectors_shared", [live.twins, canary.twins], canary),
        live.learned_sample.compare(canary.learned_sample),
        *live.roles.compare(canary.roles),
        _more("items_unlearned", [~live.learned, ~canary.learned], canary),
    ]
