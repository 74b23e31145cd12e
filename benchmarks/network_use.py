"""Whether communities, walks and influence make better friends to draw on, on validation.

    python -m benchmarks.network_use --data DIR --sets lastfm ciao lastfm_by_time

``social_linear`` draws on every friend alike, so what the network tells is tried as whom it draws
on: ties within communities alone, without the weakest half by walks or by influence, and with five
people more whom walks suggest, for all shoppers or for those with few friends. NDCG@20 on
validation, change and p by a paired test. Writes ``use`` of ``benchmarks/results/network.json``.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from benchmarks.accuracy import prepare
from benchmarks.network import RESULTS, keep
from benchmarks.network_walks import suggest
from coterie.data.dataset import Dataset, Ints, Ties, TrainingSet
from coterie.data.load import load_dataset
from coterie.data.splits import choose
from coterie.errors import BadInputError
from coterie.evaluation.protocols import evaluate_model
from coterie.evaluation.significance import paired_test
from coterie.models import MODELS
from coterie.network.adoptions import Adoptions, arrivals, expose
from coterie.network.communities import find_communities
from coterie.network.influence import estimate
from coterie.network.partitions import CommunityMethod
from coterie.network.people import Network
from coterie.network.study import top_categories
from coterie.network.walks import steps_of, walk_scores

METRIC: Final = "ndcg@20"
FEW: Final = 3
"""Friends of a shopper who has few."""


def within_communities(data: TrainingSet, network: Network) -> Ties:
    """Keep ties within communities."""
    label = find_communities(network, 1.0, 1, method=CommunityMethod.LEIDEN).label
    return data.ties.take(label[data.ties.src_idx] == label[data.ties.dst_idx])


def near_by_walks(data: TrainingSet, network: Network) -> Ties:
    """Keep the half of everybody's ties, at least three, that walks find most often."""
    ties = network.ties
    walk = steps_of(ties, data.num_users)
    score = np.zeros(len(ties))
    for at in range(0, data.num_users, 512):
        users = np.arange(at, min(at + 512, data.num_users))
        rows = np.flatnonzero((ties.src_idx >= at) & (ties.src_idx < at + 512))
        found = walk_scores(walk, users)
        score[rows] = np.asarray(found[ties.src_idx[rows] - at, ties.dst_idx[rows]]).ravel()
    return ties.take(_better_half(ties, score, data.num_users))


def by_influence(data: TrainingSet, network: Network, category: Ints) -> Ties:
    """Keep the half of everybody's ties, at least three, along which most influence is found."""
    adoptions = Adoptions.of(data.interactions)
    came = arrivals(data.interactions, data.num_users)
    # Of many ties nobody knows since when they are.
    found = estimate(network, adoptions, expose(network, adoptions), category, came)
    return network.ties.take(_better_half(network.ties, found.probability, data.num_users))


def _better_half(ties: Ties, score: "np.ndarray", num_users: int) -> "np.ndarray":
    order = np.lexsort((-score, ties.src_idx))
    counts = np.bincount(ties.src_idx, minlength=num_users)
    start = np.cumsum(counts) - counts
    position = np.empty(len(ties), np.int64)
    position[order] = np.arange(len(ties)) - start[ties.src_idx[order]]
    return position < np.maximum(FEW, (counts[ties.src_idx] + 1) // 2)


def with_suggested(data: TrainingSet, few: bool) -> Ties:
    """Add five people whom walks suggest, to all or to those with few friends."""
    followed = np.bincount(data.ties.src_idx, minlength=data.num_users)
    users = np.flatnonzero(followed <= FEW) if few else np.arange(data.num_users)
    people, _ = suggest(data, users, 5)
    there = people >= 0
    src, dst = np.repeat(users, there.sum(axis=1)), people[there]
    ties = data.ties
    return Ties(
        np.concatenate([ties.src_idx, src]),
        np.concatenate([ties.dst_idx, dst]),
        np.concatenate([ties.kind, np.zeros(len(src), np.int8)]),
        np.concatenate([ties.weight, np.full(len(src), 0.1, np.float32)]),
        np.concatenate([ties.since_ms, np.zeros(len(src), np.int64)]),
    )


def measure(dataset: Dataset) -> dict[str, Any]:
    """Fit with ties as given and in each other way, and judge on validation."""
    split = choose(dataset)
    data = split.for_validation()
    network = Network.of(data.ties, data.num_users)
    category = top_categories(dataset)
    ways: dict[str, Callable[[], Ties]] = {
        "as given": lambda: data.ties,
        "within communities": lambda: within_communities(data, network),
        "better half by walks": lambda: near_by_walks(data, network),
        "better half by influence": lambda: by_influence(data, network, category),
        "with 5 suggested": lambda: with_suggested(data, few=False),
        "with 5 suggested, for few friends": lambda: with_suggested(data, few=True),
        "nobody": Ties.none,
    }
    found: dict[str, Any] = {}
    base = None
    for way, make in ways.items():
        try:
            known = replace(data, ties=make())
        except BadInputError as error:
            found[way] = {"left_out": str(error)}
            continue
        model = MODELS["social_linear"]()
        model.fit(known)
        values = evaluate_model(model, known, split.val, ks=(20,)).metrics[METRIC]
        base = values if base is None else base
        test = paired_test(values, base)
        found[way] = {
            "ties": len(known.ties),
            METRIC: round(float(values.mean()), 5),
            "change": None if test.relative is None else round(test.relative.mean, 5),
            "p": test.p_value,
        }
        sys.stdout.write(f"{split.name} {way}: {found[way]}\n")
        sys.stdout.flush()
    return {"split": split.name, "shoppers": len(values), "ways": found}


def main() -> None:
    """Measure the sets that were asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--sets", nargs="+", default=["lastfm", "ciao", "lastfm_by_time"])
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        kept = json.loads(RESULTS.read_text()) if RESULTS.is_file() else {}
        found = kept.get("use", {})
        for name in prepare(options.data, Path(folder), options.sets):
            found[name] = measure(load_dataset(f"{folder}/{name}/clean"))
            keep("use", found)


if __name__ == "__main__":
    main()
