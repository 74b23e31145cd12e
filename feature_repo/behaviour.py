"""What shoppers are like and may do, as a view of the feature store: for campaigns of the shop.

No list is made of it.
"""

from dataclasses import dataclass
from pathlib import Path

from feast import FeatureView, Field
from feast.types import Float64, Int64, String

from coterie.behaviour.columns import PEOPLE_FILE
from coterie.progress import Progress, silent
from coterie.schema import (
    BUYS_7D,
    BUYS_30D,
    LEAVES_30D,
    SEGMENT,
    SEGMENT_NAME,
    SHOPPER_BEHAVIOUR_VIEW,
    VALUE_30D,
)
from feature_repo.entities import user
from feature_repo.handover import SharedStore
from feature_repo.people_columns import hand_over_columns
from feature_repo.views import file_of, file_source

_ABOUT = {
    BUYS_7D: "chance of a purchase within 7 days",
    BUYS_30D: "chance of a purchase within 30 days",
    VALUE_30D: "what is expected to be spent within 30 days, in the shop's currency; purchases "
    "where it tells no prices",
    LEAVES_30D: "chance that who was there in the last 30 days stays away for 30",
}


@dataclass(frozen=True, slots=True)
class HandedBehaviour:
    """What became of the columns of people."""

    shoppers: int
    online: bool
    newer: bool
    """Whether those of tables read later were there already, so that nothing was changed."""

    def in_words(self) -> str:
        """Say what a person should know.

        >>> HandedBehaviour(1200, False, False).in_words()
        'what 1,200 shoppers may do was handed over, offline alone'
        """
        if self.newer:
            return "no behaviour was handed over: that of tables that were read later is there"
        where = "offline and online" if self.online else "offline alone"
        return f"what {self.shoppers:,} shoppers may do was handed over, {where}"


def shopper_behaviour(offline: str = "") -> FeatureView:
    """Declare the view.

    Args:
        offline: Folder or URL of its file; the folder of the store if empty.
    """
    source = file_source(SHOPPER_BEHAVIOUR_VIEW, "what shoppers are like and may do")
    if offline:
        source.file_options.uri = file_of(offline, SHOPPER_BEHAVIOUR_VIEW)
    return FeatureView(
        name=SHOPPER_BEHAVIOUR_VIEW,
        entities=[user],
        schema=[
            # With the id Feast need not look into a file that may not be there yet.
            Field(name="user_id", dtype=String),
            Field(
                name=SEGMENT,
                dtype=Int64,
                description="number of the segment, the same in the next run where most of its "
                "shoppers are in it again",
            ),
            Field(name=SEGMENT_NAME, dtype=String, description="what sets the segment apart"),
            *(Field(name=n, dtype=Float64, description=about) for n, about in _ABOUT.items()),
        ],
        source=source,
        online=True,
        description="What a shopper is like, and may do next",
    )


def hand_over_behaviour(
    folder: str, shared: SharedStore, read_ms: int, online: bool = False, told: Progress = silent
) -> HandedBehaviour:
    """Put the columns of people that the behaviour step left into the store that others read.

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
    people, view = str(Path(folder, PEOPLE_FILE)), shopper_behaviour(shared.offline)
    handed = hand_over_columns(people, view, shared, read_ms, online, told, "behaviour")
    return HandedBehaviour(handed.shoppers, online, handed.newer)
