"""A shop, opened: its clean tables, and what of them may be looked at when."""

from dataclasses import dataclass, replace

import pyarrow as pa

from coterie.content.vectors import ItemVectors, kinds_in
from coterie.data.circle import EVERYBODY, Circle, CircleRule
from coterie.data.dataset import Dataset, Split
from coterie.data.load import load_dataset
from coterie.data.repurchase import RepurchaseSetting
from coterie.data.splits import choose
from coterie.data.vector_columns import with_vectors
from coterie.workflow.content_folder import near_content
from coterie.workflow.described_items import with_described_tags


@dataclass(frozen=True, slots=True)
class CleanShop:
    """Clean tables and their split."""

    dataset: Dataset
    split: Split

    @classmethod
    def open(
        cls,
        clean: str,
        repurchase: RepurchaseSetting | None = None,
        content: str = "",
        rule: CircleRule = EVERYBODY,
    ) -> "CleanShop":
        """Load clean tables and split them.

        Args:
            clean: Folder that ``ingest`` wrote.
            repurchase: What may be listed again; learned from what was bought if not given.
            content: Folder or URL with vectors of items (``coterie.content.vectors``), put beside
                the columns that a model reads; empty: none.
            rule: Whom lists draw on.

        Raises:
            BadInputError: The folder is not clean, its events cannot be split, or there are no
                vectors where some should be.
            UnavailableError: The store did not answer.
        """
        dataset = load_dataset(clean)
        split = choose(dataset, repurchase or RepurchaseSetting())
        split = replace(split, items=with_content(split.items, content))
        return cls(dataset, in_circle(split, dataset, rule))


def in_circle(split: Split, dataset: Dataset, rule: CircleRule) -> Split:
    """Let lists draw on whom a rule says; nothing changes where it could leave nobody out."""
    circle = Circle.of(rule, dataset.people)
    if circle.leaves_out(split.ties.src_idx, split.ties.dst_idx):
        return replace(split, circle=circle)
    return split


def with_content(items: pa.Table | None, folder: str) -> pa.Table | None:
    """Put the vectors of a folder or URL beside a catalogue's columns; an empty name adds none.

    Where a language model described items, what it said stands behind their tags.

    Raises:
        BadInputError: There are no vectors.
        UnavailableError: The store did not answer.
    """
    if not folder or items is None:
        return items
    with near_content(folder) as near:
        items = with_described_tags(items, near)
        for kind in kinds_in(near):
            found = ItemVectors.read(near, kind)
            vectors = found.for_items(items["item_id"])
            items = with_vectors(items, kind, vectors, found.encoder, found.digest)
    return items
