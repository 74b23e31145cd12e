"""What all parts of ``benchmarks.together`` look at: a set, and what was known of it when."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from coterie.data.dataset import Interactions, Ints, Split, TrainingSet
from coterie.data.ragged import Ragged
from coterie.evaluation.significance import estimate, paired_test
from coterie.graph.friends import FriendLists
from coterie.models.social_linear import SocialLinearConfig, fit_linear
from coterie.recommend.batches import Community
from coterie.recommend.shoppers import Shoppers
from coterie.schema import EVENT_KINDS, STRENGTHS, TARGET_KINDS

Doubles = npt.NDArray[np.float64]
_TARGETS: Final = [EVENT_KINDS.index(kind) for kind in TARGET_KINDS]


@dataclass(frozen=True)
class World:
    """One set, with models of what was known before validation, and before test."""

    name: str
    split: Split
    before: TrainingSet
    after: TrainingSet
    model_before: "ClosedForm"
    model_after: "ClosedForm"


class ClosedForm:
    """The closed form that a release holds, which is fitted in seconds (``social_linear``)."""

    def __init__(self, config: SocialLinearConfig, data: TrainingSet) -> None:
        """Fit it on what was known."""
        self._part = fit_linear(config, data, Community.of(data))
        self._num_items = data.num_items

    def scores(self, shoppers: Shoppers) -> Doubles:
        """Score all items, shape (b, items); all 0 of somebody of whom nothing is known."""
        return np.asarray(self._part.scores(shoppers).double().numpy())

    def tastes(self, shoppers: Shoppers) -> Doubles:
        """Sum up the vectors of what each had, of length 1, shape (b, rank)."""
        own = self._part.weights.own(shoppers, self._num_items)
        state = np.asarray(own @ self._part.own.double().numpy())
        return state / np.maximum(np.linalg.norm(state, axis=1, keepdims=True), 1e-12)


def alone(community: Community, members: Ints) -> Shoppers:
    """Take people by their own histories, as serving does."""
    nothing = np.zeros(len(members) + 1, np.int64)
    friends = FriendLists(nothing, nothing[:0], np.zeros((0, len(STRENGTHS)), np.float32))
    return Shoppers(community.histories.take(members), friends, nothing, nothing[:0])


def targets_of(events: Interactions) -> Interactions:
    """Keep what lists should foresee: purchases, ratings and their like."""
    return events.take(np.isin(events.kind, _TARGETS))


def pairs_of(events: Interactions, num_items: int) -> Ints:
    """List what was had: user * num_items + item, ascending; clicks are none of it."""
    wanted = targets_of(events)
    return np.unique(wanted.user_idx * num_items + wanted.item_idx)


def rows_of(pairs: Ints, num_users: int, num_items: int) -> tuple[Ragged, Ints]:
    """Say the same as rows of users, and their items."""
    return Ragged.of_rows(pairs // num_items, num_users), pairs % num_items


def compared(values: Mapping[str, Doubles], ours: str) -> dict[str, Any]:
    """Give each way's mean with its interval, and ours against it.

    Args:
        values: Of each way, one value a person, of the same people.
        ours: The way that is compared with the others.
    """
    found: dict[str, Any] = {}
    for name, of in values.items():
        [mean] = estimate(of[:, None])
        found[name] = {key: _short(value) for key, value in asdict(mean).items()}
        if name != ours:
            test = paired_test(values[ours], of)
            low, high = test.difference.low, test.difference.high
            found[name]["ours_less"] = [_short(v) for v in (test.difference.mean, low, high)]
            found[name]["p"] = test.p_value
    return found


def _short(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
