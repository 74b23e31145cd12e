"""A shopper's history and friends, as the storefront shows them."""

from datetime import UTC, datetime

import numpy as np

from coterie.data.polarity import speaks_against
from coterie.schema import EVENT_KINDS
from serving.features.online_store import OnlineFeatures
from serving.features.recent import RecentList
from serving.lists.catalogue import Catalogue
from serving.schemas import Friend, HistoryEntry, Shopper


def shown_shopper(
    features: OnlineFeatures, catalogue: Catalogue, user_id: str, most: int
) -> Shopper:
    """Show a shopper's history and friends; those who may not be named are only counted."""
    row = features.shopper(user_id)
    named = [f for f, yes in zip(row.friends.ids, row.friends.named, strict=True) if yes]
    histories = features.recent_lists(named, had=False)
    return Shopper(
        user_id=user_id,
        history=_history(catalogue, row.recent, most, against=True),
        friends=[
            # What they did not want is nobody else's business.
            Friend(user_id=friend, history=_history(catalogue, recent, most, against=False))
            for friend, recent in zip(named, histories, strict=True)
        ],
        num_friends=len(row.friends.ids),
    )


def _history(
    catalogue: Catalogue, recent: RecentList, most: int, against: bool
) -> list[HistoryEntry]:
    """List the newest entries of a history, with what was turned down or without."""
    rows = catalogue.rows(recent.item_ids)
    turned_down = speaks_against(np.array(recent.kinds, np.int8), np.array(recent.wanted_ms))
    entries = zip(rows, recent.kinds, turned_down.tolist(), recent.ts_ms, strict=True)
    known = [entry for entry in entries if entry[0] >= 0 and (against or not entry[2])]
    return [
        HistoryEntry(
            item=catalogue.item(item),
            event=EVENT_KINDS[kind],
            turned_down=unwanted,
            ts=datetime.fromtimestamp(ts / 1000, UTC),
        )
        for item, kind, unwanted, ts in known[:most]
    ]
