"""Numbers of segments that stay from one run to the next, so that who acts on one means the same.

Centres are found anew each time, and sizes change order. Whoever was in a segment says which one
of now it is: a segment keeps a number where over half of all who are in either are in both.
"""

from pathlib import PurePosixPath
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from coterie.data.dataset import Ints
from coterie.data.stores import open_store, reaching
from coterie.errors import BadInputError
from coterie.schema import SEGMENT

_SAME: Final = 0.5
"""Share of the shoppers of two segments that have to be in both; over a half only one can."""


def numbers_of(label: Ints, earlier: Ints, num_segments: int) -> Ints:
    """Give segments their numbers of an earlier run, and new ones numbers behind these.

    Args:
        label: Segment of each shopper, 0 to ``num_segments`` - 1 by size; -1 of whom there is none.
        earlier: The number that each had, of the same shape; -1: none.
        num_segments: How many there are.

    Returns:
        The number of each segment, shape (num_segments,).
    """
    numbers = np.full(num_segments, -1, np.int64)
    width = int(earlier.max(initial=-1)) + 1
    known = (label >= 0) & (earlier >= 0)
    flat = np.bincount(label[known] * width + earlier[known], minlength=num_segments * width)
    both = flat.reshape(num_segments, width)
    either = both.sum(axis=1, keepdims=True) + both.sum(axis=0) - both
    segment, number = np.nonzero(both > _SAME * either)
    numbers[segment] = number
    new = numbers < 0
    numbers[new] = width + np.arange(int(new.sum()))
    return numbers


def earlier_numbers(path: str, users: pa.Array) -> Ints:
    """Read which segment shoppers had, shape (users,); -1 who had none, or where no file is.

    Args:
        path: File or URL of columns of people, as a run leaves them.
        users: Ids of the shoppers of now.

    Raises:
        BadInputError: The file is none of such columns.
        UnavailableError: The store does not answer.
    """
    nobody = np.full(len(users), -1, np.int64)
    if not path:
        return nobody
    fs, place = open_store(path)
    with reaching(path):
        if not fs.exists(place):
            return nobody
        with fs.open(place, "rb") as file:
            try:
                had = pq.read_table(file, columns=["user_id", SEGMENT])
            except (pa.ArrowInvalid, KeyError) as error:
                raise BadInputError(
                    f"{PurePosixPath(place).name} holds no segments of people ({error}): "
                    "name the file of an earlier run, or remove it"
                ) from error
    rows = pc.index_in(users, had["user_id"].combine_chunks().cast(users.type))
    # A run that knew nobody left a column without a type.
    found = had[SEGMENT].combine_chunks().cast(pa.int64()).take(rows)
    return np.asarray(found.fill_null(-1).to_numpy(zero_copy_only=False))
