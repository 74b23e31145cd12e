"""How often experiments err, how soon they tell, and what friends who talk do to them.

    python -m benchmarks.experiments

Three parts of simulated experiments whose truth is known, and what it all costs:

- A/A: both arms alike, looked at 20 times. How often is a difference claimed at any look?
- Power: the second arm is better. How often is that seen, and after how many shoppers, beside a
  test that looks once, at the size that was planned for it?
- Friends: shoppers and ties of the shop simulator. Who bought tells followers, by the simulator's
  own diffusion of news; some of those come, and buy. The truth is what all shoppers on the second
  arm would buy more than all on the first. Shoppers are drawn one by one, or by communities that
  the Leiden method finds.
- Cost: bytes and seconds that impressions take.
- Interleaving: milliseconds of a core that a list of two releases takes, beside one of one.

Writes ``benchmarks/results/experiments.json``.
"""

import argparse
import json
import os
import platform
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from benchmarks.experiments_cost import cost
from benchmarks.experiments_earned import sessions_held
from benchmarks.experiments_exploring import exploring
from benchmarks.experiments_friends import friends
from benchmarks.experiments_interleaved import interleaving
from coterie.experiments.checks import ratio_e_value
from coterie.experiments.estimates import ArmDifference, adjusted, difference
from coterie.rollout.evidence import ArmCounts, Evidence, Worse

RESULTS: Final = Path(__file__).parent / "results" / "experiments.json"
Floats = npt.NDArray[np.float64]
ALPHA: Final = 0.05
LOOKS: Final = 20
SHOPPERS: Final = 6_000
BASE: Final = 0.06
"""Share of shoppers who buy."""


@dataclass(frozen=True, slots=True)
class Sample:
    """Shoppers of one simulated experiment, in the order in which their windows end."""

    treated: npt.NDArray[np.bool_]
    bought: Floats
    revenue: Floats
    before: Floats
    """Revenue of the four weeks before."""


def draw(rng: np.random.Generator, num: int, lift: float = 0.0) -> Sample:
    """Draw shoppers; who spends much before spends much after, and half of them spend nothing."""
    fond = rng.lognormal(0.0, 0.9, num)
    chance = np.clip(BASE * fond / np.exp(0.405), 0.0, 0.9)
    treated = rng.random(num) < 0.5
    bought = rng.random(num) < chance * np.where(treated, 1.0 + lift, 1.0)
    price = rng.lognormal(3.0, 0.8, num)
    before = rng.poisson(6.0 * chance) * rng.lognormal(3.0, 0.4, num)
    return Sample(treated, bought.astype(np.float64), bought * price, before)


def looks(num: int, count: int = LOOKS) -> list[int]:
    """Say after how many shoppers one looks."""
    return [num * one // count for one in range(1, count + 1)]


def _interval_says(found: ArmDifference) -> bool:
    low, high = found.interval(ALPHA)
    return low > 0 or high < 0


def _fixed_says(found: ArmDifference) -> bool:
    low, high = found.fixed(ALPHA)
    return low > 0 or high < 0


def _estimates(sample: Sample, outcome: Floats, at: list[int]) -> list[ArmDifference]:
    return [difference(sample.treated[:n], outcome[:n]) for n in at]


def _with_before(sample: Sample, at: list[int]) -> list[ArmDifference]:
    found = []
    for n in at:
        arm = sample.treated[:n].astype(np.int64)
        outcome, _ = adjusted(sample.revenue[:n], sample.before[:n], arm)
        found.append(difference(sample.treated[:n], outcome))
    return found


def _by_evidence(sample: Sample, at: list[int]) -> list[bool]:
    """Look by the e-values of rollouts, in both directions."""
    evidence, said, before = Evidence(), [], 0
    for n in at:
        arms = [
            ArmCounts(int(rows.sum()), int(sample.bought[before:n][rows].sum()))
            for rows in (sample.treated[before:n], ~sample.treated[before:n])
        ]
        evidence, before = evidence.add(*arms), n
        said.append(np.mean([evidence.against(1.0, one) for one in Worse]) >= 1.0 / ALPHA)
    return said


def false_alarms(num: int, seed: int) -> dict[str, Any]:
    """Count A/A experiments in which a difference is claimed at any look."""
    rng, at = np.random.default_rng(seed), looks(SHOPPERS)
    counted: dict[str, int] = {}
    for _ in range(num):
        sample = draw(rng, SHOPPERS)
        rate = _estimates(sample, sample.bought, at)
        revenue = _estimates(sample, sample.revenue, at)
        split = [
            ratio_e_value(
                [int(sample.treated[:n].sum()), int((~sample.treated[:n]).sum())], [0.5, 0.5]
            )
            for n in at
        ]
        said = {
            "interval, purchase rate": any(map(_interval_says, rate)),
            "interval, revenue": any(map(_interval_says, revenue)),
            "interval, revenue, CUPED": any(map(_interval_says, _with_before(sample, at))),
            "e-values of rollouts, purchase rate": any(_by_evidence(sample, at)),
            "usual test, looked at 20 times": any(map(_fixed_says, rate)),
            "usual test, looked at once": _fixed_says(rate[-1]),
            "sample-ratio mismatch at 0.001": any(one >= 1000 for one in split),
        }
        for name, one in said.items():
            counted[name] = counted.get(name, 0) + bool(one)
    return {
        "experiments": num,
        "shoppers": SHOPPERS,
        "looks": LOOKS,
        "alpha": ALPHA,
        "false": {name: found / num for name, found in counted.items()},
    }


def power(num: int, seed: int) -> list[dict[str, Any]]:
    """Find how often, and how soon, a real lift is seen; and how often intervals hold the truth."""
    rows = []
    for lift in (0.2, 0.3, 0.5):
        # Of two proportions, for 80 % at 5 % (the usual formula).
        one, other = BASE, BASE * (1 + lift)
        spread = one * (1 - one) + other * (1 - other)
        planned = int(2 * (1.96 + 0.842) ** 2 * spread / (other - one) ** 2)
        most, rng = 2 * planned, np.random.default_rng(seed)
        at = looks(most, 40)
        ways: dict[str, Callable[[Sample], list[bool]]] = {
            "interval": lambda s, at=at: [_interval_says(e) for e in _estimates(s, s.bought, at)],
            "e-values of rollouts": lambda s, at=at: _by_evidence(s, at),
        }
        seen: dict[str, list[int]] = {name: [] for name in ways}
        held = fixed = 0
        for _ in range(num):
            sample = draw(rng, most, lift)
            for name, way in ways.items():
                said = way(sample)
                seen[name].append(at[said.index(True)] if any(said) else 0)
            truth = _truth(lift)
            intervals = [e.interval(ALPHA) for e in _estimates(sample, sample.bought, at)]
            held += all(low <= truth <= high for low, high in intervals)
            fixed += _fixed_says(difference(sample.treated[:planned], sample.bought[:planned]))
        rows.append(
            {
                "lift": lift,
                "planned": planned,
                "most": most,
                "experiments": num,
                "usual test at the planned size": fixed / num,
                "interval holds the truth at all looks": held / num,
                **{name: _soon(found, planned) for name, found in seen.items()},
            }
        )
    return rows


def _truth(lift: float) -> float:
    """Compute the difference of rates, of very many shoppers."""
    fond = np.random.default_rng(0).lognormal(0.0, 0.9, 2_000_000)
    chance = np.clip(BASE * fond / np.exp(0.405), 0.0, 0.9)
    return float((np.minimum(chance * (1 + lift), 1.0) - chance).mean())


def _soon(found: list[int], planned: int) -> dict[str, float]:
    when = np.array([one for one in found if one])
    return {
        "by the planned size": float(np.mean([0 < one <= planned for one in found])),
        "by twice that": float(np.mean([one > 0 for one in found])),
        "median shoppers where seen": float(np.median(when)) if len(when) else float("nan"),
    }


def main() -> int:
    """Measure all parts, or some."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--experiments", type=int, default=1000, help="A/A (%(default)s)")
    parser.add_argument("--seed", type=int, default=11)
    parser.add_argument(
        "--part",
        choices=("aa", "power", "friends", "cost", "interleaving", "exploring", "sessions"),
        action="append",
    )
    given = parser.parse_args()
    parts: dict[str, Callable[[], Any]] = {
        "aa": lambda: false_alarms(given.experiments, given.seed),
        "power": lambda: power(given.experiments // 10, given.seed),
        "friends": lambda: friends(given.experiments // 10, given.seed),
        "cost": lambda: cost(given.seed),
        "interleaving": lambda: interleaving(given.seed),
        "exploring": lambda: exploring(given.seed),
        "sessions": lambda: sessions_held(given.experiments, given.seed),
    }
    results = json.loads(RESULTS.read_text()) if given.part and RESULTS.exists() else {}
    for name in given.part or parts:
        began = time.process_time()
        results[name] = parts[name]()
        print(name, json.dumps(results[name], indent=1), f"{time.process_time() - began:.0f} s CPU")
    command = " ".join(["python -m benchmarks.experiments", *sys.argv[1:]])
    results.setdefault("commands", {}).update(dict.fromkeys(given.part or parts, command))
    results |= {
        "command": results["command"] if given.part and "command" in results else command,
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, "
        f"Python {platform.python_version()}",
        "seed": given.seed,
    }
    RESULTS.write_text(json.dumps(results, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
