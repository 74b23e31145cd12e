"""What is known of each person and of each tie of a network, as tables."""

from typing import Final

import numpy as np
import pyarrow as pa

from coterie.data.dataset import Dataset
from coterie.network.communities import participation
from coterie.network.diffusion import Diffused
from coterie.network.study import NetworkStructure
from coterie.schema import NETWORK_COMMUNITY, NETWORK_CORE, NETWORK_PAGERANK

PEOPLE_FILE: Final = "people.parquet"
TIES_FILE: Final = "ties.parquet"


def people_table(dataset: Dataset, built: NetworkStructure, found: Diffused | None) -> pa.Table:
    """Tell of each person, in the order of ids, where they stand.

    Influence is null where it was not estimated; ``seed_rank`` is null but for those chosen.
    """
    network, ties = built.network, built.network.ties
    n, chosen = network.num_people, built.chosen
    ends = np.concatenate([network.one[built.bridge], network.other[built.bridge]])
    columns = {
        "user_id": dataset.users.ids,
        "following": np.bincount(ties.src_idx, minlength=n),
        "followers": np.bincount(ties.dst_idx, minlength=n),
        "mutual": np.bincount(ties.src_idx[network.mutual], minlength=n),
        "degree": network.degree,
        NETWORK_PAGERANK: built.pagerank,
        NETWORK_CORE: built.core,
        NETWORK_COMMUNITY: chosen.label,
        **{f"community_{one.resolution:g}": one.label for one in built.found},
        "participation": participation(network, chosen.label),
        "bridges": np.bincount(ends, minlength=n),
        "caused": _nulls(n),
        "moved": _nulls(n),
        "seed_rank": pa.nulls(n, pa.int64()),
    }
    if found is not None:
        columns["caused"] = found.influence.given(network)
        columns["moved"] = found.influence.received(network)
        if found.seeds is not None:
            rank = np.zeros(n, np.int64)
            rank[found.seeds.people] = np.arange(1, len(found.seeds.people) + 1)
            columns["seed_rank"] = pa.array(rank, mask=rank == 0)
    return pa.table({name: _array(values) for name, values in columns.items()})


def ties_table(dataset: Dataset, built: NetworkStructure, found: Diffused | None) -> pa.Table:
    """Tell of each tie, by follower and followee, what moves along it."""
    network, ties = built.network, built.network.ties
    label = built.chosen.label
    key = np.minimum(ties.src_idx, ties.dst_idx) * network.num_people
    key += np.maximum(ties.src_idx, ties.dst_idx)
    bridge = (network.one * network.num_people + network.other)[built.bridge]
    columns = {
        "src_user_id": dataset.users.ids.take(pa.array(ties.src_idx)),
        "dst_user_id": dataset.users.ids.take(pa.array(ties.dst_idx)),
        "weight": ties.weight,
        "mutual": network.mutual,
        "within_community": label[ties.src_idx] == label[ties.dst_idx],
        "bridge": np.isin(key, bridge),
        "influence": _nulls(len(ties)),
        "caused": _nulls(len(ties)),
        "credit": _nulls(len(ties)),
        "threshold_weight": _nulls(len(ties)),
    }
    if found is not None:
        columns["influence"] = found.influence.probability
        columns["caused"] = found.influence.caused
        columns["credit"] = found.credit
        columns["threshold_weight"] = found.threshold.weight
    return pa.table({name: _array(values) for name, values in columns.items()})


def _nulls(count: int) -> pa.Array:
    return pa.nulls(count, pa.float64())


def _array(values: "pa.Array | np.ndarray") -> pa.Array:
    return pa.array(values, from_pandas=True) if isinstance(values, np.ndarray) else values
