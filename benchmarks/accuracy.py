"""How good each model's lists are on public data, in full ranking, chosen on validation.

    python benchmarks/accuracy.py --data ../shared/data
    python benchmarks/accuracy.py --data ../shared/data --datasets beidian --models ease --seeds 1

Every cell (a model on a data set) is chosen from its grid below by NDCG@20 on validation, then
fitted on training and validation, and looked at on test once a seed. A run replaces its own cells
in ``benchmarks/results/accuracy.json`` and leaves the others.
"""

import argparse
import fcntl
import itertools
import json
import multiprocessing
import os
import platform
import resource
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import numpy as np
from rich.console import Console
from rich.table import Table

from coterie.data.dataset import Split, TrainingSet
from coterie.data.ingest import ingest
from coterie.data.load import load_dataset
from coterie.data.public import convert
from coterie.data.splits import bundled
from coterie.evaluation.protocols import evaluate_model
from coterie.models import CONFIGS, Learned, Model
from coterie.training.fit import fit

Settings = dict[str, Any]
DATASETS: Final = ("beidian", "lastfm", "ciao", "douban_book")
FIGURES: Final = ("recall@10", "ndcg@10", "recall@20", "ndcg@20")
CHOSEN_BY: Final = "ndcg@20"
RESULTS: Final = Path(__file__).parent / "results" / "accuracy.json"


@dataclass(frozen=True)
class Entry:
    """A row of the table: a model, what is fixed, and what validation chooses from."""

    model: str
    fixed: tuple[tuple[str, Any], ...] = ()
    grid: tuple[tuple[str, tuple[Any, ...]], ...] = ()
    learned: bool = False

    def settings(self) -> Iterator[Settings]:
        """Every combination of the grid."""
        names = [name for name, _ in self.grid]
        for values in itertools.product(*(values for _, values in self.grid)):
            yield dict(self.fixed) | dict(zip(names, values, strict=True))

    def config(self, settings: Settings, seed: int, epochs: int = 0) -> Any:
        """A config; with ``epochs``, one that learns for exactly so many."""
        config = CONFIGS[self.model](**settings)
        if not self.learned:
            return config
        loop = replace(config.loop, seed=seed)
        return replace(config, loop=replace(loop, max_epochs=epochs) if epochs else loop)


_LIGHTGCN: Final = (("temperature", (0.1, 0.15, 0.2)),)
_SOCIAL: Final = (("scale", (6.0, 9.0)), ("entry_dropout", (0.3, 0.6)))
GRIDS: Final = {
    "popularity": Entry("popularity"),
    "item_knn": Entry(
        "item_knn",
        grid=(("neighbours", (100, 1000)), ("shrinkage", (0.0, 5.0, 20.0, 50.0))),
    ),
    "ease": Entry("ease", grid=(("l2", (30.0, 50.0, 100.0, 200.0, 300.0, 500.0, 1000.0)),)),
    "lightgcn": Entry("lightgcn", grid=_LIGHTGCN, learned=True),
    "lightgcn_ties": Entry("lightgcn", (("use_ties", True),), _LIGHTGCN, learned=True),
    "social_no_ties": Entry("social", (("use_ties", False),), _SOCIAL, learned=True),
    "social": Entry("social", grid=_SOCIAL, learned=True),
}


@dataclass(frozen=True)
class Job:
    """One cell to fill."""

    dataset: str
    name: str
    data: str
    clean: str
    seeds: int
    fit_on: str


def main(arguments: list[str] | None = None) -> None:
    """Fill the cells that were asked for, one process each, and print the table."""
    asked = _parse(arguments)
    console = Console(width=110)
    for dataset, name in itertools.product(asked.datasets, asked.models):
        job = Job(dataset, name, asked.data, asked.clean, asked.seeds, asked.fit_on)
        started = time.perf_counter()
        cell = _in_own_process(job)
        cell["seconds"] = round(time.perf_counter() - started, 1)
        _merge(job, cell)
        figures = " ".join(f"{figure} {_shown(cell, figure)}" for figure in FIGURES)
        console.print(f"{dataset} {name}: {figures}, {cell['seconds']} s {cell['settings']}")
    console.print(_table(json.loads(RESULTS.read_text()), asked.fit_on))


def _in_own_process(job: Job) -> dict[str, Any]:
    """So that the peak memory is this cell's."""
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=spawn) as pool:
        return pool.submit(fill, job).result()


def fill(job: Job) -> dict[str, Any]:
    """Choose, refit, test."""
    split = prepare(job)
    entry = GRIDS[job.name]
    tuned = [_try(entry, settings, split) for settings in entry.settings()]
    best = max(tuned, key=lambda trial: trial["validation"])
    data = split.for_test() if job.fit_on == "train+val" else _train_only(split)
    runs = [
        _test(entry, best, seed, data, split) for seed in range(job.seeds if entry.learned else 1)
    ]
    return {
        "settings": best["settings"],
        "epochs": best["epochs"],
        "validation": best["validation"],
        "tried": tuned,
        "test": {figure: [run[figure] for run in runs] for figure in FIGURES},
        "fit_seconds": [run["seconds"] for run in runs],
        "peak_gib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 2),
    }


def prepare(job: Job) -> Split:
    """The data set's own split, ingested once."""
    clean = Path(job.clean) / job.dataset
    if not (clean / "ingest.json").exists():
        raw = clean.with_name(f"{job.dataset}-raw")
        convert(job.dataset, str(Path(job.data) / job.dataset), str(raw))
        ingest(str(raw), str(clean))
    return bundled(load_dataset(str(clean)))


def _try(entry: Entry, settings: Settings, split: Split) -> dict[str, Any]:
    model = fit(split.for_validation(), entry.model, entry.config(settings, seed=0))
    figures = _measure(model, split.for_validation(), split.val)
    epochs = model.history.best_epoch if isinstance(model, Learned) else 0
    return {"settings": settings, "epochs": epochs, "validation": figures[CHOSEN_BY]}


def _test(
    entry: Entry, best: dict[str, Any], seed: int, data: TrainingSet, split: Split
) -> dict[str, float]:
    started = time.perf_counter()
    model = fit(data, entry.model, entry.config(best["settings"], seed, best["epochs"]))
    seconds = round(time.perf_counter() - started, 2)
    return _measure(model, data, split.test) | {"seconds": seconds}


def _train_only(split: Split) -> TrainingSet:
    """As some published rows were fitted; validation's items are then neither known nor masked."""
    return replace(split.for_validation(), validation=None)


def _measure(model: Model, data: TrainingSet, held_out: Any) -> dict[str, float]:
    metrics = evaluate_model(model, data, held_out, ks=(10, 20)).metrics
    return {figure: round(float(np.mean(metrics[figure])), 5) for figure in FIGURES}


def _merge(job: Job, cell: dict[str, Any]) -> None:
    """Replace one cell, write beside, rename; runs side by side wait for each other."""
    cell |= {"command": _command(job), "machine": _machine(), "versions": _versions()}
    RESULTS.parent.mkdir(exist_ok=True)
    Path(job.clean).mkdir(parents=True, exist_ok=True)
    with (Path(job.clean) / "accuracy.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        whole = json.loads(RESULTS.read_text()) if RESULTS.exists() else {"protocols": {}}
        whole["about"] = "mean over shoppers; one value a seed; full ranking, bundled splits"
        whole["protocols"].setdefault(job.fit_on, {}).setdefault(job.dataset, {})[job.name] = cell
        beside = RESULTS.with_suffix(".part")
        beside.write_text(json.dumps(whole, indent=1, sort_keys=True) + "\n")
        beside.rename(RESULTS)


def _command(job: Job) -> str:
    flags = f"--datasets {job.dataset} --models {job.name} --seeds {job.seeds}"
    return f"python benchmarks/accuracy.py --data DIR {flags} --fit-on {job.fit_on}"


def _machine() -> str:
    return f"{platform.machine()}, {len(os.sched_getaffinity(0))} cores, {platform.system()}"


def _versions() -> dict[str, str]:
    names = ("coterie", "numpy", "scipy", "torch", "torch-geometric")
    return {"python": platform.python_version()} | {name: version(name) for name in names}


def _shown(cell: dict[str, Any], figure: str) -> str:
    values = np.array(cell["test"][figure])
    spread = f" ± {values.std(ddof=1):.4f}" if len(values) > 1 else ""
    return f"{values.mean():.4f}{spread}".replace("0.", ".")


def _table(whole: dict[str, Any], fit_on: str) -> Table:
    table = Table(title=f"test, fitted on {fit_on}: recall@20 / NDCG@20, spread over seeds")
    datasets = [name for name in DATASETS if name in whole["protocols"].get(fit_on, {})]
    for heading in ("model", *datasets):
        table.add_column(heading)
    for name in GRIDS:
        cells = [whole["protocols"][fit_on][dataset].get(name) for dataset in datasets]
        shown = [
            f"{_shown(cell, 'recall@20')} / {_shown(cell, 'ndcg@20')}" if cell else "-"
            for cell in cells
        ]
        table.add_row(name, *shown)
    return table


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--data", required=True, help="folder that holds the data sets' folders")
    parser.add_argument("--datasets", nargs="+", choices=DATASETS, default=list(DATASETS))
    parser.add_argument("--models", nargs="+", choices=GRIDS, default=list(GRIDS))
    parser.add_argument("--seeds", type=int, default=3, help="of models that learn from chance")
    parser.add_argument(
        "--fit-on",
        choices=("train+val", "train"),
        default="train+val",
        help="train: leave validation out of the tested model, too",
    )
    parser.add_argument("--clean", default="var/benchmarks", help="where clean tables are kept")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main(sys.argv[1:])
