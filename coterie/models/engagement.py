"""Who had what: the matrix that the baselines are computed from."""

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from coterie.data.dataset import Interactions, TrainingSet
from coterie.data.polarity import liked
from coterie.errors import BadInputError
from coterie.graph.interactions import interaction_matrix


def engagement(data: TrainingSet) -> sp.csr_matrix:
    """Mark by 1 which shopper had an item and did not turn it down, (num_users, num_items).

    Only events of target kinds count: views and shares are partly our own doing, and every
    published baseline is fitted on targets alone.

    Raises:
        BadInputError: Nobody had anything.
    """
    had = liked_events(data)
    return interaction_matrix(had, data.num_users, data.num_items, binary=True)


def liked_events(data: TrainingSet) -> Interactions:
    """Give the events that models learn from, in their order.

    Raises:
        BadInputError: There are none.
    """
    had = data.interactions.take(liked(data.interactions))
    if len(had) == 0:
        raise BadInputError(
            f"none of {len(data.interactions)} events is of a kind to learn from: "
            "a model needs carts, purchases, good ratings or reviews"
        )
    return had


def check_users(user_idx: npt.NDArray[np.int64], num_users: int) -> None:
    """Refuse rows that are no users of the training set, and models that saw none.

    Raises:
        BadInputError: As ``base.Model.scores`` says.
    """
    if num_users == 0:
        raise BadInputError("the model is not fitted: call fit first")
    if len(user_idx) and (user_idx.min() < 0 or user_idx.max() >= num_users):
        worst = int(user_idx.min() if user_idx.min() < 0 else user_idx.max())
        raise BadInputError(f"row {worst} is none of the {num_users} users of the training set")
