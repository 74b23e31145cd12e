"""What may be learned from and what is to be foreseen: bundled splits, by time, and by chance."""

from dataclasses import replace
from typing import Final

import numpy as np
import numpy.typing as npt

from coterie.data.dataset import Dataset, Interactions, Split, Ties
from coterie.data.hidden import hidden_pairs
from coterie.data.polarity import liked, turned_down
from coterie.data.repeats import decide_rule
from coterie.data.repurchase import NOTHING_AGAIN, Again, RepurchaseSetting
from coterie.errors import BadInputError
from coterie.schema import PARTS, UNDATED, Part

Mask = npt.NDArray[np.bool_]

WEEK_MS: Final = 7 * 86_400_000
UNDATED_MS: Final = int(UNDATED.timestamp() * 1000)


def choose(dataset: Dataset, repurchase: RepurchaseSetting = NOTHING_AGAIN) -> Split:
    """Take the data set's own split where it has one, else by time, or by chance without times.

    Args:
        dataset: Whatever shop.
        repurchase: What may be listed again; nothing is in a bundled split, as published, and
            nothing is where nobody knows when anything was bought.
    """
    has_test = bool((dataset.part == PARTS.index(Part.TEST)).any())
    if has_test:
        return bundled(dataset)
    if is_undated(dataset):
        return by_chance(dataset)
    return by_time(dataset, repurchase=repurchase)


def is_undated(dataset: Dataset) -> bool:
    """Tell whether most events have no time (``schema.UNDATED``): no past tells what comes.

    Where a shop came without times and most of its events have one by now, those without are its
    past.
    """
    undated = dataset.events.ts_ms[dataset.part < 0] == UNDATED_MS
    return bool(undated.size and undated.mean() > 0.5)


def events_of_lists(dataset: Dataset) -> Interactions:
    """Choose the events that today's lists draw on: all, or those of a bundled split.

    Those of people who may not be used are among them, for their own lists.

    Events beside a bundle have real times, the bundle's own are made up: together they would make
    all that the bundle holds look years old.
    """
    has_test = bool((dataset.part == PARTS.index(Part.TEST)).any())
    events = dataset.events.take(dataset.part >= 0) if has_test else dataset.events
    return Interactions.concat(events, dataset.withheld)


def bundled(dataset: Dataset, val_share: float = 0.1, seed: int = 0) -> Split:
    """Take the split that a published data set came with; events outside it are left out.

    What was turned down is known when a list is made for test, but nothing to foresee.

    Args:
        dataset: One whose events name their part.
        val_share: Where the bundle has no validation part, this share of each shopper's training
            items becomes one (``hold_out``).
        seed: Of that choice.

    Raises:
        BadInputError: The data has no bundled split, or one without training or test.
    """
    train, val, test = (dataset.events.take(dataset.part == code) for code in range(len(PARTS)))
    all_of_val, val, test = val, val.take(~turned_down(val)), test.take(~turned_down(test))
    if not len(train) or not len(test):
        raise BadInputError(
            f"no bundled split: {len(train)} training and {len(test)} test events name their part "
            "in column split; use a split by time"
        )
    split = Split(
        name="bundled",
        train=train,
        val=val,
        test=test,
        ties=dataset.ties,
        num_users=len(dataset.users),
        num_items=len(dataset.items),
        items=dataset.catalogue,
        between=None if len(val) == len(all_of_val) else all_of_val,
    )
    return split if len(val) else hold_out(split, val_share, seed)


def hold_out(split: Split, share: float = 0.1, seed: int = 0) -> Split:
    """Take validation from training: of each shopper's n items, n * share, rounded by chance.

    Rounding by chance gives light shoppers their part in validation; the last item is never
    taken. With an item all events that its shopper had with it leave training.

    Args:
        split: Its ``val`` is replaced.
        share: Above 0, below 1.
        seed: The same seed takes the same items.

    Raises:
        BadInputError: The share is no share, or nothing was taken.
    """
    if not 0.0 < share < 1.0:
        raise BadInputError(f"share to hold out is {share}, expected above 0 and below 1")
    train = split.train
    pairs, pair_of = np.unique(_pairs(train, split.num_items), return_inverse=True)
    may = np.ones(len(pairs), bool)
    users = pairs // split.num_items
    held = _drawn_pairs(users, may, split.num_users, share, seed)[pair_of]
    if not held.any():
        raise BadInputError(f"nothing to hold out of {len(train)} events at a share of {share}")
    between = train.take(held)
    val = between.take(~turned_down(between))
    return replace(split, train=train.take(~held), val=val, between=between)


def by_chance(dataset: Dataset, share: float = 0.1, seed: int = 0) -> Split:
    """Split a shop that knows no times: of each shopper's n liked items, n * share are the test.

    As many of the others are validation. What is held out is of a kind that a list should foresee
    and liked, as in ``by_time``; all that its shopper did with the item leaves training, and the
    last item of a shopper is never taken.

    Args:
        dataset: One with events outside any bundled split.
        share: Above 0, below 1.
        seed: The same seed takes the same items.

    Raises:
        BadInputError: There are no such events, or a part would be empty.
    """
    events = dataset.events.take(dataset.part < 0)
    num_users, num_items = len(dataset.users), len(dataset.items)
    seen, test, _ = _draw(events, num_users, num_items, share, seed)
    train, val, between = _draw(seen, num_users, num_items, share, seed + 1)
    split = Split(
        name="by_chance",
        train=train,
        val=val.take(_known(val, train, dataset)),
        test=test.take(_known(test, seen, dataset)),
        ties=dataset.ties,
        num_users=num_users,
        num_items=num_items,
        items=dataset.catalogue,
        between=between,
    )
    _refuse_empty(split, "do shoppers have more than one item each?")
    return split


def _draw(
    events: Interactions, num_users: int, num_items: int, share: float, seed: int
) -> tuple[Interactions, Interactions, Interactions]:
    """Draw first likings to hold out.

    Returns what is left, what is held out, and all that their shoppers did with these items.
    """
    pair = _pairs(events, num_items)
    first = np.zeros(len(events), bool)
    first[_first_of_each(events, pair, liked(events))] = True
    pairs, pair_of = np.unique(pair, return_inverse=True)
    may = np.zeros(len(pairs), bool)
    may[pair_of[first]] = True
    held = _drawn_pairs(pairs // num_items, may, num_users, share, seed)[pair_of]
    return events.take(~held), events.take(held & first), events.take(held)


def _drawn_pairs(
    users: npt.NDArray[np.int64], may: Mask, num_users: int, share: float, seed: int
) -> Mask:
    """Draw ``share`` of each user's pairs that may be drawn, by chance rounded; one is always left.

    Args:
        users: Of each pair, shape (pairs,).
        may: Which pairs may be drawn, likewise.
    """
    rng = np.random.default_rng(seed)
    counts = np.bincount(users, minlength=num_users)
    wanted = np.bincount(users[may], minlength=num_users)
    quotas = np.minimum(np.floor(wanted * share + rng.random(num_users)), counts - 1)
    order = np.lexsort((rng.random(len(users)), ~may, users))
    rank = np.empty(len(users), np.int64)
    rank[order] = np.arange(len(users)) - np.repeat(np.cumsum(counts) - counts, counts)
    return np.asarray(may & (rank < quotas[users]))


def by_time(
    dataset: Dataset,
    shares: tuple[float, float, float] = (0.8, 0.1, 0.1),
    repurchase: RepurchaseSetting = NOTHING_AGAIN,
) -> Split:
    """Split as a shop lives: learn from what was, foresee what comes.

    The cutoffs are times, so events of one moment stay together. Validation and test hold each
    shopper's first liking of an item that they had nothing to do with before the part, and that
    held to its end (``polarity.liked``), where shopper and item were known when training ended:
    for test, after the validation period. To have viewed, clicked or shared it is nothing. Ties
    that formed later than training ended are unknown; a tie without a time was always there.
    Events that belong to a bundled split have no true time and are left out.

    An item that may be listed again when a part begins is foreseen again: to take it once more is a
    liking as the first was. Lists are made at that moment, so what may be listed from the next day
    on is not.

    Args:
        dataset: One with events outside any bundled split.
        shares: Of the events, for training, validation, test; they add up to 1.
        repurchase: What may be listed again; learned, if at all, from the training part.

    Raises:
        BadInputError: No dated events, or a part would be empty.
    """
    if len(shares) != 3 or min(shares) <= 0 or abs(sum(shares) - 1) > 1e-9:
        raise BadInputError(f"shares are {shares}, expected three above 0 that add up to 1")
    events = _dated(dataset)
    return _at(dataset, events, repurchase, *_cutoffs(events, shares))


def by_weeks(
    dataset: Dataset, weeks: int, repurchase: RepurchaseSetting = NOTHING_AGAIN
) -> list[tuple[int, Split]]:
    """Split at the last weeks, one after another, each foreseen from all that came before it.

    Each is a split as ``by_time`` makes it: the week is the test, the one before it validation.

    Args:
        dataset: One with events outside any bundled split.
        weeks: How many, counted back from the last event.
        repurchase: What may be listed again; learned, if at all, anew for each week.

    Returns:
        The first moment of each week (milliseconds since 1970, UTC) and its split, oldest first;
        weeks before which too little happened are left out.

    Raises:
        BadInputError: No dated events, or no week can be foreseen.
    """
    if weeks < 1:
        raise BadInputError(f"{weeks} weeks to look back on: expected 1 or more")
    events = _dated(dataset)
    end = int(events.ts_ms.max()) + 1
    found, why = [], ""
    for start in range(end - weeks * WEEK_MS, end, WEEK_MS):
        try:
            split = _at(dataset, events, repurchase, start - WEEK_MS, start, start + WEEK_MS)
        except BadInputError as error:
            why = str(error)
        else:
            found.append((start, split))
    if not found:
        raise BadInputError(f"none of the last {weeks} weeks can be foreseen: {why}")
    return found


def _dated(dataset: Dataset) -> Interactions:
    events = dataset.events.take(dataset.part < 0)
    if not len(events):
        raise BadInputError("no events outside the bundled split: there are no times to split by")
    return events


def _at(
    dataset: Dataset,
    events: Interactions,
    repurchase: RepurchaseSetting,
    first: int,
    second: int,
    end: int | None = None,
) -> Split:
    """Split at times: validation from ``first``, test from ``second`` until before ``end``, ms."""
    if end is not None:
        events = events.take(events.ts_ms < end)
    train = events.take(events.ts_ms < first)
    between = events.take((events.ts_ms >= first) & (events.ts_ms < second))
    seen = Interactions.concat(train, between)
    category = dataset.catalogue.column("category")
    rule = decide_rule(repurchase, train, category)
    days = rule.for_items(category)
    again = Again.at(days, first), Again.at(days, second)
    val = _first_liked(seen, first, len(dataset.items), again[0])
    test = _first_liked(events, second, len(dataset.items), again[1])
    split = Split(
        name="by_time",
        train=train,
        val=val.take(_known(val, train, dataset)),
        test=test.take(_known(test, seen, dataset)),
        ties=_ties_until(dataset.ties, first),
        num_users=len(dataset.users),
        num_items=len(dataset.items),
        items=dataset.catalogue,
        between=between,
        repurchase=rule,
        again=again,
    )
    _refuse_empty(split, "are the times real, and do shoppers come back to items that are known?")
    return split


def _cutoffs(events: Interactions, shares: tuple[float, float, float]) -> tuple[int, int]:
    """Find the first moments of validation and of test."""
    times = np.sort(events.ts_ms)
    ranks = [int(len(times) * shares[0]), int(len(times) * (shares[0] + shares[1]))]
    first, second = (int(times[min(rank, len(times) - 1)]) for rank in ranks)
    return first, second


def _first_liked(
    events: Interactions, since_ms: int, num_items: int, again: Again | None
) -> Interactions:
    """Find each shopper's first likings from a moment on that held to the end.

    Items that lists of that moment hide from them do not count.
    """
    pairs, late = _pairs(events, num_items), events.ts_ms >= since_ms
    hidden = hidden_pairs(events.take(~late), num_items, again)
    wanted = liked(events) & late & ~np.isin(pairs, hidden)
    return events.take(_first_of_each(events, pairs, wanted))


def _first_of_each(
    events: Interactions, pairs: npt.NDArray[np.int64], wanted: Mask
) -> npt.NDArray[np.int64]:
    """Find the rows, ascending, of the first wanted event of each shopper and item."""
    rows = np.flatnonzero(wanted)
    order = rows[np.argsort(events.ts_ms[rows], kind="stable")]
    # np.unique returns the first of each.
    _, first = np.unique(pairs[order], return_index=True)
    return np.sort(order[first])


def _known(held_out: Interactions, seen: Interactions, dataset: Dataset) -> Mask:
    users = np.zeros(len(dataset.users), bool)
    items = np.zeros(len(dataset.items), bool)
    users[seen.user_idx] = True
    items[seen.item_idx] = True
    return np.asarray(users[held_out.user_idx] & items[held_out.item_idx])


def _ties_until(ties: Ties, end_ms: int) -> Ties:
    return ties.take(ties.since_ms < end_ms)


def _pairs(events: Interactions, num_items: int) -> npt.NDArray[np.int64]:
    return np.asarray(events.user_idx * num_items + events.item_idx)


def _refuse_empty(split: Split, question: str) -> None:
    sizes = {"train": len(split.train), "val": len(split.val), "test": len(split.test)}
    if min(sizes.values()) == 0:
        name = split.name.replace("_", " ")
        raise BadInputError(f"a part of the split {name} is empty: {sizes}; {question}")
