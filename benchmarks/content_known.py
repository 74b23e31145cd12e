"""Does content gain by counting more for items that few people had?

    python -m benchmarks.content_known --data DIR
    python -m benchmarks.content_known --data DIR --sets tiktok lastfm

Weights of the parts are those that ``benchmarks.content`` found on validation for a set's best row.
Here what content says for an item that n people had counts (1 + n) to the power of minus p: one p
for all kinds, then one for each kind. Half of validation's shoppers choose p, and what content
counts as a whole; the other half judge, beside p = 0, whose whole was chosen likewise; then the
halves change places. So every shopper judges what others chose, and test is not looked at. Writes
its own sets into ``benchmarks/results/content_known.json``.
"""

import argparse
import json
import os
import platform
import sys
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch

from benchmarks.content import DEFAULT, READERS, VISITS, given_vectors
from benchmarks.content import RESULTS as WEIGHTS
from benchmarks.content_sets import ContentSet
from coterie.data.dataset import Ints, TrainingSet
from coterie.evaluation.protocols import evaluate_model
from coterie.evaluation.significance import paired_test
from coterie.files import write_atomically
from coterie.models.content import ContentConfig, ContentModel
from coterie.models.content_graph import KINDS
from coterie.models.engagement import engagement
from coterie.training.validation import Validation

RESULTS: Final = Path(__file__).parent / "results" / "content_known.json"
POWERS: Final = (0.0, 0.1, 0.2, 0.4, 0.7, 1.0)
WHOLES: Final = (0.5, 0.7, 1.0, 1.4, 2.0)
"""What content counts as a whole, times its weights."""
CONTENT: Final = (*KINDS, "brand", "smoothed", "friends_content")
SEED: Final = 0


def main(arguments: list[str] | None = None) -> None:
    """Measure the sets that were asked for."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--data", required=True, help="folder that holds the data sets' folders")
    parser.add_argument("--sets", nargs="+", choices=READERS, default=list(READERS))
    asked = parser.parse_args(arguments)
    for name in asked.sets:
        started = time.process_time()
        found = READERS[name](Path(asked.data, name), given_vectors(DEFAULT, name))
        rows = json.loads(WEIGHTS.read_text())[name]
        cell = measure(found, rows) | {
            "cpu_seconds": round(time.process_time() - started),
            "command": f"python -m benchmarks.content_known --data DIR --sets {name}",
            "machine": f"{platform.machine()}, {len(os.sched_getaffinity(0))} cores",
            "versions": {"python": platform.python_version()}
            | {one: version(one) for one in ("numpy", "scipy", "torch")},
        }
        whole = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
        write_atomically(RESULTS, json.dumps(whole | {name: cell}, indent=1, sort_keys=True) + "\n")
        print(name, {what: cell[what] for what in ("ndcg", "chosen", "against")}, flush=True)


def measure(found: ContentSet, rows: Mapping[str, Any]) -> dict[str, Any]:
    """Let each half of validation's shoppers choose, and the other judge.

    Args:
        found: A set.
        rows: What ``benchmarks.content`` measured of it.
    """
    row = max(rows["rows"], key=lambda name: rows["rows"][name]["validation"])
    weights = rows["rows"][row]["weights"]
    task = found.validation
    config = ContentConfig(
        tuple(weights),
        tuple(weights.values()),
        rows["l2"],
        position_decay=float(task.serve is not None),
        count_turned_down=float(row == VISITS),
    )
    model = ContentModel(config)
    model.fit(replace(task.fit, validation=None))
    served = task.serve or task.fit
    model.serve(served)
    parts = Parts(model, np.asarray(engagement(task.fit).sum(axis=0)).ravel())
    users = np.unique(task.held_out.user_idx)
    first = np.random.default_rng(SEED).permutation(len(users)) < len(users) // 2
    chosen: list[dict[str, Any]] = []
    judged: dict[str, list[npt.NDArray[Any]]] = {}
    for choose, judge in ((users[first], users[~first]), (users[~first], users[first])):
        arms = _arms(parts, served, choose)
        chosen.append({name: {"powers": a.powers, "whole": a.whole} for name, a in arms.items()})
        held_out = task.held_out.take(np.isin(task.held_out.user_idx, judge))
        for name, arm in arms.items():
            run = evaluate_model(parts.at(arm), served, held_out, ks=(20,))
            judged.setdefault(name, []).append(run.metrics["ndcg@20"])
    ndcg = {name: np.concatenate(values) for name, values in judged.items()}
    return {
        "row": row,
        "chosen": chosen,
        "ndcg": {name: round(float(values.mean()), 5) for name, values in ndcg.items()},
        "against": {name: _told(ndcg[name], ndcg["alike"]) for name in ndcg if name != "alike"},
    }


@dataclass(frozen=True)
class Arm:
    """How content counts."""

    powers: dict[str, float]
    """By part."""
    whole: float


class Parts:
    """A fitted model's parts, to be added up in many ways."""

    def __init__(self, model: ContentModel, had: npt.NDArray[Any]):
        self._model, self._had = model, 1.0 + had.astype(np.float64)
        self._weights = dict(model.weights)
        self.content = tuple(name for name in self._weights if name in CONTENT)

    def apart(self, users: Ints) -> dict[str, npt.NDArray[np.float32]]:
        """Score by each part of content; under an empty name by all others together."""
        found = {}
        others = {n: w for n, w in self._weights.items() if n not in self.content}
        for name in ("", *self.content):
            self._model.weights = {name: self._weights[name]} if name else others
            found[name] = np.asarray(self._model.scores(users), np.float32)
        self._model.weights = self._weights
        return found

    def added(self, apart: Mapping[str, npt.NDArray[Any]], arm: Arm) -> npt.NDArray[Any]:
        """Add parts up."""
        scores = apart[""].copy()
        for name in self.content:
            scores += apart[name] * self._say(arm.powers[name], arm.whole)
        return scores

    def at(self, arm: Arm) -> "_Summed":
        """Make a model of it."""
        return _Summed(self, arm)

    def _say(self, power: float, whole: float) -> npt.NDArray[np.float32]:
        """Tell what content counts for an item: ``whole``, on average over what people had."""
        say = self._had**-power
        return (whole * say / np.average(say, weights=self._had - 1.0)).astype(np.float32)


@dataclass(frozen=True)
class _Summed:
    parts: Parts
    arm: Arm

    def scores(self, user_idx: Ints) -> npt.NDArray[np.float32]:
        """Score all items."""
        return self.parts.added(self.parts.apart(user_idx), self.arm)


def _arms(parts: Parts, served: TrainingSet, users: Ints) -> dict[str, Arm]:
    """Choose on some shoppers' validation targets: without powers, with one, with one a part."""
    assert served.validation is not None
    mine = served.validation.take(np.isin(served.validation.user_idx, users))
    validation = Validation(replace(served, validation=mine), torch.device("cpu"))

    def best(tried: Iterable[Arm]) -> Arm:
        arms = list(tried)

        def each(some: torch.Tensor) -> torch.Tensor:
            apart = parts.apart(some.numpy())
            return torch.from_numpy(np.stack([parts.added(apart, arm) for arm in arms]))

        return arms[int(np.argmax(np.round(validation.ndcg_of_each(each, len(arms)), 6)))]

    def even(power: float) -> dict[str, float]:
        return dict.fromkeys(parts.content, power)

    alike = best(Arm(even(0.0), whole) for whole in WHOLES)
    one = best(Arm(even(power), whole) for power in POWERS for whole in WHOLES)
    each = one
    for name in parts.content:
        each = best(Arm(each.powers | {name: power}, each.whole) for power in POWERS)
    return {"alike": alike, "one power": one, "a power a part": each}


def _told(ours: npt.NDArray[Any], other: npt.NDArray[Any]) -> dict[str, Any]:
    test = paired_test(ours, other)
    relative = test.relative
    return {"relative": relative and round(float(relative.mean), 5), "p": test.p_value}


if __name__ == "__main__":
    main(sys.argv[1:])
