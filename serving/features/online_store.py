"""What is known of shoppers right now: a small protocol, Feast behind it, and a fake for tests."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Protocol

from coterie import schema
from coterie.errors import BadInputError, UnavailableError, unresolved
from coterie.imports import quick_imports
from serving.features.recent import RecentList

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

    def ping(self) -> None:
        """Answer, if only that nothing is known."""


@dataclass(slots=True)
class FakeFeatures:
    """Features in memory, for tests and for measuring without a store."""

    recent: dict[str, RecentList] = field(default_factory=dict)
    friends: dict[str, Friends] = field(default_factory=dict)
    consent: dict[str, tuple[bool, bool]] = field(default_factory=dict)
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

    def push_recent(
        self, user_ids: Sequence[str], lists: Sequence[RecentList], fencing_token: int
    ) -> None:
        """See OnlineFeatures."""
        self.ping()
        for user_id, recent in zip(user_ids, lists, strict=True):
            if fencing_token > self.pushed.get(user_id, 0):
                self.recent[user_id], self.pushed[user_id] = recent, fencing_token

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
_TIES: Final = (
    schema.FRIEND_IDS,
    schema.FRIEND_STRENGTHS,
    schema.FRIENDS_NAMED,
    schema.FRIENDS_MUTUAL,
    schema.FRIEND_WEIGHTS,
)
_CONSENT_REFS: Final = [
    f"{schema.SHOPPER_TIES_VIEW}:{name}" for name in (schema.FRIEND_IDS, schema.CONSENT)
]
_PING_REFS: Final = [f"{schema.SHOPPER_RECENT_VIEW}:{schema.RECENT_ITEMS}"]


class FeastFeatures:
    """The Feast online store: two reads a list, one read and one push a batch of events."""

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
        # A store of before some columns were there is read, and written, without them.
        recent = views[schema.SHOPPER_RECENT_VIEW]
        known = {feature.name for feature in recent.features}
        self._columns = tuple(name for name in (*_RECENT, *_HAD) if name in known)
        self._recent_refs = [f"{schema.SHOPPER_RECENT_VIEW}:{name}" for name in self._columns]
        tied = {feature.name for feature in views[schema.SHOPPER_TIES_VIEW].features}
        self._ties_refs = [f"{schema.SHOPPER_TIES_VIEW}:{name}" for name in _TIES if name in tied]
        self._knows_consent = schema.CONSENT in tied
        self._list_refs = self._recent_refs[: len(_RECENT)]
        source = recent.batch_source
        times = (source.timestamp_field, source.created_timestamp_column)
        self._times: tuple[str, ...] = tuple(name for name in times if name)

    def shopper(self, user_id: str) -> ShopperRow:
        """See OnlineFeatures."""
        columns = self._read([*self._recent_refs, *self._ties_refs], [user_id])
        return ShopperRow(_recent(columns, 0), _friends(columns, 0))

    def recent_lists(self, user_ids: Sequence[str], had: bool = True) -> list[RecentList]:
        """See OnlineFeatures."""
        if not user_ids:
            return []
        columns = self._read(self._recent_refs if had else self._list_refs, user_ids)
        return [_recent(columns, row) for row in range(len(user_ids))]

    def consents(self, user_ids: Sequence[str]) -> list[tuple[bool, bool]]:
        """See OnlineFeatures."""
        if not user_ids:
            return []
        refs = _CONSENT_REFS if self._knows_consent else _CONSENT_REFS[:1]
        columns = self._read(refs, user_ids)
        # A shopper of a store has a list of friends, be it empty.
        told = columns.get(schema.CONSENT, [None] * len(user_ids))
        return [
            (bool(said[0]), bool(said[1])) if said else (known is None, known is None)
            for said, known in zip(told, columns[schema.FRIEND_IDS], strict=True)
        ]

    def friends_of(self, user_ids: Sequence[str]) -> list[Friends]:
        """See OnlineFeatures."""
        if not user_ids:
            return []
        columns = self._read(self._ties_refs, user_ids)
        return [_friends(columns, row) for row in range(len(user_ids))]

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
                **{name: [value[name] for value in values] for name in self._columns},
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
        self._read(_PING_REFS, [PING_USER])

    def _read(self, refs: list[str], user_ids: Sequence[str]) -> Mapping[str, list[Any]]:
        rows = [{USER_ID: user_id} for user_id in user_ids]
        try:
            columns: Mapping[str, list[Any]] = self._store.get_online_features(
                features=refs, entity_rows=rows
            ).to_dict()
        except Exception as error:  # whatever the store's client raises
            raise UnavailableError(
                f"the feature store did not answer: {error}{unresolved(error)}"
            ) from error
        return columns


def _recent(columns: Mapping[str, list[Any]], row: int) -> RecentList:
    return RecentList(*(tuple(_list(columns, name, row)) for name in (*_RECENT, *_HAD)))


def _friends(columns: Mapping[str, list[Any]], row: int) -> Friends:
    return Friends(
        tuple(_list(columns, schema.FRIEND_IDS, row)),
        tuple(_list(columns, schema.FRIEND_STRENGTHS, row)),
        tuple(bool(named) for named in _list(columns, schema.FRIENDS_NAMED, row)),
        tuple(bool(both) for both in _list(columns, schema.FRIENDS_MUTUAL, row)),
        tuple(_list(columns, schema.FRIEND_WEIGHTS, row)),
    )


def _columns_of(recent: RecentList) -> dict[str, list[Any]]:
    """Write a recent list as values of the feature view, by column."""
    values = (getattr(recent, field.name) for field in fields(RecentList))
    return dict(zip((*_RECENT, *_HAD), map(list, values), strict=True))


def _list(columns: Mapping[str, list[Any]], name: str, row: int) -> list[Any]:
    """Read one list; empty for a stranger, and where its column is missing or not asked for."""
    return columns[name][row] or [] if name in columns else []
