"""Logs in the form of the Open Bandit data: one row an impression, with its propensity.

The form is that of ZOZOTOWN's published data (Saito and others, 2021): ``timestamp``, ``item_id``
(a number from 0), ``position`` (1 to 3), ``click`` (0 or 1), ``propensity_score``, then
``user_feature_*`` and ``user-item_affinity_*``, which estimates here do not read. Each row is a
list of its own: places of one page are not joined in that data.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from coterie.errors import BadInputError
from coterie.offpolicy.logged import Ints, LoggedLists, Matrix
from coterie.offpolicy.rewards import RewardModel

COLUMNS = ("timestamp", "item_id", "position", "click", "propensity_score")
_USER = "user_feature_"


@dataclass(frozen=True, slots=True)
class BanditLog:
    """n impressions as columns of shape (n,), ordered by time."""

    ts_ms: Ints
    """Milliseconds since 1970, UTC."""
    item: Ints
    position: Ints
    """From 0."""
    click: Matrix
    propensity: Matrix
    context: Ints
    """Number of the combination of user features, from 0; all 0 where there are none."""

    @property
    def num_items(self) -> int:
        """One more than the highest item."""
        return int(self.item.max()) + 1

    @property
    def num_positions(self) -> int:
        """One more than the last position."""
        return int(self.position.max()) + 1

    @classmethod
    def read(cls, path: str | Path) -> "BanditLog":
        """Read one CSV file.

        Raises:
            BadInputError: There is no such file, it lacks columns, or holds what is no impression.
        """
        try:
            table = csv.read_csv(path).sort_by("timestamp")
        except (OSError, pa.ArrowInvalid) as error:
            raise BadInputError(f"{path} is no CSV file of impressions ({error})") from error
        missing = [name for name in COLUMNS if name not in table.column_names]
        if missing:
            raise BadInputError(
                f"{path} lacks {', '.join(missing)}: the form of the Open Bandit data has "
                f"{', '.join(COLUMNS)}"
            )
        if table.num_rows == 0 or any(table[name].null_count for name in COLUMNS):
            raise BadInputError(f"{path} has no rows, or empty cells: fill or drop them")
        users = [name for name in table.column_names if name.startswith(_USER)]
        return cls(
            _times(table["timestamp"], path),
            _whole(table, "item_id", 0, path),
            _whole(table, "position", 1, path) - 1,
            _whole(table, "click", 0, path).astype(np.float64),
            np.asarray(table["propensity_score"], dtype=np.float64),
            _contexts(table, users),
        )

    def lists(self, policy: Matrix) -> LoggedLists:
        """Hold the log against another policy, each impression a list of one place.

        Args:
            policy: Shape (positions, items), or (contexts, positions, items): the chance of each
                item at each place; sums to 1 over items.

        Raises:
            BadInputError: The policy is of another shape.
        """
        of_all = policy[None] if policy.ndim == 2 else policy
        needed = 1 if policy.ndim == 2 else int(self.context.max()) + 1
        asked = (self.num_positions, self.num_items)
        if (
            of_all.ndim != 3
            or of_all.shape[0] < needed
            or np.any(of_all.shape[1:] < np.array(asked))
        ):
            raise BadInputError(
                f"a policy of shape {policy.shape} does not fit {needed} contexts, {asked[0]} "
                f"positions and {asked[1]} items of the log"
            )
        context = self.context if policy.ndim == 3 else np.zeros(len(self.item), np.int64)
        chances = of_all[context, self.position]
        num_items = of_all.shape[2]
        # The place belongs to what is foreseen: an item at another place is another item.
        cell = self.position * num_items + self.item
        row = np.arange(len(self.item))
        model = RewardModel(cell[:, None], self.click[:, None], row, cell.max() + num_items)
        every = self.position[:, None] * num_items + np.arange(num_items)
        expected = (model.of_items(every) * chances).sum(axis=1)
        return LoggedLists(
            np.ones((len(row), 1), np.bool_),
            self.click[:, None],
            self.propensity[:, None],
            chances[row, self.item][:, None],
            row,
            model.of_items(cell[:, None]),
            expected[:, None],
        )


def _times(column: pa.ChunkedArray, path: str | Path) -> Ints:
    try:
        times = pc.cast(column, pa.timestamp("ms", tz="UTC"), safe=False)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise BadInputError(f"{path}: a timestamp is none ({error})") from error
    return np.asarray(times.cast(pa.int64()), dtype=np.int64)


def _whole(table: pa.Table, name: str, least: int, path: str | Path) -> Ints:
    column = table[name]
    if not pa.types.is_integer(column.type) or pc.min(column).as_py() < least:
        raise BadInputError(f"{path}: {name} holds other than whole numbers from {least} on")
    return np.asarray(column, dtype=np.int64)


def _contexts(table: pa.Table, users: list[str]) -> Ints:
    """Give each combination of user features a number, in the order of their words."""
    if not users:
        return np.zeros(table.num_rows, np.int64)
    words = pc.binary_join_element_wise(
        *(pc.cast(table[name], pa.string()) for name in users), "\x1f"
    )
    return np.unique(np.asarray(words, dtype=np.str_), return_inverse=True)[1].astype(np.int64)
