"""All shoppers of a shop as lists see them, in rows: from clean tables, or from a feature store.

Both ways end in the same arrays: what the online store would answer of each shopper, had no event
come since the features were made.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from coterie.data.circle import Bools, CircleRule
from coterie.data.dataset import Dataset, Ints, TrainingSet
from coterie.data.polarity import Entries
from coterie.data.ragged import Ragged
from coterie.data.repurchase import Again
from coterie.data.splits import events_of_lists
from coterie.errors import BadInputError
from coterie.graph.friends import FriendLists, friend_lists
from coterie.graph.mutual import mutual_friends
from coterie.graph.strength import tie_strengths
from coterie.recommend.batches import Community
from coterie.recommend.shoppers import Histories, Memory, Shoppers, remembered
from coterie.release.bundle import Release


@dataclass(frozen=True, slots=True)
class ToldHistories:
    """What n people did, in the rows of a release's items; what it does not know is left out."""

    memory: Memory
    did_anything: Bools
    """Shape (n,): whether the features hold anything of theirs, be it unknown to the release."""

    @classmethod
    def of(cls, rows: Ragged, recent: Entries, had: Entries) -> "ToldHistories":
        """Leave out the entries of items that a release lacks, whose row is -1.

        Args:
            rows: Of each person the entries of ``recent``, which are in order of people.
            recent: The newest entries of each.
            had: What they had before these.
        """
        kept = recent.item >= 0
        known = recent.take(kept)
        histories = Histories.of(
            rows.where(kept).offsets, known.item, known.kind, known.ts_ms, known.wanted_ms
        )
        return cls(Memory(histories, had.take(had.item >= 0)), rows.counts > 0)


@dataclass(frozen=True, slots=True)
class ToldFriends:
    """Friends as features hold them, all of them."""

    lists: FriendLists
    """A friend's row is -1 where the features hold nothing of them."""
    named: Bools
    """Whether each may be named, in the order of ``lists``."""
    mutual: Bools
    """Whether each follows the shopper in turn, likewise."""


@dataclass(frozen=True, slots=True)
class Everyone:
    """All n shoppers, ready to be asked for in blocks."""

    ids: pa.Array
    """Shape (n,): their ids, ascending."""
    community: Community
    """Of n + 1 people: the last is a friend of whom nothing is known."""
    counts_unnamed: Bools
    """Shape (n,): whether lists draw on people who may not be named, so that exact scores would
    tell of them."""

    @classmethod
    def of(
        cls,
        ids: pa.Array,
        told: ToldHistories,
        friends: ToldFriends,
        rule: CircleRule,
        num_items: int,
        again: Again | None,
    ) -> "Everyone":
        """Leave out the friends on whom lists may not draw, and find what is not to be shown.

        Raises:
            BadInputError: The release knows nothing of what these people did.
        """
        histories = told.memory.recent
        has_history = np.append(np.diff(histories.offsets) > 0, False)
        if told.did_anything.any() and not has_history.any():
            raise BadInputError(
                f"the release knows no item of the {len(ids)} shoppers' histories: "
                "was it made from other data?"
            )
        nobody = len(ids)
        person = np.where(friends.lists.person < 0, nobody, friends.lists.person)
        rows = Ragged(friends.lists.offsets)
        kept = rule.drawn_on(rows, friends.named, friends.mutual, has_history[person])
        drawn = FriendLists(rows.where(kept).offsets, person[kept], friends.lists.strengths[kept])
        unnamed = np.append(told.did_anything, False)[drawn.person] & ~friends.named[kept]
        counts = np.bincount(Ragged(drawn.offsets).row[unnamed], minlength=nobody) > 0
        seen_offsets, seen = told.memory.seen(num_items, again)
        everybody = histories.take(np.append(np.arange(nobody), -1))
        return cls(ids, Community(everybody, drawn, seen_offsets, seen), counts)

    @classmethod
    def of_dataset(
        cls, dataset: Dataset, release: Release, rule: CircleRule, now_ms: int
    ) -> "Everyone":
        """Read everyone from clean tables, as the features step would make features of them.

        Args:
            dataset: The whole shop.
            release: Whose lists.
            rule: Whom lists draw on.
            now_ms: When they are made, milliseconds since 1970, UTC: it decides what may be listed
                again.

        Raises:
            BadInputError: The release knows nothing of what these people did.
        """
        events, num_users = events_of_lists(dataset), len(dataset.users)
        rows, recent, had = remembered(events, num_users)
        item_of = np.append(release.items.rows(dataset.items.ids), -1)
        told = ToldHistories.of(rows, _renamed(recent, item_of), _renamed(had, item_of))
        known = TrainingSet(events, dataset.ties, num_users, len(dataset.items))
        listed = friend_lists(*tie_strengths(known), num_users)
        mutual = mutual_friends(listed, dataset.ties)
        said = dataset.people["may_be_named"].combine_chunks().fill_null(True)
        may_be_named = np.asarray(said.to_numpy(zero_copy_only=False), np.bool_)
        friends = ToldFriends(listed, mutual & may_be_named[listed.person], mutual)
        again = Again.at(release.days_until_again, now_ms)
        return cls.of(dataset.users.ids, told, friends, rule, len(release.items), again)

    def __len__(self) -> int:
        return len(self.ids)

    def shoppers(self, first: int, stop: int) -> Shoppers:
        """Make a batch of the shoppers from row ``first`` to before row ``stop``."""
        return self.community.shoppers(np.arange(first, stop))


def _renamed(entries: Entries, item_of: npt.NDArray[np.int64]) -> Entries:
    item: Ints = item_of[entries.item]
    return Entries(entries.person, item, entries.kind, entries.ts_ms, entries.wanted_ms)
