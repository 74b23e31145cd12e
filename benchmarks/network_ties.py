"""Which of two people would be tied: ties that were held out, by walks, node2vec and neighbours.

    python -m benchmarks.network_ties --data DIR --sets lastfm ciao beidian

One pair in ten is held out, never a person's last. ``auc``: how often a held-out pair is ranked
above one of two random people who are not tied, each held-out pair against one such. ``hits@20``:
share of held-out pairs of 1,000 people drawn that are among twenty suggestions for the lower row,
for node2vec among those within three steps, as for the others. Intervals are 95 %, by a bootstrap
over pairs; ``p`` is of the paired test against walks with restart. Writes ``ties`` of
``benchmarks/results/network.json``.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np
from scipy import sparse

from benchmarks.accuracy import prepare
from benchmarks.network import RESULTS, keep
from benchmarks.network_walks import best, without
from coterie.data.dataset import Ints, Ties
from coterie.data.load import load_dataset
from coterie.evaluation.significance import paired_test
from coterie.graph.ties import tie_matrix
from coterie.network.node2vec import embed
from coterie.network.people import Network
from coterie.network.walks import steps_of, walk_scores

K: Final = 20
PEOPLE: Final = 1_000
Score = Callable[[Ints, Ints], np.ndarray]


def hold_out(network: Network, rng: np.random.Generator) -> np.ndarray:
    """Mask one pair in ten, of people who keep another."""
    degree = network.degree.copy()
    held = np.zeros(len(network.one), bool)
    for pair in rng.permutation(len(held))[: len(held) // 10]:
        ends = network.one[pair], network.other[pair]
        if degree[ends[0]] > 1 and degree[ends[1]] > 1:
            held[pair] = True
            degree[ends[0]] -= 1
            degree[ends[1]] -= 1
    return held


def measure(ties: Ties, num_people: int, seed: int = 0) -> dict[str, Any]:
    """Rank held-out pairs in each way."""
    rng = np.random.default_rng(seed)
    network = Network.of(ties, num_people)
    held = hold_out(network, rng)
    one, other = network.one[held], network.other[held]
    key = network.ties.src_idx * num_people + network.ties.dst_idx
    gone = np.concatenate([one * num_people + other, other * num_people + one])
    left = network.ties.take(~np.isin(key, gone))
    known = tie_matrix(left, num_people, undirected=True, weighted=False)
    drawn = rng.integers(0, num_people, (2, 3 * len(one)))
    tied = np.isin(
        drawn.min(0) * num_people + drawn.max(0), network.one * num_people + network.other
    )
    chance = drawn[:, ~tied & (drawn[0] != drawn[1])][:, : len(one)]
    begun = time.process_time()
    vectors = embed(Network.of(left, num_people))
    learned_s = time.process_time() - begun
    unit = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
    degree = np.asarray(known.sum(axis=1)).ravel()
    rare = sparse.diags_array(1 / np.log(np.maximum(degree, 2)))
    counts = {"common neighbours": known, "adamic-adar": sparse.csr_matrix(known @ rare)}
    walk = steps_of(left, num_people)
    users = np.unique(one)
    users = np.sort(rng.permutation(users)[:PEOPLE])
    near = walk_scores(walk, users)
    candidates = without(near, users, known)
    found: dict[str, Any] = {}
    base: dict[str, np.ndarray] = {}
    for way in ("walk with restart", "node2vec", *counts):
        if way == "walk with restart":
            pairs = [_walked(walk, *ends) for ends in ((one, other), chance)]
            scored = candidates
        elif way == "node2vec":
            pairs = [(unit[a] * unit[b]).sum(1) for a, b in ((one, other), chance)]
            scored = candidates.copy()
            row = np.repeat(np.arange(len(users)), np.diff(scored.indptr))
            scored.data = 2.0 + (unit[users[row]] * unit[scored.indices]).sum(1)
        else:
            pairs = [
                np.asarray(counts[way][a].multiply(known[b]).sum(1)).ravel()
                for a, b in ((one, other), chance)
            ]
            scored = without(sparse.csr_matrix(counts[way][users] @ known), users, known)
        wins = (pairs[0] > pairs[1]) + 0.5 * (pairs[0] == pairs[1])
        people, _ = best(scored, K)
        asked = np.isin(one, users)
        rank = np.searchsorted(users, one[asked])
        hits = (people[rank] == other[asked][:, None]).any(1)
        found[way] = {}
        for metric, each in (("auc", wins), (f"hits@{K}", hits)):
            values = each.astype(float)
            first = base.setdefault(metric, values)
            p_value = paired_test(values, first).p_value
            found[way][metric] = _interval(values)
            found[way][f"{metric} p"] = None if p_value is None else round(p_value, 4)
    return {
        "people": num_people,
        "held_out": len(one),
        "ways": found,
        "node2vec_cpu_s": round(learned_s, 1),
    }


def _walked(walk: Any, one: Ints, other: Ints) -> np.ndarray:
    """Score pairs by walks from the lower row."""
    users, row = np.unique(one, return_inverse=True)
    scores = np.zeros(len(one))
    for at in range(0, len(users), 512):
        near = walk_scores(walk, users[at : at + 512])
        here = np.flatnonzero((row >= at) & (row < at + 512))
        scores[here] = np.asarray(near[row[here] - at, other[here]]).ravel()
    return scores


def _interval(values: np.ndarray) -> list[float]:
    """Give mean and ends of the interval."""
    rng = np.random.default_rng(0)
    values = values.astype(float)
    means = [values[rng.integers(0, len(values), len(values))].mean() for _ in range(500)]
    low, high = np.quantile(means, [0.025, 0.975])
    return [round(float(one), 4) for one in (values.mean(), low, high)]


def main() -> None:
    """Measure the sets that were asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--sets", nargs="+", default=["lastfm", "ciao", "beidian"])
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for name in prepare(options.data, Path(folder), options.sets):
            dataset = load_dataset(f"{folder}/{name}/clean")
            kept = json.loads(RESULTS.read_text()) if RESULTS.is_file() else {}
            found = kept.get("ties", {}) | {name: measure(dataset.ties, len(dataset.users))}
            keep("ties", found)
            sys.stdout.write(f"{name} {json.dumps(found[name])}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
