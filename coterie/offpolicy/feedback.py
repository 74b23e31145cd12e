"""What a log of lists says of where lists are looked at, and of how often items were."""

import numpy as np

from coterie.errors import BadInputError
from coterie.offpolicy.impressions import ShownItems
from coterie.offpolicy.logged import Ints, Matrix

_TURNS = 30


def examination(item: Ints, reward: Matrix) -> Matrix:
    """Estimate how often each place is looked at, the first being 1.

    A click is taken for the product of how an item pleases and how its place is looked at; both are
    found in turns (the position-based click model), so a place is not blamed for what stands there.

    Args:
        item: Shape (n, k): items of lists; -1 pads.
        reward: Shape (n, k): whether each was clicked.

    Returns:
        Shape (k,), never rising from place to place.

    Raises:
        BadInputError: Nothing was clicked.
    """
    there = item >= 0
    clicks: Matrix = np.where(there, reward, 0.0)
    if not clicks.sum():
        raise BadInputError("no list was clicked: nothing is known of where lists are looked at")
    num = int(item.max()) + 1
    places = np.broadcast_to(np.arange(item.shape[1]), item.shape)[there]
    pairs = item[there] * item.shape[1] + places
    shown = np.bincount(pairs, minlength=num * item.shape[1]).reshape(num, -1).astype(np.float64)
    of_place, of_item = clicks.sum(axis=0), np.bincount(item[there], clicks[there], minlength=num)
    looked = np.ones(item.shape[1])
    for _ in range(_TURNS):
        # One click for twenty lists more, so that what was hardly shown says nothing.
        pleases = (of_item + 1) / (shown @ looked + 20)
        looked = (of_place + 1) / (pleases @ shown + 1)
        looked /= looked[0]
    return np.minimum.accumulate(looked)


def exposure(shown: ShownItems, rows: Ints, looked: Matrix, done: Matrix) -> Matrix:
    """Count how often each item was looked at.

    Args:
        shown: Lists.
        rows: Shape (codes,): row of each of ``shown.item_ids``; -1 where an item has none.
        looked: Shape (k,): see ``examination``.
        done: Shape (num_items,): how often people did something with the item, which they cannot
            without a look at it.

    Returns:
        Shape (num_items,).
    """
    there = shown.shown
    item = rows[shown.item[there]]
    weight = np.broadcast_to(looked, there.shape)[there]
    known = item >= 0
    return done + np.bincount(item[known], weight[known], minlength=len(done))
