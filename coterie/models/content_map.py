"""From what the shop says of an item to what would have been learned of it: a map in closed form.

Whatever was learned of items that somebody had (vectors, biases, scores) is regressed on their
content (Tikhonov's ridge), so that an item that nobody had gets the like at once. Of an item that
people had, what the map would say had nobody had it is known without a second fit.

Beside words and vectors the map reads groups: categories, brands and tags, each a number of its
own. So it contains the mean of a category, held back by how few items there are, and never has to
guess a shelf from words alone.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from scipy import sparse
from scipy.sparse.linalg import svds

from coterie.data.dataset import Ints, TrainingSet
from coterie.data.vector_columns import vectors_of
from coterie.models.content_graph import WORDS, item_words, whitened
from coterie.models.engagement import engagement

Doubles = npt.NDArray[np.float64]
WIDTH: Final = 128
"""Numbers an item in each kind of content: its widest components."""
RIDGE: Final = 10.0
"""Strength of the regression, as so many items of length 1."""
GROUPS: Final = {"category": "/", "brand": None, "tags": ","}
"""Columns of the items that put them into groups, and what stands between those of one item. Of
each the ``WIDTH`` largest groups count, if they have two items or more."""


def content_features(data: TrainingSet, kinds: tuple[str, ...]) -> Doubles:
    """Describe items by their content, (items, numbers): of each kind a part of length 1, or 0.

    Args:
        data: With the columns of ``content_graph.COLUMNS`` that there are.
        kinds: Of ``content_graph.KINDS``.
    """
    found = [np.zeros((data.num_items, 0))]
    for kind in kinds:
        if kind == WORDS:
            found.append(_widest_of_words(item_words(data)))
        elif (vectors := vectors_of(data.items, kind)) is not None:
            found.append(_widest(whitened(vectors)))
    return np.hstack([_of_length_1(part) for part in found])


def group_features(data: TrainingSet) -> Doubles:
    """Mark the groups of items, (items, groups): of each column a part of length 1, or 0.

    A category path is a group, and so is each of its levels.
    """
    there = [] if data.items is None else data.items.column_names
    found = [np.zeros((data.num_items, 0))]
    for name, mark in GROUPS.items():
        if name in there:
            found.append(_of_length_1(_marked(data.item_column(name), mark)))
    return np.hstack(found)


@dataclass(frozen=True)
class ContentMap:
    """A map from content to whatever was learned of items, fitted on those that somebody had."""

    features: Doubles
    """Shape (items, numbers)."""
    known: npt.NDArray[np.bool_]
    """Shape (items,): items that somebody had."""

    @classmethod
    def of(cls, data: TrainingSet, kinds: tuple[str, ...]) -> "ContentMap":
        """Describe the items of a training set, and see who had which."""
        known = np.asarray(engagement(data).sum(axis=0)).ravel() > 0
        groups = group_features(data) if WORDS in kinds else np.zeros((data.num_items, 0))
        return cls(np.hstack([content_features(data, kinds), groups]), known)

    @cached_property
    def new(self) -> Ints:
        """Rows of items that nobody had and whose content is known."""
        return np.flatnonzero(~self.known & self.features.any(axis=1))

    @cached_property
    def _inputs(self) -> Doubles:
        """Features and a constant, so large that it is hardly held back."""
        return np.column_stack([self.features, np.full(len(self.features), 10.0)])

    @cached_property
    def _inverse(self) -> Doubles:
        learning = self._inputs[self.known]
        gram = learning.T @ learning + RIDGE * np.eye(learning.shape[1])
        return np.asarray(np.linalg.inv(gram))

    def of_new(self, table: npt.NDArray[Any]) -> Doubles:
        """Map ``table``, (items, n), to the rows ``new``."""
        return np.asarray(self._inputs[self.new] @ self._solved(table))

    def as_if_new(self, table: npt.NDArray[Any], items: Ints) -> Doubles:
        """Map ``table`` to rows of items that somebody had, each by what all others say."""
        some = self._inputs[items]
        # Leave one out: what is said of an item is a part of itself, and the rest of all others.
        itself = ((some @ self._inverse) * some).sum(axis=1)[:, None]
        said = some @ self._solved(table)
        return np.asarray((said - itself * table[items]) / (1.0 - itself))

    def _solved(self, table: npt.NDArray[Any]) -> Doubles:
        known = table[self.known].astype(np.float64)
        return np.asarray(self._inverse @ (self._inputs[self.known].T @ known))


def _widest_of_words(words: Any) -> Doubles:
    width = min(WIDTH, min(words.shape) - 1)
    if width < 1 or not words.nnz:
        return np.zeros((words.shape[0], 0))
    start = np.ones(min(words.shape))
    left, size, _ = svds(sparse.csr_matrix(words, dtype=np.float64), width, v0=start)
    return np.asarray(left * np.sqrt(size))


def _widest(vectors: npt.NDArray[Any]) -> Doubles:
    """Turn vectors into their widest components."""
    given = vectors.astype(np.float64)
    _, axes = np.linalg.eigh(given.T @ given)
    return np.asarray(given @ axes[:, -WIDTH:])


def _marked(column: pa.ChunkedArray, mark: str | None) -> Doubles:
    """Mark by 1 the largest groups that each item's text names, in parts and as a whole."""
    whole = pc.fill_null(column, "").combine_chunks()
    row, value = np.arange(len(whole)), whole
    if mark is not None:
        parts = pc.split_pattern(whole, mark)
        row = np.concatenate([row, pc.list_parent_indices(parts).to_numpy()])
        value = pa.concat_arrays([whole, pc.list_flatten(parts)])
    value = pc.utf8_trim_whitespace(value)
    code = pc.dictionary_encode(value).indices.to_numpy()
    named = pc.not_equal(value, "").to_numpy(zero_copy_only=False)
    ones = (np.ones(named.sum()), (row[named], code[named]))
    marked = sparse.csc_matrix(ones, (len(whole), code.max(initial=0) + 1))
    marked.data[:] = 1.0
    items = np.diff(marked.indptr)
    largest = np.argsort(-items, kind="stable")[:WIDTH]
    return np.asarray(marked[:, np.sort(largest[items[largest] > 1])].toarray())


def _of_length_1(part: Doubles) -> Doubles:
    length = np.linalg.norm(part, axis=1, keepdims=True)
    return np.asarray(part / np.where(length > 1e-9, length, np.inf))
