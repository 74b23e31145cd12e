"""Ways to find communities, on the same networks, whose people stand in no order.

Called by ``python -m benchmarks.network methods``. Three seeds at resolution 1 of each way, one way
after the other for each seed, so that all meet the same load. *As they stand*: the Louvain method
on people in no order, which does the same work and differs in where memory is read alone.
``reads``: so many numbers read at random, out of a table of one a
person, and of one for each end of a pair, which is what a method does all the time, and nothing
else; sizes in turns, three times.
"""

import time
from collections.abc import Callable
from typing import Any, Final

import numpy as np

from coterie.data.dataset import Ints, Ties

SEEDS: Final = (0, 1, 2)
READS: Final = 5_000_000
READ_SIZES: Final = (10_000, 100_000, 300_000, 1_000_000)
ENDS: Final = 12
"""Ends of pairs a person, about."""


def methods_at(people: int) -> dict[str, Any]:
    """Measure each way on one network."""
    from benchmarks.network import draw_ties
    from coterie.network.agreement import adjusted_mutual_information
    from coterie.network.communities import by_size, within_and_chance
    from coterie.network.library import as_graph, kit
    from coterie.network.partitions import part_by_leiden, part_by_louvain, sketch
    from coterie.network.people import Network

    network = Network.of(_in_no_order(draw_ties(people), people), people)
    no_order = np.zeros(people, np.int64)
    kit()
    near, sketch_s = _timed(lambda: sketch(network))
    ways: dict[str, Callable[[int], Ints]] = {
        "leiden": lambda seed: part_by_leiden(as_graph(network), 1.0, seed),
        "louvain": lambda seed: part_by_louvain(network, True, 1.0, seed, near),
        "as they stand": lambda seed: part_by_louvain(network, True, 1.0, seed, no_order),
    }
    labels: dict[str, list[Ints]] = {way: [] for way in ways}
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    for seed in SEEDS:
        for way, part in ways.items():
            label, took = _timed(lambda part=part, seed=seed: part(seed))
            labels[way].append(by_size(label))
            seconds[way].append(round(took, 2))
    tied = network.degree > 0
    found: dict[str, Any] = {"people": people, "pairs": len(network.one)}
    found["sketch_cpu_s"] = round(sketch_s, 2)
    for way, of in labels.items():
        shares = [within_and_chance(network, label, True) for label in of]
        pairs = [(a, b) for a in range(len(of)) for b in range(a)]
        agreed = [adjusted_mutual_information(of[a][tied], of[b][tied]) for a, b in pairs]
        found[way] = {
            "cpu_s": seconds[way],
            "modularity": [round(within - chance, 4) for within, chance in shares],
            "stability": round(float(np.mean(agreed)), 4),
            "number": [int(label.max()) + 1 for label in of],
        }
    return found


def _in_no_order(ties: Ties, people: int) -> Ties:
    place = np.random.default_rng(9).permutation(people)
    src, dst = place[ties.src_idx], place[ties.dst_idx]
    return Ties(src, dst, ties.kind, ties.weight, ties.since_ms)


def _timed(work: Callable[[], Any]) -> tuple[Any, float]:
    begun = time.process_time()
    found = work()
    return found, time.process_time() - begun


def reads() -> list[dict[str, Any]]:
    """Measure nanoseconds of one read at random, by people of a network."""
    found = [{"people": people, "person_ns": [], "end_ns": []} for people in READ_SIZES]
    for seed in SEEDS:
        for one in found:
            one["person_ns"].append(_read_at_random(one["people"], seed))
            one["end_ns"].append(_read_at_random(one["people"] * ENDS, seed))
    return found


def _read_at_random(size: int, seed: int) -> float:
    rng = np.random.default_rng(seed)
    table, at = np.arange(size), rng.integers(0, size, READS)
    table[at[:1000]].sum()
    _, took = _timed(lambda: [table[at[n : n + 1000]].sum() for n in range(0, READS, 1000)])
    return round(1e9 * took / READS, 2)
