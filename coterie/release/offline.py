"""A release over clean tables: the lists that serving would answer with, without a server."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from coterie.data.dataset import Dataset, Floats, Ints, TrainingSet
from coterie.data.ids import normal_id
from coterie.data.repurchase import Again
from coterie.data.splits import events_of_lists
from coterie.data.vocab import Vocab
from coterie.errors import BadInputError
from coterie.languages.texts import Texts, texts_for
from coterie.reasons.discretion import Discretion
from coterie.reasons.reader import ReasonReader
from coterie.reasons.told import ToldReason
from coterie.recommend.batches import Community, Recent, shopper_from_features
from coterie.recommend.recommender import Contribution, Lists, ListSource, Recommender
from coterie.recommend.shoppers import Histories, Shoppers
from coterie.release.bundle import Release
from coterie.release.discreet import CatalogueFacts, DiscreetCommunity
from coterie.schema import EVENT_KINDS


@dataclass(frozen=True, slots=True)
class NamedReason:
    """A part of an item's score, in ids from outside."""

    kind: str
    """``own``, ``friend`` or ``popular``."""
    share: float
    """Share of the score; an item's reasons add up to 1."""
    contribution: float
    """Part of the score, below 0 where it speaks against the item; an item's add up to it."""
    event: str | None = None
    """The strongest kind of event that the person did with the item."""
    item_id: str | None = None
    title: str | None = None
    user_id: str | None = None
    """The friend; None for one who does not want to be named."""
    turned_down: bool = False
    """Whether the person did not want the item: then it is no reason for anything."""


@dataclass(frozen=True, slots=True)
class Recommendation:
    """One line of a list."""

    item_id: str
    title: str
    score: float
    reasons: tuple[NamedReason, ...]
    """Every part of the score."""
    told: tuple[ToldReason, ...] = ()
    """The same, grouped and in words: what a served list says."""


@dataclass(frozen=True, slots=True)
class ShopperList:
    """What one shopper is shown."""

    user_id: str
    known: bool
    """Whether the data hold this shopper; a stranger gets popular items."""
    source: ListSource
    items: tuple[Recommendation, ...]


class OfflineLists:
    """Lists for the shoppers of one dataset, drawn from all of its events and ties."""

    def __init__(
        self,
        release: Release,
        dataset: Dataset,
        now_ms: int | None = None,
        discretion: Discretion | None = None,
    ) -> None:
        """Make everybody's lists ready to be asked for.

        Args:
            release: Whose lists.
            dataset: What people did.
            now_ms: When they ask, milliseconds since 1970: it decides what may be listed again. By
                the clock if not given, as in serving.
            discretion: Whom lists draw on, and how much reasons tell; the default if not given.
        """
        self._discretion = discretion or Discretion()
        self._users = dataset.users
        self._recommender = Recommender(release.parameters, release.popularity, release.available)
        now_ms = int(time.time() * 1000) if now_ms is None else now_ms
        known = _as_release_sees(release.items, dataset)
        again = Again.at(release.days_until_again, now_ms)
        everybody = Community.of(replace(known, again=again))
        self._people = DiscreetCommunity.of(everybody, dataset, self._discretion)
        self._facts = CatalogueFacts(release)

    def recommend(self, user_id: str, k: int = 10, texts: Texts | None = None) -> ShopperList:
        """Recommend the k best items to one shopper, with every reason, largest share first.

        Args:
            user_id: Who.
            k: Length of the list.
            texts: The language of what is told; English if not given.

        Raises:
            BadInputError: k is not over 0, or the id cannot be one.
        """
        user_id = normal_id(user_id)
        row = int(self._users.rows([user_id])[0])
        people = np.array([row] if row >= 0 else [], dtype=np.int64)
        shoppers = self._people.community.shoppers(people) if row >= 0 else _stranger()
        lists = self._recommender.recommend(shoppers, k)
        reasons = self._recommender.explain(shoppers, lists)[0]
        shown = lists.item_idx[0][lists.item_idx[0] >= 0]
        names = self._names(people, shoppers)
        events = _events(shoppers.histories)
        reader = self._reader(people, shoppers, lists, texts or texts_for(None))
        items = tuple(
            Recommendation(
                self._facts.item_id(item),
                self._facts.title(item),
                score,
                tuple(self._name(reason, names, events) for reason in why),
                tuple(reader.read(position)),
            )
            for position, (item, score, why) in enumerate(
                zip(shown.tolist(), lists.score[0].tolist(), reasons, strict=False)
            )
        )
        return ShopperList(user_id, row >= 0, lists.source[0], items)

    def ranked(self, user_ids: Sequence[str], k: int, batch: int = 512) -> tuple[Ints, Floats]:
        """Rank the k best items for each of n shoppers, without reasons.

        Args:
            user_ids: Who, as the data name them; who is not among them gets popular items.
            k: Length of the lists.
            batch: Shoppers at a time.

        Returns:
            Rows of the release's items, shape (n, k), best first, -1 where a list is shorter; and
            their scores, -inf there.
        """
        rows = self._users.rows(user_ids)
        item_idx = np.full((len(rows), k), -1, np.int64)
        score = np.full((len(rows), k), -np.inf, np.float32)
        known = np.flatnonzero(rows >= 0)
        for at in range(0, len(known), batch):
            some = known[at : at + batch]
            found = self._recommender.recommend(self._people.community.shoppers(rows[some]), k)
            item_idx[some], score[some] = found.item_idx, found.score
        if len(known) < len(rows):
            popular = self._recommender.recommend(_stranger(), k)
            item_idx[rows < 0], score[rows < 0] = popular.item_idx[0], popular.score[0]
        return item_idx, score

    def _names(self, people: Ints, shoppers: Shoppers) -> dict[int, str | None]:
        """Find what to call each friend, by row in the batch's histories."""
        entries = self._people.entries(people)
        person = self._people.community.friends.person[entries].tolist()
        named = self._people.named[entries].tolist()
        rows, ids = shoppers.friends.person.tolist(), self._users.ids
        return {
            row: ids[user].as_py() if may else None
            for row, user, may in zip(rows, person, named, strict=True)
        }

    def _reader(self, people: Ints, shoppers: Shoppers, lists: Lists, texts: Texts) -> ReasonReader:
        names = self._names(people, shoppers)
        both = self._people.mutual[self._people.entries(people)].tolist()
        mutual = dict(zip(shoppers.friends.person.tolist(), both, strict=True))
        return ReasonReader(
            self._recommender.contributions(shoppers, lists),
            [names[row] for row in sorted(names)],
            self._facts,
            lists.item_idx[0][lists.item_idx[0] >= 0],
            texts,
            self._discretion,
            [mutual[row] for row in sorted(names)],
        )

    def _name(
        self,
        reason: Contribution,
        names: Mapping[int, str | None],
        events: Mapping[tuple[int, int], str],
    ) -> NamedReason:
        kind, item = reason.kind.value, reason.item_idx
        if item < 0:
            return NamedReason(kind, reason.share, reason.contribution)
        return NamedReason(
            kind,
            reason.share,
            reason.contribution,
            events[max(reason.person, 0), item],
            self._facts.item_id(item),
            self._facts.title(item),
            names.get(reason.person),
            reason.against,
        )


def _events(histories: Histories) -> dict[tuple[int, int], str]:
    """Look up the kind of event by person and item.

    People are one shopper and at most ``MAX_FRIENDS`` friends.
    """
    person = np.repeat(np.arange(histories.num_people), np.diff(histories.offsets))
    entries = zip(person.tolist(), histories.item_idx.tolist(), histories.kind, strict=True)
    return {(who, item): EVENT_KINDS[kind].value for who, item, kind in entries}


def _as_release_sees(items: Vocab, dataset: Dataset) -> TrainingSet:
    """Give events and ties the release's item rows; items that it lacks are left out."""
    events = events_of_lists(dataset)
    rows = items.rows(dataset.items.ids)[events.item_idx] if len(events) else events.item_idx
    if len(events) and not (rows >= 0).any():
        raise BadInputError(
            f"none of the data's {len(dataset.items)} items is among the release's {len(items)}: "
            "was it made from other data?"
        )
    known = replace(events, item_idx=rows).take(rows >= 0)
    return TrainingSet(known, dataset.ties, len(dataset.users), len(items))


def _stranger() -> Shoppers:
    return shopper_from_features(Recent((), (), ()), (), ())
