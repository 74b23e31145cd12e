"""What each kind of tie adds to a pair: so that one kind can end and the others go on."""

import numpy as np

from coterie.data.dataset import Floats, Ties
from coterie.data.ragged import Ragged
from coterie.graph.friends import FriendLists
from coterie.schema import TIE_KINDS


def weights_by_kind(friends: FriendLists, ties: Ties) -> Floats:
    """Add up the weights of each friend's ties by kind, shape (m, len(schema.TIE_KINDS)).

    Args:
        friends: Of all users, by row of all users, m friends together.
        ties: All of them; those with nobody on a list are passed over.
    """
    num, kinds = len(friends.offsets) - 1, len(TIE_KINDS)
    follower = Ragged(friends.offsets).row.astype(np.int64)
    pair = follower * num + friends.person
    order = np.argsort(pair, kind="stable")
    asked = ties.src_idx.astype(np.int64) * num + ties.dst_idx
    place = np.searchsorted(pair[order], asked)
    found = np.flatnonzero(place < len(pair))
    found = found[pair[order][place[found]] == asked[found]]
    at = order[place[found]] * kinds + ties.kind[found]
    added = np.bincount(at, ties.weight[found], len(pair) * kinds)
    return added.reshape(len(pair), kinds).astype(np.float32)
