"""What is known of a shopper when a list is made of it."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from coterie.data.circle import CircleRule
from coterie.data.ragged import Ragged
from coterie.schema import EventKind
from serving.events.event import Event
from serving.features.online_store import OnlineFeatures, ShopperRow
from serving.features.recent import RecentList, merge
from serving.lists.wanted import Wanted


@dataclass(frozen=True, slots=True)
class ShopperFeatures:
    """What is known of a shopper right now: read once a request, whatever is made of it."""

    user_id: str
    row: ShopperRow
    friends: Sequence[RecentList]
    """Of ``row.friends``, in their order."""

    @property
    def counts_unnamed(self) -> bool:
        """Whether lists draw on people who may not be named: exact numbers would tell of them."""
        if all(self.row.friends.named):
            return False
        named = zip(self.row.friends.named, self.friends, strict=True)
        return any(recent.item_ids and not may for may, recent in named)

    @property
    def is_stranger(self) -> bool:
        """Whether nothing is known that a list could draw on."""
        recent = self.row.recent
        return not (recent.item_ids or recent.had_ids or self.row.friends.ids)

    @property
    def has_friends(self) -> bool:
        """Whether friends are known who have a taste."""
        return any(recent.item_ids for recent in self.friends)

    def drawn_on(self, rule: CircleRule, row_of: Callable[[str], int]) -> "ShopperFeatures":
        """Leave out friends whom lists may not draw on.

        Args:
            rule: Whom they may.
            row_of: Finds an item's row, below 0 where the release does not know it: who had nothing
                else hides nobody.
        """
        friends = self.row.friends
        if all(friends.named):  # whom lists draw on whatever the rule
            return self
        # Who may be named is drawn on whatever they had.
        known = [
            not named and any(row_of(item) >= 0 for item in recent.item_ids)
            for named, recent in zip(friends.named, self.friends, strict=True)
        ]
        kept = rule.drawn_on(
            Ragged(np.array([0, len(known)], np.int64)),
            np.array(friends.named, np.bool_),
            np.array(friends.mutual or (True,) * len(friends.ids), np.bool_),
            np.array(known, np.bool_),
        )
        if kept.all():
            return self
        left = np.flatnonzero(kept).tolist()
        row = replace(self.row, friends=friends.take(left))
        return replace(self, row=row, friends=[self.friends[place] for place in left])


def gather(features: OnlineFeatures, user_id: str) -> ShopperFeatures:
    """Read what is known of a shopper.

    Raises:
        UnavailableError: The feature store did not answer.
    """
    return ShopperFeatures(user_id, *features.with_friends(user_id))


def in_context(row: ShopperRow, wanted: Wanted) -> ShopperRow:
    """Take in what a shopper has in front of them, as if they had just said so by events."""
    if not wanted.context:
        return row
    kind = EventKind.CART if wanted.surface == "cart" else EventKind.VIEW
    now_ms = int(time.time() * 1000)
    events = [Event("", "", item_id, kind, now_ms) for item_id in wanted.context]
    return replace(row, recent=merge(row.recent, events))
