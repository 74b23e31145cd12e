"""A network in figures, as they are kept for programs and drawn for people."""

from dataclasses import asdict
from typing import Any

import numpy as np
from scipy import sparse

from coterie.data.dataset import Dataset
from coterie.network.communities import Communities
from coterie.network.diffusion import Diffused, compare_seeds
from coterie.network.growth import growth
from coterie.network.people import Network
from coterie.network.settings import NetworkSettings
from coterie.network.study import NetworkStructure, likeness_of_ties


def network_figures(
    dataset: Dataset,
    built: NetworkStructure,
    found: Diffused | str | None,
    settings: NetworkSettings,
) -> dict[str, Any]:
    """Tell of a network what ``network.json`` holds; a figure that cannot be had is None."""
    network = built.network
    figures: dict[str, Any] = {
        "fingerprint": dataset.fingerprint,
        "settings": asdict(settings),
        "size": _size(network),
        "cores": {
            "highest": int(built.core.max(initial=0)),
            "people_in_highest": int((built.core == built.core.max(initial=0)).sum()),
            "people_by_core": np.bincount(built.core).tolist(),
        },
        "degrees": np.bincount(network.degree).tolist(),
        "bridges": int(built.bridge.sum()),
        "assortativity": likeness_of_ties(dataset, built),
        "communities": [_communities(network, one) for one in built.found],
        "growth": [asdict(one) for one in growth(network)],
    }
    if isinstance(found, str):
        figures["influence"] = {"left_out": found}
    elif found is not None:
        figures["influence"] = _influence(built, found, settings)
    told: dict[str, Any] = _plain(figures)
    return told


def _size(network: Network) -> dict[str, float]:
    n, pairs = network.num_people, len(network.one)
    _, part = sparse.csgraph.connected_components(network.known(weighted=False), directed=False)
    return {
        "people": n,
        "people_with_ties": int((network.degree > 0).sum()),
        "ties": len(network.ties),
        "pairs": pairs,
        "mean_degree": 2 * pairs / n,
        "reciprocity": float(network.mutual.mean()),
        "parts": int(part.max() + 1),
        "largest_part": float(np.bincount(part).max() / n),
    }


def _communities(network: Network, one: Communities) -> dict[str, Any]:
    sizes = one.sizes
    real = sizes[sizes > 1]
    within = one.label[network.one] == one.label[network.other]
    return {
        "resolution": one.resolution,
        "method": one.method.value,
        "number": len(real),
        "largest": int(sizes[0]),
        "median_size": float(np.median(real)) if len(real) else None,
        "modularity": one.modularity,
        "stability": one.stability,
        "ties_within": float(within.mean()),
        "sizes": sizes[:50].tolist(),
    }


def _influence(
    built: NetworkStructure, found: Diffused, settings: NetworkSettings
) -> dict[str, Any]:
    influence, seeds = found.influence, found.seeds
    return {
        "adoptions": len(found.adoptions),
        "exposures": len(found.exposures),
        "share_caused": influence.share_caused,
        "share_by_threshold": found.threshold.share_caused,
        "share_by_shuffling": found.shuffled.excess,
        "share_by_matching": found.matched.excess,
        "share_naive": influence.share_naive,
        "alike": influence.alike,
        "days": influence.by_day.tolist(),
        "shuffled": asdict(found.shuffled),
        "matched": asdict(found.matched),
        "seeds": None
        if seeds is None
        else {
            "people": len(seeds.people),
            "expected": seeds.spread.tolist(),
            "sets": seeds.sets,
            "eps": seeds.eps,
            "bound_holds": seeds.complete,
            "simulated": compare_seeds(built, found, settings),
        },
    }


def _plain(value: Any) -> Any:
    """Write nan as None, for JSON."""
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value
