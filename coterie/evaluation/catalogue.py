"""Categories of the catalogue as codes, for how varied a list is."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from coterie.data.dataset import Ints


def categories(catalogue: pa.Table) -> Ints | None:
    """Code each item's whole category path, shape (num_items,); -1 where it has none.

    Args:
        catalogue: ``schema.ITEMS``, row i describes item i.

    Returns:
        None where no item has a category.
    """
    column = catalogue.column("category")
    if len(column) == column.null_count:
        return None
    coded = pc.dictionary_encode(column.combine_chunks()).indices
    return np.asarray(pc.fill_null(coded, -1).to_numpy(zero_copy_only=False), np.int64)
