"""How good each model's lists are on public data: tuned on validation, looked at on test once.

    python -m benchmarks.accuracy --data DIR
    python -m benchmarks.accuracy --data DIR --sets beidian --models ease social --seeds 1
    python -m benchmarks.accuracy --data DIR --sets beidian --models social --as-before

Every set found in ``--data`` is measured, whatever its name: by the split that it came with, and
by time where its events are dated. A cell (a model on a set) is tuned by ``coterie tune``, then
fitted on training and validation (``--fit-on train``: on training alone, as some published
figures were), and looked at on test once a seed. With ``--as-before`` a cell keeps the settings
that it has: after a change of the code, say. A run replaces its own cells in
``benchmarks/results/accuracy.json``, and writes the pages that show them (``benchmarks.pages``).
"""

import argparse
import itertools
import json
import multiprocessing
import os
import platform
import resource
import sys
import time
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow.parquet as pq
import torch
from rich.console import Console

from benchmarks.pages import CHART, PAGES, write_pages
from coterie.data.circle import EVERYBODY
from coterie.data.dataset import Interactions, Ints, Split, TrainingSet
from coterie.data.ingest import ingest
from coterie.data.public import convert, form_of
from coterie.errors import BadInputError
from coterie.evaluation.comparison import OURS, WITHOUT_TIES
from coterie.evaluation.groups import BANDS, bands_of
from coterie.evaluation.newcomers import REVEALED, Newcomers
from coterie.evaluation.protocols import Evaluation, evaluate_model
from coterie.evaluation.significance import PairedTest, paired_test
from coterie.files import write_atomically
from coterie.fitting.fit import Here, chosen_config, fit
from coterie.models import MODELS, Inductive, Model
from coterie.workflow.config_values import flatten, nest
from coterie.workflow.settings import change, renew
from coterie.workflow.shop import CleanShop
from coterie.workflow.tuning import TuneSettings, tune_model

FIGURES: Final = ("recall@10", "ndcg@10", "recall@20", "ndcg@20")
BY_TIME: Final = "_by_time"
"""Added to the name of a bundled set that has dated events beside its bundle."""
RESULTS: Final = Path(__file__).parent / "results" / "accuracy.json"


@dataclass(frozen=True)
class Entry:
    """A row of the table."""

    model: str
    trials: int = 0
    """Of ``coterie tune``; 0 where nothing is tuned."""
    fixed: tuple[tuple[str, Any], ...] = ()
    like: str = ""
    """The row whose settings this one takes, for comparison: only ``fixed`` differs."""
    within: tuple[tuple[str, str], ...] = ()
    """Part of the config to the row whose best settings it takes."""
    dated_only: bool = False
    """Means something only where the split is by time."""
    newcomers: bool = False
    """Whether it is also fitted without some shoppers, and judged by the lists that they get."""


ENTRIES: Final = {
    "popularity": Entry("popularity"),
    "item_knn": Entry("item_knn", 10),
    "ease": Entry("ease", 8, newcomers=True),
    "lightgcn": Entry("lightgcn", 3),
    "lightgcn_ties": Entry("lightgcn", fixed=(("use_ties", True),), like="lightgcn"),
    "social_linear": Entry("social_linear", 40),
    "social": Entry("social", 6, within=(("linear", "social_linear"),), newcomers=True),
    "social_no_ties": Entry("social", fixed=(("use_ties", False),), like="social", newcomers=True),
    "social_no_times": Entry(
        "social", fixed=(("use_times", False),), like="social", dated_only=True
    ),
    "social_learned": Entry("social", fixed=(("linear_weight", 0.0),), like="social"),
}
"""In this order: rows take settings from those above."""


@dataclass(frozen=True)
class Job:
    """One cell to fill."""

    dataset: str
    name: str
    work: str
    seeds: int
    fit_on: str
    trials: int = 0
    """At most so many a study; 0: as many as the row says."""
    device: str = "cpu"
    """On which models learn; lists are made on the CPU, as serving makes them."""
    as_before: bool = False
    """Settings are those of the cell that is there, not of a study."""

    @property
    def clean(self) -> str:
        """The set's clean tables."""
        return f"{self.work}/{self.dataset}/clean"

    @property
    def per_shopper(self) -> Path:
        """Folder of each row's NDCG@20 by shopper, for paired tests."""
        return Path(self.work, self.dataset, "per_shopper", self.fit_on)


def main(arguments: list[str] | None = None) -> None:
    """Fill the cells that were asked for, one process each, and write the pages."""
    asked = _parse(arguments)
    console = Console(width=120)
    sets = prepare(Path(asked.data), Path(asked.work), asked.sets)
    for dataset, name in itertools.product(sets, [n for n in ENTRIES if n in asked.models]):
        job = Job(
            dataset,
            name,
            asked.work,
            asked.seeds,
            asked.fit_on,
            asked.trials,
            asked.device,
            asked.as_before,
        )
        if ENTRIES[name].dated_only and CleanShop.open(job.clean).split.name != "by_time":
            continue
        started = time.perf_counter()
        try:
            cell = _in_own_process(job)
        except BadInputError as error:
            # Too large for this model, say: the others are measured all the same.
            _merge_refused(job, str(error))
            console.print(f"{dataset} {name}: not measured: {error}")
            continue
        cell["seconds"] = round(time.perf_counter() - started, 1)
        _merge(job, cell)
        figures = " ".join(f"{f} {np.mean(cell['test'][f]):.4f}" for f in FIGURES)
        console.print(f"{dataset} {name}: {figures}, {cell['seconds']} s {cell['settings']}")
    write_pages(json.loads(RESULTS.read_text()), PAGES, CHART)


def prepare(data: Path, work: Path, wanted: list[str]) -> list[str]:
    """Clean tables of every set below ``data``, made once; their names."""
    found = []
    for folder in sorted(data.iterdir()):
        form = form_of(folder) if folder.is_dir() else None
        if form is None:
            continue
        names = [folder.name, folder.name + BY_TIME]
        if wanted and not set(names) & set(wanted):
            continue
        raw = work / folder.name / "raw"
        if not raw.exists():
            convert(form, str(folder), str(raw))
        _ingest(raw, work / folder.name / "clean")
        found.append(names[0])
        if _dated_beside(raw, work / names[1] / "raw"):
            _ingest(work / names[1] / "raw", work / names[1] / "clean")
            found.append(names[1])
    return [name for name in found if not wanted or name in wanted]


def _ingest(raw: Path, clean: Path) -> None:
    if not (clean / "ingest.json").exists():
        ingest(str(raw), str(clean))


def _dated_beside(raw: Path, out: Path) -> bool:
    """Write a set's dated events to a set of their own, where they lie beside a bundle."""
    events = pq.read_table(raw / "events.parquet")
    dated = events.filter(events["split"].is_null())
    if len(dated) in (0, len(events)):
        return False
    if not out.exists():
        out.mkdir(parents=True)
        for name in ("ties", "items"):
            pq.write_table(pq.read_table(raw / f"{name}.parquet"), out / f"{name}.parquet")
        pq.write_table(dated, out / "events.parquet")
    return True


def _in_own_process(job: Job) -> dict[str, Any]:
    """So that the peak memory is this cell's."""
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=spawn) as pool:
        return pool.submit(fill, job).result()


def fill(job: Job) -> dict[str, Any]:
    """Tune, fit on all that came before the test, look at test."""
    entry = ENTRIES[job.name]
    settings = _settings_before(job, entry) if job.as_before else _settings(job, entry)
    split = CleanShop.open(job.clean).split
    data = split.for_test() if job.fit_on == "train+val" else _train_only(split)
    chosen, runs = _runs(job, entry, settings, split, data)
    per_shopper = np.mean([run.metrics["ndcg@20"] for run, _ in runs], axis=0)
    job.per_shopper.mkdir(parents=True, exist_ok=True)
    np.save(job.per_shopper / f"{job.name}.npy", per_shopper)
    return {
        "settings": nest(settings),
        "validation": round(evaluate(chosen, split.for_validation(), split.val).mean("ndcg@20"), 5),
        **{name: getattr(chosen, name, None) for name in ("linear_weight", "popularity_weight")},
        "test": {f: [round(run.mean(f), 5) for run, _ in runs] for f in FIGURES},
        "device": job.device,
        "fit_seconds": [seconds for _, seconds in runs],
        "peak_gib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 2),
        "lift": _lift(job, data, runs[0][0].user_idx) if job.name == WITHOUT_TIES else {},
        "newcomers": _newcomers(data, split.test, chosen, job.device) if entry.newcomers else {},
    }


def _settings(job: Job, entry: Entry) -> dict[str, Any]:
    """Chosen on validation, by a study of its own or by that of another row."""
    fixed = dict(entry.fixed)
    if entry.like:
        return _settings(job, ENTRIES[entry.like]) | fixed
    for part, row in entry.within:
        best = _settings(job, ENTRIES[row])
        fixed |= {f"{part}.{name}": value for name, value in best.items()}
    if not entry.trials:
        return fixed
    folder = f"{job.work}/{job.dataset}/tune-{entry.model}"
    trials, on_gpu = min(entry.trials, job.trials or entry.trials), job.device == "cuda"
    # With all friends, as others publish: docs/discretion.md has what lists of fewer come to.
    settings = TuneSettings(entry.model, nest(fixed), trials, use_gpu=on_gpu, circle=EVERYBODY)
    tuned = tune_model(job.clean, folder, settings)
    return flatten(tuned.config)


def _settings_before(job: Job, entry: Entry) -> dict[str, Any]:
    """Of the cell that is there; else of that of the row whose settings this one takes."""
    cells = _results()["protocols"].get(job.fit_on, {}).get(job.dataset, {})
    if job.name not in cells and entry.like in cells:
        return _settings_in(cells[entry.like], entry) | dict(entry.fixed)
    if job.name not in cells:
        raise BadInputError(
            f"{RESULTS.name} has no cell {job.dataset} {job.name} to take settings from: "
            f"leave out --as-before"
        )
    return _settings_in(cells[job.name], entry)


def _settings_in(cell: Mapping[str, Any], entry: Entry) -> dict[str, Any]:
    """Read a cell's settings, also of when they had other names."""
    return flatten(renew(entry.model, cell["settings"]))


def _runs(
    job: Job, entry: Entry, settings: dict[str, Any], split: Split, data: TrainingSet
) -> tuple[Model, list[tuple[Evaluation, float]]]:
    """Fit the model that validation knew, and say what each seed came to on test."""
    config = change(MODELS[entry.model].config_class(), settings)
    where = Here(device=job.device)
    chosen = fit(split.for_validation(), entry.model, _seeded(config, 0), where)
    config = chosen_config(chosen)
    runs = []
    for seed in range(job.seeds if hasattr(config, "loop") or hasattr(config, "seed") else 1):
        # Of this process and its threads: what others do meanwhile on the machine does not count.
        now = time.process_time if job.device == "cpu" else time.perf_counter
        started = now()
        final = fit(data, entry.model, _seeded(config, seed), where)
        seconds = round(now() - started, 2)
        runs.append((evaluate(final, data, split.test), seconds))
    return chosen, runs


def _seeded(config: Any, seed: int) -> Any:
    if hasattr(config, "loop"):
        config = replace(config, loop=replace(config.loop, seed=seed))
    if hasattr(config, "linear"):
        config = replace(config, linear=replace(config.linear, seed=seed))
    return replace(config, seed=seed) if hasattr(config, "seed") else config


def evaluate(model: Model, data: TrainingSet, held_out: Any) -> Evaluation:
    """Full ranking, at the published lengths."""
    return evaluate_model(model, data, held_out, ks=(10, 20))


def _train_only(split: Split) -> TrainingSet:
    """As some published rows were fitted; validation's items are then neither known nor masked."""
    return replace(split.for_validation(), validation=None)


def _lift(job: Job, data: TrainingSet, user_idx: Ints) -> dict[str, Any]:
    """Ours over the same without ties, NDCG@20: of all shoppers and by group."""
    theirs, ours = (np.load(job.per_shopper / f"{name}.npy") for name in (WITHOUT_TIES, OURS))
    groups = {"all": {"all shoppers": np.ones(len(user_idx), bool)}}
    for kind, band in bands_of(data).items():
        labels = BANDS[kind].labels
        rows = {label: band[user_idx] == code for code, label in enumerate(labels)}
        groups[kind] = {label: chosen for label, chosen in rows.items() if chosen.any()}
    return {
        kind: {
            label: {
                "shoppers": int(rows.sum()),
                "with": round(float(ours[rows].mean()), 5),
                "without": round(float(theirs[rows].mean()), 5),
                **_told(paired_test(ours[rows], theirs[rows])),
            }
            for label, rows in named.items()
        }
        for kind, named in groups.items()
    }


def _newcomers(data: TrainingSet, test: Interactions, chosen: Model, device: str) -> dict[str, Any]:
    """Items known of people whom the model never saw, to recall and NDCG@20 of their lists."""
    newcomers = Newcomers.choose(data, test)
    if newcomers is None:
        return {}
    model = fit(newcomers.without, chosen.name, chosen_config(chosen), Here(device=device))
    assert isinstance(model, Inductive)
    found: dict[str, Any] = {}
    for known in REVEALED:
        model.serve(newcomers.knowing(known))
        run = newcomers.evaluate(model, known, (20,))
        figures = [round(run.mean(f), 5) for f in ("recall@20", "ndcg@20")]
        found[str(known)] = {"shoppers": len(run.user_idx), "figures": figures}
    return found


def _against(folder: Path, name: str) -> dict[str, Any]:
    """Paired tests of a row's NDCG@20 against each row that is there, shopper by shopper."""
    ours = np.load(folder / f"{name}.npy")
    found = {}
    for other in ENTRIES:
        file = folder / f"{other}.npy"
        if other != name and file.exists() and np.load(file).shape == ours.shape:
            found[other] = _told(paired_test(ours, np.load(file)))
    return found


def _told(test: PairedTest) -> dict[str, Any]:
    relative = test.relative
    return {
        "relative": relative and [relative.mean, relative.low, relative.high],
        "p": test.p_value,
    }


def _merge(job: Job, cell: dict[str, Any]) -> None:
    """Replace one cell, write beside, rename."""
    cell |= {"command": _command(job), "machine": _machine(job.device), "versions": _versions()}
    whole = _results()
    cells = whole["protocols"].setdefault(job.fit_on, {}).setdefault(job.dataset, {})
    cells[job.name] = cell
    for name in cells:
        if (job.per_shopper / f"{name}.npy").exists():  # cells of another machine stay as they are
            cells[name]["against"] = _against(job.per_shopper, name)
    whole["refused"].get(job.fit_on, {}).get(job.dataset, {}).pop(job.name, None)
    _write(whole)


def _merge_refused(job: Job, why: str) -> None:
    """Say why there is no such cell; one of an earlier run stays."""
    whole = _results()
    of_set = whole["refused"].setdefault(job.fit_on, {}).setdefault(job.dataset, {})
    of_set[job.name] = {"why": why, "command": _command(job)}
    _write(whole)


def _results() -> dict[str, Any]:
    whole = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    about = "mean over shoppers; one value a seed; full ranking"
    return {"protocols": {}, "refused": {}, **whole, "about": about}


def _write(whole: dict[str, Any]) -> None:
    write_atomically(RESULTS, json.dumps(whole, indent=1, sort_keys=True) + "\n")


def _command(job: Job) -> str:
    flags = f"--sets {job.dataset} --models {job.name} --seeds {job.seeds}"
    flags += f" --trials {job.trials}" if job.trials else ""
    flags += f" --device {job.device}" if job.device != "cpu" else ""
    flags += " --as-before" if job.as_before else ""
    return f"python -m benchmarks.accuracy --data DIR {flags} --fit-on {job.fit_on}"


def _machine(device: str) -> str:
    gpu = f", one {torch.cuda.get_device_name()}" if device == "cuda" else ""
    return f"{platform.machine()}, {len(os.sched_getaffinity(0))} cores, {platform.system()}{gpu}"


def _versions() -> dict[str, str]:
    names = ("coterie", "numpy", "scipy", "torch", "torch-geometric", "optuna")
    return {"python": platform.python_version()} | {name: version(name) for name in names}


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--data", required=True, help="folder that holds the data sets' folders")
    parser.add_argument("--sets", nargs="+", default=[], help="names of folders (all)")
    parser.add_argument("--models", nargs="+", choices=ENTRIES, default=list(ENTRIES))
    parser.add_argument("--seeds", type=int, default=3, help="of models that learn from chance")
    parser.add_argument(
        "--fit-on",
        choices=("train+val", "train"),
        default="train+val",
        help="train: leave validation out of the tested model, too",
    )
    parser.add_argument(
        "--trials", type=int, default=0, help="at most so many a study: 1 tries a model's own alone"
    )
    parser.add_argument(
        "--as-before",
        action="store_true",
        help="tune nothing: take settings from the cells that are there",
    )
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--work", default="var/accuracy", help="where tables and studies are kept")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main(sys.argv[1:])
