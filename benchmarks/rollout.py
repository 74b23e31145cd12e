"""How often a good release is rolled back, how often a bad one is not, and how soon.

    python -m benchmarks.rollout --runs 1000

Every run is a whole rollout of our own plan, decided by ``coterie.rollout.decide`` on simulated
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
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from rich.console import Console
from rich.table import Table
from scipy.stats import norm

from coterie.files import write_atomically
from coterie.rollout.commands import Command, Verb
from coterie.rollout.decide import Observation, decide
from coterie.rollout.plan import SIGNALS, Plan
from coterie.rollout.state import Phase, State, Target, Totals
from coterie.rollout.transitions import CANARY, STABLE

RESULTS: Final = Path(__file__).parent / "results" / "rollout.json"
LOOK_S: Final = 15.0
INTERVAL_S: Final = 60.0
USUAL: Final = {"failures": 0.005, "slow": 0.02, "clicks": 0.05}
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
    "unlike_prices": (0.06, 0.0),
    "missed_purchases": (0.008, 0.008),
}
"""Shares of pairs that count for the canary alone, and for stable alone, of releases that were
trained anew (ADR 50)."""
ONCE: Final = 0.5
"""Share of mirrored requests whose shopper is not one of a pair yet."""
SCENARIOS: Final = {
    "A/A": USUAL,
    "failures .5 -> 1.5 %": USUAL | {"failures": 0.015},
    "latency +30 %": USUAL | {"slow": slower(1.3)},
    "clicks -10 %": USUAL | {"clicks": 0.045},
    "friends do not count": USUAL | {"fewer_friends": 0.95},
    "vectors of random numbers": USUAL | {"unlike_lists": 0.95, "unlike_categories": 0.4},
    "a third of lists too short": USUAL | {"shorter_lists": 0.33},
}
"""Rates of the canary where they are not the usual ones; of pairs, what counts for it alone."""
THRESHOLDS: Final = {
    "failures": 0.010,
    "slow": (USUAL["slow"] + slower(1.3)) / 2,
    "clicks": 0.0475,
}
OF_ANSWERS: Final = (("failures", 1.0), ("slow", 1.0), ("clicks", 1.0))
PLAN: Final = Plan(
    signals=(*OF_ANSWERS, *((name, SIGNALS[name].limit) for name in PAIRS)),
    step_s=300.0,
    bake_s=600.0,
    min_samples=1000,
    deadline_s=7200.0,
)
PLANS: Final = {
    "coterie": PLAN,
    "coterie, without pairs": replace(PLAN, signals=OF_ANSWERS),
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
class Verdict:
    """Of one rule, on one run."""

    rolled_back: bool
    seconds: float
    samples: int
    """Answers that the canary gave to shoppers by then."""


def run(scenario: str, seed: int, requests_s: float) -> dict[str, Verdict]:
    """One rollout by each rule, each on traffic of its own with the same rates and weights."""
    rates = SCENARIOS[scenario]
    return {
        **{
            name: _ours(np.random.default_rng([seed, 0]), rates, requests_s, plan)
            for name, plan in PLANS.items()
        },
        **{
            name: _theirs(Rule(limit, silence, clicks), [seed, place], rates, requests_s)
            for place, (name, limit, silence, clicks) in enumerate(RULES, start=1)
        },
    }


def _ours(
    rng: np.random.Generator, rates: dict[str, float], requests_s: float, plan: Plan
) -> Verdict:
    state, live, now, shown = State(stable="old"), Target("old"), 0.0, 0
    totals: dict[str, Totals] = {}
    start = Command("start", Verb.START, "bench", "measured", "new", plan)
    while True:
        now += LOOK_S
        for arm, counts in _serve(rng, rates, live, requests_s * LOOK_S).items():
            totals[arm] = _added(totals.get(arm, Totals()), counts)
            shown += counts.samples if arm == CANARY and live.weight > 0 else 0
        observation = Observation(live, totals=totals, preflight="", commands=(start,))
        decision = decide(state, observation, now)
        state = decision.state
        if state.phase in (Phase.ROLLING_BACK, Phase.PROMOTED, Phase.INCONCLUSIVE):
            return Verdict(state.phase is Phase.ROLLING_BACK, now, shown)
        if decision.apply:
            totals = totals if decision.apply.canary == live.canary else {}
            live = decision.apply


def _theirs(rule: "Rule", seed: list[int], rates: dict[str, float], requests_s: float) -> Verdict:
    """Plan the same steps for the same time, without shadow, which neither has."""
    rng, now, shown = np.random.default_rng(seed), 0.0, 0
    for weight in (*PLAN.weights, 1.0):
        lasts = PLAN.bake_s if weight == 1.0 else PLAN.step_s
        for _ in range(int(lasts / LOOK_S)):
            now += LOOK_S
            window = _serve(rng, rates, Target("old", "new", weight), requests_s * LOOK_S)
            shown += window[CANARY].samples
            if rule.look(window[CANARY], now):
                return Verdict(True, now, shown)
    return Verdict(False, now, shown)


class Rule:
    """Failed measurements of the canary alone, counted over the whole rollout."""

    def __init__(self, limit: int, silence_fails: bool, clicks: bool):
        self._limit, self._silence_fails, self._clicks = limit, silence_fails, clicks
        self._failed, self._since = 0, 0.0
        self._window = Totals()

    def look(self, canary: Totals, now: float) -> bool:
        """Whether the rule has had enough."""
        self._window = _added(self._window, canary)
        if now - self._since < INTERVAL_S:
            return False
        window, self._window, self._since = self._window, Totals(), now
        self._failed += self._fails(window)
        return self._failed > self._limit

    def _fails(self, window: Totals) -> bool:
        if window.samples < FEWEST:
            return self._silence_fails
        rates = {name: window.events[name] / window.samples for name in USUAL}
        return (
            rates["failures"] > THRESHOLDS["failures"]
            or rates["slow"] > THRESHOLDS["slow"]
            or (self._clicks and rates["clicks"] < THRESHOLDS["clicks"])
        )


def _serve(
    rng: np.random.Generator, rates: dict[str, float], live: Target, mean: float
) -> dict[str, Totals]:
    requests = int(rng.poisson(mean))
    share = 0.2 if live.mirrored else live.weight
    canary = int(rng.binomial(requests, share)) if live.canary else 0
    parts = {CANARY: (canary, rates), STABLE: (requests - canary, USUAL)}
    counted = {
        arm: Totals(n, {name: int(rng.binomial(n, of[name])) for name in USUAL}, n)
        for arm, (n, of) in parts.items()
    }
    return _with_pairs(rng, rates, counted) if live.mirrored else counted


def _with_pairs(
    rng: np.random.Generator, rates: dict[str, float], counted: dict[str, Totals]
) -> dict[str, Totals]:
    """Add what pairs of the mirrored requests show: each counts for one arm, or for neither."""
    num = int(rng.binomial(counted[CANARY].samples, ONCE))
    alone: dict[str, dict[str, int]] = {CANARY: {}, STABLE: {}}
    for name, (usual, beside) in PAIRS.items():
        share = rates.get(name, usual)
        other = min(beside, 1.0 - share)
        for arm, n in zip(alone, _split(rng, num, share, other), strict=True):
            alone[arm][name] = n
    return {
        arm: replace(one, events={**one.events, **alone[arm]}, pairs=dict.fromkeys(PAIRS, num))
        for arm, one in counted.items()
    }


def _split(rng: np.random.Generator, num: int, *shares: float) -> list[int]:
    parts: list[int] = rng.multinomial(num, [*shares, 1.0 - sum(shares)])[: len(shares)].tolist()
    return parts


def _added(one: Totals, other: Totals) -> Totals:
    samples = one.samples + other.samples
    events, pairs = (
        {name: known.get(name, 0) + more.get(name, 0) for name in known | more}
        for known, more in ((dict(one.events), other.events), (dict(one.pairs), other.pairs))
    )
    return Totals(samples, events, samples, pairs)


def main(arguments: list[str] | None = None) -> None:
    """Run all scenarios, write and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--runs", type=int, default=1000, help="rollouts a scenario")
    parser.add_argument("--requests", type=float, default=200.0, help="a second, over both arms")
    parser.add_argument(
        "--processes", type=int, default=os.cpu_count(), help="that decide rollouts side by side"
    )
    parser.add_argument(
        "--live", metavar="FILE", help="keep only the outcomes that make demo left in rollouts.json"
    )
    asked = parser.parse_args(arguments)
    if asked.live:
        _keep({"live": _live(asked.live)})
        return
    started, results = time.perf_counter(), {}
    with ProcessPoolExecutor(asked.processes) as pool:
        for scenario in SCENARIOS:
            seeds = range(asked.runs)
            each = [pool.submit(run, scenario, seed, asked.requests) for seed in seeds]
            results[scenario] = _summary([one.result() for one in each])
    content = {
        "about": "share of rollouts rolled back with its 95 % Wilson interval, median seconds and "
        "canary answers to the verdict of those",
        "scenarios": results,
        "command": f"python -m benchmarks.rollout --runs {asked.runs} "
        f"--requests {asked.requests:g}",
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "seconds": round(time.perf_counter() - started, 1),
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


def _summary(runs: list[dict[str, Verdict]]) -> dict[str, Any]:
    told = {}
    for rule in runs[0]:
        back = [one[rule] for one in runs if one[rule].rolled_back]
        told[rule] = {
            "runs": len(runs),
            "rolled_back": len(back),
            "share": len(back) / len(runs),
            "interval": _wilson(len(back), len(runs)),
            "median_s": float(np.median([v.seconds for v in back])) if back else None,
            "median_samples": float(np.median([v.samples for v in back])) if back else None,
        }
    return told


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
