"""How far something spreads from some people, by chance along ties; all runs at once."""

from dataclasses import dataclass

import numpy as np

from coterie.data.dataset import Ints
from coterie.data.ragged import Ragged
from coterie.network.people import Doubles

_CELLS = 100_000_000
"""Marks of (run, person) held in one go: 100 MB."""


@dataclass(frozen=True, slots=True)
class Cascade:
    """An independent cascade: who may move whom, with which chance."""

    rows: Ragged
    """By the person who moves."""
    target: Ints
    """Whom they may move, shape (m,)."""
    chance: Doubles

    @classmethod
    def of(cls, mover: Ints, moved: Ints, chance: Doubles, num_people: int) -> "Cascade":
        """Lay out ties by who moves; ties without a chance are left out."""
        kept = np.flatnonzero(chance > 0)
        order = kept[np.argsort(mover[kept], kind="stable")]
        rows = Ragged.of_rows(mover[kept], num_people)
        return cls(rows, moved[order], chance[order])

    def reversed(self) -> "Cascade":
        """Turn all ties around: who may have been moved by whom."""
        return Cascade.of(self.target, self.rows.row, self.chance, len(self.rows))


def reach(cascade: Cascade, run: Ints, person: Ints, rng: np.random.Generator) -> tuple[Ints, Ints]:
    """Let each run spread from its first people until nobody new is moved.

    Args:
        cascade: Who moves whom.
        run: Of each first person, from 0, shape (s,).
        person: The first people, shape (s,); each once a run.
        rng: Draws.

    Returns:
        Run and person of all who were reached, the first ones included, ordered by run.

    All runs advance together, a wave at a time: there is no loop over people.
    """
    num_people = len(cascade.rows)
    num_runs = int(run.max(initial=-1)) + 1
    block = max(1, _CELLS // max(num_people, 1))
    marks = np.zeros(min(block, num_runs) * num_people, bool)
    runs, people = [], []
    for first in range(0, num_runs, block):
        here = (run >= first) & (run < first + block)
        keys = (run[here] - first) * num_people + person[here]
        found = np.concatenate(_waves(cascade, keys, marks, rng))
        marks[found] = False
        found.sort()
        runs.append(found // num_people + first)
        people.append(found % num_people)
    none = np.zeros(0, np.int64)
    return np.concatenate([none, *runs]), np.concatenate([none, *people])


def _waves(
    cascade: Cascade,
    keys: Ints,
    marks: "np.ndarray[tuple[int], np.dtype[np.bool_]]",
    rng: np.random.Generator,
) -> list[Ints]:
    num_people = len(cascade.rows)
    marks[keys] = True
    found = [keys]
    while len(found[-1]):
        wave = found[-1]
        taken, entries = cascade.rows.take(wave % num_people)
        moved = rng.random(len(entries)) < cascade.chance[entries]
        base = (wave - wave % num_people)[taken.row[moved]]
        after = base + cascade.target[entries[moved]]
        after = np.unique(after[~marks[after]])
        marks[after] = True
        found.append(after)
    return found


def waves(cascade: Cascade, seeds: Ints, seed: int = 0) -> list[Ints]:
    """Let one run spread from ``seeds``: who is reached in each wave, the seeds first."""
    marks = np.zeros(len(cascade.rows), bool)
    return _waves(cascade, seeds, marks, np.random.default_rng(seed))[:-1]


def expected_spread(
    cascade: Cascade, seeds: Ints, runs: int = 1000, seed: int = 0
) -> tuple[float, float]:
    """Simulate how many people are reached from ``seeds``, themselves included.

    Returns:
        Mean and its standard error over ``runs``.
    """
    rng = np.random.default_rng(seed)
    run = np.repeat(np.arange(runs), len(seeds))
    reached, _ = reach(cascade, run, np.tile(seeds, runs), rng)
    counts = np.bincount(reached, minlength=runs)
    return float(counts.mean()), float(counts.std(ddof=1) / np.sqrt(runs)) if runs > 1 else 0.0
