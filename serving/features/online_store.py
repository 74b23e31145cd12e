"""What is known of shoppers right now: a small protocol, Feast behind it, and a fake for tests."""

import itertools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Protocol

from coterie import schema
from coterie.errors import BadInputError, UnavailableError, unresolved
from coterie.imports import quick_imports
from serving.features.people_columns import Found, read_columns
from serving.features.recent import RecentList
from serving.features.row_memo import RowMemo, Values, decoder
from serving.features.stored_rows import Asked, Columns, RawRow, stored_rows

_EPOCH: Final = datetime.fromtimestamp(0, UTC)
PUSH_SOURCE: Final = f"{schema.SHOPPER_RECENT_VIEW}_push"
USER_ID: Final = "user_id"
PING_USER: Final = "coterie-ready?"
"""Asked for by the readiness check; no one has this id."""


@dataclass(frozen=True, slots=True)
class Friends:
    """Whom a shopper's list draws on, strongest tie first."""

    ids: tuple[str, ...] = ()
    strengths: tuple[float, ...] = ()
    """``len(schema.STRENGTHS)`` numbers a friend."""
    named: tuple[bool, ...] = ()
    """Whether reasons may say who it is."""
    mutual: tuple[bool, ...] = ()
    """Whether they follow the shopper in turn; empty where nobody wrote it down: all do then."""
    weights: tuple[float, ...] = ()
    """``len(schema.TIE_KINDS)`` numbers a friend: what each kind of tie weighs in the shop's
    tables; empty where nobody wrote it down."""

    def take(self, places: Sequence[int]) -> "Friends":
        """Take some of them, in the order asked."""
        width = len(schema.STRENGTHS)
        strengths = (self.strengths[place * width : (place + 1) * width] for place in places)
        return Friends(
            tuple(self.ids[place] for place in places),
            tuple(itertools.chain.from_iterable(strengths)),
            tuple(self.named[place] for place in places),
            tuple(self.mutual[place] for place in places) if self.mutual else (),
            tuple(weight for place in places for weight in self.weights_of(place)),
        )

    def weights_of(self, place: int) -> tuple[float, ...]:
        """Give what each kind of tie to a friend weighs; empty where nobody wrote it down."""
        kinds = len(schema.TIE_KINDS)
        return self.weights[place * kinds : (place + 1) * kinds]


@dataclass(frozen=True, slots=True)
class ShopperRow:
    """One shopper's features."""

    recent: RecentList = field(default_factory=RecentList)
    friends: Friends = field(default_factory=Friends)


class OnlineFeatures(Protocol):
    """Reads and writes of the online store; every method may raise UnavailableError."""

    def shopper(self, user_id: str) -> ShopperRow:
        """Read one shopper's own row; an empty one for a stranger."""

    def with_friends(self, user_id: str) -> tuple[ShopperRow, list[RecentList]]:
        """Read one shopper's row and the recent lists of its friends, in their order and without
        what fell out of them: all that a list draws on, at one go where the store can."""

    def recent_lists(self, user_ids: Sequence[str], had: bool = True) -> list[RecentList]:
        """Read recent lists of several people, in the order asked, in one call.

        Args:
            user_ids: Whose.
            had: With what fell out of them: lists do not draw on that, of friends it is not needed.
        """

    def consents(self, user_ids: Sequence[str]) -> list[tuple[bool, bool]]:
        """Read whether people may be named, and used, as the shop's tables say: yes for who is in
        none of them, no where a store of before does not tell."""

    def friends_of(self, user_ids: Sequence[str]) -> list[Friends]:
        """Read the friends of several people, in the order asked, in one call."""

    def studied(self, view: str, user_id: str) -> Found:
        """Read what a study found of a shopper, by column: no list draws on it. Empty where that
        is not online.

        Args:
            view: One of ``people_columns.STUDIES``.
            user_id: Whose.
        """

    def push_recent(
        self, user_ids: Sequence[str], lists: Sequence[RecentList], fencing_token: int
    ) -> None:
        """Replace the recent lists of several people; each id once.

        Args:
            user_ids: Whose.
            lists: In the same order.
            fencing_token: Of the lock ``PUSH``, microseconds since 1970. What was pushed under a
                higher one stays as it is.
        """

    def forget_read(self) -> None:
        """Let go of all rows that were read before: somebody was erased."""

    def ping(self) -> None:
        """Answer, if only that nothing is known."""


def shopper_and_friends(
    features: OnlineFeatures, user_id: str
) -> tuple[ShopperRow, list[RecentList]]:
    """Read what a list draws on in two steps: the shopper first, which names the friends."""
    row = features.shopper(user_id)
    return row, features.recent_lists(row.friends.ids, had=False)


@dataclass(slots=True)
class FakeFeatures:
    """Features in memory, for tests and for measuring without a store."""

    recent: dict[str, RecentList] = field(default_factory=dict)
    friends: dict[str, Friends] = field(default_factory=dict)
    consent: dict[str, tuple[bool, bool]] = field(default_factory=dict)
    studies: dict[str, dict[str, Found]] = field(default_factory=dict)
    """By shopper, then by view."""
    pushed: dict[str, int] = field(default_factory=dict)
    """Of each shopper, the fencing token under which the recent list was pushed."""
    down: bool = False
    """Raise UnavailableError, as a store that does not answer."""

    def shopper(self, user_id: str) -> ShopperRow:
        """See OnlineFeatures."""
        self.ping()
        return ShopperRow(
            self.recent.get(user_id, RecentList()), self.friends.get(user_id, Friends())
        )

    def with_friends(self, user_id: str) -> tuple[ShopperRow, list[RecentList]]:
        """See OnlineFeatures."""
        return shopper_and_friends(self, user_id)

    def recent_lists(self, user_ids: Sequence[str], had: bool = True) -> list[RecentList]:  # noqa: ARG002
        """See OnlineFeatures."""
        self.ping()
        return [self.recent.get(user_id, RecentList()) for user_id in user_ids]

    def consents(self, user_ids: Sequence[str]) -> list[tuple[bool, bool]]:
        """See OnlineFeatures."""
        self.ping()
        return [self.consent.get(user_id, (True, True)) for user_id in user_ids]

    def friends_of(self, user_ids: Sequence[str]) -> list[Friends]:
        """See OnlineFeatures."""
        self.ping()
        return [self.friends.get(user_id, Friends()) for user_id in user_ids]

    def studied(self, view: str, user_id: str) -> Found:
        """See OnlineFeatures."""
        self.ping()
        return self.studies.get(user_id, {}).get(view, {})

    def push_recent(
        self, user_ids: Sequence[str], lists: Sequence[RecentList], fencing_token: int
    ) -> None:
        """See OnlineFeatures."""
        self.ping()
        for user_id, recent in zip(user_ids, lists, strict=True):
            if fencing_token > self.pushed.get(user_id, 0):
                self.recent[user_id], self.pushed[user_id] = recent, fencing_token

    def forget_read(self) -> None:
        """See OnlineFeatures; nothing is kept beside the store."""

    def ping(self) -> None:
        """See OnlineFeatures."""
        if self.down:
            raise UnavailableError("the feature store does not answer")


_RECENT: Final = (
    schema.RECENT_ITEMS,
    schema.RECENT_KINDS,
    schema.RECENT_TS,
    schema.RECENT_WANTED,
)
_HAD: Final = (schema.HAD_ITEMS, schema.HAD_KINDS, schema.HAD_WANTED)
_ALL: Final = (*_RECENT, *_HAD, schema.ASKED_TS)
_TIES: Final = (
    schema.FRIEND_IDS,
    schema.FRIEND_STRENGTHS,
    schema.FRIENDS_NAMED,
    schema.FRIENDS_MUTUAL,
    schema.FRIEND_WEIGHTS,
)


class FeastFeatures:
    """The Feast online store: one read a list, or two, one read and one push a batch of events.

    What it holds is read each time, so nothing is ever older than the store. Only the work of
    reading bytes that are the same as before is saved.
    """

    def __init__(self, folder: str) -> None:
        """Open the store that ``folder``'s ``feature_store.yaml`` describes.

        Raises:
            BadInputError: There is none, or its views are not ours.
        """
        # Importing feast takes seconds, and only those who use a store should wait.
        with quick_imports():
            from feast import FeatureStore

        try:
            self._store = FeatureStore(repo_path=folder)
            found = [*self._store.list_feature_views(), *self._store.list_stream_feature_views()]
        except Exception as error:  # Feast raises what its parts raise
            raise BadInputError(
                f"cannot open the feature store in {folder}: {error}; "
                "apply its definitions first, then name its folder in COTERIE_FEATURES"
                f"{unresolved(error)}"
            ) from error
        views = {view.name: view for view in found}
        missing = {schema.SHOPPER_RECENT_VIEW, schema.SHOPPER_TIES_VIEW} - set(views)
        if missing:
            raise BadInputError(
                f"the feature store in {folder} lacks {sorted(missing)}, has {sorted(views)}: "
                "apply its definitions first"
            )
        self._rows = stored_rows(self._store)
        # A store of before some columns were there is read, and written, without them.
        recent, tied = views[schema.SHOPPER_RECENT_VIEW], views[schema.SHOPPER_TIES_VIEW]
        self._whole = _columns_in(recent, _ALL)
        self._list = _columns_in(recent, _RECENT)
        self._ties = _columns_in(tied, _TIES)
        self._consent = _columns_in(tied, (schema.FRIEND_IDS, schema.CONSENT))
        self._decode = decoder()
        whole, part = (self._in_place(self._whole, _ALL), self._in_place(self._list, _RECENT))
        ties = self._in_place(self._ties, _TIES)
        self._wholes = RowMemo(lambda raw: RecentList(*whole(raw)))
        self._lists = RowMemo(lambda raw: RecentList(*part(raw)))
        self._friends = RowMemo(lambda raw: _friends(ties(raw)))
        source = recent.batch_source
        times = (source.timestamp_field, source.created_timestamp_column)
        self._times: tuple[str, ...] = tuple(name for name in times if name)

    @property
    def store(self) -> Any:
        """Give Feast's own store, whose rows ``recent_rows`` writes."""
        return self._store

    @property
    def recents(self) -> tuple[Any, tuple[str, ...]]:
        """Give Feast's view of recent lists, and name the columns that the store has."""
        return self._whole.view, self._whole.names

    @property
    def views(self) -> tuple[Any, Any]:
        """Give Feast's views of recent lists and of ties, in which shoppers have rows."""
        return self._whole.view, self._ties.view

    def forget_read(self) -> None:
        """See OnlineFeatures."""
        for memo in (self._wholes, self._lists, self._friends):
            memo.clear()

    def shopper(self, user_id: str) -> ShopperRow:
        """See OnlineFeatures."""
        [[whole], [ties]] = self._read([(self._whole, [user_id]), (self._ties, [user_id])])
        return ShopperRow(self._wholes.of(user_id, whole), self._friends.of(user_id, ties))

    def with_friends(self, user_id: str) -> tuple[ShopperRow, list[RecentList]]:
        """See OnlineFeatures."""
        with self._asking():
            found = self._rows.read_around((self._whole, self._ties), self._list, user_id)
        if found is None:
            return shopper_and_friends(self, user_id)
        whole, ties = found.own
        row = ShopperRow(self._wholes.of(user_id, whole), self._friends.of(user_id, ties))
        ids = row.friends.ids
        if len(found.theirs) != len(ids):  # named in a form that the store does not read
            return row, self.recent_lists(ids, had=False)
        return row, list(map(self._lists.of, ids, found.theirs))

    def recent_lists(self, user_ids: Sequence[str], had: bool = True) -> list[RecentList]:
        """See OnlineFeatures."""
        if not user_ids:
            return []
        columns, memo = (self._whole, self._wholes) if had else (self._list, self._lists)
        [found] = self._read([(columns, user_ids)])
        return list(map(memo.of, user_ids, found))

    def consents(self, user_ids: Sequence[str]) -> list[tuple[bool, bool]]:
        """See OnlineFeatures."""
        if not user_ids:
            return []
        [found] = self._read([(self._consent, user_ids)])
        # A shopper of a store has a list of friends, be it empty.
        return [
            (bool(told[0][0]), bool(told[0][1]))
            if told and told[0]
            else (known is None, known is None)
            for known, *told in map(self._decode, found)
        ]

    def friends_of(self, user_ids: Sequence[str]) -> list[Friends]:
        """See OnlineFeatures."""
        if not user_ids:
            return []
        [found] = self._read([(self._ties, user_ids)])
        return list(map(self._friends.of, user_ids, found))

    def studied(self, view: str, user_id: str) -> Found:
        """See OnlineFeatures."""
        with self._asking():
            return read_columns(self._store, self._rows, view, user_id)

    def push_recent(
        self, user_ids: Sequence[str], lists: Sequence[RecentList], fencing_token: int
    ) -> None:
        """See OnlineFeatures."""
        import pandas as pd
        from feast.data_source import PushMode

        values = [_columns_of(recent) for recent in lists]
        frame = pd.DataFrame(
            {
                USER_ID: list(user_ids),
                **{name: [value[name] for value in values] for name in self._whole.names},
                # On Redis, Feast leaves a row alone that has a later time.
                **dict.fromkeys(self._times, _EPOCH + timedelta(microseconds=fencing_token)),
            }
        )
        try:
            self._store.push(PUSH_SOURCE, frame, to=PushMode.ONLINE)
        except Exception as error:  # whatever the store's client raises
            raise UnavailableError(
                f"the feature store refused a push: {error}{unresolved(error)}"
            ) from error

    def ping(self) -> None:
        """See OnlineFeatures."""
        self._read([(self._list, [PING_USER])])

    def _in_place(
        self, columns: Columns, wanted: Sequence[str]
    ) -> Callable[[RawRow], Sequence[Values]]:
        """Make what reads a row's lists in the order wanted; empty for a stranger, and where there
        is no such column."""
        names, decode = columns.names, self._decode
        if names == tuple(wanted):
            return lambda raw: [one or () for one in decode(raw)]

        def read(raw: RawRow) -> Sequence[Values]:
            found = dict(zip(names, decode(raw), strict=True))
            return [found.get(name) or () for name in wanted]

        return read

    def _read(self, asked: Sequence[Asked]) -> list[list[RawRow]]:
        with self._asking():
            return self._rows.read(asked)

    @contextmanager
    def _asking(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # whatever the store's client raises
            raise UnavailableError(
                f"the feature store did not answer: {error}{unresolved(error)}"
            ) from error


def _columns_in(view: Any, names: Sequence[str]) -> Columns:
    """Take those columns that a view has."""
    known = {feature.name for feature in view.features}
    return Columns(view, tuple(name for name in names if name in known))


def _friends(read: Sequence[Values]) -> Friends:
    ids, strengths, named, mutual, weights = read
    return Friends(ids, strengths, tuple(map(bool, named)), tuple(map(bool, mutual)), weights)


def _columns_of(recent: RecentList) -> dict[str, list[Any]]:
    """Write a recent list as values of the feature view, by column."""
    values = (getattr(recent, field.name) for field in fields(RecentList))
    return dict(zip(_ALL, map(list, values), strict=True))
