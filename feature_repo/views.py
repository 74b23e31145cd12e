"""What is known of a shopper: their recent list, and their friends.

Two views, since Redis answers one look-up a view; both are lists, since a list needs all of them at
once. The files are read from the folder of the store that the views are registered in, unless
``definitions`` says where they are.
"""

import copy
from typing import Any, Final

from feast import FeatureView, Field, FileSource, PushSource
from feast.types import Array, Float32, Int64, String

from coterie.schema import (
    ASKED_TS,
    CONSENT,
    CONSENTS,
    FEATURE_TIMESTAMP,
    FRIEND_IDS,
    FRIEND_STRENGTHS,
    FRIEND_WEIGHTS,
    FRIENDS_MUTUAL,
    FRIENDS_NAMED,
    HAD_ITEMS,
    HAD_KINDS,
    HAD_WANTED,
    MAX_ASKED,
    MAX_FRIENDS,
    MAX_HAD,
    MAX_RECENT,
    RECENT_ITEMS,
    RECENT_KINDS,
    RECENT_TS,
    RECENT_WANTED,
    SHOPPER_RECENT_VIEW,
    SHOPPER_TIES_VIEW,
    STRENGTHS,
    TIE_KINDS,
)
from feature_repo.entities import user

TIMESTAMP: Final = FEATURE_TIMESTAMP
CREATED: Final = "created_timestamp"
"""When the row was written: later than TIMESTAMP for what was learned too late to be trained on."""
RECENT_PUSH: Final = f"{SHOPPER_RECENT_VIEW}_push"
"""Serving pushes a shopper's new list here after each event."""


def file_source(view: str, about: str) -> FileSource:
    """Declare where the rows of a view lie."""
    return FileSource(
        name=f"{view}_file",
        path=f"{view}.parquet",
        timestamp_field=TIMESTAMP,
        created_timestamp_column=CREATED,
        description=about,
    )


shopper_recent_push = PushSource(
    name=RECENT_PUSH,
    batch_source=file_source(SHOPPER_RECENT_VIEW, "recent lists at each cutoff"),
    description="recent lists as they change",
)

shopper_recent = FeatureView(
    name=SHOPPER_RECENT_VIEW,
    entities=[user],
    schema=[
        Field(
            name=RECENT_ITEMS,
            dtype=Array(String),
            description=f"items, newest first, each once, at most {MAX_RECENT}",
        ),
        Field(
            name=RECENT_KINDS,
            dtype=Array(Int64),
            description="the strongest thing done with each: its place in schema.EVENT_KINDS",
        ),
        Field(
            name=RECENT_TS,
            dtype=Array(Int64),
            description="the newest time of each, milliseconds since 1970, UTC",
        ),
        Field(
            name=RECENT_WANTED,
            dtype=Array(Int64),
            description="when each was last wanted; below 0: last turned down, at that time, and "
            "not wanted since; 0: neither",
        ),
        Field(
            name=HAD_ITEMS,
            dtype=Array(String),
            description="items that fell out of the recent ones and were wanted or turned down: "
            f"not shown again; the last first, at most {MAX_HAD}",
        ),
        Field(
            name=HAD_KINDS,
            dtype=Array(Int64),
            description="the strongest thing done with each of these",
        ),
        Field(
            name=HAD_WANTED,
            dtype=Array(Int64),
            description=f"of each of these, as {RECENT_WANTED}",
        ),
        Field(
            name=ASKED_TS,
            dtype=Array(Int64),
            description="when somebody shared an item with the shopper, milliseconds since 1970, "
            f"UTC, newest first, at most {MAX_ASKED}",
        ),
    ],
    source=shopper_recent_push,
    online=True,
    description="What a shopper did lately",
)

shopper_ties = FeatureView(
    name=SHOPPER_TIES_VIEW,
    entities=[user],
    schema=[
        Field(
            name=FRIEND_IDS,
            dtype=Array(String),
            description=f"friends, the strongest tie first, at most {MAX_FRIENDS}",
        ),
        Field(
            name=FRIEND_STRENGTHS,
            dtype=Array(Float32),
            description="log(1 + value) of " + ", ".join(STRENGTHS) + "; one friend after another",
        ),
        Field(
            name=FRIENDS_NAMED,
            dtype=Array(Int64),
            description="1 where the friend may be named in a reason",
        ),
        Field(
            name=FRIENDS_MUTUAL,
            dtype=Array(Int64),
            description="1 where the friend follows the shopper in turn",
        ),
        Field(
            name=FRIEND_WEIGHTS,
            dtype=Array(Float32),
            description="weight of each kind of tie: "
            + ", ".join(TIE_KINDS)
            + "; one friend after another",
        ),
        Field(
            name=CONSENT,
            dtype=Array(Int64),
            description="1 where the shopper agrees: " + ", ".join(CONSENTS),
        ),
    ],
    source=file_source(SHOPPER_TIES_VIEW, "friends at each cutoff"),
    online=True,
    description="Whom a shopper draws on",
)


def definitions(offline: str = "") -> list[Any]:
    """List all that is registered in a store.

    Args:
        offline: Folder or URL of the views' files; the folder of the store if empty.
    """
    found = [user, shopper_recent_push, shopper_recent, shopper_ties]
    if not offline:
        return found
    # As one, so that what refers to one another goes on doing so.
    found = copy.deepcopy(found)
    for view in found[2:]:
        view.batch_source.file_options.uri = file_of(offline, view.name)
    found[1].batch_source = found[2].batch_source
    return found


def file_of(offline: str, view: str) -> str:
    """Find the file of a view's rows, in a folder or under a URL."""
    return f"{offline.rstrip('/')}/{view}.parquet"
