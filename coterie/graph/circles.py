"""Whom each shopper draws on: the strongest ties of everyone."""

from dataclasses import dataclass

import numpy as np

from coterie.data.dataset import Floats, Ints, Ties
from coterie.errors import BadInputError
from coterie.schema import MAX_FRIENDS


@dataclass(frozen=True, slots=True)
class FriendLists:
    """The strongest friends of every user, strongest first (compressed rows).

    The columns are those of ``recommend.Circles``; here ``person`` is a user row.
    """

    offsets: Ints
    """Shape (num_users + 1,)."""
    person: Ints
    """Shape (m,): the friend's user row."""
    strengths: Floats
    """Shape (m, len(schema.STRENGTHS)), each log(1 + value)."""

    def take(self, user_idx: Ints) -> "FriendLists":
        """The lists of some users, in the order asked; a row of -1 has no friends."""
        known = user_idx >= 0
        rows = np.where(known, user_idx, 0)
        counts = np.where(known, self.offsets[rows + 1] - self.offsets[rows], 0)
        offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        entries = np.repeat(self.offsets[rows] - offsets[:-1], counts) + np.arange(offsets[-1])
        return FriendLists(offsets, self.person[entries], self.strengths[entries])


def circles_of(
    ties: Ties, strengths: Floats, num_users: int, max_friends: int = MAX_FRIENDS
) -> FriendLists:
    """Whom each user follows, strongest first: by the sum of the features, then the lower row.

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
    src = ties.src_idx[order]
    counts = np.bincount(src, minlength=num_users)
    starts = np.concatenate([[0], np.cumsum(counts)])
    kept = order[np.arange(len(src)) - starts[src] < max_friends]
    offsets = np.concatenate([[0], np.cumsum(np.minimum(counts, max_friends))]).astype(np.int64)
    return FriendLists(offsets, ties.dst_idx[kept], strengths[kept].astype(np.float32))
