"""The pseudo-inverse in full, for logs whose places are not filled independently."""

import numpy as np

from coterie.errors import BadInputError
from coterie.offpolicy.logged import Ints, Matrix

_SMALL = 1e-10


def pseudo_inverse_weights(drawn: Ints, target: Matrix, shown: Ints) -> Matrix:
    """Weigh lists as Swaminathan and others (2017) do: q' pinv(G) s.

    s says which item stands at which place of the shown list, G is the mean of s s' over lists of
    the logging policy, q the mean of s under the policy that is judged.

    Args:
        drawn: Shape (c, d, k): for each of c contexts, d lists drawn from the logging policy, of
            items from 0 to m - 1.
        target: Shape (c, k, m): chance of each item at each place under the judged policy.
        shown: Shape (c, n, k): lists that were shown in each context.

    Returns:
        Shape (c, n). Their mean over the logging policy is 1 if it could show all that the judged
        one would.

    Raises:
        BadInputError: Shapes differ.
    """
    contexts, places, items = target.shape
    if drawn.shape[::2] != (contexts, places) or shown.shape[::2] != (contexts, places):
        raise BadInputError(
            f"lists of shapes {drawn.shape} and {shown.shape} do not fit chances of shape "
            f"{target.shape}: give (contexts, lists, places) and (contexts, places, items)"
        )
    cells = np.arange(places) * items
    rows = np.zeros((contexts, drawn.shape[1], places * items))
    np.put_along_axis(rows, drawn + cells, 1.0, axis=2)
    second = np.einsum("cdi,cdj->cij", rows, rows) / drawn.shape[1]
    inverse = np.linalg.pinv(second, rcond=_SMALL, hermitian=True)
    q = np.einsum("ci,cij->cj", target.reshape(contexts, -1), inverse)
    found: Matrix = np.take_along_axis(q[:, None, :], shown + cells, axis=2).sum(axis=2)
    return found
