"""What looking at a network costs, and how near influence comes to the truth.

    python -m benchmarks.network scale
    python -m benchmarks.network scale --only communities
    python -m benchmarks.network methods
    python -m benchmarks.network reads
    python -m benchmarks.network libraries
    python -m benchmarks.network influence

``scale``: networks of 10,000, 100,000 and 1,000,000 people with ten ties each on average, drawn
with communities and a heavy tail; each in a process of its own. CPU seconds by stage, and the
highest memory of the process; with ``--only`` those stages alone, and the others stay as they
were. ``methods``: ways to find communities, on networks whose people stand in no order; ``reads``:
what reading memory at random costs alone.
``libraries``: the parts that need a compiled library, by NetworKit and by igraph where that is
installed. ``influence``: simulated shops, which know why each purchase happened; share caused by
friends, ranks of people and ties, beside the naive count, and the spread of people chosen in
several ways. Writes ``benchmarks/results/network.json``, part by part.
"""

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import numpy as np

from coterie.data.dataset import Ties

RESULTS: Final = Path(__file__).parent / "results" / "network.json"
SIZES: Final = (10_000, 100_000, 1_000_000)
METHOD_SIZES: Final = (100_000, 300_000)
TIES: Final = 10
SHOPS: Final = ((0.0, 7), (0.0, 8), (0.15, 7), (0.15, 8), (0.3, 7), (0.3, 8), (0.45, 7), (0.45, 8))
"""Share of purchases because of friends, and seed, of each simulated shop."""


def draw_ties(people: int, seed: int = 0) -> Ties:
    """Draw ties: eight of ten within a community, 60 % returned, few people with many followers."""
    rng = np.random.default_rng(seed)
    group = np.sort((people / 80 * rng.random(people) ** 2).astype(np.int64))
    start = np.searchsorted(group, np.arange(group[-1] + 2))
    count = int(people * TIES / 1.6)
    src = rng.integers(0, people, count)
    low, high = start[group[src]], start[group[src] + 1]
    # A square makes the first of a community, and of all, better known.
    near = low + ((high - low) * rng.random(count) ** 2).astype(np.int64)
    far = (people * rng.random(count) ** 3).astype(np.int64)
    dst = np.where(rng.random(count) < 0.8, near, far)
    back = rng.random(count) < 0.6
    src, dst = np.concatenate([src, dst[back]]), np.concatenate([dst, src[back]])
    other = src != dst
    src, dst = src[other], dst[other]
    since = rng.integers(1, 90 * 86_400_000, len(src))
    weight = rng.lognormal(0, 0.5, len(src)).astype(np.float32)
    return Ties(src, dst, np.zeros(len(src), np.int8), weight, since)


class Clock:
    """CPU seconds of each stage, and the highest memory so far."""

    def __init__(self) -> None:
        self.stages: dict[str, dict[str, float]] = {}

    def measure(self, name: str, work: Callable[[], Any]) -> Any:
        """Do the work of a stage."""
        begun, wall = time.process_time(), time.perf_counter()
        found = work()
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
        self.stages[name] = {
            "cpu_s": round(time.process_time() - begun, 2),
            "wall_s": round(time.perf_counter() - wall, 2),
            "peak_gib": round(peak, 2),
        }
        return found


def scale_one(people: int) -> dict[str, Any]:
    """Measure all stages on one network, in this process."""
    from coterie.network.bridges import bridges
    from coterie.network.growth import growth
    from coterie.network.people import Network
    from coterie.network.structure import core_numbers, pagerank

    clock = Clock()
    ties = draw_ties(people)
    network = clock.measure("ties into pairs", lambda: Network.of(ties, people))
    clock.measure("PageRank", lambda: pagerank(network))
    core = clock.measure("core numbers", lambda: core_numbers(network))
    bridge = clock.measure("bridges", lambda: bridges(network))
    found = _communities_at(network, clock)
    clock.measure("growth, 12 moments", lambda: growth(network))
    _influence_at(network, clock)
    return {
        "people": people,
        "ties": len(network.ties),
        "pairs": len(network.one),
        "highest_core": int(core.max()),
        "bridges": int(bridge.sum()),
        "communities": found,
        "stages": clock.stages,
        "total": _total(clock.stages),
    }


def _communities_at(network: Any, clock: Clock) -> dict[str, Any]:
    """Measure communities at three resolutions, as ``coterie network`` finds them."""
    from coterie.network.communities import find_communities

    found, near = {}, None
    for resolution in (0.5, 1.0, 2.0):
        one = clock.measure(
            f"communities, resolution {resolution:g}, 3 seeds",
            lambda resolution=resolution, near=near: find_communities(
                network, resolution, 3, near=near
            ),
        )
        near = one.label
        found[str(resolution)] = {
            "number": len(one.sizes),
            "modularity": round(one.modularity, 4),
            "stability": round(one.stability, 4),
        }
    return found


def some_of_one(people: int, only: str, kept: dict[str, Any]) -> dict[str, Any]:
    """Measure some stages on one network, in this process; the other stages are as kept."""
    from coterie.network.people import Network

    clock, found = Clock(), kept["communities"]
    network = Network.of(draw_ties(people), people)
    if only == "communities":
        found = _communities_at(network, clock)
    else:
        _influence_at(network, clock)
    stages = kept["stages"] | clock.stages
    return kept | {"communities": found, "stages": stages, "total": _total(stages)}


def _total(stages: dict[str, dict[str, float]]) -> dict[str, float]:
    return {
        "cpu_s": round(sum(s["cpu_s"] for s in stages.values()), 1),
        "wall_s": round(sum(s["wall_s"] for s in stages.values()), 1),
        "peak_gib": max(s["peak_gib"] for s in stages.values()),
    }


def _influence_at(network: Any, clock: Clock) -> None:
    """Measure influence on three adoptions a person, and the choice of 50."""
    from benchmarks.network_walks import suggest
    from coterie.network.adoptions import Adoptions, expose
    from coterie.network.influence import estimate
    from coterie.network.linear_threshold import fit_linear_threshold
    from coterie.network.maximise import choose_seeds
    from coterie.network.spread import Cascade

    rng = np.random.default_rng(1)
    people = network.num_people
    count, items = 3 * people, max(people // 10, 100)
    user = rng.integers(0, people, count)
    item = (items * rng.random(count) ** 2).astype(np.int64)
    _, first = np.unique(user * items + item, return_index=True)
    ts = np.sort(rng.integers(90 * 86_400_000, 180 * 86_400_000, len(first)))
    nobody = np.full(len(first), -1, np.int64)
    adoptions = Adoptions(user[first], item[first], ts, nobody)
    seen = clock.measure("exposures", lambda: expose(network, adoptions))
    category, came = rng.integers(0, 20, items), np.zeros(people, np.int64)
    found = clock.measure("influence", lambda: estimate(network, adoptions, seen, category, came))
    clock.measure("linear threshold", lambda: fit_linear_threshold(network, adoptions, seen, found))
    ties = network.ties
    # Chances of the drawn network mean nothing; those of the weighted cascade are usual for this.
    among = np.bincount(ties.src_idx, minlength=people)
    chance = np.minimum(found.probability + 0.3 / among[ties.src_idx], 1.0)
    cascade = Cascade.of(ties.dst_idx, ties.src_idx, chance, people)
    clock.measure("50 people by IMM, eps 0.3", lambda: choose_seeds(cascade, 50, 0.3))
    from coterie.data.dataset import Interactions, TrainingSet

    ints = np.zeros(0, np.int64)
    none = Interactions(ints, ints, ints.astype(np.int8), ints.astype(np.float32), ints, ints)
    data = TrainingSet(none, ties, people, 1)
    clock.measure("suggestions for 500 people", lambda: suggest(data, np.arange(500), 10))


def libraries(people: int = 100_000) -> dict[str, Any]:
    """Measure NetworKit and igraph on the same network, on one thread each."""
    from coterie.network.communities import find_communities, within_and_chance
    from coterie.network.partitions import CommunityMethod
    from coterie.network.people import Network
    from coterie.network.structure import core_numbers

    network = Network.of(draw_ties(people), people)
    clock = Clock()
    way = CommunityMethod.LEIDEN
    one = clock.measure("networkit: Leiden", lambda: find_communities(network, 1.0, 1, method=way))
    clock.measure("networkit: core numbers", lambda: core_numbers(network))
    found = {"people": people, "networkit": version("networkit")}
    found["modularity"] = {"networkit": round(one.modularity, 4)}
    try:
        import igraph
    except ImportError:
        return found | {"stages": clock.stages}
    import random

    random.seed(0)
    pairs = np.stack([network.one, network.other], axis=1)
    graph = clock.measure("igraph: graph", lambda: igraph.Graph(n=people, edges=pairs))
    weights = network.weight.tolist()
    label = clock.measure(
        "igraph: Leiden",
        lambda: graph.community_leiden("modularity", weights=weights, n_iterations=5).membership,
    )
    clock.measure("igraph: core numbers", lambda: graph.coreness())
    within, chance = within_and_chance(network, np.array(label), True)
    found["modularity"]["igraph"] = round(within - chance, 4)
    return found | {"igraph": igraph.__version__, "stages": clock.stages}


def influence_one(share: float, seed: int) -> dict[str, Any]:
    """Compare estimates with the truth of one simulated shop."""
    from scipy.stats import spearmanr

    from coterie.data.ingest import ingest
    from coterie.data.load import load_dataset
    from coterie.data.simulate import ShopConfig, simulate
    from coterie.network.adoptions import Adoptions, arrivals, expose
    from coterie.network.homophily import match_pairs, shuffle_times
    from coterie.network.influence import credit_distribution, estimate, naive_counts
    from coterie.network.linear_threshold import fit_linear_threshold
    from coterie.network.people import Network
    from coterie.network.study import top_categories

    made = simulate(ShopConfig(influence=share, seed=seed, unused=0.0))
    with tempfile.TemporaryDirectory() as folder:
        made.write(f"{folder}/raw")
        ingest(f"{folder}/raw", f"{folder}/clean")
        dataset = load_dataset(f"{folder}/clean")
    n = len(dataset.users)
    network, adoptions = Network.of(dataset.ties, n), Adoptions.of(dataset.events)
    seen = expose(network, adoptions)
    came = arrivals(dataset.events, n)
    found = estimate(network, adoptions, seen, top_categories(dataset), came)
    threshold = fit_linear_threshold(network, adoptions, seen, found)
    truth = made.truth.filter(made.truth["friend_user_id"].is_valid())
    buyer = dict(
        zip(made.events["event_id"].to_pylist(), made.events["user_id"].to_pylist(), strict=True)
    )
    friend = dataset.users.rows(truth["friend_user_id"])
    moved = dataset.users.rows([buyer[one] for one in truth["event_id"].to_pylist()])
    ties = network.ties
    key = ties.src_idx * n + ties.dst_idx
    of_tie = np.bincount(np.searchsorted(key, moved * n + friend), minlength=len(ties))
    of_person = np.bincount(friend, minlength=n)
    exposed = found.seen > 0
    ways = {
        "ours": found.caused,
        "threshold": threshold.caused,
        "credit_distribution": credit_distribution(network, adoptions, seen),
        "naive": naive_counts(network, seen),
    }
    shuffled = shuffle_times(network, adoptions, seen, came, 50)
    matched = match_pairs(network, adoptions, seen, found.background)
    ranks = {
        name: {
            "people": _rank(np.bincount(ties.dst_idx, held, n), of_person, spearmanr),
            "ties": _rank(held[exposed], of_tie[exposed], spearmanr),
        }
        for name, held in ways.items()
    }
    return {
        "influence": share,
        "seed": seed,
        "adoptions": len(adoptions),
        "share": {
            "truth": round(len(truth) / len(adoptions), 4),
            "ours": round(found.share_caused, 4),
            "threshold": round(threshold.share_caused, 4),
            "matched_pairs": round(matched.excess, 4),
            "shuffled_times": round(shuffled.excess, 4),
            "naive": round(found.share_naive, 4),
        },
        "shuffle_p": round(shuffled.p_value, 4),
        "ranks": ranks,
    }


def _rank(found: Any, truth: Any, spearmanr: Any) -> float | None:
    value = float(spearmanr(found, truth).statistic) if truth.any() else float("nan")
    return None if np.isnan(value) else round(value, 4)


def spread_of_ways() -> dict[str, Any]:
    """Choose 50 people of a simulated shop in several ways, and simulate how far each spreads."""
    from coterie.data.ingest import ingest
    from coterie.data.simulate import ShopConfig, simulate
    from coterie.workflow.network import analyse_network, read_network_settings

    with tempfile.TemporaryDirectory() as folder:
        simulate(ShopConfig()).write(f"{folder}/raw")
        ingest(f"{folder}/raw", f"{folder}/clean")
        settings = read_network_settings("runs=2000", "picture=0")
        figures = analyse_network(f"{folder}/clean", f"{folder}/out", settings)
    seeds = figures["influence"]["seeds"]
    return {name: seeds[name] for name in ("people", "sets", "eps", "bound_holds", "simulated")}


def keep(part: str, found: Any) -> None:
    """Write one part of the results; the others stay."""
    kept = json.loads(RESULTS.read_text()) if RESULTS.is_file() else {}
    kept["machine"] = {
        "cpu": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "networkit": version("networkit"),
        "numpy": version("numpy"),
        "scipy": version("scipy"),
    }
    kept[part] = found
    RESULTS.write_text(json.dumps(kept, indent=1) + "\n")


def _one(people: int, only: str | None) -> dict[str, Any]:
    if only is None:
        return scale_one(people)
    kept = {one["people"]: one for one in json.loads(RESULTS.read_text())["scale"]}
    return some_of_one(people, only, kept[people])


def main() -> None:
    """Measure one part, and print it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "part", choices=("scale", "methods", "reads", "libraries", "influence", "one")
    )
    parser.add_argument("--people", type=int, default=0)
    parser.add_argument("--only", choices=("communities", "influence"))
    options = parser.parse_args()
    if options.part == "one":
        sys.stdout.write(json.dumps(_one(options.people, options.only)) + "\n")
        return
    if options.part == "scale":
        found = json.loads(RESULTS.read_text())["scale"] if options.only else [{} for _ in SIZES]
        for at, people in enumerate(SIZES):
            command = [sys.executable, "-m", "benchmarks.network", "one", "--people", str(people)]
            command += ["--only", options.only] if options.only else []
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            found[at] = json.loads(done.stdout)
            keep("scale", [one for one in found if one])
    elif options.part == "methods":
        from benchmarks.network_methods import methods_at

        sizes = [options.people] if options.people else METHOD_SIZES
        kept = json.loads(RESULTS.read_text()).get("methods", {})
        for people in sizes:
            kept[str(people)] = methods_at(people)
            keep("methods", kept)
    elif options.part == "reads":
        from benchmarks.network_methods import reads

        keep("reads", reads())
    elif options.part == "libraries":
        keep("libraries", libraries(options.people or 100_000))
    else:
        keep("influence", [influence_one(*shop) for shop in SHOPS])
        keep("spread", spread_of_ways())
    sys.stdout.write(json.dumps(json.loads(RESULTS.read_text()), indent=1) + "\n")


if __name__ == "__main__":
    main()
