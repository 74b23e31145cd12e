"""Whether a release tells who was in its training data, and what a bound on that costs.

    python -m benchmarks.membership --data DIR
    python -m benchmarks.membership --data DIR --sets lastfm --models ease bounded
    python -m benchmarks.membership --data DIR --parts membership --models released

Price: the bounded model is tuned on validation at each epsilon (a random search of
``bounded_config.TUNING``, of whose best few the noise is drawn again, so that nothing is chosen for
lucky noise), fitted on train and validation with noise of several seeds, and asked for test lists
once a seed. Epsilon "none" clips people and hides nothing.

Membership: a model is fitted on a random half of the people, over and over, so that each person is
in half of the fits. The attacker holds the release and a person's whole history, and asks how well
the release finds each of their items from the others (mean standardised score). ``simple`` calls
those members of whom it finds most (Yeom et al., 2018, arXiv:1709.01604). ``shadow`` compares with
what other fits, with and without that person, find of them: a likelihood ratio of two normal
distributions (LiRA, Carlini et al., 2022, arXiv:2112.03570; shadow models are Shokri et al., 2017,
arXiv:1610.05820; against recommenders: Zhang et al., 2021, arXiv:2109.08045). Every fit is the
target once, and a shadow of all others. Intervals are 95 %, by a bootstrap over people.
Of the social model, ``social`` is a small one of few epochs, and ``released`` one with the settings
and epochs of the accuracy benchmark, as releases are made. Writes
``benchmarks/results/membership.json``, cell by cell; ``benchmarks.pages`` writes the page.
"""

import argparse
import json
import os
import platform
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch
from rich.console import Console
from scipy.special import ndtr

from benchmarks.accuracy import RESULTS as ACCURACY
from benchmarks.accuracy import prepare
from coterie.data.dataset import Ints, Split, TrainingSet
from coterie.files import write_atomically
from coterie.fitting.fit import chosen_config, fit
from coterie.models import MODELS, Inductive
from coterie.models.engagement import engagement
from coterie.models.space import Choice, Field, LogUniform
from coterie.training.validation import Validation
from coterie.workflow.config_values import flatten
from coterie.workflow.settings import change, renew
from coterie.workflow.shop import CleanShop

RESULTS: Final = Path(__file__).parent / "results" / "membership.json"
SETS: Final = ("beidian", "lastfm")
EPSILONS: Final[tuple[float | None, ...]] = (None, 10.0, 3.0, 1.0)
TUNED_BY: Final = 600
"""Shoppers of validation by whom settings are chosen, at most: all are scored on test."""
BOOTSTRAPS: Final = 500
FALSE_ALARMS: Final = 0.01
AGAIN: Final = 5
"""Of the best trials, whose noise is drawn again."""
REDRAWN: Final = 4
"""So often."""
RELEASED: Final = "released"

Doubles = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


def main(arguments: list[str] | None = None) -> int:
    """Measure cell after cell; print a line each."""
    asked = _parse(arguments)
    for name in prepare(Path(asked.data), Path(asked.work), asked.sets):
        split = CleanShop.open(f"{asked.work}/{name}/clean").split
        if "price" in asked.parts:
            for epsilon in EPSILONS:
                if not _is_there(name, "price", told(epsilon), asked):
                    cell = measure_price(split, epsilon, asked.trials, asked.seeds)
                    _keep(name, "price", told(epsilon), cell, asked)
        if "membership" in asked.parts:
            for model in asked.models:
                for label, config in _configs(name, model, asked.epochs).items():
                    if not _is_there(name, "membership", label, asked):
                        kind = "social" if model == RELEASED else model
                        if model == RELEASED:
                            config = chosen_config(fit(split.for_validation(), kind, config))
                        cell = measure_membership(
                            split.for_test(), kind, config, asked.fits, asked.attacked
                        )
                        _keep(name, "membership", label, cell, asked)
    return 0


def told(epsilon: float | None) -> str:
    """Name a bound."""
    return "none" if epsilon is None else f"{epsilon:g}"


def measure_price(split: Split, epsilon: float | None, trials: int, seeds: int) -> dict[str, Any]:
    """Tune at one epsilon on validation, then look at test once a seed of noise."""
    started = time.process_time()
    data, rng = split.for_validation(), np.random.default_rng(0)
    some = _of_some(data, rng)
    drawn = [{} if trial == 0 else _draw(rng) for trial in range(trials)]
    once = [_ndcg(data, some, _bounded(epsilon, one, 1000 + n)) for n, one in enumerate(drawn)]
    again = {
        n: float(np.mean([_ndcg(data, some, _bounded(epsilon, drawn[n], s)) for s in _fresh(n)]))
        for n in np.argsort(once)[::-1][:AGAIN].tolist()
    }
    chosen = max(again, key=lambda n: again[n])
    best, reached = drawn[chosen], again[chosen]
    data = split.for_test()
    judged = replace(data, validation=split.test)
    tested = [_ndcg(data, judged, _bounded(epsilon, best, seed)) for seed in range(seeds)]
    return {
        "settings": best,
        "trials": trials,
        "tuned_by": len(np.unique(some.validation.user_idx)) if some.validation is not None else 0,
        "validation": round(reached, 5),
        "test": [round(one, 5) for one in tested],
        "cpu_s": round(time.process_time() - started, 1),
    }


def _fresh(trial: int) -> range:
    """Give seeds of noise that no other trial has, nor test."""
    return range(10_000 + trial * REDRAWN, 10_000 + (trial + 1) * REDRAWN)


def _of_some(data: TrainingSet, rng: np.random.Generator) -> TrainingSet:
    """Keep the targets of some of validation's shoppers."""
    assert data.validation is not None
    asked = np.unique(data.validation.user_idx)
    some = rng.choice(asked, min(TUNED_BY, len(asked)), replace=False)
    kept = np.isin(data.validation.user_idx, some)
    return replace(data, validation=data.validation.take(kept))


def _ndcg(data: TrainingSet, judged: TrainingSet, config: Any) -> float:
    """Fit on ``data``, and measure NDCG@20 on the targets of ``judged``, all items ranked."""
    model = fit(data, "bounded", config)
    score = Validation(judged, torch.device("cpu"))
    found = score.ndcg(lambda users: torch.from_numpy(model.scores(users.numpy())))
    assert found is not None
    return found


def _draw(rng: np.random.Generator) -> dict[str, Any]:
    return {name: _one(rng, field) for name, field in MODELS["bounded"].tuning.space.items()}


def _one(rng: np.random.Generator, field: Field) -> Any:
    if isinstance(field, Choice):
        return field.values[int(rng.integers(len(field.values)))]
    if isinstance(field, LogUniform):
        return round(float(np.exp(rng.uniform(np.log(field.low), np.log(field.high)))), 5)
    return round(float(rng.uniform(field.low, field.high)), 5)


def _bounded(epsilon: float | None, settings: Mapping[str, Any], seed: int) -> Any:
    given = {"epsilon": epsilon, "noise_seed": seed} | dict(settings)
    return change(MODELS["bounded"].config_class(), given)


def _configs(dataset: str, model: str, epochs: int) -> dict[str, Any]:
    """Make the configs of a model that are attacked, by label: settings tuned before."""
    if model == "bounded":
        price = _results()["sets"][dataset]["price"]
        return {
            f"bounded {told(e)}": _bounded(e, price[told(e)]["settings"], seed=0) for e in EPSILONS
        }
    kind = "social" if model == RELEASED else model
    cell = json.loads(ACCURACY.read_text())["protocols"]["train+val"][dataset][kind]
    config = change(MODELS[kind].config_class(), flatten(renew(kind, cell["settings"])))
    if model == "social":
        loop = replace(config.loop, max_epochs=epochs, seed=0)
        config = replace(config, loop=loop, embedding_size=128, heads=1)
    return {model: config}


def measure_membership(
    data: TrainingSet, model: str, config: Any, fits: int, attacked: int = 1000
) -> dict[str, Any]:
    """Fit on halves of the people, and attack each fit by the others: that many people of it."""
    started = time.process_time()
    people = np.flatnonzero(np.diff(engagement(data).indptr) > 0)
    rng = np.random.default_rng(0)
    member = halves(len(people), fits, rng)
    some = np.sort(rng.permutation(len(people))[:attacked])
    found = np.stack(
        [
            _found_by(data, people[member[k]], people[some], model, _seeded(config, k))
            for k in range(fits)
        ]
    )
    member = member[:, some]
    attacks = {"simple": found, "shadow": likelihood_ratios(found, member)}
    return {
        "people": len(people),
        "attacked": len(some),
        "fits": fits,
        "most_auc": most_auc(config),
        "attacks": {name: judge(scores, member) for name, scores in attacks.items()},
        "cpu_s": round(time.process_time() - started, 1),
    }


def _seeded(config: Any, seed: int) -> Any:
    if hasattr(config, "loop"):
        return replace(config, loop=replace(config.loop, seed=seed))
    return replace(config, noise_seed=seed) if hasattr(config, "noise_seed") else config


def halves(num_people: int, fits: int, rng: np.random.Generator) -> Mask:
    """Draw who is in which fit, shape (fits, people): each person in half of them."""
    order = np.argsort(rng.random((fits, num_people)), axis=0)
    return np.asarray(order < fits // 2)


def _found_by(data: TrainingSet, members: Ints, people: Ints, model: str, config: Any) -> Doubles:
    """Ask a fit on the members how well it finds people's items from the others, (people,)."""
    there = np.isin(data.interactions.user_idx, members)
    fitted = fit(replace(data, interactions=data.interactions.take(there)), model, config)
    assert isinstance(fitted, Inductive)
    fitted.serve(data)
    had = engagement(data)
    found = np.empty(len(people))
    for at in range(0, len(people), 256):
        some = people[at : at + 256]
        scores = fitted.scores(some).astype(np.float64)
        mean, deviation = scores.mean(axis=1), scores.std(axis=1) + 1e-12
        rows = had[some]
        own = np.asarray(rows.multiply(scores).sum(axis=1)).ravel() / np.diff(rows.indptr)
        found[at : at + 256] = (own - mean) / deviation
    return found


def likelihood_ratios(found: Doubles, member: Mask) -> Doubles:
    """Compare each fit with all others, in which the person was and was not, (fits, people).

    Means are each person's own, spreads those of all: of few fits a person's own would be chance.
    """
    ratios = np.empty_like(found)
    for target in range(len(found)):
        others = np.arange(len(found)) != target
        logs = []
        for inside in (True, False):
            there = (member == inside) & others[:, None]
            # As many with the person as without: a mean of more is nearer, and would tell by that.
            there &= np.cumsum(there, axis=0) < len(found) // 2
            count = np.maximum(there.sum(axis=0), 1)
            mean = np.where(there, found, 0.0).sum(axis=0) / count
            spread = np.where(there, (found - mean) ** 2, 0.0).sum() / max(
                int((count - 1).sum()), 1
            )
            logs.append(-((found[target] - mean) ** 2) / (2 * max(spread, 1e-12)))
        ratios[target] = logs[0] - logs[1]
    return ratios


def judge(scores: Doubles, member: Mask) -> dict[str, Any]:
    """Measure an attack: AUC and the members found at few false alarms, with intervals."""
    rng = np.random.default_rng(0)
    people = scores.shape[1]
    auc, caught = _figures(scores, member)
    again = np.array(
        [
            _figures(scores[:, some], member[:, some])
            for some in rng.integers(0, people, (BOOTSTRAPS, people))
        ]
    )
    low, high = np.quantile(again, (0.025, 0.975), axis=0)
    return {
        "auc": [round(float(x), 4) for x in (auc, low[0], high[0])],
        "caught": [round(float(x), 4) for x in (caught, low[1], high[1])],
    }


def _figures(scores: Doubles, member: Mask) -> tuple[float, float]:
    """Compute AUC and the share of members over the threshold of 1 % false alarms, over fits."""
    areas, caught = [], []
    for one, inside in zip(scores, member, strict=True):
        order = np.argsort(one, kind="stable")
        rank = np.empty(len(one))
        rank[order] = np.arange(1, len(one) + 1)
        ins = int(inside.sum())
        areas.append((rank[inside].sum() - ins * (ins + 1) / 2) / (ins * (len(one) - ins)))
        caught.append(float((one[inside] > np.quantile(one[~inside], 1 - FALSE_ALARMS)).mean()))
    return float(np.mean(areas)), float(np.mean(caught))


def most_auc(config: Any) -> float | None:
    """Compute the AUC of the best attack that could be, on Gaussian noise as large as the model's.

    Somebody's presence moves the noisy sums by at most mu standard deviations, and of two normal
    distributions so far apart nothing is told better than with AUC ``Phi(mu / sqrt(2))`` (Dong,
    Roth and Su, 2019, arXiv:1905.02383). None where nothing is hidden.
    """
    if getattr(config, "epsilon", None) is None:
        return None
    share = config.popularity_share
    multipliers = config.budget().multipliers((share, 1 - share))
    return round(float(ndtr(np.sqrt(sum(one**-2 for one in multipliers) / 2))), 4)


def _command(dataset: str, part: str, label: str, asked: Any) -> str:
    return (
        f"python -m benchmarks.membership --data DIR --sets {dataset} --parts {part}"
        + (f" --models {RELEASED}" if label == RELEASED else "")
        + (f" --trials {asked.trials} --seeds {asked.seeds}" if part == "price" else "")
        + (
            f" --fits {asked.fits} --attacked {asked.attacked} --epochs {asked.epochs}"
            if part == "membership"
            else ""
        )
    )


def _is_there(dataset: str, part: str, label: str, asked: Any) -> bool:
    """Tell whether a run that was broken off has measured a cell with the same command."""
    cell = _results()["sets"].get(dataset, {}).get(part, {}).get(label, {})
    return not asked.again and cell.get("command") == _command(dataset, part, label, asked)


def _keep(dataset: str, part: str, label: str, cell: dict[str, Any], asked: Any) -> None:
    cell |= {
        "command": _command(dataset, part, label, asked),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, {platform.system()}",
        "versions": {one: version(one) for one in ("numpy", "opacus", "scipy", "torch")},
    }
    whole = _results()
    whole["sets"].setdefault(dataset, {}).setdefault(part, {})[label] = cell
    write_atomically(RESULTS, json.dumps(whole, indent=1, sort_keys=True) + "\n")
    shown = {k: v for k, v in cell.items() if k not in ("command", "machine", "versions")}
    Console(width=200).print(dataset, part, label, json.dumps(shown))


def _results() -> dict[str, Any]:
    content: dict[str, Any] = json.loads(RESULTS.read_text()) if RESULTS.exists() else {"sets": {}}
    return content


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--data", required=True, help="folder of public sets")
    parser.add_argument("--sets", nargs="+", default=list(SETS))
    parser.add_argument("--models", nargs="+", default=["ease", "social", RELEASED, "bounded"])
    parser.add_argument("--parts", nargs="+", default=["price", "membership"])
    parser.add_argument("--trials", type=int, default=40, help="of each epsilon (%(default)s)")
    parser.add_argument("--seeds", type=int, default=3, help="of noise on test (%(default)s)")
    parser.add_argument("--fits", type=int, default=8, help="on halves (%(default)s)")
    parser.add_argument("--attacked", type=int, default=1000, help="people (%(default)s)")
    parser.add_argument("--epochs", type=int, default=15, help="of social (%(default)s)")
    parser.add_argument("--again", action="store_true", help="also cells that are there")
    parser.add_argument("--work", default="var/accuracy", help="where tables are kept")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
