"""Whether generated entries, or an adversary in the loss, help people with thin histories.

    python -m benchmarks.thin_histories --data DIR
    python -m benchmarks.thin_histories --data DIR --sets ciao --rows friends gan

Of a third of the shoppers with ``LONG`` or more training entries all but 1 to 3 are taken away,
also those of validation when test is looked at; what was taken is neither target nor listed. They
and whoever had as few from the start are *thin*. A row adds entries to the histories of the thin
(``benchmarks.thin_generators``) in training alone: lists are made from what they had. Entries are
added to the shopper (``2``), where friends read them, too, or to a copy of the shopper whom nobody
follows (``2 apart``), beside the shopper as they were. ``dropped``
leaves them out of training; ``true`` gives some of the entries back that were taken: the most that
a generator could reach. Rows of ``benchmarks.hard_negatives`` change the loss instead.

The base is ``social`` with the settings of ``accuracy.json``, but ``SMALL``. Epochs and shares of
its parts are chosen once on validation, without entries; rows with another loss choose their own.
Entries a person, or an adversary's strength, are the best on validation by NDCG@20 of the thin,
with one seed; then each row is fitted on training and validation with every seed, and test is
looked at once: NDCG@20 of the thin and of all others. Each row is written to
``benchmarks/results/thin_histories.json`` as soon as it is measured.
"""

import argparse
import json
import os
import platform
import tempfile
import time
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch

from benchmarks.accuracy import prepare
from benchmarks.hard_negatives import fit_hardened
from benchmarks.thin_generators import (
    FEW,
    GENERATORS,
    LONG,
    Known,
    best_items,
    with_copies,
    with_entries,
)
from coterie.data.dataset import Interactions, Ints, Split, TrainingSet
from coterie.data.ingest import ingest
from coterie.data.simulate import ShopConfig, simulate
from coterie.evaluation.item_sets import ItemSets
from coterie.evaluation.protocols import evaluate_model
from coterie.evaluation.significance import paired_test
from coterie.files import write_atomically
from coterie.models.social import SocialModel
from coterie.models.social_config import SocialConfig
from coterie.workflow.config_values import flatten
from coterie.workflow.settings import change, renew
from coterie.workflow.shop import CleanShop

RESULTS: Final = Path(__file__).parent / "results" / "thin_histories.json"
SETS: Final = ("simulated", "ciao", "lastfm", "beidian")
SHOP: Final = ShopConfig(num_users=800, num_items=400, num_events=40_000, days=90, seed=21)
SMALL: Final = {
    "embedding_size": 64,
    "heads": 1,
    "loop.lr": 2e-2,
    "loop.max_epochs": 40,
    "loop.patience": 4,
}
APART: Final = " apart"
DOSES: Final = ("2", "2" + APART, "6" + APART)
HARDER: Final[dict[str, tuple[str, tuple[str, ...]]]] = {
    "reweighted negatives": ("reweighted", ("0.25", "0.5", "1")),
    "perturbed vectors": ("perturbed", ("0.03", "0.1", "0.3")),
}
ADDED: Final = (*GENERATORS, "true")
ROWS: Final = ("none", "dropped", *ADDED, *HARDER)
CONTROL: Final = "none"


@dataclass(frozen=True)
class Stage:
    """What is fitted, and on what it is judged."""

    seen: TrainingSet
    """With histories that were thinned, without validation."""
    whole: TrainingSet
    """Before: what is listed to nobody."""
    wanted: Interactions

    @property
    def thin(self) -> Ints:
        """Users of 1 to ``FEW`` entries."""
        sizes = ItemSets.liked(self.seen).sizes
        return np.flatnonzero((sizes > 0) & (sizes <= FEW))

    def taken(self, dose: int) -> tuple[Ints, Ints]:
        """Give some of what was taken from each, ``dose`` entries at most: users and items."""
        n = self.seen.num_items
        had, left = (ItemSets.liked(data) for data in (self.whole, self.seen))
        keys = [np.repeat(np.arange(len(s.sizes)), s.sizes) * n + s.item_idx for s in (had, left)]
        gone = np.random.default_rng(1).permutation(np.setdiff1d(*keys))
        gone = gone[np.argsort(gone // n, kind="stable")]
        _, first = np.unique(gone // n, return_index=True)
        counts = np.diff(np.append(first, len(gone)))
        kept = np.arange(len(gone)) - np.repeat(first, counts) < dose
        return gone[kept] // n, gone[kept] % n


class _ByScores:
    """A model by its scores, so that what is listed is what ``evaluate_model`` leaves."""

    def __init__(self, model: SocialModel):
        self.scores = model.scores


def main(arguments: list[str] | None = None) -> None:
    """Measure the rows that were asked for."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--data", required=True, type=Path)
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS[:3]))
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=list(ROWS))
    parser.add_argument("--seeds", type=int, default=3)
    asked = parser.parse_args(arguments)
    torch.set_num_threads(1)
    for name in asked.sets:
        split = _read(name, asked.data)
        measured = Measured(name, split, asked.seeds)
        rows = [CONTROL, *(row for row in asked.rows if row != CONTROL)]
        for row in rows:
            begun = time.process_time()
            cell = measured.row(row)
            cell["cpu_seconds"] = round(time.process_time() - begun)
            _keep(name, row, cell, measured.about(), asked.seeds)
            print(name, row, cell, flush=True)


class Measured:
    """One set's rows, each beside the base."""

    def __init__(self, name: str, split: Split, seeds: int):
        self._val, self._test = stages(split)
        self._l2, settings = _settings(name)
        self._seeds = seeds
        self._open = change(SocialConfig(), settings)
        base = SocialModel(self._open)
        base.fit(replace(self._val.seen, validation=self._val.wanted))
        self._config = base.refit_config()
        self._base: dict[str, Any] = {}
        self._scores: dict[tuple[str, bool, int], Any] = {}

    def about(self) -> dict[str, Any]:
        """Say what the set is, and what the base has."""
        seen = self._test.seen
        return {
            "shoppers": seen.num_users,
            "items": seen.num_items,
            "events": len(seen.interactions),
            "ties": len(seen.ties),
            "thin": len(self._test.thin),
            "epochs": self._config.loop.max_epochs,
            "linear_weight": self._config.linear_weight,
        }

    def row(self, row: str) -> dict[str, Any]:
        """Choose a row's strength on validation, then look at test, once a seed."""
        tried = {}
        for strength in self._strengths(row):
            judged, chosen = self._look(row, self._val, strength, 0, self._config_for(row))
            tried[strength] = (_means(judged), chosen)
        best = max(tried, key=lambda one: float(tried[one][0]["thin"]))
        looks = []
        for seed in range(self._seeds):
            config = replace(tried[best][1], loop=replace(tried[best][1].loop, seed=seed))
            looks.append(self._look(row, self._test, best, seed, config)[0])
        cell: dict[str, Any] = {
            "strength": best,
            "validation": {one: means for one, (means, _) in tried.items()},
            "test": {g: [_means(look)[g] for look in looks] for g in ("thin", "others", "all")},
        }
        if row in GENERATORS:
            cell["truly_had"] = round(self._truly_had(row, _dose(best)), 4)
        mean = {group: np.mean([look[group] for look in looks], axis=0) for group in looks[0]}
        self._base = mean if row == CONTROL else self._base
        for group in ("thin", "others", "all") if row != CONTROL else ():
            cell.setdefault("against", {})[group] = _told(mean[group], self._base[group])
        return cell

    def _strengths(self, row: str) -> tuple[str, ...]:
        return HARDER[row][1] if row in HARDER else DOSES if row in ADDED else ("",)

    def _config_for(self, row: str) -> SocialConfig:
        return self._open if row in HARDER else self._config

    def _look(
        self, row: str, stage: Stage, strength: str, seed: int, config: SocialConfig
    ) -> tuple[dict[str, Any], SocialConfig]:
        """Fit a row, and measure NDCG@20 of each shopper by group."""
        data = stage.seen
        if row in HARDER:
            if stage is self._val:
                data = replace(data, validation=stage.wanted)
            model = fit_hardened(config, data, **{HARDER[row][0]: float(strength)})
            config = model.refit_config()
        else:
            model = SocialModel(config)
            model.fit(self._with(row, stage, strength, seed))
        model.serve(stage.seen)
        judged = evaluate_model(_ByScores(model), stage.whole, stage.wanted, ks=(20,))
        ndcg = judged.metrics["ndcg@20"]
        is_thin = np.isin(judged.user_idx, stage.thin)
        groups = {"thin": ndcg[is_thin], "others": ndcg[~is_thin], "all": ndcg}
        return groups, config

    def _with(self, row: str, stage: Stage, strength: str, seed: int) -> TrainingSet:
        """Make a row's training set."""
        if row == "none":
            return stage.seen
        if row == "dropped":
            events = stage.seen.interactions
            kept = ~np.isin(events.user_idx, stage.thin)
            return replace(stage.seen, interactions=events.take(kept))
        dose, add = _dose(strength), with_copies if strength.endswith(APART) else with_entries
        if row == "true":
            return add(stage.seen, *stage.taken(dose))
        return add(stage.seen, *self._made(row, stage, dose, seed))

    def _made(self, row: str, stage: Stage, dose: int, seed: int) -> tuple[Ints, Ints]:
        known, key = Known.of(stage.seen, self._l2), (row, stage is self._test, seed)
        if key not in self._scores:
            self._scores[key] = GENERATORS[row](known, seed)
        return best_items(known, self._scores[key], dose)

    def _truly_had(self, row: str, dose: int) -> float:
        """Compute the share of entries, by the first seed, that are among those that were taken."""
        user, item = self._made(row, self._val, dose, 0)
        n = self._val.seen.num_items
        taken_user, taken_item = self._val.taken(n)
        theirs = np.isin(user, taken_user)
        keys = (user * n + item)[theirs]
        return float(np.isin(keys, taken_user * n + taken_item).mean())


def stages(split: Split) -> tuple[Stage, Stage]:
    """Thin histories, and say what validation and test see and ask."""
    sizes = ItemSets.liked(split.for_validation()).sizes
    rng = np.random.default_rng(0)
    able = np.flatnonzero(sizes >= LONG)
    thinned = rng.choice(able, len(able) // 3, replace=False)
    left = rng.integers(1, FEW + 1, split.num_users)
    seen = split.train
    order = np.lexsort((rng.random(len(seen)), seen.user_idx))
    place = np.arange(len(seen)) - np.searchsorted(seen.user_idx[order], seen.user_idx[order])
    kept = np.zeros(len(seen), bool)
    kept[order] = place < left[seen.user_idx[order]]
    few = seen.take(kept | ~np.isin(seen.user_idx, thinned))
    later = split.val if split.between is None else split.between
    later = later.take(~np.isin(later.user_idx, thinned))
    before, last = split.for_validation(), split.for_test()
    return (
        Stage(replace(before, interactions=few, validation=None), before, split.val),
        Stage(replace(last, interactions=Interactions.concat(few, later)), last, split.test),
    )


def _settings(name: str) -> tuple[float, dict[str, Any]]:
    """Read what was tuned for a set: of EASE, and of ``social`` made small."""
    kept = json.loads(RESULTS.with_name("accuracy.json").read_text())["protocols"]["train+val"]
    if name not in kept:
        return 100.0, SMALL
    tuned = flatten(renew("social", kept[name]["social"]["settings"]))
    return float(kept[name]["ease"]["settings"]["l2"]), tuned | SMALL


def _dose(strength: str) -> int:
    return int(strength.removesuffix(APART))


def _means(groups: dict[str, Any]) -> dict[str, float]:
    return {group: round(float(values.mean()), 5) for group, values in groups.items()}


def _told(ours: Any, base: Any) -> dict[str, Any]:
    test = paired_test(ours, base)
    relative = test.relative
    return {
        "relative": relative
        and [round(one, 5) for one in (relative.mean, relative.low, relative.high)],
        "p": test.p_value,
        "shoppers": len(ours),
    }


def _read(name: str, data: Path) -> Split:
    with tempfile.TemporaryDirectory(prefix="coterie-thin-") as work:
        if name != "simulated":
            prepare(data, Path(work), [name])
            return CleanShop.open(f"{work}/{name}/clean").split
        simulate(SHOP).write(f"{work}/raw")
        ingest(f"{work}/raw", f"{work}/clean")
        return CleanShop.open(f"{work}/clean").split


def _keep(name: str, row: str, cell: dict[str, Any], about: dict[str, Any], seeds: int) -> None:
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    results["command"] = f"python -m benchmarks.thin_histories --data DIR --seeds {seeds}"
    results["machine"] = f"{platform.machine()}, {len(os.sched_getaffinity(0))} cores, one thread"
    results["versions"] = {p: version(p) for p in ("numpy", "torch")}
    one = results.setdefault("sets", {}).setdefault(name, {"rows": {}})
    one |= about
    one["rows"][row] = cell
    write_atomically(RESULTS, json.dumps(results, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
