"""Which ties both sides want."""

import numpy as np
import numpy.typing as npt

from coterie.data.dataset import Ties
from coterie.data.ragged import Ragged
from coterie.graph.friends import FriendLists


def mutual_friends(friends: FriendLists, ties: Ties) -> npt.NDArray[np.bool_]:
    """Tell of each friend whether they follow the shopper in turn, shape (m,).

    Args:
        friends: Of all users, by row of all users.
        ties: All of them.
    """
    num = len(friends.offsets) - 1
    follower = Ragged(friends.offsets).row
    back = friends.person.astype(np.int64) * num + follower
    return np.isin(back, ties.src_idx.astype(np.int64) * num + ties.dst_idx)
