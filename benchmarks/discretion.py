"""What it costs that lists draw on fewer friends than there are: NDCG@20 by whom they draw on.

    python -m benchmarks.discretion --data DIR
    python -m benchmarks.discretion --data DIR --sets beidian lastfm_by_time --fits

The social model, with the settings that stand in ``benchmarks/results/accuracy.json``, is fitted on
train and validation with all friends, and asked for lists that draw on fewer: as served, without
people who do not follow back, and where some or all people said that they may not be named, as no
public set tells (drawn by chance, seed 0). With ``--fits`` two models more stand beside it: one
whose weights were chosen on validation for the lists that it makes (``chosen``), as training does,
and one that has not learned of friends that its lists do not draw on either (``learned``). Writes
``benchmarks/results/discretion.json``, set by set; ``benchmarks.pages`` writes the page.
"""

import argparse
import json
import os
import platform
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from rich.console import Console

from benchmarks.accuracy import RESULTS as ACCURACY
from benchmarks.accuracy import prepare
from coterie.data.circle import EVERYBODY, Circle, CircleRule
from coterie.data.dataset import Split, TrainingSet
from coterie.data.ragged import Ragged
from coterie.evaluation.circles import band_of_unnamed
from coterie.evaluation.protocols import Evaluation, evaluate_model
from coterie.evaluation.significance import paired_test
from coterie.files import write_atomically
from coterie.fitting.fit import fit_twice
from coterie.models import MODELS
from coterie.models.social import SocialModel
from coterie.recommend.batches import Community
from coterie.workflow.config_values import flatten
from coterie.workflow.settings import change, renew
from coterie.workflow.shop import CleanShop

RESULTS: Final = Path(__file__).parent / "results" / "discretion.json"
SETS: Final = ("ciao_time", "beidian", "lastfm_by_time", "ciao")
METRIC: Final = "ndcg@20"


@dataclass(frozen=True)
class Way:
    """One way to draw lists."""

    rule: CircleRule
    unnamed: float = 0.0
    """Share of people who may not be named."""
    ties: bool = True
    fitted: bool = False
    """Whether models are also fitted for this way."""

    def circle(self, num_users: int) -> Circle:
        """Draw who may be named."""
        says_no = np.random.default_rng(0).random(num_users) < self.unnamed
        return Circle(self.rule, ~says_no)


WAYS: Final = {
    "all": Way(EVERYBODY),
    "served": Way(CircleRule(), fitted=True),
    "no_one_sided": Way(CircleRule(one_sided=False)),
    "some_unnamed": Way(CircleRule(), 0.2),
    "half_unnamed": Way(CircleRule(), 0.5),
    "none_named": Way(CircleRule(), 1.0, fitted=True),
    "none_named_two": Way(CircleRule(min_people=2), 1.0),
    "no_ties": Way(EVERYBODY, ties=False),
}


def main(arguments: list[str] | None = None) -> int:
    """Measure set after set; print a line a way."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--data", required=True, help="folder of public sets")
    parser.add_argument("--sets", nargs="+", default=list(SETS))
    parser.add_argument("--epochs", type=int, default=15, help="at most (%(default)s)")
    parser.add_argument("--work", default="var/accuracy", help="where tables are kept")
    parser.add_argument("--fits", action="store_true", help="also fit models for fewer friends")
    asked = parser.parse_args(arguments)
    for name in prepare(Path(asked.data), Path(asked.work), asked.sets):
        split = CleanShop.open(f"{asked.work}/{name}/clean").split
        cell = measure_set(name, split, asked.epochs, asked.fits)
        cell |= {
            "command": f"python -m benchmarks.discretion --data DIR --sets {name} "
            f"--epochs {asked.epochs}{' --fits' * asked.fits}",
            "machine": f"{platform.machine()}, {os.cpu_count()} cores, {platform.system()}",
        }
        found = json.loads(RESULTS.read_text()) if RESULTS.exists() else {"sets": {}}
        found["sets"][name] = cell
        write_atomically(RESULTS, json.dumps(found, indent=1, sort_keys=True) + "\n")
    return 0


def measure_set(name: str, split: Split, epochs: int, fits: bool) -> dict[str, Any]:
    """Fit with all friends, then ask for lists in every way."""
    config = _config(name, epochs)
    model = _fit(split, config)
    data = split.for_test()
    runs, cells = {}, {}
    for label, way in WAYS.items():
        circle = way.circle(data.num_users)
        runs[label] = _lists(model, data, split, way)
        cells[label] = _cell(runs[label], runs["all"], data, circle)
        if fits and way.fitted and cells[label]["changed"]:
            others = {"chosen": replace(split, circle=circle), "learned": _cut(split, circle)}
            for how, seen in others.items():
                run = _lists(_fit(seen, config), data, split, way)
                cells[label][how] = _against(run, runs[label])
        Console(width=160).print(name, label, json.dumps(cells[label]))
    return {"shoppers": len(runs["all"].user_idx), "epochs": epochs, "ways": cells}


def _cut(split: Split, circle: Circle) -> Split:
    """Take away all ties that lists do not draw on, as if they had never been."""
    data = split.for_test()
    friends = Community.of(replace(data, circle=circle)).friends
    num, follower = data.num_users, Ragged(friends.offsets).row
    pairs = split.ties.src_idx * num + split.ties.dst_idx
    drawn = np.isin(pairs, follower * num + friends.person)
    return replace(split, ties=split.ties.take(drawn), circle=None)


def _config(name: str, epochs: int) -> Any:
    """Read the settings that the set's cell of the accuracy benchmark was tuned to."""
    cell = json.loads(ACCURACY.read_text())["protocols"]["train+val"][name]["social"]
    settings = flatten(renew("social", cell["settings"]))
    config = change(MODELS["social"].config_class(), settings)
    epochs = min(config.loop.max_epochs, epochs)
    return replace(config, loop=replace(config.loop, seed=0, max_epochs=epochs))


def _fit(split: Split, config: Any) -> SocialModel:
    model = fit_twice(split, "social", config).final
    assert isinstance(model, SocialModel)
    return model


def _lists(model: SocialModel, data: TrainingSet, split: Split, way: Way) -> Evaluation:
    seen = replace(data, circle=way.circle(data.num_users))
    model.serve(seen if way.ties else seen.without_ties())
    return evaluate_model(model, data, split.test, ks=(20,))


def _cell(run: Evaluation, everybody: Evaluation, data: TrainingSet, circle: Circle) -> Mapping:
    """Give a way's figures: of all, and by how many friends could not be named."""
    labels, band = band_of_unnamed(replace(data, circle=circle))
    groups = {}
    for code, label in enumerate(labels):
        rows = band[run.user_idx] == code
        if rows.any():
            groups[label] = {"shoppers": int(rows.sum())} | {
                who: round(float(one.metrics[METRIC][rows].mean()), 5)
                for who, one in (("drawn", run), ("all", everybody))
            }
    changed = float((run.lists != everybody.lists).any(axis=1).mean())
    return _against(run, everybody) | {"changed": round(changed, 4), "groups": groups}


def _against(run: Evaluation, other: Evaluation) -> dict[str, Any]:
    test = paired_test(run.metrics[METRIC], other.metrics[METRIC])
    relative = test.relative
    return {
        METRIC: round(run.mean(METRIC), 5),
        "relative": relative
        and [round(x, 5) for x in (relative.mean, relative.low, relative.high)],
        "p": round(test.p_value, 5),
    }


if __name__ == "__main__":
    sys.exit(main())
