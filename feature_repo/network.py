"""Where shoppers stand in the network, as a view of the feature store.

For other programs of the shop: no list is made of it.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from feast import FeatureView, Field
from feast.types import Float64, Int64, String

from coterie.network.columns import PEOPLE_FILE
from coterie.progress import Progress, silent
from coterie.schema import (
    NETWORK_COMMUNITY,
    NETWORK_CORE,
    NETWORK_PAGERANK,
    SHOPPER_NETWORK_VIEW,
)
from feature_repo.entities import user
from feature_repo.handover import SharedStore
from feature_repo.people_columns import hand_over_columns
from feature_repo.views import file_of, file_source

COLUMNS: Final = (NETWORK_COMMUNITY, NETWORK_PAGERANK, NETWORK_CORE)


@dataclass(frozen=True, slots=True)
class HandedNetwork:
    """What became of the columns of people."""

    shoppers: int
    online: bool
    newer: bool
    """Whether those of tables read later were there already, so that nothing was changed."""

    def in_words(self) -> str:
        """Say what a person should know.

        >>> HandedNetwork(1200, True, False).in_words()
        'where 1,200 shoppers stand in the network was handed over, offline and online'
        """
        if self.newer:
            return "no network was handed over: that of tables that were read later is there"
        where = "offline and online" if self.online else "offline alone"
        return f"where {self.shoppers:,} shoppers stand in the network was handed over, {where}"


def shopper_network(offline: str = "") -> FeatureView:
    """Declare the view.

    Args:
        offline: Folder or URL of its file; the folder of the store if empty.
    """
    source = file_source(SHOPPER_NETWORK_VIEW, "where shoppers stand in the network")
    if offline:
        source.file_options.uri = file_of(offline, SHOPPER_NETWORK_VIEW)
    return FeatureView(
        name=SHOPPER_NETWORK_VIEW,
        entities=[user],
        schema=[
            # With the id Feast need not look into a file that may not be there yet.
            Field(name="user_id", dtype=String),
            Field(
                name=NETWORK_COMMUNITY,
                dtype=Int64,
                description="number of the community, 0 is the largest; not the same from one "
                "run to the next",
            ),
            Field(
                name=NETWORK_PAGERANK,
                dtype=Float64,
                description="share of walks along ties that are at the shopper; all sum to 1",
            ),
            Field(
                name=NETWORK_CORE,
                dtype=Int64,
                description="largest k of a group, each of whom knows k of it, with the shopper",
            ),
        ],
        source=source,
        online=True,
        description="Where a shopper stands in the network",
    )


def hand_over_network(
    folder: str, shared: SharedStore, read_ms: int, online: bool = False, told: Progress = silent
) -> HandedNetwork:
    """Put the columns of people that the network step left into the store that others read.

    Whoever was erased since the tables were read is left out.

    Args:
        folder: Of the step.
        shared: Where to.
        read_ms: When the shop's tables were read, milliseconds since 1970, UTC.
        online: Bring them online as well.
        told: How far it is.

    Raises:
        BadInputError: The store is not as it should be, or people stand under another key than
            those of serving.
        UnavailableError: A part of the store does not answer.
    """
    people = str(Path(folder, PEOPLE_FILE))
    view = shopper_network(shared.offline)
    handed = hand_over_columns(people, view, shared, read_ms, online, told, "network")
    return HandedNetwork(handed.shoppers, online, handed.newer)
