"""Friends of everybody, as discretion leaves them: whom lists draw on, and whom reasons name."""

from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from coterie.data.circle import Bools, Circle
from coterie.data.dataset import Dataset, Ints
from coterie.data.ragged import Ragged
from coterie.graph.circle import friends_drawn_on
from coterie.reasons.discretion import Discretion
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
        circle = Circle.of(discretion.circle, dataset.people)
        has_history = np.diff(community.histories.offsets) > 0
        drawn = friends_drawn_on(community.friends, dataset.ties, circle, has_history)
        return cls(replace(community, friends=drawn.friends), drawn.named, drawn.mutual)

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
