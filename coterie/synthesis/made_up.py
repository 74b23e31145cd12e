"""What a made-up shop is, and what one is drawn from."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from coterie.data.dataset import Interactions, Ints, Ties
from coterie.synthesis.source import Bools


@dataclass(frozen=True, slots=True)
class MadeUpShop:
    """Events and ties of people who do not exist, by row; items are the real ones."""

    num_people: int
    events: Interactions
    part: Ints
    """Index in ``schema.PARTS`` of each event; -1: none."""
    ties: Ties
    named: Bools
    """Whether friends may see them, shape (people,)."""


class ShopModel(Protocol):
    """What made-up shops are drawn from."""

    @property
    def num_people(self) -> int:
        """Count the people that it was learned from, as far as it may tell."""

    def draw(self, num_people: int, rng: np.random.Generator) -> MadeUpShop:
        """Draw a shop of so many people."""
