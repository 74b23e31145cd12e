"""Do the features that training was handed tell the same as the clean tables?"""

from pathlib import Path
from typing import Final

import pyarrow.parquet as pq

from coterie.data.dataset import TrainingSet
from coterie.errors import BadInputError
from coterie.recommend.point_in_time import TRAINING_FEATURES, check_training_features, community_of
from coterie.workflow.shop import CleanShop

FOR_VALIDATION: Final = "for_validation.parquet"
"""What was known when training ended."""
FOR_TEST: Final = "for_test.parquet"
"""What was known when validation ended."""


def check_features(known: str, shop: CleanShop) -> None:
    """Compare point-in-time features with what a model is about to be fitted on.

    Serving will read these features; the model learns from the tables. Both tell the same, or
    nothing is fitted.

    Args:
        known: Folder with the two tables that the features step asked of the store.
        shop: The clean tables.

    Raises:
        BadInputError: A table is missing, or they differ.
    """
    used = shop.dataset.people["may_be_used"].to_numpy()
    parts: dict[str, TrainingSet] = {
        FOR_VALIDATION: shop.split.for_validation(),
        FOR_TEST: shop.split.for_test(),
    }
    for name, data in parts.items():
        path = Path(known, name)
        if not path.is_file():
            raise BadInputError(f"{known} lacks {name}: run the features step into it first")
        table = pq.read_table(path, schema=TRAINING_FEATURES)
        users, items = shop.dataset.users, shop.dataset.items
        check_training_features(community_of(table, users, items, data.again), data, used)
