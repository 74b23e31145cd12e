"""From published forms to a release in three commands: how long each takes, and what comes of it.

    python -m benchmarks.any_export

For a made-up shop in each form of ``benchmarks.published_forms``: ``coterie inspect``,
``coterie ingest`` and ``coterie train``, each in a process of its own and with its own settings, on
the mapping as inspect writes it; then NDCG@20 on the test part beside popularity. Figures go to
``benchmarks/results/any_export.json``, and the table into ``docs/mapping.md``.
"""

import json
import os
import platform
import resource
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import coterie
from benchmarks.published_forms import FORMS, make_world
from coterie.progress import bar

ROOT: Final = Path(__file__).parents[1]
RESULTS: Final = ROOT / "benchmarks" / "results" / "any_export.json"
PAGE: Final = ROOT / "docs" / "mapping.md"
BEGIN, END = "<!-- python -m benchmarks.any_export writes this table -->\n", "<!-- end -->\n"
SEED: Final = 7
COMMANDS: Final = {
    "inspect": "inspect export --out mapping.yaml",
    "ingest": "ingest export --mapping mapping.yaml --out clean",
    "train": "train clean --out model --release-version v1",
}
_EVALUATE: Final = "evaluate clean --challenger model --models popularity social --out evaluation"
_COTERIE: Final = "import sys; from coterie.cli import main; sys.exit(main())"


def measure(name: str, folder: Path) -> dict[str, Any]:
    """Take one made-up shop from its form to a release; seconds, rows and NDCG@20.

    Args:
        name: Of the form.
        folder: Empty; all goes there.
    """
    (folder / "export").mkdir()
    FORMS[name](folder / "export", make_world(seed=SEED))
    seconds = {command: _run(typed, folder) for command, typed in COMMANDS.items()}
    _run(_EVALUATE, folder)
    comparison = json.loads((folder / "evaluation" / "comparison.json").read_text())
    tables = json.loads((folder / "clean" / "ingest.json").read_text())["tables"]
    return {
        "seconds": seconds,
        "events": tables["events"]["kept"],
        "ties": tables["ties"]["kept"],
        "split": comparison["name"],
        "ndcg": {
            model: comparison["models"][model]["ndcg@20"] for model in ("social", "popularity")
        },
    }


def _run(typed: str, folder: Path) -> dict[str, float]:
    """Seconds by the clock, and of processor time, which work beside it does not lengthen."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    started, used = time.monotonic(), _processor_s()
    done = subprocess.run(
        [sys.executable, "-c", _COTERIE, *typed.split()],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise SystemExit(f"coterie {typed} ended with {done.returncode}: {done.stderr}")
    return {
        "clock": round(time.monotonic() - started, 1),
        "processor": round(_processor_s() - used, 1),
    }


def _processor_s() -> float:
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return ended.ru_utime + ended.ru_stime


def table_of(results: dict[str, Any]) -> str:
    """Draw the table in the documentation."""
    rows = [
        "| form | events | ties | split | inspect, s | ingest, s | train, s | NDCG@20 "
        "| popularity |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name, run in results["forms"].items():
        seconds = " | ".join(f"{run['seconds'][command]['processor']:.1f}" for command in COMMANDS)
        ours, theirs = (_interval(run["ndcg"][model]) for model in ("social", "popularity"))
        split = run["split"].lower().removeprefix("split ")
        counts = f"{run['events']:,} | {run['ties']:,}"
        rows.append(f"| {name} | {counts} | {split} | {seconds} | {ours} | {theirs} |")
    about = results["machine"]
    return "\n".join(rows) + (
        f"\n\nOne made-up shop of each form (seed {results['seed']}); intervals of 95 % over its "
        "shoppers; seconds of processor time, start of Python included, on "
        f"{about['cores']} cores with Python {about['python']} and Coterie {about['coterie']}.\n"
    )


def _interval(figure: dict[str, float]) -> str:
    return f"{figure['mean']:.3f} ({figure['low']:.3f} to {figure['high']:.3f})"


def write_page(results: dict[str, Any], page: Path = PAGE) -> None:
    """Put the table into its place."""
    before, rest = page.read_text().split(BEGIN)
    _, after = rest.split(END)
    page.write_text(f"{before}{BEGIN}\n{table_of(results)}\n{END}{after}")


def main() -> None:
    """Measure all forms."""
    forms: dict[str, dict[str, Any]] = {}
    with bar() as progress:
        for step, name in enumerate(FORMS):
            progress(name, step, len(FORMS))
            with TemporaryDirectory(prefix="coterie-") as folder:
                forms[name] = measure(name, Path(folder))
    about = {
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "coterie": coterie.__version__,
    }
    results = {"machine": about, "seed": SEED, "forms": forms}
    RESULTS.write_text(json.dumps(results, indent=2) + "\n")
    write_page(results)


if __name__ == "__main__":
    main()
