"""A release over clean tables: the lists that serving would answer with, without a server."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from coterie.data.dataset import Dataset, TrainingSet
from coterie.data.vocab import Vocab
from coterie.errors import BadInputError
from coterie.recommend.batches import Community, Recent, shopper_from_features
from coterie.recommend.recommender import Reason, Recommender, Source
from coterie.recommend.shoppers import Shoppers
from coterie.release.bundle import Release


@dataclass(frozen=True, slots=True)
class NamedReason:
    """A part of an item's score, in ids from outside."""

    kind: str
    """``own``, ``friend`` or ``popular``."""
    share: float
    """Of the score; an item's reasons add up to 1."""
    item_id: str | None = None
    title: str | None = None
    user_id: str | None = None
    """The friend; None for one who does not want to be named."""


@dataclass(frozen=True, slots=True)
class Recommendation:
    """One line of a list."""

    item_id: str
    title: str
    score: float
    reasons: tuple[NamedReason, ...]


@dataclass(frozen=True, slots=True)
class ShopperList:
    """What one shopper is shown."""

    user_id: str
    known: bool
    """Whether the data hold this shopper; a stranger gets popular items."""
    source: Source
    items: tuple[Recommendation, ...]


class OfflineLists:
    """Lists for the shoppers of one dataset, drawn from all of its events and ties."""

    def __init__(self, release: Release, dataset: Dataset) -> None:
        self._release, self._users = release, dataset.users
        self._recommender = Recommender(release.parameters, release.popularity, release.available)
        self._community = Community.of(_as_release_sees(release.items, dataset))
        self._titles = release.catalogue.column("title").to_pylist()
        self._unnamed = _unnamed(dataset)

    def recommend(self, user_id: str, k: int = 10) -> ShopperList:
        """The k best items for one shopper, with every reason, largest share first.

        Raises:
            BadInputError: k is not over 0.
        """
        row = int(self._users.rows([user_id])[0])
        people = np.array([row] if row >= 0 else [], dtype=np.int64)
        shoppers = self._community.shoppers(people) if row >= 0 else _stranger()
        lists = self._recommender.recommend(shoppers, k)
        reasons = self._recommender.explain(shoppers, lists)[0]
        shown = lists.item_idx[0][lists.item_idx[0] >= 0]
        friends = self._community.circles.take(people).person.tolist()
        persons = dict(zip(shoppers.circles.person.tolist(), friends, strict=True))
        items = tuple(
            Recommendation(
                item_id,
                self._titles[item],
                float(score),
                tuple(self._name(reason, persons) for reason in why),
            )
            for item, item_id, score, why in zip(
                shown.tolist(),
                self._release.items.to_ids(shown),
                lists.score[0].tolist(),
                reasons,
                strict=False,
            )
        )
        return ShopperList(user_id, row >= 0, lists.source[0], items)

    def _name(self, reason: Reason, persons: Mapping[int, int]) -> NamedReason:
        item_id = title = user_id = None
        if reason.item_idx >= 0:
            item_id = self._release.items.ids[reason.item_idx].as_py()
            title = self._titles[reason.item_idx]
        if reason.person >= 0 and persons[reason.person] not in self._unnamed:
            user_id = self._users.ids[persons[reason.person]].as_py()
        return NamedReason(reason.kind.value, reason.share, item_id, title, user_id)


def _as_release_sees(items: Vocab, dataset: Dataset) -> TrainingSet:
    """All events and ties, with the release's item rows; items that it lacks are left out."""
    events = dataset.events
    rows = items.rows(dataset.items.ids)[events.item_idx] if len(events) else events.item_idx
    if len(events) and not (rows >= 0).any():
        raise BadInputError(
            f"none of the data's {len(dataset.items)} items is among the release's {len(items)}: "
            "was it made from other data?"
        )
    known = replace(events, item_idx=rows).take(rows >= 0)
    return TrainingSet(known, dataset.ties, len(dataset.users), len(items))


def _unnamed(dataset: Dataset) -> frozenset[int]:
    said = dataset.people.column("may_be_named").to_pylist()
    return frozenset(row for row, may in enumerate(said) if may is False)


def _stranger() -> Shoppers:
    return shopper_from_features(Recent((), (), ()), (), ())
