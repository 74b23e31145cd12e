"""What studies found of a shopper, as it is online for the shop's other programs.

No list draws on it: it is read for who asks what is kept of them, and removed with them.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from coterie.data.stores import answering, open_store, reaching
from coterie.errors import BadInputError
from coterie.schema import (
    BUYS_7D,
    BUYS_30D,
    LEAVES_30D,
    NETWORK_COMMUNITY,
    NETWORK_CORE,
    NETWORK_PAGERANK,
    SEGMENT,
    SEGMENT_NAME,
    SHOPPER_BEHAVIOUR_VIEW,
    SHOPPER_NETWORK_VIEW,
    VALUE_30D,
)
from serving.features.stored_rows import Columns, StoredRows

if TYPE_CHECKING:
    import pyarrow as pa

Found = dict[str, float | str]
STUDIES: Final[dict[str, tuple[str, ...]]] = {
    SHOPPER_NETWORK_VIEW: (NETWORK_COMMUNITY, NETWORK_PAGERANK, NETWORK_CORE),
    SHOPPER_BEHAVIOUR_VIEW: (SEGMENT, SEGMENT_NAME, BUYS_7D, BUYS_30D, VALUE_30D, LEAVES_30D),
}
"""Columns of people by view."""


def read_study(folder: str, view_name: str) -> "pa.Table":
    """Read what a study found of all shoppers, as it was handed over offline.

    Args:
        folder: Of the feature store.
        view_name: One of ``STUDIES``.

    Raises:
        BadInputError: It was not handed over.
        UnavailableError: The store does not answer.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq
    from feast import FeatureStore
    from feast.errors import FeatureViewNotFoundException

    with answering(f"{view_name} cannot be looked up in {folder}"):
        try:
            view = FeatureStore(repo_path=folder).get_feature_view(view_name)
        except FeatureViewNotFoundException as error:
            raise BadInputError(
                f"{folder} has no view {view_name}: run the network step, and hand over what it "
                "found (docs/network.md)"
            ) from error
    url = view.batch_source.file_options.uri
    fs, path = open_store(url if "://" in url else str(Path(folder, url)))
    with reaching(url):
        try:
            return pq.read_table(pa.BufferReader(fs.cat_file(path)))
        except FileNotFoundError as error:
            raise BadInputError(f"{url} is not there: run the network step again") from error


def read_columns(store: Any, rows: StoredRows, view_name: str, user_id: str) -> Found:
    """Read a shopper's row of a study, by column; empty where it, or the view, is not there.

    Args:
        store: Feast's ``FeatureStore``.
        rows: Those of its online store.
        view_name: One of ``STUDIES``.
        user_id: Whose.
    """
    from feast.errors import FeatureViewNotFoundException
    from feast.protos.feast.types.Value_pb2 import Value

    try:
        view = store.get_feature_view(view_name)
    except FeatureViewNotFoundException:
        return {}
    columns = STUDIES[view_name]
    [[row]] = rows.read([(Columns(view, columns), [user_id])])
    told: Found = {}
    for name, value in zip(columns, row, strict=True):
        message = Value.FromString(value or b"")
        if kind := message.WhichOneof("val"):
            found = getattr(message, kind)
            told[name] = found if isinstance(found, str) else float(found)
    return told
