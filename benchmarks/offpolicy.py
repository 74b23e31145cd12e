"""How far off-policy estimates are from the truth, and how often their intervals hold it.

    python -m benchmarks.offpolicy

Three worlds whose truth is known: shoppers of the simulated shop, who judge each place by itself;
shoppers who look down a list until something pleases them; and a log in the form of the Open Bandit
data, of our own making. In each, lists are logged again and again by one policy, and each estimate
of another is held against what that one earns. Figures go to ``benchmarks/results/offpolicy.json``.

With ``--obp FOLDER``, into which ``pip install --no-deps --ignore-requires-python --target FOLDER
obp==0.5.7`` put the Open Bandit Pipeline, the same log is also given to its estimators.
"""

import argparse
import json
import platform
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from coterie.data.simulate import ShopConfig, World, simulate
from coterie.files import write_atomically
from coterie.offpolicy.estimators import EstimateSettings, Estimator, estimate_value
from coterie.offpolicy.intervals import IntervalKind, IntervalSettings
from coterie.offpolicy.logged import Ints, LoggedLists, Matrix
from coterie.offpolicy.open_bandit import BanditLog
from coterie.offpolicy.rewards import RewardModel
from coterie.offpolicy.slates import pseudo_inverse_weights
from coterie.offpolicy.targets import conditional_probability, expected_under
from coterie.offpolicy.weights import ListModel

RESULTS: Final = Path(__file__).parent / "results" / "offpolicy.json"
SHOP: Final = ShopConfig(num_users=400, num_items=200, num_events=10_000)
PLACES: Final = 5
POOL: Final = 12
TIMES: Final = (3, 12)
"""Lists that each shopper is shown in a log."""
RUNS: Final = 100
TRUE_TIMES: Final = 400
T_LOGGED: Final = 0.35
T_CANDIDATE: Final = 0.2
POSITIONS: Final = 3
ITEMS: Final = 20
IMPRESSIONS: Final = (2_000, 10_000)


class Shoppers:
    """Shoppers with twelve items each, of which both policies draw five by odds of a score."""

    def __init__(self, world: World, seed: int = 0) -> None:
        """Choose items, and scores that see shoppers' tastes through noise."""
        rng = np.random.default_rng(seed)
        self.world = world
        self.users = np.arange(len(world.user_ids))
        there = np.flatnonzero((world.arrives_ms <= world.end_ms) & (world.ends_ms > world.end_ms))
        taste = world.attraction(world.user_ids.tolist(), world.item_ids[there].tolist())
        seen = taste + rng.normal(0, 0.35, taste.shape)
        pool = np.argsort(-seen, axis=1)[:, :POOL]
        self.pool = there[pool]
        pleased = np.take_along_axis(taste, pool, axis=1).astype(np.float64)
        self.logging = pleased + rng.normal(0, 0.4, pleased.shape)
        self.candidate = pleased + rng.normal(0, 0.15, pleased.shape)
        # Chance that an item pleases who looks down a list.
        self.please = 1 / (1 + np.exp(1.2 - 2.6 * pleased))

    def draw(self, candidate: bool, times: int, rng: np.random.Generator) -> tuple[Ints, Ints]:
        """Draw lists: rows of shoppers, shape (n,), and columns of their pools, (n, places)."""
        score, heat = (self.candidate, T_CANDIDATE) if candidate else (self.logging, T_LOGGED)
        who = np.tile(self.users, times)
        noise = rng.gumbel(size=(len(who), POOL)) * heat
        return who, np.argsort(-(score[who] + noise), axis=1)[:, :PLACES]

    def by_place(self, who: Ints, column: Ints, rng: np.random.Generator) -> Matrix:
        """Let shoppers of the simulated shop answer: 1 where they clicked."""
        found = np.zeros(column.shape)
        item = np.take_along_axis(self.pool[who], column, axis=1)
        for at in range(0, len(who), len(self.users)):  # One list of each: pairs are then unique.
            some = slice(at, at + len(self.users))
            ids, lists = self.world.user_ids[who[some]], self.world.item_ids[item[some]]
            did = self.world.answer(ids.tolist(), lists.tolist(), rng)
            did = did.filter(pc.equal(did["event"], "click"))
            user = np.searchsorted(self.world.user_ids, np.asarray(did["user_id"], np.str_))
            what = np.searchsorted(self.world.item_ids, np.asarray(did["item_id"], np.str_))
            num = len(self.world.item_ids)
            found[some] = np.isin(who[some, None] * num + item[some], user * num + what)
        return found

    def by_cascade(self, who: Ints, column: Ints, rng: np.random.Generator) -> Matrix:
        """Let shoppers look down their lists, and stop at the first item that pleases."""
        pleased = np.take_along_axis(self.please[who], column, axis=1)
        likes = rng.random(column.shape) < pleased
        return (likes & (likes.cumsum(axis=1) == 1)).astype(np.float64)

    def logged(self, who: Ints, column: Ints, reward: Matrix) -> LoggedLists:
        """Hold lists of the logging policy against the candidate."""
        columns, item = np.tile(np.arange(POOL), (len(who), 1)), self.pool[who]
        shown = np.take_along_axis(item, column, axis=1)
        model = RewardModel(shown, reward, who, len(self.world.item_ids))
        score = self.candidate[who]
        expected = expected_under(columns, score, model.of_items(item), column, T_CANDIDATE)
        return LoggedLists(
            np.ones(column.shape, np.bool_),
            reward,
            conditional_probability(columns, self.logging[who], column, T_LOGGED),
            conditional_probability(columns, score, column, T_CANDIDATE),
            who,
            model.of_items(shown) * model.of_places,
            expected * model.of_places,
        )


def measure_lists(shoppers: Shoppers, answer: Callable[..., Matrix]) -> dict[str, Any]:
    """Hold all estimates of lists against the truth, in logs of two lengths."""
    rng = np.random.default_rng(7)
    true = float(answer(*shoppers.draw(True, TRUE_TIMES, rng), rng).sum(axis=1).mean())
    base = float(answer(*shoppers.draw(False, TRUE_TIMES // 4, rng), rng).sum(axis=1).mean())
    logs = []
    for times in TIMES:
        found: dict[str, list[tuple[float, float, float]]] = {}
        for run in range(RUNS):
            draws = np.random.default_rng(1000 + run)
            who, column = shoppers.draw(False, times, draws)
            logged = shoppers.logged(who, column, answer(who, column, draws))
            for name, settings in _ways().items():
                made = estimate_value(logged, replace(settings, limits=None))
                found.setdefault(name, []).append((made.value, made.low, made.high))
        logs.append({"lists": times * len(shoppers.users), "estimates": _judge(found, true)})
    return {"truth": round(true, 5), "logging policy": round(base, 5), "logs": logs}


def _ways() -> dict[str, EstimateSettings]:
    ways = {
        f"{model} {how}": EstimateSettings(model, how) for model in ListModel for how in Estimator
    }
    snips = EstimateSettings(ListModel.CASCADE, Estimator.SNIPS)
    ways["cascade snips, no clipping"] = replace(snips, clip=float("inf"))
    ways["cascade snips, clipped at 5"] = replace(snips, clip=5.0)
    bootstrap = IntervalSettings(IntervalKind.BOOTSTRAP, resamples=300)
    ways["cascade snips, bootstrap"] = replace(snips, interval=bootstrap)
    return ways


def _judge(found: dict[str, list[tuple[float, float, float]]], true: float) -> dict[str, Any]:
    """Give bias, spread and coverage of each estimate, relative to the truth."""
    told = {}
    for name, runs in found.items():
        value, low, high = np.array(runs).T
        told[name] = {
            "bias": round(float(value.mean() / true - 1), 4),
            "rmse": round(float(np.sqrt(((value / true - 1) ** 2).mean())), 4),
            "coverage": round(float(((low <= true) & (true <= high)).mean()), 3),
            "width": round(float((high - low).mean() / true), 4),
        }
    return told


class Bandit:
    """Three places of a fashion page, twenty items, four kinds of shoppers."""

    def __init__(self, seed: int = 1) -> None:
        """Choose click rates, a logging policy that knows no shopper, and one that does."""
        rng = np.random.default_rng(seed)
        kind, item = rng.normal(size=(4, 4)), rng.normal(size=(ITEMS, 4))
        fits = kind @ item.T
        self.rate = 0.12 / (1 + np.exp(-fits))[:, None, :] ** -1 * np.array([1, 0.8, 0.65])[:, None]
        self.logging = _softmax(fits.mean(axis=0) + rng.normal(0, 0.5, ITEMS))
        self.candidate = np.repeat(_softmax(0.8 * fits)[:, None], POSITIONS, axis=1)

    def truth(self) -> float:
        """Compute what the candidate earns an impression."""
        return float((self.candidate * self.rate).sum(axis=2).mean())

    def log(self, num: int, rng: np.random.Generator) -> BanditLog:
        """Draw impressions."""
        kind, position = rng.integers(0, 4, num), rng.integers(0, POSITIONS, num)
        item = rng.choice(ITEMS, num, p=self.logging)
        click = (rng.random(num) < self.rate[kind, position, item]).astype(np.float64)
        ts = 1_574_553_634_000 + np.arange(num) * 700
        return BanditLog(ts, item, position, click, self.logging[item], kind)

    @staticmethod
    def write(log: BanditLog, path: Path) -> None:
        """Write a log in the form of the Open Bandit data."""
        columns = {
            "timestamp": pc.strftime(
                pa.array(log.ts_ms).cast(pa.timestamp("ms", tz="UTC")), "%Y-%m-%d %H:%M:%S+00:00"
            ),
            "item_id": log.item,
            "position": log.position + 1,
            "click": log.click.astype(np.int64),
            "propensity_score": log.propensity,
            "user_feature_0": pa.array([f"kind-{one}" for one in log.context.tolist()]),
        }
        pa.csv.write_csv(pa.table(columns), path)


def measure_bandit(obp: str) -> dict[str, Any]:
    """Hold all estimates of single places against the truth; the log goes through a file once."""
    import pyarrow.csv  # noqa: F401 - write_csv lives there

    bandit, logs = Bandit(), []
    true = bandit.truth()
    for num in IMPRESSIONS:
        found: dict[str, list[tuple[float, float, float]]] = {}
        for run in range(RUNS):
            log = bandit.log(num, np.random.default_rng(run))
            if run == 0:
                log = _through_a_file(log)
            logged = log.lists(bandit.candidate)
            for how in Estimator:
                made = estimate_value(logged, EstimateSettings(ListModel.POSITION, how))
                found.setdefault(str(how), []).append((made.value, made.low, made.high))
        logs.append({"impressions": num, "estimates": _judge(found, true)})
    told = {"truth": round(true, 5), "logs": logs}
    return told | ({"difference from obp 0.5.7": _beside_obp(bandit)} if obp else {})


def _through_a_file(log: BanditLog) -> BanditLog:
    with tempfile.TemporaryDirectory() as home:
        Bandit.write(log, Path(home, "all.csv"))
        return BanditLog.read(Path(home, "all.csv"))


def _beside_obp(bandit: Bandit) -> dict[str, float]:
    """Give the largest difference from the Open Bandit Pipeline's estimates, of ten logs."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from obp import ope
    theirs = {
        Estimator.IPS: ope.InverseProbabilityWeighting(),
        Estimator.SNIPS: ope.SelfNormalizedInverseProbabilityWeighting(),
        Estimator.DR: ope.DoublyRobust(),
    }
    worst = dict.fromkeys(map(str, theirs), 0.0)
    for run in range(10):
        log = bandit.log(IMPRESSIONS[0], np.random.default_rng(run))
        logged = log.lists(bandit.candidate)
        given = {
            "reward": log.click,
            "action": log.item,
            "pscore": log.propensity,
            "action_dist": bandit.candidate[log.context, log.position][:, :, None],
            "position": np.zeros(len(log.item), int),
        }
        # Theirs asks for the model's word on each item; what it expects is all that they use.
        foreseen = np.repeat(logged.expected, ITEMS, axis=1)[:, :, None]
        own = np.arange(len(log.item)), log.item, 0
        rest = 1 - given["action_dist"][own]
        foreseen[own] = logged.predicted[:, 0]
        others = (logged.expected[:, 0] - given["action_dist"][own] * foreseen[own]) / rest
        foreseen = np.repeat(others[:, None], ITEMS, axis=1)[:, :, None]
        foreseen[own] = logged.predicted[:, 0]
        for how, one in theirs.items():
            more = {"estimated_rewards_by_reg_model": foreseen} if how is Estimator.DR else {}
            value = float(one.estimate_policy_value(**given, **more))
            no_clip = EstimateSettings(ListModel.POSITION, how, float("inf"))
            ours = estimate_value(logged, no_clip).value
            worst[str(how)] = max(worst[str(how)], abs(ours - value))
    return worst


def measure_pseudo_inverse() -> dict[str, Any]:
    """Compare the whole pseudo-inverse with the form for independent places, drawn without return.

    One shopper, six items, two places: chances of all lists are known.
    """
    rng, items, places, true_rate = np.random.default_rng(3), 6, 2, np.array([1.0, 0.6])
    logging, other, please = rng.normal(0, 0.5, (3, items))
    please = 0.4 / (1 + np.exp(-please))
    columns = np.arange(items)[None]
    pairs = np.array([(a, b) for a in range(items) for b in range(items) if a != b])

    def chances(score: Matrix) -> Matrix:
        tiled = np.repeat(columns, len(pairs), axis=0)
        return conditional_probability(tiled, score[tiled], pairs, 1.0)

    odds, wanted = chances(logging).prod(axis=1), chances(other).prod(axis=1)
    target = np.zeros((places, items))
    np.add.at(target[0], pairs[:, 0], wanted)
    np.add.at(target[1], pairs[:, 1], wanted)
    true = float((wanted[:, None] * please[pairs] * true_rate).sum())
    drawn = pairs[rng.choice(len(pairs), 100_000, p=odds / odds.sum())]
    whole = pseudo_inverse_weights(drawn[None], target[None], pairs[None])[0]
    found: dict[str, list[tuple[float, float, float]]] = {}
    for _ in range(RUNS):
        row = rng.choice(len(pairs), 1000, p=odds / odds.sum())
        reward = (rng.random((1000, places)) < please[pairs[row]] * true_rate).astype(np.float64)
        logged = LoggedLists(
            np.ones((1000, places), np.bool_),
            reward,
            chances(logging)[row],
            chances(other)[row],
            np.arange(1000),
        )
        for name, one in {
            "independent places": logged,
            "whole": replace(logged, whole=whole[row]),
        }.items():
            settings = EstimateSettings(ListModel.PSEUDO_INVERSE, Estimator.IPS, limits=None)
            made = estimate_value(one, settings)
            found.setdefault(name, []).append((made.value, made.low, made.high))
    return {"lists": 1000, "truth": round(true, 5), "estimates": _judge(found, true)}


def _softmax(score: Matrix) -> Matrix:
    odds = np.exp(score - score.max(axis=-1, keepdims=True))
    return odds / odds.sum(axis=-1, keepdims=True)


def main() -> int:
    """Measure, and write the results."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--obp", default="", help="folder that holds the Open Bandit Pipeline")
    obp = parser.parse_args().obp
    if obp:
        sys.path.append(obp)
    began = time.process_time()
    shoppers = Shoppers(simulate(SHOP).world)
    results = {
        "machine": platform.machine(),
        "runs": RUNS,
        "places": PLACES,
        "shoppers": len(shoppers.users),
        "simulated shop": measure_lists(shoppers, shoppers.by_place),
        "cascade": measure_lists(shoppers, shoppers.by_cascade),
        "open bandit": measure_bandit(obp),
        "pseudo-inverse": measure_pseudo_inverse(),
    }
    results["cpu seconds"] = round(time.process_time() - began)
    write_atomically(RESULTS, json.dumps(results, indent=1) + "\n")
    print(json.dumps(results, indent=1))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
