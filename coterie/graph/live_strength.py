"""How strong ties are that were made just now: by training's own measure, of what is known now."""

from collections.abc import Collection, Iterable, Mapping, Sequence

import numpy as np
import pyarrow as pa

from coterie.data.dataset import Interactions, Ties, TrainingSet
from coterie.data.vocab import Vocab
from coterie.graph.strength import tie_strengths
from coterie.schema import EVENT_KINDS, STRENGTHS, EventKind

Pair = tuple[str, str]


def live_strengths(
    pairs: Mapping[Pair, float],
    friends: Mapping[str, Collection[str]],
    items: Mapping[str, Collection[str]],
) -> dict[Pair, list[float]]:
    """Measure ties by ``tie_strengths``, of what is known of both people now.

    Args:
        pairs: Follower and followee, and the tie's weight.
        friends: By person, whom they follow; what followers they have is for training to know.
        items: By person, what they had and did not turn down.

    Returns:
        By pair, the features of ``schema.STRENGTHS``.
    """
    known = [(src, dst, 1.0) for src, theirs in friends.items() for dst in theirs]
    given = [(src, dst, weight) for (src, dst), weight in pairs.items()]
    told = {(src, dst) for src, dst, _ in given}
    rows = [*given, *(one for one in known if (one[0], one[1]) not in told)]
    people = _vocab([*(name for src, dst, _ in rows for name in (src, dst)), *items])
    things = _vocab([item for theirs in items.values() for item in theirs])
    src, dst = (people.rows(pa.array([row[side] for row in rows], pa.string())) for side in (0, 1))
    zeros = np.zeros(len(rows), np.int64)
    weight = np.array([row[2] for row in rows], np.float32)
    ties = Ties(src, dst, zeros.astype(np.int8), weight, zeros)
    data = TrainingSet(_events(items, people, things), ties, len(people), len(things))
    found, strengths = tie_strengths(data)
    ids = people.to_ids(found.src_idx), people.to_ids(found.dst_idx)
    by_pair = dict(zip(zip(*ids, strict=True), strengths.tolist(), strict=True))
    return {pair: by_pair.get(pair, [0.0] * len(STRENGTHS)) for pair in pairs}


def _vocab(ids: Sequence[str]) -> Vocab:
    return Vocab.of(pa.chunked_array([pa.array(ids, pa.string())]))


def _events(items: Mapping[str, Iterable[str]], people: Vocab, things: Vocab) -> Interactions:
    """Let every item be one that its person had: the measure counts items, not events."""
    who = [person for person, theirs in items.items() for _ in theirs]
    what = [item for theirs in items.values() for item in theirs]
    count = len(who)
    return Interactions(
        user_idx=people.rows(pa.array(who, pa.string())),
        item_idx=things.rows(pa.array(what, pa.string())),
        kind=np.full(count, EVENT_KINDS.index(EventKind.PURCHASE), np.int8),
        value=np.full(count, np.nan, np.float32),
        ts_ms=np.zeros(count, np.int64),
        referrer_idx=np.full(count, -1, np.int64),
    )
