"""Whole models on sets with content: the baselines, ``social``, and ``social`` with content.

    python -m benchmarks.content_models --data DIR
    python -m benchmarks.content_models --data DIR --sets yelp_core40 --models item_knn lightgcn
    python -m benchmarks.content_models --data DIR --sets yelp_core40 --models social_content

Protocol: docs/accuracy.md. A baseline's settings are the best on validation of the few in
``GRIDS``; ``social`` has those that tuning found for the set (``accuracy.json``), else its own, and
learns for ``--epochs`` at most: twenty are enough to tell its arms apart. Both arms are made of the
same trained half: that with content has one term more, whose share is found on validation, with
what words weigh in the closed form and what new items get. ``social_content`` is the arm with
content alone, from a half of its own, in which content speaks too. Then each is fitted on training
and validation, once a seed, and looked at on test. Sets have the words of
``benchmarks.content_sets``, and their vectors by the default encoder.
A run replaces its own rows in ``benchmarks/results/content_models.json``.
"""

import argparse
import json
import os
import platform
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch

from benchmarks.content_dated import read_lastfm_by_time
from benchmarks.content_sets import ContentSet, Task, read_lastfm, read_yelp
from coterie.content.sentences import SentenceEncoder
from coterie.evaluation.metrics import Values
from coterie.evaluation.protocols import evaluate_model
from coterie.evaluation.significance import paired_test
from coterie.files import write_atomically
from coterie.fitting.fit import chosen_config, fit
from coterie.models import MODELS
from coterie.models.content_signal import ContentSignal
from coterie.models.social import SocialModel
from coterie.models.social_config import SocialConfig
from coterie.training.loop import run_epochs
from coterie.workflow.config_values import flatten
from coterie.workflow.settings import change, renew

RESULTS: Final = Path(__file__).parent / "results" / "content_models.json"
ACCURACY: Final = Path(__file__).parent / "results" / "accuracy.json"
READERS: Final = {
    "lastfm": read_lastfm,
    "lastfm_by_time": read_lastfm_by_time,
    "yelp_core40": read_yelp,
}
FIGURES: Final = ("recall@20", "ndcg@20")
SOCIAL: Final = "social"
WITH_CONTENT: Final = "social with content"
IN_TRAINING: Final = "social_content"
GRIDS: Final[dict[str, tuple[dict[str, Any], ...]]] = {
    "popularity": ({},),
    "item_knn": tuple(
        {"neighbours": n, "shrinkage": s} for n in (50, 200, 1000) for s in (0.0, 10.0, 60.0)
    ),
    "ease": tuple({"l2": l2} for l2 in (50.0, 100.0, 200.0, 400.0, 800.0, 1600.0)),
    "lightgcn": (
        {"layers": 3, "temperature": 0.15},
        {"layers": 2, "temperature": 0.47, "loop.lr": 0.0187},
    ),
}


@dataclass(frozen=True)
class Run:
    """A row's looks at test, and how it came to its settings."""

    validation: float
    settings: dict[str, Any]
    figures: dict[str, list[float]]
    ndcg: Values
    """Of each shopper, mean over seeds."""


def main(arguments: list[str] | None = None) -> None:
    """Measure the rows that were asked for."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--data", required=True, type=Path)
    parser.add_argument("--sets", nargs="+", choices=READERS, default=list(READERS))
    parser.add_argument(
        "--models", nargs="+", choices=(*GRIDS, SOCIAL, IN_TRAINING), default=[*GRIDS, SOCIAL]
    )
    parser.add_argument("--seeds", type=int, default=3, help="of models that learn from chance")
    parser.add_argument("--epochs", type=int, help="of social, at most; its own if not given")
    parser.add_argument("--work", type=Path, default=Path("var/content_models"))
    asked = parser.parse_args(arguments)
    encoder = SentenceEncoder()
    for name in asked.sets:
        found = READERS[name](asked.data / name, lambda texts: encoder.encode(texts).vectors)
        for model in asked.models:
            started = time.process_time()
            # Each seed is kept as it comes, so that nobody has to look twice after a break.
            for runs in measure(found, model, asked.seeds, asked.epochs):
                seconds = round(time.process_time() - started)
                command = f"--sets {name} --models {model} --seeds {asked.seeds}"
                command += f" --epochs {asked.epochs}" if asked.epochs else ""
                _keep(name, runs, command, seconds, asked.work / name)
            for row, run in runs.items():
                means = {figure: np.mean(values) for figure, values in run.figures.items()}
                print(name, row, means, run.validation, run.settings, f"{seconds} s", flush=True)


def measure(
    found: ContentSet, model: str, seeds: int, epochs: int | None = None
) -> Iterator[dict[str, Run]]:
    """Measure a model on a set, a seed at a time: one row, or two of the social one."""
    if model in (SOCIAL, IN_TRAINING):
        most = {} if epochs is None else {"loop.max_epochs": epochs}
        arms = measure_social if model == SOCIAL else measure_in_training
        yield from arms(found, seeds, _settings_of(found.name) | most)
        return
    data, held_out = found.validation.fit, found.validation.held_out
    tried = []
    for settings in GRIDS[model]:
        fitted = fit(data, model, change(MODELS[model].config_class(), settings))
        tried.append((_judge(fitted, data, held_out)[0]["ndcg@20"], settings, fitted))
    reached, settings, chosen = max(tried, key=lambda one: one[0])
    config, looks = chosen_config(chosen), []
    for seed in range(seeds if hasattr(config, "loop") else 1):
        final = fit(found.test.fit, model, _seeded(config, seed))
        looks.append(_judge(final, found.test.fit, found.test.held_out))
        yield {model: _run(reached, settings, looks)}


def measure_social(
    found: ContentSet, seeds: int, settings: dict[str, Any]
) -> Iterator[dict[str, Run]]:
    """Measure the social model without content and with it, each from one trained half."""
    trained = _trained(found.validation, change(SocialConfig(), settings))
    plain, _ = trained
    reached = _judge(plain, found.validation.fit, found.validation.held_out)[0]["ndcg@20"]
    best = _adopted(trained, ContentSignal(share=None), found.validation)
    with_content = _judge(best, found.validation.fit, found.validation.held_out)[0]["ndcg@20"]
    looks: dict[str, list[Any]] = {SOCIAL: [], WITH_CONTENT: []}
    for seed in range(seeds):
        final = _trained(found.test, _seeded(plain.refit_config(), seed))
        looks[SOCIAL].append(_judge(final[0], found.test.fit, found.test.held_out))
        refit = _seeded(best.refit_config(), seed)
        more = _adopted(final, refit.content, found.test, refit)
        looks[WITH_CONTENT].append(_judge(more, found.test.fit, found.test.held_out))
        yield {
            SOCIAL: _run(reached, settings, looks[SOCIAL]),
            WITH_CONTENT: _run(with_content, settings | _found(best), looks[WITH_CONTENT]),
        }


def measure_in_training(
    found: ContentSet, seeds: int, settings: dict[str, Any]
) -> Iterator[dict[str, Run]]:
    """Measure the social model with content that speaks in training, too."""
    config = change(SocialConfig(), settings)
    content = ContentSignal(share=None, in_training=True)
    best: Any = fit(found.validation.fit, SOCIAL, replace(config, content=content))
    reached = _judge(best, found.validation.fit, found.validation.held_out)[0]["ndcg@20"]
    print(found.name, WITH_CONTENT, "validation", reached, _found(best), flush=True)
    looks = []
    for seed in range(seeds):
        final = fit(found.test.fit, SOCIAL, _seeded(best.refit_config(), seed))
        looks.append(_judge(final, found.test.fit, found.test.held_out))
        yield {WITH_CONTENT: _run(reached, settings | _found(best), looks)}


def _found(model: SocialModel) -> dict[str, Any]:
    """Name what of content validation found."""
    return {
        "content.share": model.shares.get("content"),
        "content.new_item_bonus": model.new_item_bonus,
        "content.row_weight": model.row_weight,
        "content.in_training": model.config.content.in_training,
    }


def _trained(task: Task, config: SocialConfig) -> tuple[SocialModel, Any]:
    """Train the learned half, and make the model without content of it."""
    model = SocialModel(config=replace(config, content=ContentSignal()))
    data = task.fit.with_item_columns(())
    trainee = model.trainee(data, torch.device("cpu"))
    model.history = run_epochs(trainee, model.config.loop)
    model.adopt(trainee, data)
    return model, trainee


def _adopted(
    trained: tuple[SocialModel, Any],
    content: ContentSignal,
    task: Task,
    config: SocialConfig | None = None,
) -> SocialModel:
    """Make a model with content of a learned half that is there."""
    before, trainee = trained
    model = SocialModel(config=replace(config or before.config, content=content))
    model.history = before.history
    model.adopt(trainee, task.fit.with_item_columns(content.columns))
    return model


def _judge(model: Any, data: Any, held_out: Any) -> tuple[dict[str, float], Values]:
    run = evaluate_model(model, data, held_out, ks=(20,))
    return {f: round(run.mean(f), 5) for f in FIGURES}, run.metrics["ndcg@20"]


def _run(reached: float, settings: dict[str, Any], looks: list[Any]) -> Run:
    figures = {f: [figures[f] for figures, _ in looks] for f in FIGURES}
    return Run(reached, settings, figures, np.mean([ndcg for _, ndcg in looks], axis=0))


def _settings_of(name: str) -> dict[str, Any]:
    """Read what tuning found for a set; nothing where it found nothing."""
    cells = json.loads(ACCURACY.read_text())["protocols"]["train+val"].get(name, {})
    if SOCIAL not in cells:
        return {}
    settings: dict[str, Any] = flatten(renew(SOCIAL, cells[SOCIAL]["settings"]))
    return settings


def _seeded(config: Any, seed: int) -> Any:
    if hasattr(config, "loop"):
        config = replace(config, loop=replace(config.loop, seed=seed))
    if hasattr(config, "linear"):
        config = replace(config, linear=replace(config.linear, seed=seed))
    return config


def _keep(name: str, runs: Mapping[str, Run], command: str, seconds: int, work: Path) -> None:
    """Write rows to the results, with paired tests of each row against each that is there."""
    work.mkdir(parents=True, exist_ok=True)
    whole = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    rows = whole.setdefault(name, {})
    for row, run in runs.items():
        np.save(work / f"{row}.npy", run.ndcg)
        rows[row] = {
            "settings": run.settings,
            "validation": run.validation,
            "test": run.figures,
            "cpu_seconds": seconds,
            "command": f"python -m benchmarks.content_models --data DIR {command}",
            "machine": f"{platform.machine()}, {len(os.sched_getaffinity(0))} cores",
            "versions": {"python": platform.python_version()}
            | {one: version(one) for one in ("numpy", "scipy", "torch")},
        }
    for cell in rows.values():  # of those that have no figures here none is about an older run
        told = cell.get("against", {})
        cell["against"] = {other: told[other] for other in told if other not in runs}
    known = {row: np.load(file) for row in rows if (file := work / f"{row}.npy").exists()}
    for row in known:
        rows[row]["against"] = {
            other: _told(known[row], known[other]) for other in known if other != row
        }
    write_atomically(RESULTS, json.dumps(whole, indent=1, sort_keys=True) + "\n")


def _told(ours: Values, other: Values) -> dict[str, Any]:
    test = paired_test(ours, other)
    relative = test.relative
    return {
        "relative": relative
        and [round(float(v or 0), 5) for v in (relative.mean, relative.low, relative.high)],
        "p": test.p_value,
    }


if __name__ == "__main__":
    main(sys.argv[1:])
