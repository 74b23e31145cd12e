"""Clean tables into rows of the feature views: what was known of each shopper at each cutoff."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from coterie.data.dataset import Dataset, Interactions, Ints, Split, Ties, TrainingSet
from coterie.data.splits import events_of_lists
from coterie.graph.friends import friend_lists
from coterie.graph.mutual import mutual_friends
from coterie.graph.strength import tie_strengths
from coterie.graph.tie_weights import weights_by_kind
from coterie.recommend.shoppers import remembered
from coterie.schema import (
    ASKED_TS,
    CONSENT,
    CONSENTS,
    FRIEND_IDS,
    FRIEND_STRENGTHS,
    FRIEND_WEIGHTS,
    FRIENDS_MUTUAL,
    FRIENDS_NAMED,
    HAD_ITEMS,
    HAD_KINDS,
    HAD_WANTED,
    MAX_ASKED,
    RECENT_ITEMS,
    RECENT_KINDS,
    RECENT_TS,
    RECENT_WANTED,
    STRENGTHS,
    TIE_KINDS,
)
from coterie.schema import (
    TIMESTAMP as TIMESTAMP_TYPE,
)
from feature_repo.views import CREATED, TIMESTAMP


@dataclass(frozen=True, slots=True)
class FeatureSnapshot:
    """What was known at one moment."""

    cutoff_ms: int
    """Milliseconds since 1970, UTC."""
    events: Interactions
    ties: Ties
    read_ms: int = 0
    """When the shop's tables were read that tell it; the cutoff where that is later, as it is for
    moments that are looked back at."""

    @property
    def written_ms(self) -> int:
        """Before it nobody can have known these rows."""
        return max(self.cutoff_ms, self.read_ms)


def snapshots(dataset: Dataset, split: Split, read_ms: int = 0) -> list[FeatureSnapshot]:
    """Build features as of three moments: the end of training, the end of validation, now.

    Args:
        dataset: The whole shop.
        split: Its split; the first two moments are the ends of its parts.
        read_ms: When its tables were read, milliseconds since 1970, UTC; 0 where nobody knows.

    A bundled split without real times may end its parts at the same moment; each moment is then one
    millisecond after the one before, so that they stay apart.
    """
    first = _moment(split.train, split.ties, dataset.withheld, 0)
    validated = split.for_test()
    second = _moment(validated.interactions, validated.ties, dataset.withheld, first.cutoff_ms + 1)
    now = events_of_lists(dataset)
    last = max(int(now.ts_ms.max(initial=0)), second.cutoff_ms + 1)
    return [first, second, FeatureSnapshot(last, now, dataset.ties, read_ms)]


def _moment(
    events: Interactions, ties: Ties, withheld: Interactions, earliest: int
) -> FeatureSnapshot:
    """Build what was known at the end of a part, with what people kept to themselves until then."""
    cutoff = max(int(events.ts_ms.max(initial=0)), earliest)
    own = withheld.take(withheld.ts_ms <= cutoff)
    return FeatureSnapshot(cutoff, Interactions.concat(events, own), ties)


def recent_rows(dataset: Dataset, moment: FeatureSnapshot) -> pa.Table:
    """Make the rows of the recent view, one a shopper, in the order of ``dataset.users``."""
    rows, recent, had = remembered(moment.events, len(dataset.users))
    bounds = np.searchsorted(had.person, np.arange(len(dataset.users) + 1))
    asked, asked_ms = dataset.asked.newest(len(dataset.users), moment.cutoff_ms, MAX_ASKED)
    return _rows(
        dataset,
        moment,
        {
            RECENT_ITEMS: _lists(rows.offsets, dataset.items.ids.take(recent.item)),
            RECENT_KINDS: _lists(rows.offsets, pa.array(recent.kind, pa.int64())),
            RECENT_TS: _lists(rows.offsets, pa.array(recent.ts_ms)),
            RECENT_WANTED: _lists(rows.offsets, pa.array(recent.wanted_ms)),
            HAD_ITEMS: _lists(bounds, dataset.items.ids.take(had.item)),
            HAD_KINDS: _lists(bounds, pa.array(had.kind, pa.int64())),
            HAD_WANTED: _lists(bounds, pa.array(had.wanted_ms)),
            ASKED_TS: _lists(asked, pa.array(asked_ms)),
        },
    )


def friend_rows(dataset: Dataset, moment: FeatureSnapshot) -> pa.Table:
    """Make the rows of the ties view, one a shopper, in the order of ``dataset.users``."""
    users, items = len(dataset.users), len(dataset.items)
    known = TrainingSet(moment.events, moment.ties, users, items)
    friends = friend_lists(*tie_strengths(known), users)
    mutual = mutual_friends(friends, moment.ties)
    consent = np.stack([flag(dataset, column) for column in CONSENTS], axis=1)
    # Who follows somebody learns nothing of them that way: names are for those who follow back.
    named = consent[friends.person, 0] & mutual
    return _rows(
        dataset,
        moment,
        {
            FRIEND_IDS: _lists(friends.offsets, dataset.users.ids.take(friends.person)),
            FRIEND_STRENGTHS: _lists(
                friends.offsets * len(STRENGTHS), pa.array(friends.strengths.ravel())
            ),
            FRIENDS_NAMED: _lists(friends.offsets, pa.array(named.astype(np.int64))),
            FRIENDS_MUTUAL: _lists(friends.offsets, pa.array(mutual.astype(np.int64))),
            FRIEND_WEIGHTS: _lists(
                friends.offsets * len(TIE_KINDS),
                pa.array(weights_by_kind(friends, moment.ties).ravel()),
            ),
            CONSENT: _lists(
                np.arange(users + 1) * len(CONSENTS), pa.array(consent.ravel().astype(np.int64))
            ),
        },
    )


def flag(dataset: Dataset, column: str) -> npt.NDArray[np.bool_]:
    """Read a yes-or-no column of the people, shape (users,); yes where nothing is said."""
    said = dataset.people[column].combine_chunks().fill_null(True)
    return np.asarray(said.to_numpy(zero_copy_only=False), dtype=np.bool_)


def _lists(offsets: Ints, values: pa.Array) -> pa.Array:
    return pa.LargeListArray.from_arrays(pa.array(offsets), values).cast(pa.list_(values.type))


def _rows(dataset: Dataset, moment: FeatureSnapshot, features: dict[str, pa.Array]) -> pa.Table:
    when, written = (
        pa.repeat(pa.scalar(ms * 1000, pa.int64()).cast(TIMESTAMP_TYPE), len(dataset.users))
        for ms in (moment.cutoff_ms, moment.written_ms)
    )
    return pa.table({"user_id": dataset.users.ids, **features, TIMESTAMP: when, CREATED: written})
