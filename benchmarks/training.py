"""How fast models learn: seconds an epoch, to 99 % of their best, and to PyG LightGCN's best.

    python -m benchmarks.training --data DIR --sets lastfm douban_book --minutes 10
    python -m benchmarks.training --sets simulated_1m simulated_10m --models social --minutes 20
    python -m benchmarks.training --sets simulated_10m --device cuda

Models run one after the other on the same training part, each in a process of its own, and are
looked at on the same validation shoppers after every epoch; looking is not counted as learning.
Seconds are those of the one thread, not of the clock, but for the bound; on a GPU those of the
clock, after it has done all that it was told.
``pyg_lightgcn`` is PyTorch Geometric's own class, trained in the way of its example: batches of
8,192 interactions, one random negative each, BPR, Adam at 1e-3, 64 dimensions, 2 layers. A run
replaces its own cells in ``benchmarks/results/training.json``, and draws ``docs/training.md``.
"""

import argparse
import json
import multiprocessing
import os
import platform
import resource
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

import torch
from rich.console import Console

from benchmarks.training_page import best_of_pyg, first, row_of, write_page
from coterie.data.dataset import TrainingSet
from coterie.data.simulate import ShopConfig, simulate
from coterie.files import write_atomically
from coterie.models import MODELS
from coterie.models.engagement import engagement
from coterie.models.social_config import SocialConfig
from coterie.models.social_linear import fit_linear
from coterie.recommend.batches import Community
from coterie.training.history import EpochRecord
from coterie.training.loop import run_epochs
from coterie.training.validation import Validation

# Without what came to the simulator since: rows of different days are of the same events.
_CALM: Final = ShopConfig(returns=0.0, dislikes=0.0)
SIMULATED: Final = {
    "simulated_1m": replace(_CALM, num_users=20_000, num_items=10_000, num_events=1_000_000),
    "simulated_10m": replace(_CALM, num_users=200_000, num_items=50_000, num_events=10_000_000),
}
RESULTS: Final = Path(__file__).parent / "results" / "training.json"
PAGE: Final = Path(__file__).parents[1] / "docs" / "training.md"
MODELS_SHOWN: Final = ("pyg_lightgcn", "lightgcn", "social")


class TimeIsUpError(Exception):
    """The bound was reached: what was learned by then counts."""


@dataclass
class Watch:
    """What is told of every epoch."""

    seconds: float
    """Bound of the whole run."""
    began: float = 0.0
    curve: list[tuple[float, float]] = None  # type: ignore[assignment]

    def __post_init__(self) -> None:
        self.began, self.curve = time.perf_counter(), []

    def tell(self, learning: float, score: float | None) -> None:
        """After an epoch: seconds of learning alone, and NDCG@20."""
        before = self.curve[-1][0] if self.curve else 0.0
        self.curve.append((before + learning, score or 0.0))
        if time.perf_counter() - self.began > self.seconds:
            raise TimeIsUpError


def main(arguments: list[str] | None = None) -> None:
    """Measure what was asked for, and print a line each."""
    asked = _parse(arguments)
    console = Console(width=120)
    for name in asked.sets:
        clean = _prepared(name, asked)
        for model in asked.models:
            spawn = multiprocessing.get_context("spawn")
            with ProcessPoolExecutor(1, mp_context=spawn) as pool:
                bound = 60.0 * asked.minutes
                cell = pool.submit(_measure_shop, model, clean, bound, asked.device).result()
            cell["command"] = (
                f"python -m benchmarks.training --data DIR --sets {name} --models {model} "
                f"--minutes {asked.minutes:g} --device {asked.device}"
            )
            cells = merge(name, model, cell)
            reached = best_of_pyg(cells)
            text = f"{name} {model}: {cell['epoch_s']} s an epoch, best {cell['best']}"
            text += f", 99 % of it after {cell['to_99_s']} s, peak {cell['peak_gib']} GiB"
            if reached is not None:
                text += f", PyG's best after {first(cell['curve'], reached)} s"
            console.print(text)
    write_page(json.loads(RESULTS.read_text()), PAGE)


def _measure_shop(model: str, clean: str, seconds: float, device: str) -> dict[str, Any]:
    # Here, not above: what is measured needs torch alone, tables need more.
    from coterie.workflow.shop import CleanShop

    return measure(model, CleanShop.open(clean).split.for_validation(), seconds, device)


def measure(model: str, data: TrainingSet, seconds: float, device: str) -> dict[str, Any]:
    """Learn within the bound; the figures and the curve."""
    if device == "cpu":
        # One thread, and seconds of it: what else the machine does then hardly counts.
        torch.set_num_threads(1)
    watch = Watch(seconds)
    started = time.perf_counter()
    there = torch.device(device)
    plain = model == "pyg_lightgcn"
    more = _pyg(data, watch, there) if plain else _ours(model, data, watch, there)
    curve = [(round(s, 3), round(score, 5)) for s, score in watch.curve]
    best = max((score for _, score in curve), default=0.0)
    lengths = [b - a for (a, _), (b, _) in zip([(0.0, 0.0), *curve], curve, strict=False)]
    return more | {
        "curve": curve,
        "epochs": len(curve),
        "epoch_s": round(sorted(lengths)[len(lengths) // 2], 3) if lengths else None,
        "best": best,
        "to_99_s": first(curve, 0.99 * best),
        "wall_s": round(time.perf_counter() - started, 1),
        "interactions": len(data.interactions),
        "shoppers": data.num_users,
        "items": data.num_items,
        "ties": len(data.ties),
        "peak_gib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 2),
        "peak_gpu_gib": round(torch.cuda.max_memory_allocated() / 2**30, 2)
        if device == "cuda"
        else None,
        "device": device,
        "machine": _machine(device),
        "versions": _versions(),
        "seed": 0,
    }


def _now(device: torch.device) -> float:
    """Seconds: of this process on the CPU; of the clock on a GPU, once all is done there."""
    if device.type == "cpu":
        return time.process_time()
    torch.cuda.synchronize()
    return time.perf_counter()


def _ours(name: str, data: TrainingSet, watch: Watch, device: torch.device) -> dict[str, Any]:
    config = MODELS[name].config_class()
    model = MODELS[name](config)
    before = _now(device)
    trainee = model.trainee(data, device)
    found: dict[str, Any] = {"setup_s": round(_now(device) - before, 2)}
    if isinstance(config, SocialConfig):
        found |= _floor(trainee, config)
    validate, looked, mark = trainee.validate, [0.0], [_now(device)]

    def look() -> float | None:
        begun = _now(device)
        score: float | None = validate()
        looked[0] = _now(device) - begun
        return score

    trainee.validate = look
    loop = replace(config.loop, validate_every=1)

    def tell(record: EpochRecord) -> None:
        watch.tell(_now(device) - mark[0] - looked[0], record.score)
        mark[0] = _now(device)

    try:
        run_epochs(trainee, loop, on_epoch=tell)
    except TimeIsUpError:
        found["stopped"] = "time was up"
    if isinstance(config, SocialConfig):
        begun = _now(device)
        community = Community.of(data)
        fit_linear(config.closed_form(), data, community, device)
        found["closed_form_s"] = round(_now(device) - begun, 2)
    return found


def _floor(trainee: Any, config: SocialConfig) -> dict[str, Any]:
    """What one epoch cannot do without: multiplications of the softmax, bytes of the optimiser.

    Scores of s shoppers for n candidates in d dimensions are 2 s n d operations, and twice that
    backwards. AdamW reads weight, gradient and two moments, and writes three of them: 28 bytes a
    weight and step.
    """
    steps = trainee.num_batches(1)
    shoppers = steps * config.batch_size
    candidates = min(trainee.num_items, config.softmax_items)
    weights = sum(p.numel() for p in trainee.parameters())
    flops = 6.0 * shoppers * candidates * config.embedding_size
    rate, width = _rates(trainee.device)
    moved = 28.0 * weights * steps
    return {
        "floor": {
            "gflop": round(flops / 1e9, 2),
            "gbyte": round(moved / 1e9, 2),
            "machine_gflop_s": round(rate / 1e9, 1),
            "machine_gbyte_s": round(width / 1e9, 1),
            "epoch_s": round(flops / rate + moved / width, 3),
        }
    }


def _rates(device: torch.device) -> tuple[float, float]:
    """Operations and bytes a second of a plain product (bf16 on a GPU) and of a plain sum."""
    on_gpu = device.type == "cuda"
    side, kind = (8192, torch.bfloat16) if on_gpu else (1024, torch.float32)
    square = torch.randn(side, side, device=device, dtype=kind)
    large = torch.zeros(32_000_000 * (16 if on_gpu else 1), device=device)
    product = square @ square
    large.add_(1.0)
    begun = _now(device)
    for _ in range(20):
        torch.mm(square, square, out=product)
    multiplied = _now(device)
    for _ in range(5):
        large.add_(1.0)
    added = _now(device)
    return 20 * 2 * side**3 / (multiplied - begun), 5 * 2 * 4 * len(large) / (added - multiplied)


def _pyg(data: TrainingSet, watch: Watch, device: torch.device) -> dict[str, Any]:
    from torch_geometric.nn import LightGCN
    from torch_geometric.utils import to_undirected

    torch.manual_seed(0)
    had = engagement(data).tocoo()
    users, items = data.num_users, data.num_items
    pairs = torch.stack([torch.from_numpy(had.row).long(), torch.from_numpy(had.col).long()])
    pairs[1] += users
    pairs = pairs.to(device)
    edges = to_undirected(pairs)
    model = LightGCN(num_nodes=users + items, embedding_dim=64, num_layers=2).to(device)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.001)
    validation = Validation(data, device)
    best, since = 0.0, 0
    try:
        while since < 20:
            begun = _now(device)
            for index in torch.randperm(pairs.shape[1], device=device).split(8192):  # type: ignore[no-untyped-call]
                positive = pairs[:, index]
                drawn = torch.randint(users, users + items, (len(index),), device=device)
                negative = torch.stack([positive[0], drawn])
                optimizer.zero_grad()
                ranks = model(edges, torch.cat([positive, negative], dim=1))
                nodes = torch.unique(torch.cat([positive, negative], dim=1))
                loss = model.recommendation_loss(*ranks.chunk(2), node_id=nodes)
                loss.backward()
                optimizer.step()
            learning = _now(device) - begun
            score = _pyg_score(model, edges, users, validation)
            watch.tell(learning, score)
            best, since = (score, 0) if score > best else (best, since + 1)
    except TimeIsUpError:
        return {"stopped": "time was up"}
    return {}


@torch.no_grad()
def _pyg_score(model: Any, edges: torch.Tensor, users: int, validation: Validation) -> float:
    vectors = model.get_embedding(edges)
    score = validation.ndcg(lambda rows: vectors[rows] @ vectors[users:].T)
    return score or 0.0


def _prepared(name: str, asked: argparse.Namespace) -> str:
    from benchmarks.accuracy import prepare
    from coterie.data.ingest import ingest

    work = Path(asked.work)
    if name not in SIMULATED:
        prepare(Path(asked.data), work, [name])
        return str(work / name / "clean")
    clean = work / name / "clean"
    if not (clean / "ingest.json").exists():
        simulate(SIMULATED[name]).write(str(work / name / "raw"))
        ingest(str(work / name / "raw"), str(clean))
    return str(clean)


def merge(name: str, model: str, cell: dict[str, Any]) -> dict[str, Any]:
    """Replace one cell of the results; all of its set."""
    whole = json.loads(RESULTS.read_text()) if RESULTS.exists() else {"sets": {}}
    cells: dict[str, Any] = whole["sets"].setdefault(name, {})
    cells[row_of(model, cell["device"])] = cell
    write_atomically(RESULTS, json.dumps(whole, sort_keys=True) + "\n")
    return cells


def _machine(device: str) -> str:
    cores = os.cpu_count()
    if device == "cpu":
        return f"{platform.machine()}, one of {cores} cores, no GPU"
    return f"{platform.machine()}, {cores} cores, one {torch.cuda.get_device_name()}"


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for name in ("coterie", "torch", "torch-geometric"):
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--data", default="", help="folder that holds the data sets' folders")
    parser.add_argument("--sets", nargs="+", default=["simulated_1m"], help="folders or simulated")
    parser.add_argument("--models", nargs="+", choices=MODELS_SHOWN, default=list(MODELS_SHOWN))
    parser.add_argument("--minutes", type=float, default=10.0, help="bound of each model's run")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--work", default="var/accuracy", help="where tables are kept")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main(sys.argv[1:])
