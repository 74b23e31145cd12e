"""Shoppers whom no model ever saw: kept out of training whole, then told of a few first events.

The protocol is strong generalisation (Liang et al., 2018, arXiv:1802.05814) with the first events,
not a random part, given: some experienced shoppers play newcomers. All models are fitted on
everybody else's events; then a list is asked for that knows a newcomer's ties and 0, 1 or 3 first
items, and is judged by what came after the third, the same for all three.
"""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from coterie.data.dataset import Interactions, Ints, TrainingSet
from coterie.data.polarity import liked
from coterie.evaluation.protocols import Evaluation, RanksItself, Scores, evaluate_model

REVEALED: Final = (0, 1, 3)
"""First items that a list may know of a newcomer."""
MAX_NEWCOMERS: Final = 2_000


@dataclass(frozen=True, slots=True)
class Newcomers:
    """Some shoppers, taken out of a training set."""

    without: TrainingSet
    """Everybody else's events, and all ties: what models are fitted on."""
    held_out: Interactions
    """What the newcomers took after their first ``max(REVEALED)`` items."""
    _theirs: Interactions
    _before: Ints
    """Of each of ``_theirs``: the shopper's distinct items taken before it, shape (n,)."""

    @classmethod
    def choose(
        cls, data: TrainingSet, later: Interactions, share: float = 0.1, seed: int = 0
    ) -> "Newcomers | None":
        """Choose at random among the shoppers who took more than ``max(REVEALED)`` items.

        Args:
            data: All that came before the test.
            later: The test part, foreseen as well.
            share: Of the shoppers that could be chosen; at most MAX_NEWCOMERS are.
            seed: The same seed chooses the same.

        Returns:
            None where nobody took so many items, or nobody else is left to learn from.
        """
        new = _first_of_item(data)
        counts = np.bincount(data.interactions.user_idx[new], minlength=data.num_users)
        able = np.flatnonzero(counts > max(REVEALED))
        wanted = min(MAX_NEWCOMERS, int(np.ceil(share * len(able))))
        if wanted in (0, np.count_nonzero(counts)):
            return None
        chosen = np.zeros(data.num_users, bool)
        chosen[np.random.default_rng(seed).choice(able, wanted, replace=False)] = True
        theirs = chosen[data.interactions.user_idx]
        events, before = data.interactions.take(theirs), _taken_before(data.interactions, new)
        before = before[theirs]
        foreseen = events.take(new[theirs] & (before >= max(REVEALED)))
        return cls(
            replace(
                data, interactions=data.interactions.take(~theirs), validation=None, again=None
            ),
            Interactions.concat(foreseen, later.take(chosen[later.user_idx])),
            events,
            before,
        )

    def knowing(self, num_items: int) -> TrainingSet:
        """Keep everybody else's events, and each newcomer's up to and including the n-th item."""
        first = self._theirs.take(self._before < num_items)
        known = Interactions.concat(self.without.interactions, first)
        return replace(self.without, interactions=known)

    def evaluate(
        self, model: Scores | RanksItself, num_items: int, ks: tuple[int, ...]
    ) -> Evaluation:
        """Judge a model that serves ``knowing(num_items)``."""
        return evaluate_model(model, self.knowing(num_items), self.held_out, ks)


def _first_of_item(data: TrainingSet) -> npt.NDArray[np.bool_]:
    """Find the events by which a shopper took an item for the first time, shape (events,)."""
    wanted = np.flatnonzero(liked(data.interactions))
    taken = data.interactions.take(wanted)
    # np.unique gives the first of each, and events are ordered by time.
    _, first = np.unique(taken.user_idx * data.num_items + taken.item_idx, return_index=True)
    mask = np.zeros(len(data.interactions), bool)
    mask[wanted[first]] = True
    return mask


def _taken_before(events: Interactions, new: npt.NDArray[np.bool_]) -> Ints:
    """Count the items that an event's shopper had taken before it, shape (events,)."""
    order = np.argsort(events.user_idx, kind="stable")
    user = events.user_idx[order]
    taken: Ints = np.cumsum(new[order]) - new[order]
    starts = np.flatnonzero(np.r_[True, user[1:] != user[:-1]])
    lengths = np.diff(np.r_[starts, len(user)])
    before = np.empty(len(events), np.int64)
    before[order] = taken - np.repeat(taken[starts], lengths)
    return before
