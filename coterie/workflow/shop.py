"""A shop, opened: its clean tables, and what of them may be looked at when."""

from dataclasses import dataclass

from coterie.data.dataset import Dataset, Split
from coterie.data.load import load_dataset
from coterie.data.repurchase import RepurchaseSetting
from coterie.data.splits import choose


@dataclass(frozen=True, slots=True)
class CleanShop:
    """Clean tables and their split."""

    dataset: Dataset
    split: Split

    @classmethod
    def open(cls, clean: str, repurchase: RepurchaseSetting | None = None) -> "CleanShop":
        """Load clean tables and split them.

        Args:
            clean: Folder that ``ingest`` wrote.
            repurchase: What may be listed again; learned from what was bought if not given.

        Raises:
            BadInputError: The folder is not clean, or its events cannot be split.
            UnavailableError: The store did not answer.
        """
        dataset = load_dataset(clean)
        return cls(dataset, choose(dataset, repurchase or RepurchaseSetting()))
