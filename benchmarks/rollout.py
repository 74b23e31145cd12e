"""How often a good release is rolled back, how often a bad one is not, and how soon.

    python -m benchmarks.rollout --runs 1000

Every run is a whole rollout of our own plan, with all of its signals, decided as
``coterie.rollout.decide`` does (``benchmarks.rollout_runs``: all runs at once) on simulated
traffic, beside two rules that the field uses, at the same weights and for the same times, from
their documented semantics:

- ``argo``: an Argo Rollouts analysis: each interval the canary alone is held against fixed
  thresholds; more than ``failureLimit`` (3) failed measurements abort.
- ``flagger``: each interval (1 minute) the canary alone against fixed thresholds; ``threshold`` (5)
  failed checks roll back; too few requests to know count as a failed check.

Neither compares with the stable arm, so their thresholds are set half-way between what is usual
here and what each scenario breaks. They usually watch failures and latency; with clicks as well
they are measured once more. Our own plan is measured once more without signals of pairs, which
shows what they cost the others. Figures go to ``benchmarks/results/rollout.json``.
"""

import argparse
import json
import os
import platform
import sys
import time
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from rich.console import Console
from rich.table import Table
from scipy.stats import norm

from benchmarks.rollout_runs import LOOK_S, Ints, Mask, Rates, decide_runs, draw
from coterie.files import write_atomically
from coterie.rollout.plan import SIGNALS, Plan

RESULTS: Final = Path(__file__).parent / "results" / "rollout.json"
INTERVAL_S: Final = 60.0
USUAL: Final = {
    "failures": 0.005,
    "slow": 0.02,
    "fallbacks": 0.15,
    "malformed": 0.0005,
    "duplicate_lists": 0.02,
    "score_out_of_range": 0.02,
    "clicks": 0.05,
    "purchases": 0.01,
}
"""Shares of answers; slow: over the limit of latency."""


def slower(factor: float, spread: float = 0.5) -> float:
    """Share of answers over the limit when all of them take ``factor`` times as long.

    Latency is lognormal with this spread; without the factor 2 % are over.
    """
    return float(norm.sf(norm.isf(USUAL["slow"]) - np.log(factor) / spread))


PAIRS: Final = {
    "shorter_lists": (0.0, 0.0),
    "weaker_sources": (0.005, 0.005),
    "gone_items": (0.0, 0.0),
    "fewer_friends": (0.01, 0.01),
    "narrower_lists": (0.12, 0.12),
    "unlike_lists": (0.01, 0.0),
    "unlike_categories": (0.005, 0.0),
    "missed_purchases": (0.008, 0.008),
    "slower_lists": (0.06, 0.06),
    "unlike_prices": (0.06, 0.0),
}
"""Shares of pairs that count for the canary alone, and for stable alone, of releases that were
trained anew (ADR 50); slower lists: on a busy machine (ADR 72)."""
STABLE: Final = USUAL | {name: beside for name, (_, beside) in PAIRS.items()}
CANARY: Final = USUAL | {name: usual for name, (usual, _) in PAIRS.items()}
MOST_PAIRS: Final = 0.9
"""Share of pairs that tell, where every ratio is at its limit."""


def _at_limits() -> Rates:
    """Give the largest ratios that the plan calls harmless, of every signal at once."""
    canary, stable = dict(CANARY), dict(STABLE)
    for name, limit in PLAN.signals:
        if SIGNALS[name].paired:
            stable[name] = MOST_PAIRS / (1.0 + limit)
            canary[name] = MOST_PAIRS - stable[name]
        else:
            canary[name] = limit * stable[name]
    return Rates(canary, stable)


def _at_shares() -> Rates:
    """Give the largest shares that the plan calls harmless, none of them stable's."""
    shares = {name: meant.harmless for name, meant in SIGNALS.items() if meant.harmless}
    return Rates(CANARY | shares, STABLE | dict.fromkeys(shares, 0.0))


PLAN: Final = Plan(step_s=300.0, bake_s=600.0, min_samples=1000, deadline_s=7200.0)
PLANS: Final = {
    "coterie": PLAN,
    "coterie, without pairs": replace(
        PLAN, signals=tuple(one for one in PLAN.signals if not SIGNALS[one[0]].paired)
    ),
}
SEEDS: Final = 0.011, 0.002
"""Scores out of range of two releases that differ by their seed and a month: the most and the least
of those that ``benchmarks.harmless_answers`` measures."""
NO_HARM: Final = {
    "A/A": Rates(CANARY, STABLE),
    "another seed": Rates(
        CANARY | {"score_out_of_range": SEEDS[0]}, STABLE | {"score_out_of_range": SEEDS[1]}
    ),
    "every ratio at its limit": _at_limits(),
    "every harmless share at its limit": _at_shares(),
}
"""What the plan calls harmless: the first is what is usual, the others the worst of it."""
SCENARIOS: Final = NO_HARM | {
    name: Rates(CANARY | worse, STABLE)
    for name, worse in {
        "failures .5 -> 1.5 %": {"failures": 0.015},
        "latency +30 %": {"slow": slower(1.3)},
        "clicks -10 %": {"clicks": 0.045},
        "friends do not count": {"fewer_friends": 0.95},
        "vectors of random numbers": {"unlike_lists": 0.95, "unlike_categories": 0.4},
        "a third of lists too short": {"shorter_lists": 0.33},
        "a third of lists take twice as long": {"slower_lists": 0.33},
    }.items()
}
"""Rates of both arms; of pairs, what counts for one alone."""
THRESHOLDS: Final = {
    "failures": 0.010,
    "slow": (USUAL["slow"] + slower(1.3)) / 2,
    "clicks": 0.0475,
}
ARGO_LIMIT: Final = 3
FLAGGER_THRESHOLD: Final = 5
RULES: Final = (
    ("argo", ARGO_LIMIT, False, False),
    ("argo, with clicks", ARGO_LIMIT, False, True),
    ("flagger", FLAGGER_THRESHOLD - 1, True, False),
    ("flagger, with clicks", FLAGGER_THRESHOLD - 1, True, True),
)
"""Name, failed measurements that are borne, whether silence fails, whether clicks are watched."""
FEWEST: Final = 1
"""Requests in an interval without which Flagger's check fails."""


@dataclass(frozen=True)
class Verdicts:
    """Of one rule, on all runs."""

    rolled_back: Mask
    seconds: np.ndarray
    samples: np.ndarray
    """Answers that the canary gave to shoppers by then."""
    signals: tuple[str, ...] = ()
    """What spoke against each that was rolled back; empty: the rule does not say."""


def verdicts(scenario: str, runs: int, requests_s: float) -> dict[str, Verdicts]:
    """Roll out by each rule, each on traffic of its own with the same rates and weights."""
    rates, place = SCENARIOS[scenario], list(SCENARIOS).index(scenario)
    found = {}
    for number, (name, plan) in enumerate(PLANS.items()):
        rng = np.random.default_rng([place, number])
        made = decide_runs(rng, plan, rates, runs, requests_s)
        told = [plan.signals[n][0] for n in made.signal[made.rolled_back].tolist()]
        found[name] = Verdicts(made.rolled_back, made.seconds, made.shown, tuple(told))
    for number, (name, limit, silence, clicks) in enumerate(RULES, start=len(PLANS)):
        rng = np.random.default_rng([place, number])
        found[name] = _theirs(Rule(limit, silence, clicks), rng, rates, runs, requests_s)
    return found


@dataclass(frozen=True)
class Rule:
    """Failed measurements of the canary alone, counted over the whole rollout."""

    limit: int
    silence_fails: bool
    clicks: bool

    def fails(self, samples: Ints, events: Ints) -> Mask:
        """Tell of each interval whether its measurement fails.

        Args:
            samples: Answers of the canary, shape (intervals, runs).
            events: Of THRESHOLDS' signals, shape (signals, intervals, runs).
        """
        rate = events / np.maximum(samples, 1)
        failures, slow, clicks = (
            rate[n] < limit if name == "clicks" else rate[n] > limit
            for n, (name, limit) in enumerate(THRESHOLDS.items())
        )
        failed = failures | slow | (clicks & self.clicks)
        return np.where(samples < FEWEST, self.silence_fails, failed)


def _theirs(
    rule: Rule, rng: np.random.Generator, rates: Rates, runs: int, requests_s: float
) -> Verdicts:
    """Plan the same steps for the same time, without shadow, which neither has."""
    looks = [
        weight
        for weight in (*PLAN.weights, 1.0)
        for _ in range(int((PLAN.bake_s if weight == 1.0 else PLAN.step_s) / LOOK_S))
    ]
    none, of = np.zeros(runs, np.bool_), int(INTERVAL_S / LOOK_S)
    seen = [
        draw(rng, tuple(THRESHOLDS), rates, np.full(runs, weight), none, requests_s * LOOK_S)
        for weight in looks
    ]
    samples = np.stack([one.samples[0] for one in seen])
    events = np.stack([one.events[:, 0] for one in seen], axis=1)
    shown = samples.cumsum(axis=0)[of - 1 :: of]
    samples = samples.reshape(-1, of, runs).sum(axis=1)
    events = events.reshape(len(THRESHOLDS), -1, of, runs).sum(axis=2)
    over = rule.fails(samples, events).cumsum(axis=0) > rule.limit
    back, at = over.any(axis=0), over.argmax(axis=0)
    last = np.where(back, at, len(over) - 1)
    return Verdicts(back, (last + 1) * INTERVAL_S, shown[last, np.arange(runs)])


def main(arguments: list[str] | None = None) -> None:
    """Run all scenarios, write and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--runs", type=int, default=1000, help="rollouts a scenario")
    parser.add_argument("--requests", type=float, default=200.0, help="a second, over both arms")
    parser.add_argument(
        "--live", metavar="FILE", help="keep only the outcomes that make demo left in rollouts.json"
    )
    asked = parser.parse_args(arguments)
    if asked.live:
        _keep({"live": _live(asked.live)})
        return
    started = time.process_time()
    results = {
        scenario: {
            rule: _summary(made)
            for rule, made in verdicts(scenario, asked.runs, asked.requests).items()
        }
        for scenario in SCENARIOS
    }
    content = {
        "about": "share of rollouts rolled back with its 95 % Wilson interval, median seconds and "
        "canary answers to the verdict of those",
        "scenarios": results,
        "command": f"python -m benchmarks.rollout --runs {asked.runs} "
        f"--requests {asked.requests:g}",
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "cpu_s": round(time.process_time() - started, 1),
        "alpha": PLAN.alpha,
        "no_harm": list(NO_HARM),
    }
    _keep(content)
    _show(results)


def _live(file: str) -> dict[str, Any]:
    """Read what the real app did under simulated shoppers: see ``pipelines.demo_rollouts``."""
    return {
        "about": "each release rolled out in the app under simulated shoppers: what caught it, "
        "seconds from verdict to stable alone, lists shown meanwhile and requests that failed",
        "rollouts": json.loads(Path(file).read_text()),
        "command": "make demo ONCE=1 && python -m benchmarks.rollout --live var/demo/rollouts.json",
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
    }


def _keep(content: dict[str, Any]) -> None:
    """Replace these parts of the results."""
    whole = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    write_atomically(RESULTS, json.dumps(whole | content, indent=1) + "\n")


def _summary(made: Verdicts) -> dict[str, Any]:
    runs, back = len(made.rolled_back), made.rolled_back
    num = int(back.sum())
    return {
        "runs": runs,
        "rolled_back": num,
        "share": num / runs,
        "interval": _wilson(num, runs),
        "median_s": float(np.median(made.seconds[back])) if num else None,
        "median_samples": float(np.median(made.samples[back])) if num else None,
        "signals": dict(Counter(made.signals).most_common()),
    }


def _wilson(hits: int, n: int, z: float = 1.96) -> list[float]:
    share, more = hits / n, z * z / n
    middle = (share + more / 2) / (1 + more)
    reach = z * np.sqrt(share * (1 - share) / n + more / (4 * n)) / (1 + more)
    return [round(float(middle - reach), 4), round(float(middle + reach), 4)]


def _show(results: dict[str, Any]) -> None:
    table = Table("scenario", "rule", "rolled back", "95 % interval", "median s", "canary answers")
    for scenario, rules in results.items():
        for rule, told in rules.items():
            low, high = told["interval"]
            median = "" if told["median_s"] is None else f"{told['median_s']:,.0f}"
            samples = "" if told["median_samples"] is None else f"{told['median_samples']:,.0f}"
            row = (f"{told['share']:.1%}", f"{low:.1%} to {high:.1%}", median, samples)
            table.add_row(scenario, rule, *row)
    Console(width=110).print(table)


if __name__ == "__main__":
    main(sys.argv[1:])
