"""Friends of everybody, as discretion leaves them: whom lists draw on, and whom reasons name."""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from coterie.data.dataset import Dataset, Ints
from coterie.data.ragged import Ragged
from coterie.graph.mutual import mutual_friends
from coterie.reasons.discretion import Bools, Discretion
from coterie.recommend.batches import Community
from coterie.release.bundle import Release


@dataclass(frozen=True, slots=True)
class DiscreetCommunity:
    """Everybody, with the friends that lists draw on."""

    community: Community
    named: Bools
    """Whether each friend may be named, in the order of the community's friends."""
    mutual: Bools
    """Whether each follows the shopper in turn, likewise."""

    @classmethod
    def of(
        cls, community: Community, dataset: Dataset, discretion: Discretion
    ) -> "DiscreetCommunity":
        """Leave out friends whom lists may not draw on, as serving does."""
        friends = community.friends
        mutual = mutual_friends(friends, dataset.ties)
        named = mutual & may_be_named(dataset)[friends.person]
        has_history = (np.diff(community.histories.offsets) > 0)[friends.person]
        rows = Ragged(friends.offsets)
        kept = mutual | named | discretion.one_sided
        asks = kept & ~named & has_history
        enough = np.bincount(rows.row[asks], minlength=len(rows)) >= discretion.min_people
        kept &= named | enough[rows.row]
        left = replace(
            friends,
            offsets=rows.where(kept).offsets,
            person=friends.person[kept],
            strengths=friends.strengths[kept],
        )
        return cls(replace(community, friends=left), named[kept], mutual[kept])

    def entries(self, people: Ints) -> Ints:
        """Find the friends of some people, in the order of a batch of them."""
        return Ragged(self.community.friends.offsets).take(people)[1]


class CatalogueFacts:
    """What reasons have to know of a release's items (``reasons.groups.ItemFacts``)."""

    def __init__(self, release: Release) -> None:
        self._ids = release.catalogue.column("item_id").to_pylist()
        self._titles = release.catalogue.column("title").to_pylist()
        self.num_had: Ints = release.popularity.astype(np.int64)
        self.category_codes, self._categories = coded(release.catalogue.column("category"))

    def item_id(self, row: int) -> str:
        """Name the item of a row by its id."""
        return str(self._ids[row])

    def title(self, row: int) -> str:
        """Name the item of a row by its title."""
        return str(self._titles[row])

    def category(self, code: int) -> str:
        """Name the category of a code by its path."""
        return self._categories[code]

    def is_new(self, row: int) -> bool:  # noqa: ARG002 - a release holds none but its own
        """Tell whether the item of a row is newer than the release."""
        return False


def coded(categories: pa.ChunkedArray) -> tuple[Ints, list[str]]:
    """Encode categories: of each item the code, -1 where it has none, and the paths by code."""
    found = pc.dictionary_encode(categories).combine_chunks()
    codes = pc.fill_null(found.indices, -1).to_numpy(zero_copy_only=False).astype(np.int64)
    return codes, found.dictionary.to_pylist()


def may_be_named(dataset: Dataset) -> npt.NDArray[np.bool_]:
    """Tell of each user whether they may be named, shape (users,)."""
    said = dataset.people["may_be_named"].combine_chunks().fill_null(True)
    return np.asarray(said.to_numpy(zero_copy_only=False), dtype=np.bool_)
