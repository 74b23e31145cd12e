"""How well behaviour is foreseen, and what it costs.

    python -m benchmarks.behaviour shops --data DIR
    python -m benchmarks.behaviour demand --data DIR
    python -m benchmarks.behaviour intervals --data DIR
    python -m benchmarks.behaviour newcomers --data DIR
    python -m benchmarks.behaviour scale

``shops``: chances and forecasts on simulated shops of other seeds than any was tried on while the
code was written, and on Ciao (dated ratings) from ``--data``. ``demand``: forecasts of these alone,
anew. ``intervals``: how many weeks intervals hold over many ends of these logs, with simulated
shops that intervals were not tried on (``behaviour_intervals``). ``newcomers``: whether lists of
what is rising are better than lists of what is popular for people who come for the first time;
settings are chosen on the first half of the moments, and measured on the second. ``scale``: a
million events in a process of its own. Without ``--data`` the simulated shops alone are measured.
Writes ``benchmarks/results/behaviour.json``: each part replaces its own rows.
"""

import argparse
import json
import platform
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import numpy as np

from benchmarks.behaviour_intervals import measure_intervals
from coterie.behaviour import trend
from coterie.behaviour.demand import Demand
from coterie.behaviour.forecast import Forecast, forecast_demand
from coterie.behaviour.propensity import Foreseen, foresee, questions
from coterie.behaviour.segments import find_segments
from coterie.behaviour.settings import BehaviourSettings
from coterie.behaviour.shop_log import DAY_MS, ShopLog
from coterie.data.ingest import ingest
from coterie.data.load import load_dataset
from coterie.data.public import convert
from coterie.data.simulate import ShopConfig, simulate

RESULTS: Final = Path(__file__).parent / "results" / "behaviour.json"
SEEDS: Final = (11, 12)
INTERVAL_SEEDS: Final = (13, 14)
K: Final = 20
HALF_LIVES: Final = (7.0, 14.0, 28.0, 90.0)
PUSHES: Final = (0.5, 1.0, 2.0)
RESAMPLES: Final = 1000


def shops(data: str, seeds: Sequence[int] = SEEDS) -> Iterator[tuple[str, ShopLog]]:
    """Make the logs that all is measured on."""
    with tempfile.TemporaryDirectory(prefix="coterie-behaviour-") as folder:
        for seed in seeds:
            config = ShopConfig(
                num_users=3000, num_items=1500, num_events=300_000, days=180, seed=seed
            )
            simulate(config).write(f"{folder}/raw-{seed}")
            ingest(f"{folder}/raw-{seed}", f"{folder}/clean-{seed}")
            yield f"simulated, seed {seed}", ShopLog.of(load_dataset(f"{folder}/clean-{seed}"))
        for name, dataset, source in (
            ("ciao", "ciao", "ciao_time"),
            ("lastfm tags", "lastfm", "lastfm"),
        ):
            if data and (Path(data) / source).is_dir():
                convert(dataset, str(Path(data) / source), f"{folder}/raw-{source}")
                ingest(f"{folder}/raw-{source}", f"{folder}/clean-{source}")
                yield name, ShopLog.of(load_dataset(f"{folder}/clean-{source}"))


def measure_shops(data: str) -> dict[str, Any]:
    """Measure segments, chances and forecasts on each shop."""
    found = {}
    settings = BehaviourSettings()
    for name, log in shops(data):
        begun = time.process_time()
        segments = find_segments(log, settings)
        chances = {}
        for question in questions():
            one = foresee(log, question, settings)
            chances[question.name] = _foreseen(one)
        demand = forecast_demand(Demand.of(log, settings.items), settings)
        found[name] = {
            "shoppers": int((segments.label >= 0).sum()),
            "events": len(log.events),
            "days": int(log.days),
            "stability": {str(k): round(v, 3) for k, v in segments.stability.items()},
            "segments": dict(zip(segments.names, segments.sizes.tolist(), strict=True)),
            "chances": chances,
            "demand": [asdict(level) for level in demand.levels]
            if isinstance(demand, Forecast)
            else demand,
            "cpu_s": round(time.process_time() - begun, 1),
        }
        print(name, found[name]["cpu_s"], "s", file=sys.stderr)
    return found


def measure_demand(data: str) -> dict[str, Any]:
    """Measure forecasts alone on each shop."""
    found = json.loads(RESULTS.read_text())["shops"]
    settings = BehaviourSettings()
    for name, log in shops(data):
        forecast = forecast_demand(Demand.of(log, settings.items), settings)
        assert isinstance(forecast, Forecast)
        found[name]["demand"] = [asdict(level) for level in forecast.levels]
        print(name, found[name]["demand"], file=sys.stderr)
    return dict(found)


def measure_all_intervals(data: str) -> dict[str, Any]:
    """Measure how many weeks intervals hold on each shop."""
    found, settings = {}, BehaviourSettings()
    for name, log in shops(data, INTERVAL_SEEDS):
        begun = time.process_time()
        found[name] = measure_intervals(Demand.of(log, settings.items), settings)
        found[name]["cpu_s"] = round(time.process_time() - begun, 1)
        print(name, found[name], file=sys.stderr)
    return found


def _foreseen(one: Foreseen | str) -> Any:
    if isinstance(one, str):
        return one
    return {
        "shoppers": one.shoppers,
        "happened": one.happened,
        "learned_from": one.learned_from,
        "chances": {n: asdict(scores) for n, scores in one.chances.items()},
        "gains": {n: asdict(gain) for n, gain in one.gains.items()},
        "amounts": {n: asdict(scores) for n, scores in one.amounts.items()},
    }


def measure_newcomers(data: str) -> dict[str, Any]:
    """Measure lists of what is popular, recent and rising for people who are new."""
    found = {}
    for name, log in shops(data):
        step = max(7, log.days // 60)
        moments = [log.end_ms - k * step * DAY_MS for k in range(1, 25)][::-1]
        moments = [t for t in moments if t - log.begin_ms > 28 * DAY_MS]
        half = len(moments) // 2
        slower = step / 7
        ways: dict[str, dict[str, Callable[[int], Any]]] = {"popular": {"all": _popular(log)}}
        ways["recent"] = {
            f"half-life {h * slower:.0f} d": _recent(log, h * slower) for h in HALF_LIVES
        }
        ways["rising"] = {
            f"half-life {h * slower:.0f} d, push {p:g}": _rising(log, h * slower, p)
            for h in HALF_LIVES
            for p in PUSHES
        }
        chosen = {}
        for way, settings in ways.items():
            scored = {
                setting: float(_ndcg(log, make, moments[:half], step).mean())
                for setting, make in settings.items()
            }
            chosen[way] = max(scored, key=lambda setting: scored[setting])
        values = {way: _ndcg(log, ways[way][chosen[way]], moments[half:], step) for way in ways}
        rng = np.random.default_rng(0)
        people = len(values["popular"])
        draws = rng.integers(0, people, (RESAMPLES, people))
        found[name] = {"people": people, "step_days": step, "moments": len(moments) - half}
        for way, value in values.items():
            gain = (value - values["popular"])[draws].mean(axis=1)
            found[name][way] = {
                "setting": chosen[way],
                "ndcg@20": float(value.mean()),
                "gain": [float(x) for x in np.percentile(gain, [2.5, 97.5])],
            }
        print(name, found[name], file=sys.stderr)
    return found


def _popular(log: ShopLog) -> Callable[[int], Any]:
    return lambda moment: trend.popular(log, moment)


def _recent(log: ShopLog, half_life: float) -> Callable[[int], Any]:
    return lambda moment: trend.recent(log, moment, half_life)


def _rising(log: ShopLog, half_life: float, push: float) -> Callable[[int], Any]:
    return lambda moment: trend.rising(log, moment, half_life, push)


def _ndcg(log: ShopLog, make: Callable[[int], Any], moments: list[int], step: int) -> Any:
    """Score lists made at each moment, a value a newcomer until the next."""
    values = []
    for moment in moments:
        rows = log.between(moment, moment + step * DAY_MS)
        before = np.bincount(log.events.user_idx[: rows.start], minlength=log.num_users) > 0
        user, item = log.events.user_idx[rows], log.events.item_idx[rows]
        kept = log.bought[rows] & ~before[user]
        pairs = np.unique(user[kept] * len(log.category) + item[kept])
        user, item = pairs // len(log.category), pairs % len(log.category)
        rank = np.full(len(log.category), K)
        rank[np.argsort(-make(moment), kind="stable")[:K]] = np.arange(K)
        gain = np.where(rank[item] < K, 1 / np.log2(rank[item] + 2), 0.0)
        people, row, count = np.unique(user, return_inverse=True, return_counts=True)
        ideal = np.cumsum(1 / np.log2(np.arange(K) + 2))[np.minimum(count, K) - 1]
        values.append(np.bincount(row, gain, len(people)) / ideal)
    return np.concatenate(values)


def measure_scale() -> dict[str, Any]:
    """Measure CPU seconds by stage, and the highest memory, of a million events."""
    with tempfile.TemporaryDirectory(prefix="coterie-behaviour-") as folder:
        config = ShopConfig(num_users=20_000, num_items=5_000, num_events=1_000_000, days=180)
        simulate(config).write(f"{folder}/raw")
        ingest(f"{folder}/raw", f"{folder}/clean")
        dataset = load_dataset(f"{folder}/clean")
    base = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
    log, settings, stages = ShopLog.of(dataset), BehaviourSettings(), {}

    def timed(name: str, work: Callable[[], Any]) -> None:
        begun = time.process_time()
        work()
        stages[name] = round(time.process_time() - begun, 1)

    timed("segments", lambda: find_segments(log, settings))
    for question in questions():
        timed(question.name, lambda question=question: foresee(log, question, settings))
    timed("forecasts", lambda: forecast_demand(Demand.of(log, settings.items), settings))
    return {
        "events": len(log.events),
        "shoppers": log.num_users,
        "stages": stages,
        "cpu_s": round(sum(stages.values()), 1),
        "peak_gib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2, 2),
        "of_which_reading_gib": round(base, 2),
    }


PARTS: Final[dict[str, Callable[[str], dict[str, Any]]]] = {
    "shops": measure_shops,
    "demand": measure_demand,
    "intervals": measure_all_intervals,
    "newcomers": measure_newcomers,
    "scale": lambda _: measure_scale(),
}


def main(arguments: list[str] | None = None) -> None:
    """Measure one part, and write it beside the others."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("part", choices=PARTS)
    parser.add_argument("--data", default="", help="folder of public sets")
    options = parser.parse_args(arguments)
    measured = PARTS[options.part](options.data)
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    results["machine"] = {
        "cpu": platform.processor() or platform.machine(),
        "cores": 2,
        **{name: version(name) for name in ("scikit-learn", "statsforecast", "numpy")},
    }
    part = "shops" if options.part == "demand" else options.part
    # Sets that were not asked for keep their rows; what ``scale`` tells is one row.
    results[part] = measured if part == "scale" else results.get(part, {}) | measured
    RESULTS.write_text(json.dumps(results, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
