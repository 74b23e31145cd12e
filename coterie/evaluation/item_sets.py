"""A set of items for each user: what they had, and what is held out for them."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from coterie.data.dataset import Interactions, Ints, TrainingSet
from coterie.data.hidden import hidden_pairs
from coterie.data.polarity import liked
from coterie.data.ragged import Ragged
from coterie.errors import BadInputError


@dataclass(frozen=True, slots=True)
class ItemSets:
    """Distinct items of b users as compressed rows, ascending within a row."""

    offsets: Ints
    """Shape (b + 1,)."""
    item_idx: Ints
    """Shape (n,); those of row i stand at ``offsets[i]`` to ``offsets[i + 1]``."""
    num_items: int

    @classmethod
    def of(cls, user_idx: Ints, item_idx: Ints, num_users: int, num_items: int) -> "ItemSets":
        """Make sets from (user, item) pairs in any order; a pair given twice counts once.

        Raises:
            BadInputError: A pair names a user or item that does not exist.
        """
        _check_rows("user", user_idx, num_users)
        _check_rows("item", item_idx, num_items)
        return cls._from_keys(np.unique(user_idx * num_items + item_idx), num_users, num_items)

    @classmethod
    def liked(cls, data: TrainingSet) -> "ItemSets":
        """Collect what each shopper had in training and did not turn down."""
        own = data.interactions.take(liked(data.interactions))
        return cls.of(own.user_idx, own.item_idx, data.num_users, data.num_items)

    @classmethod
    def hidden(cls, data: TrainingSet) -> "ItemSets":
        """Collect what is masked in each shopper's lists: what they had or turned down.

        What may be listed again when lists are made is not.
        """
        keys = hidden_pairs(data.interactions, data.num_items, data.again)
        return cls._from_keys(keys, data.num_users, data.num_items)

    @classmethod
    def held_out(cls, events: Interactions, hidden: "ItemSets") -> "ItemSets":
        """Collect what a list should foresee: items of ``events`` not hidden from the shopper.

        No model could show the others: they ask nothing.
        """
        wanted = cls.of(events.user_idx, events.item_idx, len(hidden), hidden.num_items)
        new = np.setdiff1d(wanted._keys(), hidden._keys(), assume_unique=True)
        return cls._from_keys(new, len(hidden), hidden.num_items)

    @classmethod
    def _from_keys(cls, keys: Ints, num_users: int, num_items: int) -> "ItemSets":
        offsets = np.searchsorted(keys, np.arange(num_users + 1) * num_items)
        return cls(offsets.astype(np.int64), keys % max(1, num_items), num_items)

    def __len__(self) -> int:
        """Count the users."""
        return len(self.offsets) - 1

    @property
    def sizes(self) -> Ints:
        """Items of each user, shape (b,)."""
        return np.diff(self.offsets)

    def take(self, rows: Ints) -> "ItemSets":
        """Take the sets of some users, in the order asked."""
        taken, entries = Ragged(self.offsets).take(rows)
        return ItemSets(taken.offsets, self.item_idx[entries], self.num_items)

    def contain(self, lists: Ints) -> npt.NDArray[np.bool_]:
        """Tell which entries of each user's list are in that user's set; -1 never is.

        Lists and answer have shape (b, k).
        """
        keys = self._keys()
        asked = np.where(lists >= 0, lists + np.arange(len(self))[:, None] * self.num_items, -1)
        index = np.searchsorted(keys, asked)
        found = np.r_[keys, -2][index] == asked
        return np.asarray(found, np.bool_)

    def matrix(self) -> "sp.csr_matrix":
        """Make a matrix, 1 where a user's set holds an item, shape (b, num_items)."""
        ones = np.ones(len(self.item_idx), np.float32)
        shape = (len(self), self.num_items)
        return sp.csr_matrix((ones, self.item_idx, self.offsets), shape=shape)

    def rows(self) -> Ints:
        """Give the user of each entry, shape (n,)."""
        return Ragged(self.offsets).row

    def _keys(self) -> Ints:
        """Encode each pair as one number, ascending."""
        return self.rows() * self.num_items + self.item_idx


def _check_rows(what: str, rows: Ints, limit: int) -> None:
    if len(rows) and (rows.min() < 0 or rows.max() >= limit):
        worst = int(rows.min() if rows.min() < 0 else rows.max())
        raise BadInputError(
            f"{what} {worst} is outside the {limit} {what}s of the training set: "
            "evaluate on the vocabulary that the model was fitted with"
        )
