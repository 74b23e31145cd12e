"""A reason as it is told: what it says, and how much of a score it is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from coterie.recommend.recommender import ReasonKind


@dataclass(frozen=True, slots=True, eq=False)
class ReasonAbout:
    """What a reason says, whatever the listed item: many items of a list share one."""

    kind: ReasonKind
    text: str
    item_id: str | None = None
    """The item in the history, where it is one."""
    item_ids: Sequence[str] | None = None
    """Some of the shopper's own items that it adds up, newest first."""
    category: str | None = None
    """Path of the category, where it is several items of one."""
    num_items: int | None = None
    """Items of the shopper's own that it adds up."""
    friend: str | None = None
    """The friend who is named."""
    num_friends: int | None = None
    """Friends that it adds up, where that may be told."""


@dataclass(slots=True)
class ToldReason:
    """One reason of an item: a group of parts of its score.

    Not frozen: thousands are made a second, and filled in afterwards.
    """

    about: ReasonAbout
    net: float
    """What it adds to the score."""
    gross: float
    """The same without signs."""
    share: float = 0.0
    """Of the score; those of an item add up to 1."""
    likeness: Mapping[str, float] | None = None
    """In what items are alike, as shares of 1."""
    likeness_text: str | None = None
    """The same in words."""

    @property
    def kind(self) -> ReasonKind:
        """Where this part of the score comes from."""
        return self.about.kind

    @property
    def text(self) -> str:
        """What is said, for people to read."""
        return self.about.text
