"""The training benchmark's results as a page of tables."""

import json
from pathlib import Path
from typing import Any, Final

from coterie.files import write_atomically

HOPS: Final = Path(__file__).parent / "results" / "lightgcn_hops.json"
INTRODUCTION: Final = """# Speed of training

How long models take to learn. Each runs alone, in a process of its own, and is looked at on the
same validation shoppers after every epoch; looking is not counted. Seconds are those of the one
thread that works; on a GPU they are of the clock. `pyg_lightgcn` is PyTorch Geometric's own class,
trained in the plain way of its example (batches of 8,192 interactions, one random
negative each, BPR, Adam); `lightgcn` is ours, with a sampled softmax; `social` is the
learned half of the social model, to which the closed form adds the seconds in the last column.
"Its best" is the highest NDCG@20 on validation within the bound of minutes; a * says that the bound
ended learning. PyG's best is that of any of its rows on the set: a GPU takes it further in as long.

`python -m benchmarks.training --help` says how to measure it again;
`benchmarks/results/training.json` holds every figure and curve with its command.
"""
WHERE_IT_GOES: Final = """
On a GPU a step of `social` is one captured graph: its batch is drawn on the GPU, in shapes that
stay, beside the step before it, and the processor tells the GPU of a step at once. On an H200
(simulated_1m, steps of 256 shoppers) it takes 1.0 ms, its kernels 1.4 ms one after the other: some
300 small ones, of which the sort behind the gradients of input vectors is the largest, and 0.04 ms
AdamW. Before, a processor made batches (4.8 ms each, in a thread of its own) and told the GPU of
every kernel: 8.0 ms a step. No step waits for the GPU: checked with torch's own
`set_sync_debug_mode("error")`. Two things cost most on the way: a sum over what fills a shape up
goes through it in turn, so that no one row may hold it all (5.5 ms a step), and adding up at equal
places is slow wherever places are drawn (0.4 ms). At ten million events the first epoch, which
loads CUDA's libraries too, took 5.6 s, and 11.0 s the way before in the same run; later epochs were
not reached in the time that there was.
"""


def write_page(results: dict[str, Any], page: Path) -> None:
    """Draw all results."""
    cells = [
        (name, model, cell) for name, of in results["sets"].items() for model, cell in of.items()
    ]
    parts = [INTRODUCTION, _machines(cells), _table(results["sets"]), _hops()]
    parts += [_floors(cells), _growth(results["sets"])]
    write_atomically(page, "\n".join(part for part in parts if part))


def _machines(cells: list[tuple[str, str, dict[str, Any]]]) -> str:
    machines = sorted({cell["machine"] for _, _, cell in cells})
    torches = sorted({cell["versions"]["torch"] for _, _, cell in cells})
    return f"Measured on {'; '.join(machines)}; torch {', '.join(torches)}; seed 0.\n"


def _table(sets: dict[str, Any]) -> str:
    rows = [
        "| data set | events | model | s an epoch | its best | s to 99 % of it | s to PyG's best "
        "| peak, GiB | closed form, s |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name, models in sets.items():
        for model, cell in models.items():
            goal = best_of_pyg(models)
            figures = [
                f"{cell['interactions']:,}",
                model,
                _seconds(cell["epoch_s"]),
                f"{cell['best']:.4f}{'*' if 'stopped' in cell else ''}",
                _seconds(cell["to_99_s"]),
                _seconds(first(cell["curve"], goal)) if goal else "",
                f"{cell['peak_gib']:.1f}",
                _seconds(cell.get("closed_form_s")),
            ]
            rows.append(f"| {name} | {' | '.join(figures)} |")
    return "\n".join(rows) + "\n"


def _hops() -> str:
    """Say what of the table is no longer so: steps of LightGCN have become cheaper."""
    found = json.loads(HOPS.read_text())
    each = [
        f"{one['torch']['epoch_s']:.1f} s before and {one['ours']['epoch_s']:.1f} s now on {name}"
        for name, one in found.items()
    ]
    return "\n".join(
        [
            "Rows of `lightgcn` on CPUs are from before its steps became cheaper, with the same",
            "losses. Measured one beside the other on one thread, the steps of an epoch take",
            f"{', '.join(each)}",
            "(`python -m benchmarks.lightgcn_hops`, [appendix](appendix.md#how-the-studies-went)).",
            "",
        ]
    )


def _floors(cells: list[tuple[str, str, dict[str, Any]]]) -> str:
    rows = [
        "## How far from the floor\n",
        "An epoch of `social` cannot do without the multiplications of its softmax (scores of all",
        "shoppers for all candidates, forwards and twice backwards) and without moving weights,",
        "gradients and moments through the optimiser. The floor is that work at the rates which",
        "this machine reached in a plain matrix product and a plain sum, in the same process.\n",
        "| data set | on | Gflop | GB moved | Gflop/s | GB/s | floor, s | measured, s "
        "| times floor |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    head = len(rows)
    for name, _, cell in cells:
        floor = cell.get("floor")
        if floor and cell["epoch_s"]:
            figures = [
                cell["device"],
                f"{floor['gflop']:,.1f}",
                f"{floor['gbyte']:,.2f}",
                f"{floor['machine_gflop_s']:.0f}",
                f"{floor['machine_gbyte_s']:.1f}",
                _seconds(_floor_s(floor)),
                _seconds(cell["epoch_s"]),
                f"{cell['epoch_s'] / _floor_s(floor):.1f}",
            ]
            rows.append(f"| {name} | {' | '.join(figures)} |")
    return "\n".join([*rows, WHERE_IT_GOES]) if len(rows) > head else ""


def _floor_s(floor: dict[str, float]) -> float:
    """Give the floor's seconds from its parts: kept in thousandths, a GPU's would be rounded."""
    moved = floor["gbyte"] / floor["machine_gbyte_s"]
    return floor["gflop"] / floor["machine_gflop_s"] + moved


def _growth(sets: dict[str, Any]) -> str:
    small, large = (sets.get(f"simulated_{size}", {}).get("social") for size in ("1m", "10m"))
    if not small or not large:
        return ""
    events, items, seconds = (
        large[what] / small[what] for what in ("interactions", "items", "epoch_s")
    )
    floor = _floor_s(large["floor"]) / _floor_s(small["floor"])
    return "\n".join(
        [
            "## How it grows\n",
            f"simulated_10m has {events:.0f} times the interactions of simulated_1m and"
            f" {items:.0f} times its items.",
            f"An epoch of `social` takes {seconds:.0f} times as long, its floor {floor:.0f} times:"
            " the multiplications grow",
            "with the shoppers, but each step moves all items' numbers through the optimiser.",
            "",
        ]
    )


def row_of(model: str, device: str) -> str:
    """Write a model's row: one on each kind of device."""
    return model if device == "cpu" else f"{model}, {device}"


def best_of_pyg(models: dict[str, Any]) -> float | None:
    """Find the highest score that PyG's LightGCN reached on a set, on whatever device."""
    reached = [cell["best"] for model, cell in models.items() if model.startswith("pyg_lightgcn")]
    return max(reached, default=None)


def first(curve: list[tuple[float, float]], wanted: float) -> float | None:
    """Seconds of learning after which a curve has reached a score; None if it never did."""
    return next((seconds for seconds, score in curve if score >= wanted), None)


def _seconds(value: float | None) -> str:
    if value is None:
        return "-"
    if value < 0.1:
        return f"{value:.3g}"
    return f"{value:.2f}" if value < 10 else f"{value:,.0f}"
