"""The friends that each shopper's list draws on: the strongest ties of everyone."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from coterie.data.dataset import Floats, Ints, Ties
from coterie.data.ragged import Ragged
from coterie.errors import BadInputError
from coterie.schema import MAX_FRIENDS


@dataclass(frozen=True, slots=True)
class FriendLists:
    """The friends of n shoppers, each one's strongest first (compressed rows).

    A friend's number is a row of all users, or of a batch's histories in ``recommend.Shoppers``.
    """

    offsets: Ints
    """Shape (n + 1,)."""
    person: Ints
    """Shape (m,): the friend's row."""
    strengths: Floats
    """Shape (m, len(schema.STRENGTHS)), each log(1 + value)."""

    def take(self, user_idx: Ints) -> "FriendLists":
        """Take the lists of some shoppers, in the order asked; a row of -1 has no friends."""
        taken, entries = Ragged(self.offsets).take(user_idx)
        return FriendLists(taken.offsets, self.person[entries], self.strengths[entries])

    def without(self, hidden: npt.NDArray[np.bool_]) -> "FriendLists":
        """Leave out the friends of some shoppers, a mask of shape (n,)."""
        rows = Ragged(self.offsets)
        left = ~hidden[rows.row]
        return FriendLists(rows.where(left).offsets, self.person[left], self.strengths[left])


def friend_lists(
    ties: Ties, strengths: Floats, num_users: int, max_friends: int = MAX_FRIENDS
) -> FriendLists:
    """List whom each user follows, strongest first: by the sum of the features, then the lower row.

    Args:
        ties: Each (follower, followee) once, as ``tie_strengths`` gives them.
        strengths: Their features, shape (len(ties), len(schema.STRENGTHS)).
        num_users: Users with a list, be it empty.
        max_friends: Friends kept a user.

    Raises:
        BadInputError: Ties and strengths differ in length.
    """
    if len(ties) != len(strengths):
        raise BadInputError(
            f"{len(ties)} ties but {len(strengths)} rows of strengths: pass tie_strengths' answer"
        )
    # Rounded, so that features summed in another order elsewhere still rank alike.
    total = np.round(strengths.astype(np.float64).sum(axis=1), 4)
    order = np.lexsort((ties.dst_idx, -total, ties.src_idx))
    followed = Ragged.of_rows(ties.src_idx, num_users)
    is_kept = followed.position < max_friends
    kept, offsets = order[is_kept], followed.where(is_kept).offsets
    return FriendLists(offsets, ties.dst_idx[kept], strengths[kept].astype(np.float32))
