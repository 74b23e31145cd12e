"""What changed live, over what features and releases say: the same on every replica."""

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import takewhile
from typing import Final

import numpy as np

from coterie.data.changes import STRENGTHS_FIELD, RowState, is_there, values_of, weight_of
from coterie.data.suppressed import Suppressed
from coterie.schema import MAX_FRIENDS, STRENGTHS, TIE_KINDS, UNDIRECTED_TIES
from serving.events.log import LiveRows
from serving.features.online_store import Friends, OnlineFeatures, ShopperRow
from serving.features.people_columns import Found
from serving.features.recent import RecentList

_WIDTH: Final = len(STRENGTHS)


class LiveState:
    """Items and people that changed, as one replica knows them: brought up to date at each request.

    Several threads may ask at once.
    """

    def __init__(self, rows: LiveRows) -> None:
        self.rows = rows
        self.version = 0
        """Up to which all changes are known."""
        self._lock = threading.Lock()
        # In the order of the changes: the newest ones last.
        self._items: dict[str, tuple[int, RowState]] = {}
        self._users: dict[str, RowState] = {}
        self._withdrawn: frozenset[str] = frozenset()
        self._marks: dict[str, RowState] = {}
        self.erased = Suppressed()
        """Who was forgotten, as far as this replica knows."""
        self.when_erased: list[Callable[[], None]] = []
        """Called when somebody was forgotten since the last time."""

    def refresh(self) -> None:
        """Read what changed since the last time.

        Raises:
            UnavailableError: The store of changes does not answer: what may be shown is not known.
        """
        with self._lock:
            latest = self.rows.version()
            if latest == self.version:
                return
            if latest < self.version:  # another store, or one that was made anew
                self._items, self._users, self.version = {}, {}, 0
                self._withdrawn, self._marks, self.erased = frozenset(), {}, Suppressed()
            changed = self.rows.since(self.version)
            for item_id, state in changed.items.items():
                self._items.pop(item_id, None)
                self._items[item_id] = (changed.version, state)
            if changed.users:
                self._users.update(changed.users)
                refused = {user for user in changed.users if not self._may_be_used(user)}
                self._withdrawn = self._withdrawn.difference(changed.users) | refused
            if changed.erased:
                self._forget(changed.erased)
            self.version = max(changed.version, latest)

    def _forget(self, marks: Mapping[str, RowState]) -> None:
        self._marks.update(marks)
        self.erased = Suppressed.of(self._marks)
        self._users = {user: of for user, of in self._users.items() if user not in self.erased}
        self._withdrawn = self._withdrawn.intersection(self._users)
        for told in self.when_erased:
            told()

    def items_since(self, version: int) -> tuple[dict[str, RowState], int]:
        """Give the items that changed after a version, and up to which version these are."""
        with self._lock:
            newest = takewhile(lambda one: one[1][0] > version, reversed(self._items.items()))
            return {item_id: state for item_id, (_, state) in newest}, self.version

    def ties_of(self, user_id: str) -> Mapping[tuple[str, str], RowState]:
        """Read the changed ties of a follower, by followee and kind."""
        if self.version == 0:  # nothing ever changed
            return {}
        with self._lock:
            return self.rows.ties_of(user_id)

    def ties_to(self, user_id: str) -> list[tuple[str, RowState]]:
        """Read the changed ties of others to a person, each with its kind."""
        with self._lock:
            return self.rows.ties_to(user_id)

    def turned_to(self, user_id: str, others: Sequence[str]) -> frozenset[str]:
        """Find those of some people whose own tie to a person changed, one way."""
        if self.version == 0 or not others:
            return frozenset()
        with self._lock:
            return self.rows.turned_to(user_id, others)

    def ties_around(
        self, user_id: str, others: Sequence[str]
    ) -> tuple[Mapping[tuple[str, str], RowState], frozenset[str]]:
        """Read what ``ties_of`` and ``turned_to`` do, at one go."""
        if self.version == 0:
            return {}, frozenset()
        with self._lock:
            return self.rows.ties_around(user_id, others)

    @property
    def withdrawn(self) -> frozenset[str]:
        """People who said live that nothing of theirs may be used, and have not said otherwise."""
        return self._withdrawn

    def _may_be_used(self, user_id: str) -> bool:
        return self.consent(user_id).get("may_be_used", True)

    @property
    def knows_consents(self) -> bool:
        """Whether anybody ever said live what they consent to."""
        return bool(self._users)

    def consent(self, user_id: str) -> Mapping[str, bool]:
        """Tell what a person said live of their consent, by column of ``schema.USERS``."""
        state = self._users.get(user_id)
        return {} if state is None else values_of(state)


class LiveFeatures:
    """The online features as changes of ties and consents leave them (``OnlineFeatures``)."""

    def __init__(self, features: OnlineFeatures, live: LiveState) -> None:
        self._features, self._live = features, live
        live.when_erased.append(features.forget_read)

    def shopper(self, user_id: str) -> ShopperRow:
        """See OnlineFeatures."""
        return self._changed(user_id, self._features.shopper(user_id))

    def with_friends(self, user_id: str) -> tuple[ShopperRow, list[RecentList]]:
        """See OnlineFeatures."""
        known, lists = self._features.with_friends(user_id)
        row = self._changed(user_id, known)
        if row.friends.ids == known.friends.ids:
            return row, lists
        found = dict(zip(known.friends.ids, lists, strict=True))
        new = [friend for friend in row.friends.ids if friend not in found]
        found.update(zip(new, self._features.recent_lists(new, had=False), strict=True))
        return row, [found[friend] for friend in row.friends.ids]

    def _changed(self, user_id: str, row: ShopperRow) -> ShopperRow:
        """Put in place what changed live of a shopper's ties, and of consents."""
        if user_id in self._live.erased:
            return ShopperRow()
        asked = _one_way(row.friends)
        ties, turned = self._live.ties_around(user_id, asked)
        friends = row.friends
        if ties:
            friends = self._tied(friends, ties)
            new = [friend for friend in _one_way(friends) if friend not in asked]
            turned = turned.intersection(friends.ids) | self._live.turned_to(user_id, new)
        if ties or turned:
            friends = self._both_ways(user_id, row.friends, friends, ties, turned)
        return replace(row, friends=self._consenting(friends))

    def recent_lists(self, user_ids: Sequence[str], had: bool = True) -> list[RecentList]:
        """See OnlineFeatures."""
        return self._features.recent_lists(user_ids, had)

    def push_recent(
        self, user_ids: Sequence[str], lists: Sequence[RecentList], fencing_token: int
    ) -> None:
        """See OnlineFeatures."""
        self._features.push_recent(user_ids, lists, fencing_token)

    def studied(self, view: str, user_id: str) -> Found:
        """See OnlineFeatures."""
        return {} if user_id in self._live.erased else self._features.studied(view, user_id)

    def consents(self, user_ids: Sequence[str]) -> list[tuple[bool, bool]]:
        """See OnlineFeatures."""
        return self._features.consents(user_ids)

    def friends_of(self, user_ids: Sequence[str]) -> list[Friends]:
        """See OnlineFeatures."""
        found = self._features.friends_of(user_ids)
        tied = zip(found, map(self._live.ties_of, user_ids), strict=True)
        return [self._tied(friends, ties) if ties else friends for friends, ties in tied]

    def forget_read(self) -> None:
        """See OnlineFeatures."""
        self._features.forget_read()

    def ping(self) -> None:
        """See OnlineFeatures."""
        self._features.ping()

    def _tied(self, known: Friends, ties: Mapping[tuple[str, str], RowState]) -> Friends:
        """Put changed ties in the place of those that features know, strongest first."""
        made = _made(ties)
        strengths = dict(zip(known.ids, np.array(known.strengths).reshape(-1, _WIDTH), strict=True))
        named = dict(zip(known.ids, known.named, strict=True))
        new = [f for f, one in made.items() if one.strengths is not None and f not in named]
        may_be_named, used = named, set(new)
        if new:
            said = dict(zip(new, self._features.consents(new), strict=True))
            may_be_named = named | {friend: yes for friend, (yes, _) in said.items()}
            used = {
                friend
                for friend, (_, yes) in said.items()
                if self._live.consent(friend).get("may_be_used", yes)
            }
        for friend, one in made.items():
            left = _weight_left(known, friend, one.kinds)
            if one.strengths is None and left == 0.0:
                strengths.pop(friend, None)
            elif friend in strengths:
                # Shares, for one, are known to training alone; of the rest what was said last.
                both = np.array(strengths[friend])
                if one.strengths is not None:
                    both[1:] = np.maximum(one.strengths[1:], both[1:])
                both[0] = np.log1p(left + one.weight)
                strengths[friend] = both
            elif friend in used and one.strengths is not None:
                strengths[friend] = one.strengths
        return _strongest_first(strengths, may_be_named)

    def _consenting(self, friends: Friends) -> Friends:
        """Leave out who was erased or may not be used, and names of who may not be named."""
        if self._live.erased:
            gone = self._live.erased
            friends = friends.take([p for p, one in enumerate(friends.ids) if one not in gone])
        if not self._live.knows_consents:
            return friends
        said = [self._live.consent(friend) for friend in friends.ids]
        if not any(said):
            return friends
        kept = [place for place, one in enumerate(said) if one.get("may_be_used", True)]
        left = friends.take(kept)
        both = left.mutual or (True,) * len(kept)
        named = (
            said[place].get("may_be_named", friends.named[place]) and mutual
            for place, mutual in zip(kept, both, strict=True)
        )
        return replace(left, named=tuple(map(bool, named)))

    def _both_ways(
        self,
        user_id: str,
        known: Friends,
        friends: Friends,
        ties: Mapping[tuple[str, str], RowState],
        turned: frozenset[str],
    ) -> Friends:
        """Find out who of the friends with a changed tie, in either direction, follows the shopper
        in turn: reasons name nobody else."""
        mutual = dict(zip(known.ids, known.mutual or (True,) * len(known.ids), strict=True))
        changed = turned.union(friend for friend, _ in ties)
        undirected = {
            friend
            for (friend, kind), state in ties.items()
            if kind in UNDIRECTED_TIES and is_there(state)
        }
        mutual.update(dict.fromkeys(undirected, True))
        asked = [friend for friend in friends.ids if friend in changed - undirected]
        mutual.update(
            (friend, user_id in theirs.ids)
            for friend, theirs in zip(asked, self.friends_of(asked), strict=True)
        )
        both = tuple(mutual.get(friend, False) for friend in friends.ids)
        named = (may and also for may, also in zip(friends.named, both, strict=True))
        return replace(friends, named=tuple(named), mutual=both)


def _one_way(friends: Friends) -> tuple[str, ...]:
    """Find the friends whose tie back is one of its own, which may change by itself."""
    if not friends.weights:
        return friends.ids
    undirected = [TIE_KINDS.index(kind) for kind in UNDIRECTED_TIES]
    weights = zip(*(friends.weights[kind :: len(TIE_KINDS)] for kind in undirected), strict=True)
    return tuple(friend for friend, both in zip(friends.ids, weights, strict=True) if not any(both))


@dataclass(frozen=True, slots=True)
class _ChangedTies:
    """What changes say of the ties to one friend, all kinds that they speak of together."""

    kinds: frozenset[str]
    """Of these what the tables say does not count any more."""
    strengths: "np.ndarray | None"
    """Of those that are there now; None: of these kinds none is."""
    weight: float


def _made(ties: Mapping[tuple[str, str], RowState]) -> dict[str, _ChangedTies]:
    """Bring the changed ties to each friend together."""
    found: dict[str, dict[str, RowState]] = {}
    for (friend, kind), state in ties.items():
        found.setdefault(friend, {})[kind] = state
    return {friend: _together(of) for friend, of in found.items()}


def _together(ties: Mapping[str, RowState]) -> _ChangedTies:
    said = [values_of(state) for state in ties.values() if is_there(state)]
    if not said:
        return _ChangedTies(frozenset(ties), None, 0.0)
    rows = np.array([one.get(STRENGTHS_FIELD) or [0.0] * _WIDTH for one in said])
    weight = sum(map(weight_of, said))
    strengths = np.concatenate([[np.log1p(weight)], rows.max(axis=0)[1:]])
    return _ChangedTies(frozenset(ties), strengths, weight)


def _weight_left(known: Friends, friend: str, changed: frozenset[str]) -> float:
    """Add up what ties of other kinds than the changed ones weigh in the shop's tables; 0 where
    that was not written down: then the word on one kind is the word on the pair."""
    if not known.weights or friend not in known.ids:
        return 0.0
    weights = known.weights_of(known.ids.index(friend))
    by_kind = zip(TIE_KINDS, weights, strict=False)
    return sum(weight for kind, weight in by_kind if kind not in changed)


def _strongest_first(strengths: "Mapping[str, np.ndarray]", named: Mapping[str, bool]) -> Friends:
    """Order friends as ``coterie.graph.friends`` does."""
    ids = sorted(strengths, key=lambda friend: (-round(float(strengths[friend].sum()), 4), friend))
    ids = ids[:MAX_FRIENDS]
    return Friends(
        tuple(ids),
        tuple(value for friend in ids for value in strengths[friend].tolist()),
        tuple(named.get(friend, False) for friend in ids),
    )
