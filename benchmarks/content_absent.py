"""Whether anything moves in shops that say nothing of their items, now that content can be read.

    python -m benchmarks.content_absent --data DIR

``social`` is trained for ``EPOCHS`` epochs in a small size, seed 0, on training alone: once as it
is, and once with all that reads content taken out (no item signals, and what would map or compare
content fails if it is asked). What was fitted, to the bit, and lists for shoppers of validation
have to be the same. Test is not looked at. A run replaces its own sets in
``benchmarks/results/content_absent.json``.
"""

import argparse
import hashlib
import json
import os
import platform
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final
from unittest.mock import patch

import numpy as np
import torch

from benchmarks.accuracy import prepare
from coterie.data.dataset import Split
from coterie.evaluation.protocols import evaluate_model
from coterie.files import write_atomically
from coterie.fitting.fit import fit
from coterie.models.content_map import ContentMap
from coterie.models.content_signal import ContentSignal
from coterie.models.social import SocialModel
from coterie.models.social_config import SocialConfig
from coterie.models.social_linear import SocialLinearConfig
from coterie.recommend.terms import Parameters
from coterie.training.loop import LoopConfig
from coterie.workflow.shop import CleanShop

RESULTS: Final = Path(__file__).parent / "results" / "content_absent.json"
SETS: Final = ("beidian", "ciao", "douban_book")
EPOCHS: Final = 2
SMALL: Final = SocialConfig(
    embedding_size=32,
    linear=SocialLinearConfig(rank=16),
    loop=LoopConfig(max_epochs=EPOCHS, validate_every=2, lr=5e-3, ema_decay=0.99),
)
SHOPPERS: Final = 1_000
"""Of validation, whose lists are compared, at most."""


def main(arguments: list[str] | None = None) -> int:
    """Measure the sets that were asked for; 1 if something moved."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--data", required=True, type=Path)
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS))
    asked = parser.parse_args(arguments)
    moved = False
    for name in asked.sets:
        with TemporaryDirectory() as work:
            prepare(asked.data, Path(work), [name])
            split = CleanShop.open(f"{work}/{name}/clean").split
        found = measure(split, SMALL)
        moved |= not found["same"]
        print(name, found, flush=True)
        whole = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
        whole[name] = found | {
            "command": f"python -m benchmarks.content_absent --data DIR --sets {name}",
            "machine": f"{platform.machine()}, {len(os.sched_getaffinity(0))} cores",
            "versions": {"python": platform.python_version()}
            | {one: version(one) for one in ("numpy", "scipy", "torch")},
        }
        write_atomically(RESULTS, json.dumps(whole, indent=1, sort_keys=True) + "\n")
    return int(moved)


def measure(split: Split, config: SocialConfig) -> dict[str, Any]:
    """Fit both arms on training, and compare what was fitted and what is listed."""
    with content_taken_out():
        without = _told(split, config)
    there = _told(split, config)
    return {
        "without the code": without,
        "with it": there,
        "same": without == there,
        "seed": config.loop.seed,
        "epochs": config.loop.max_epochs,
    }


@contextmanager
def content_taken_out() -> Iterator[None]:
    """Leave models no item signals, and let whatever reads content fail."""

    def fail(*_: Any, **__: Any) -> Any:
        raise AssertionError("content was read, though there is no such code")

    with (
        patch("coterie.models.social.signals_of", lambda _: {}),
        patch.object(ContentSignal, "map_of", fail),
        patch.object(ContentSignal, "fit", fail),
        patch.object(ContentSignal, "rows_of", fail),
        patch.object(ContentMap, "of", fail),
        patch("coterie.models.social.lift_new", fail),
        patch("coterie.models.social.fill_new", fail),
    ):
        yield


def _told(split: Split, config: SocialConfig) -> dict[str, Any]:
    data = split.for_validation()
    model = fit(data, "social", config)
    assert isinstance(model, SocialModel)
    users = np.unique(split.val.user_idx)[:SHOPPERS]
    asked = split.val.take(np.isin(split.val.user_idx, users))
    run = evaluate_model(model, data, asked, ks=(20,))
    return {
        "fitted": digest(model.parameters),
        "lists": hashlib.sha256(run.lists.tobytes()).hexdigest(),
        "shoppers": len(run.user_idx),
        "ndcg": round(run.mean("ndcg@20"), 6),
    }


def digest(parameters: Mapping[str, torch.Tensor] | Parameters) -> str:
    """Make one digest of all tensors, names and bytes."""
    found = hashlib.sha256()
    for name in sorted(parameters):
        found.update(name.encode())
        found.update(parameters[name].detach().cpu().contiguous().numpy().tobytes())
    return found.hexdigest()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
