"""What words, pictures and sound of items add to lists, and what they do for items nobody had yet.

    python -m benchmarks.content --data DIR
    python -m benchmarks.content --data DIR --sets tiktok --vectors DIR
    python -m benchmarks.content --data DIR --sets simulated lastfm_by_time --vectors default

Each row is a weighted sum of parts (``coterie.models.content``). Regularisation and weights are
chosen on validation, by the same few steps for every set; then the model is fitted on training and
validation, and test is looked at once (the same without validation's events stands beside it, as
some published figures were fitted so). Nothing is drawn by chance but which items are cold, so
those figures are means of three draws; ``--what cold`` measures them alone, by the weights that
stand in the results: test is not looked at again for the rows. Text vectors are read from
``--vectors`` (``SET.npy``, row i of item i), where a file is there, or made by the default encoder
(``--vectors default``); else words alone speak. The simulated shop brings its own, of texts and
pictures. A run replaces its own sets in ``benchmarks/results/content.json``.
"""

import argparse
import itertools
import json
import os
import platform
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from benchmarks.content_cold import measure_cold
from benchmarks.content_dated import read_lastfm_by_time, read_simulated
from benchmarks.content_groups import measure_groups
from benchmarks.content_sets import READERS as OF_FILES
from benchmarks.content_sets import ContentSet, Task
from coterie.content.sentences import SentenceEncoder
from coterie.data.polarity import turned_down
from coterie.errors import BadInputError
from coterie.evaluation.protocols import Evaluation, evaluate_model
from coterie.evaluation.significance import paired_test
from coterie.files import write_atomically
from coterie.models.content import ContentConfig, ContentModel
from coterie.models.content_graph import kinds_of

RESULTS: Final = Path(__file__).parent / "results" / "content.json"
READERS: Final = OF_FILES | {"lastfm_by_time": read_lastfm_by_time, "simulated": read_simulated}
L2: Final = (20.0, 100.0, 400.0)
TASTE: Final = ("ease", "walk", "next", "popular", "again")
FRIENDS: Final = ("friends", "friends_content")
BY_GROUP: Final = (
    "taste",
    "taste and friends",
    "taste and content",
    "taste, content and friends",
)
DEFAULT: Final = "default"
VISITS: Final = "the same, turned down counts as a visit"


def main(arguments: list[str] | None = None) -> None:
    """Measure the sets that were asked for."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--data", required=True, help="folder that holds the data sets' folders")
    parser.add_argument("--sets", nargs="+", choices=READERS, default=list(READERS))
    parser.add_argument("--vectors", help="folder with text vectors, SET.npy; or default")
    parser.add_argument("--what", nargs="+", choices=WHAT, default=list(WHAT))
    asked = parser.parse_args(arguments)
    for name, what in itertools.product(asked.sets, asked.what):
        found = READERS[name](Path(asked.data, name), given_vectors(asked.vectors, name))
        whole = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
        whole[name] = measure(found, whole.get(name, {}), (what,))
        whole[name]["runs"] = whole[name].get("runs", {}) | {what: _run(name, what, asked.vectors)}
        write_atomically(RESULTS, json.dumps(whole, indent=1, sort_keys=True) + "\n")


def measure(found: ContentSet, before: Mapping[str, Any], what: Sequence[str]) -> dict[str, Any]:
    """Measure some of ``WHAT`` of a set, beside what was measured before."""
    measured = {**before}
    for name in what:
        started = time.process_time()
        measured |= WHAT[name](found, measured)
        seconds = {name: round(time.process_time() - started)}
        measured["cpu_seconds"] = measured.get("cpu_seconds", {}) | seconds
    return measured


def measure_rows(found: ContentSet, before: Mapping[str, Any]) -> dict[str, Any]:  # noqa: ARG001
    """Measure every row of a set."""
    kinds = kinds_of(found.validation.fit)
    start = ContentConfig(("ease",), position_decay=_decay(found))
    l2 = max(L2, key=lambda value: _weigh(_fitted(found, replace(start, l2=value)), found)[0])
    content = (*kinds, "brand", "smoothed")
    rows = {
        "popularity": ("popular",),
        "EASE": ("ease",),
        "taste": TASTE,
        "content alone": kinds,
        **({f"{kind} alone": (kind,) for kind in kinds} if len(kinds) > 1 else {}),
        **({f"taste and {kind}": (*TASTE, kind) for kind in kinds} if len(kinds) > 1 else {}),
        "taste and content": (*TASTE, *content),
    }
    social = bool(len(found.validation.fit.ties))
    if social:
        rows["taste and friends"] = (*TASTE, "friends")
        rows["taste, content and friends"] = (*TASTE, *content, *FRIENDS)
    every = replace(start, parts=(*TASTE, *content, *(FRIENDS if social else ())), l2=l2)
    cells, runs = _rows(found, every, rows)
    if turned_down(found.validation.fit.interactions).any():
        counts = replace(every, count_turned_down=1.0)
        more, of_them = _rows(found, counts, {VISITS: every.parts})
        cells, runs = cells | more, runs | of_them
    _compare(cells, runs, found.k)
    return {"k": found.k, "l2": l2, "rows": cells}


def measure_again_cold(found: ContentSet, before: Mapping[str, Any]) -> dict[str, Any]:
    """Measure cold items by the weights of the best row on validation."""
    if "rows" not in before:
        raise BadInputError(f"no weights are known of {found.name}: measure its rows first")
    kinds = kinds_of(found.validation.fit)
    row = max(before["rows"], key=lambda name: before["rows"][name]["validation"])
    used = before["rows"][row]["weights"]
    config = ContentConfig(
        tuple(used),
        tuple(used.values()),
        before["l2"],
        position_decay=_decay(found),
        count_turned_down=float(row == VISITS),
    )
    return {"cold": measure_cold(found, config, kinds)}


def measure_again_groups(found: ContentSet, before: Mapping[str, Any]) -> dict[str, Any]:
    """Measure whom friends help, by the weights of the rows; nothing of sets without ties."""
    if "rows" not in before or not len(found.validation.fit.ties):
        return {}
    measured: dict[str, Any] = {}
    for names, counts in ((BY_GROUP, 0.0), ((VISITS,), 1.0)):
        rows = {n: before["rows"][n]["weights"] for n in names if n in before["rows"]}
        parts = tuple({part: None for used in rows.values() for part in used})
        if parts:
            config = ContentConfig(
                parts, (1.0,) * len(parts), before["l2"], count_turned_down=counts
            )
            measured |= measure_groups(found, config, rows)
    return {"groups": measured}


WHAT: Final = {
    "rows": measure_rows,
    "cold": measure_again_cold,
    "groups": measure_again_groups,
}


def _decay(found: ContentSet) -> float:
    return 1.0 if found.validation.serve is not None else 0.0


def _rows(
    found: ContentSet, config: ContentConfig, rows: dict[str, tuple[str, ...]]
) -> tuple[dict[str, Any], dict[str, Evaluation]]:
    """Weigh each row's parts on validation, look at test.

    All parts are fitted once for validation and once for test.
    """
    judged, final = _fitted(found, config), ContentModel(config)
    weights = {row: _weigh(judged, found, parts) for row, parts in rows.items()}
    final.fit(replace(found.test.fit, validation=None))
    cells, runs = {}, {}
    for row, (reached, used) in weights.items():
        final.weights = used
        runs[row] = _judge(final, found.test, found.k)
        cells[row] = _cell(found, runs[row], reached, used)
        if found.validation.serve is None:
            judged.weights = used
            early = evaluate_model(
                judged, found.validation.fit, found.test.held_out, ks=(found.k,)
            ).means()
            cells[row]["train_alone"] = {
                f: round(early[f"{f}@{found.k}"], 5) for f in ("recall", "ndcg")
            }
        print(found.name, row, cells[row], flush=True)
    return cells, runs


def _fitted(found: ContentSet, config: ContentConfig) -> ContentModel:
    """Fit for validation, not weighed yet."""
    model = ContentModel(config)
    model.fit(replace(found.validation.fit, validation=None))
    return model


def _weigh(
    model: ContentModel, found: ContentSet, parts: tuple[str, ...] | None = None
) -> tuple[float, dict[str, float]]:
    """Find weights on validation: NDCG@20 reached there, and the weights over 0."""
    reached = model.weigh(found.validation.serve or found.validation.fit, parts)
    return reached, {name: weight for name, weight in model.weights.items() if weight}


def _judge(model: ContentModel, task: Task, k: int) -> Evaluation:
    if task.serve is not None:
        model.serve(task.serve)
    return evaluate_model(model, task.serve or task.fit, task.held_out, ks=(k,))


def _cell(
    found: ContentSet, run: Evaluation, reached: float, weights: dict[str, float]
) -> dict[str, Any]:
    return {
        "validation": round(reached, 5),
        "recall": round(run.mean(f"recall@{found.k}"), 5),
        "ndcg": round(run.mean(f"ndcg@{found.k}"), 5),
        "weights": weights,
    }


def _compare(cells: dict[str, Any], runs: dict[str, Evaluation], k: int) -> None:
    """Say of each row how it compares with taste, shopper by shopper."""
    taste: npt.NDArray[Any] = runs["taste"].metrics[f"ndcg@{k}"]
    for row, run in runs.items():
        if row != "taste":
            test = paired_test(run.metrics[f"ndcg@{k}"], taste)
            relative = test.relative
            cells[row]["over_taste"] = relative and round(relative.mean, 4)
            cells[row]["p"] = test.p_value


def _run(name: str, what: str, vectors: str | None) -> dict[str, Any]:
    """Say how and where something was measured."""
    given = "" if vectors is None else f" --vectors {'default' if vectors == DEFAULT else 'DIR'}"
    return {
        "command": f"python -m benchmarks.content --data DIR --sets {name} --what {what}{given}",
        "machine": f"{platform.machine()}, {len(os.sched_getaffinity(0))} cores",
        "versions": {"python": platform.python_version()}
        | {one: version(one) for one in ("numpy", "scipy", "torch")},
    }


def given_vectors(folder: str | None, name: str) -> Any:
    """Make what turns a set's texts into vectors; None where there is nothing that could."""
    if folder == DEFAULT:
        encoder = SentenceEncoder()
        return lambda texts: encoder.encode(texts).vectors
    file = Path(folder, f"{name}.npy") if folder else None
    if file is None or not file.exists():
        return None

    def encode(texts: Sequence[str]) -> npt.NDArray[Any]:
        vectors: npt.NDArray[Any] = np.load(file)
        assert len(vectors) == len(texts), f"{file} has {len(vectors)} rows, not {len(texts)}"
        return vectors

    return encode


if __name__ == "__main__":
    main(sys.argv[1:])
