"""Lists of made-up shoppers, by which two releases are compared before anybody is shown either.

A release holds no people. So some are drawn from what the live one knows: each likes a category,
and has items of it as often as the shop's people did; so do their friends. Both releases answer.
"""

import itertools
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from coterie.data.polarity import wanted_at
from coterie.data.ragged import Ragged
from coterie.data.vocab import Vocab
from coterie.graph.friends import FriendLists
from coterie.recommend.recommender import Lists, Recommender
from coterie.recommend.shoppers import Histories, Shoppers
from coterie.recommend.terms import Asked
from coterie.release.bundle import Release
from coterie.release.discreet import coded
from coterie.rollout.figures import ComparedFigure
from coterie.schema import EVENT_KINDS, EventKind

SHOPPERS: Final = 64
"""Half of them are new: they have friends, and nothing of their own."""
FRIENDS: Final = 4
ENTRIES: Final = 6
"""Of each person's history, at most."""
LIST_LENGTH: Final = 10
DAY_MS: Final = 86_400_000
NOON_MS: Final = 1_700_000_000_000
LITTLE: Final = 0.01
"""Where friends are less of live's scores, their share tells nothing."""
A_PART: Final = 0.05
"""A term of the score that is less of live's scores is none whose loss is looked for."""

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class MadeUpShoppers:
    """Some shoppers and their friends, in ids: both releases read the same people."""

    offsets: Ints
    """Shape (people + 1,): the shoppers first, then FRIENDS of each."""
    item_ids: pa.Array
    """Shape (n,), newest first."""
    kind: npt.NDArray[np.int8]
    ts_ms: Ints

    @classmethod
    def of(cls, release: Release, seed: int = 24) -> "MadeUpShoppers":
        """Draw people from what a release knows of items, the same at each call."""
        rng = np.random.default_rng(seed)
        codes, _ = coded(release.catalogue.column("category"))
        weight = np.sqrt(release.popularity.astype(np.float64) + 0.5)
        likes = codes[rng.choice(len(weight), SHOPPERS, p=weight / weight.sum())]
        pools = {int(code): np.flatnonzero(codes == code) for code in np.unique(likes)}
        taste = np.concatenate([likes, np.repeat(likes, FRIENDS)])
        new = np.arange(len(taste)) < SHOPPERS // 2
        rows = [
            np.zeros(0, np.int64) if is_new else _draw(rng, pools[int(code)], weight)
            for code, is_new in zip(taste, new, strict=True)
        ]
        ragged = Ragged.of(np.array([len(one) for one in rows]))
        kinds = np.array([EVENT_KINDS.index(k) for k in (EventKind.PURCHASE, EventKind.VIEW)])
        position = ragged.position
        return cls(
            ragged.offsets,
            release.items.ids.take(pa.array(np.concatenate(rows))),
            kinds[position % 2].astype(np.int8),
            NOON_MS - position * DAY_MS,
        )

    def of_release(self, items: Vocab) -> Shoppers:
        """Read the same people with a release's items; those that it lacks are left out."""
        rows, ragged = items.rows(self.item_ids), Ragged(self.offsets)
        known = rows >= 0
        offsets = ragged.where(known).offsets
        item, kind, ts_ms = rows[known], self.kind[known], self.ts_ms[known]
        histories = Histories.of(offsets, item, kind, ts_ms, wanted_at(kind, ts_ms))
        bounds = np.arange(SHOPPERS + 1) * FRIENDS
        person = SHOPPERS + np.arange(SHOPPERS * FRIENDS)
        # A tie of weight 1, with two neighbours and an item in common.
        strengths = np.tile(np.log1p([1.0, 2.0, 1.0, 0.0]).astype(np.float32), (len(person), 1))
        own = [np.unique(item[a:b]) for a, b in itertools.pairwise(offsets[: SHOPPERS + 1])]
        seen = Ragged.of(np.array([len(one) for one in own]))
        friends = FriendLists(bounds, person, strengths)
        return Shoppers(histories, friends, seen.offsets, np.concatenate(own))


def _draw(rng: np.random.Generator, pool: Ints, weight: npt.NDArray[np.float64]) -> Ints:
    share = weight[pool] / weight[pool].sum()
    return np.asarray(rng.choice(pool, min(ENTRIES, len(pool)), replace=False, p=share), np.int64)


@dataclass(frozen=True, slots=True)
class MadeUpLists:
    """A release's lists of made-up shoppers."""

    item_idx: Ints
    """Shape (SHOPPERS, LIST_LENGTH), in no order; -1 pads."""
    friends_share: float
    """Of all scores, the part that comes from friends."""
    failed: str = ""
    """Why there are none."""
    terms: Mapping[str, float] = field(default_factory=dict)
    """Of what scores make of histories, the part of each term of the score, signs left out."""

    @classmethod
    def of(cls, release: Release, shoppers: MadeUpShoppers) -> "MadeUpLists":
        """Make the lists, and split their scores; whatever a bad release makes of it is said."""
        try:
            recommender = Recommender(release.parameters, release.popularity)
            batch = shoppers.of_release(release.items)
            item_idx = _best(recommender, batch, release.available)
            asked = recommender.read(batch)
            lists = replace(recommender.score(asked, np.zeros(1, np.int64)), item_idx=item_idx)
            shares = [_friends_share(recommender, asked, lists, n) for n in range(SHOPPERS)]
            terms = _shares_of_terms(recommender, asked, lists)
        except Exception as error:
            nothing = np.full((SHOPPERS, LIST_LENGTH), -1, np.int64)
            return cls(nothing, 0.0, f"{type(error).__name__}: {error}")
        return cls(item_idx, float(np.mean(shares)), terms=terms)

    def compare(
        self, canary: "MadeUpLists", live_items: Vocab, canary_items: Vocab
    ) -> list[ComparedFigure]:
        """Hold a canary's lists of the same shoppers against these."""
        names = ("lists_made", "friends_share", "lists_agree", "items_shown", "score_parts")
        ours, theirs = self._lengths(), canary._lengths()
        if self.failed or not ours.sum():
            return [ComparedFigure(name, None) for name in names]
        told = (canary.failed,) if canary.failed else ()
        as_canarys = np.full(self.item_idx.shape, -1, np.int64)
        shown = self.item_idx >= 0
        as_canarys[shown] = canary_items.rows(live_items.ids.take(pa.array(self.item_idx[shown])))
        same = (as_canarys[:, :, None] == canary.item_idx[:, None, :]) & (as_canarys >= 0)[
            :, :, None
        ]
        listed = [len(np.unique(one[one >= 0])) for one in (self.item_idx, canary.item_idx)]
        friends = canary.friends_share / self.friends_share if self.friends_share > LITTLE else None
        return [
            ComparedFigure(
                names[0], float(np.minimum(theirs, ours).sum() / ours.sum()), examples=told
            ),
            ComparedFigure(names[1], friends, self.friends_share, canary.friends_share),
            ComparedFigure(names[2], float(same.any(axis=2).sum() / shown.sum())),
            ComparedFigure(names[3], listed[1] / listed[0], float(listed[0]), float(listed[1])),
            self._parts(canary),
        ]

    def _parts(self, canary: "MadeUpLists") -> ComparedFigure:
        """Find the term of the score of which least is left."""
        large = [name for name, share in self.terms.items() if share >= A_PART]
        if not large:
            return ComparedFigure("score_parts", None)
        left = {name: canary.terms.get(name, 0.0) / self.terms[name] for name in large}
        least = min(left, key=left.__getitem__)
        both = self.terms[least], canary.terms.get(least, 0.0)
        return ComparedFigure("score_parts", left[least], *both, (least,))

    def _lengths(self) -> Ints:
        return np.asarray((self.item_idx >= 0).sum(axis=1))


def _best(recommender: Recommender, batch: Shoppers, available: npt.NDArray[np.bool_]) -> Ints:
    """Find the best available, unseen items; in single precision, since to make a release ready for
    exact lists takes seconds, and near-ties do not matter here."""
    scores = recommender.scores(batch).numpy()
    scores[:, ~available] = -np.inf
    scores[Ragged(batch.seen_offsets).row, batch.seen] = -np.inf
    k = min(LIST_LENGTH, scores.shape[1])
    found = np.full((len(batch), LIST_LENGTH), -1, np.int64)
    found[:, :k] = np.argpartition(-scores, k - 1, axis=1)[:, :k]
    there = np.isfinite(np.take_along_axis(scores, found, axis=1))
    return np.where(there, found, -1)


def _friends_share(recommender: Recommender, asked: Asked, lists: Lists, row: int) -> float:
    parts = recommender.contributions(asked, lists, row)
    size = np.abs(parts.contribution).sum(axis=1)
    whole = float(size.sum() + np.abs(parts.popular).sum())
    return float(size[parts.person >= 0].sum()) / whole if whole else 0.0


def _shares_of_terms(recommender: Recommender, asked: Asked, lists: Lists) -> dict[str, float]:
    sizes = Counter[str]()
    for row in range(SHOPPERS):
        sizes.update(recommender.term_sizes(asked, lists, row))
    whole = sum(sizes.values()) or 1.0
    return {name: size / whole for name, size in sizes.items()}
