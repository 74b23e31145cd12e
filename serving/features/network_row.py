"""Where a shopper stands in the network, as it is online for the shop's other programs.

No list draws on it: it is read for who asks what is kept of them.
"""

from typing import Any, Final

from coterie.schema import (
    NETWORK_COMMUNITY,
    NETWORK_CORE,
    NETWORK_PAGERANK,
    SHOPPER_NETWORK_VIEW,
)
from serving.features.stored_rows import Columns, StoredRows

COLUMNS: Final = (NETWORK_COMMUNITY, NETWORK_PAGERANK, NETWORK_CORE)


def read_network(store: Any, rows: StoredRows, user_id: str) -> dict[str, float]:
    """Read a shopper's row, by column; empty where it, or the view, is not there.

    Args:
        store: Feast's ``FeatureStore``.
        rows: Those of its online store.
        user_id: Whose.
    """
    from feast.errors import FeatureViewNotFoundException
    from feast.protos.feast.types.Value_pb2 import Value

    try:
        view = store.get_feature_view(SHOPPER_NETWORK_VIEW)
    except FeatureViewNotFoundException:
        return {}
    [[row]] = rows.read([(Columns(view, COLUMNS), [user_id])])
    told = {}
    for name, value in zip(COLUMNS, row, strict=True):
        message = Value.FromString(value or b"")
        if kind := message.WhichOneof("val"):
            told[name] = float(getattr(message, kind))
    return told
