"""The feature store of one folder: fill it, and ask a store what was known when."""

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from feast import FeatureStore

from coterie.data.dataset import Dataset
from coterie.errors import BadInputError
from coterie.files import atomic_file
from coterie.recommend.point_in_time import TRAINING_FEATURES
from coterie.schema import SHOPPER_RECENT_VIEW, SHOPPER_TIES_VIEW
from feature_repo.build import Snapshot, friend_rows, recent_rows
from feature_repo.services import service, service_name
from feature_repo.tokens import named_by_identity
from feature_repo.views import TIMESTAMP, definitions

SETTINGS: Final = "feature_store.yaml"
_START: Final = datetime(1970, 1, 1, tzinfo=UTC)


def open_store(folder: str) -> FeatureStore:
    """The store that ``materialise`` left in a folder.

    Raises:
        BadInputError: There is none.
    """
    if not (Path(folder) / SETTINGS).exists():
        raise BadInputError(f"{folder} has no {SETTINGS}: run the features step into it first")
    return FeatureStore(repo_path=folder)


def fill_store(
    folder: str, dataset: Dataset, moments: list[Snapshot], version: str, online: bool = True
) -> FeatureStore:
    """Write the offline rows, register the views and a version's service, fill the online store.

    Args:
        folder: Of the store; made where it is missing.
        dataset: The whole shop.
        moments: As ``build.snapshots`` gives them; the last one is what goes online.
        version: Of the model that will read them.
        online: Fill this folder's own online store; not needed where another one is served from.
    """
    home = Path(folder)
    home.mkdir(parents=True, exist_ok=True)
    for view, rows in ((SHOPPER_RECENT_VIEW, recent_rows), (SHOPPER_TIES_VIEW, friend_rows)):
        _write(pa.concat_tables([rows(dataset, moment) for moment in moments]), home / view)
    shutil.copyfile(Path(__file__).with_name(SETTINGS), home / SETTINGS)
    store = open_store(folder)
    store.apply([*definitions(), service(version)])
    if online:
        with named_by_identity():
            store.materialize(_START, _moment(moments[-1].cutoff_ms))
    return store


def known_at(store: FeatureStore, version: str, user_ids: pa.Array, cutoff_ms: int) -> pa.Table:
    """What a version knew of each shopper at a moment, and nothing that came or was written later.

    Returns:
        One row a shopper in the order asked: ``user_id``, then the columns of both views; null
        where nothing was known of the shopper yet.
    """
    when = pd.to_datetime(np.full(len(user_ids), cutoff_ms), unit="ms", utc=True)
    people = pd.DataFrame({"user_id": user_ids.to_pandas(), TIMESTAMP: when})
    with named_by_identity():
        found = store.get_historical_features(
            entity_df=people,
            features=store.get_feature_service(service_name(version)),
            # Without it a row written later, but dated before the moment, would leak into training.
            filter_by_created_timestamp=True,
        ).to_df()
    rows = found.set_index("user_id").loc[people["user_id"]].reset_index()
    return pa.Table.from_pandas(rows, schema=TRAINING_FEATURES, preserve_index=False)


def _moment(ms: int) -> datetime:
    return _START + timedelta(milliseconds=ms)


def _write(rows: pa.Table, view: Path) -> None:
    with atomic_file(view.with_suffix(".parquet")) as file:
        pq.write_table(rows, file)
