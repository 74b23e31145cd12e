"""In which share of answers a signal counts releases that are none the worse.

    python -m benchmarks.harmless_answers --home /tmp/shops

In each simulated shop the live release is trained again with other seeds, and on what was known 7
and 30 days before. All of them answer the same shoppers, strangers among them, who meanwhile go on
as they really did; each answer is checked as the app checks it (``serving/rollouts/list_checks``).
A signal's share is a release's own, so any two of them may be stable and canary. The largest share
is what a plan may call harmless. What preflight says of the parts of their scores beside live's
(``coterie/release/learned_roles``) is measured as well. Figures go to
``benchmarks/results/harmless_answers.json``, and from there into ``docs/rollout.md``.
"""

import argparse
import json
import logging
import platform
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import numpy as np
from rich.console import Console

from benchmarks.faults import LARGE, LARGE_LESS
from benchmarks.faults_shop import LESS, Shop, live_on, make_shop, train
from benchmarks.harmless_pairs import LENGTH, SHOPS, config_told
from coterie.files import write_atomically
from coterie.release.bundle import load_release
from coterie.release.learned_roles import LearnedRoles
from coterie.release.queries import QueryEncoders
from coterie.rollout.live import ReleaseRef
from serving.lists.shopper_features import gather
from serving.rollouts.loaded_release import LoadedRelease, load_arm
from serving.telemetry.metrics import ServingMetrics

RESULTS: Final = Path(__file__).parent / "results" / "harmless_answers.json"
SIZES: Final = {
    "large": (LARGE, LARGE_LESS),
    **{name: (config, LESS) for name, config in SHOPS.items()},
}
SIGNALS: Final = ("fallbacks", "duplicate_lists", "score_out_of_range")
"""What a list tells by itself. What else is counted does not depend on what was learned."""
TRAINED: Final[Mapping[str, tuple[int, Mapping[str, Any]]]] = {
    "seed 1": (0, {"loop.seed": 1}),
    "seed 2": (0, {"loop.seed": 2}),
    "seed 3": (0, {"loop.seed": 3}),
    "7 days less": (7, {}),
    "30 days less": (30, {}),
    "30 days less, seed 1": (30, {"loop.seed": 1}),
}
"""Days of data that a release lacks, and what else differs."""
REQUESTS_S: Final = 20


def main(arguments: list[str] | None = None) -> None:
    """Measure all shops, write and print the figures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--home", metavar="FOLDER", help="where shops are kept for next time")
    parser.add_argument("--only", nargs="*", choices=SIZES, help="some shops alone")
    parser.add_argument("--requests", type=int, default=3_000, help="of each shop")
    asked = parser.parse_args(arguments)
    logging.disable(logging.CRITICAL)
    with tempfile.TemporaryDirectory() as folder:
        for name in asked.only or SIZES:
            config, less = SIZES[name]
            home = Path(asked.home or folder, f"answers-{name.replace(' ', '-')}")
            shop = make_shop(home, config, less)
            refs = _train(shop)
            told = {"config": config_told(config), "figures": compare_all(refs)}
            told["shares"] = answer_all(shop, _load(shop, refs), asked.requests)
            Console(width=120).print(name, told)
            keep({name: told}, asked.requests)


def keep(found: Mapping[str, Any], requests: int) -> None:
    """Write what was found beside what is known of the other shops."""
    before = json.loads(RESULTS.read_text())["shops"] if RESULTS.exists() else {}
    every = {**before, **found}
    content = {
        "about": "share of the answers of releases that are none the worse which a signal counts",
        "shops": {name: every[name] for name in SIZES if name in every},
        "requests": requests,
        "command": "python -m benchmarks.harmless_answers",
        "machine": f"{platform.machine()}, one thread",
    }
    write_atomically(RESULTS, json.dumps(content, indent=1) + "\n")


def _train(shop: Shop) -> dict[str, ReleaseRef]:
    """Train what is not there yet."""
    refs = {"live": ReleaseRef(shop.release.digest, shop.folder)}
    for name, (days, config) in TRAINED.items():
        out = shop.home / name.replace(",", "").replace(" ", "-")
        if not out.exists():
            train(shop.home, out, out.name, shop.until - timedelta(days=days), config=config)
        refs[name] = ReleaseRef(load_release(str(out)).digest, str(out))
    return refs


def compare_all(refs: Mapping[str, ReleaseRef]) -> dict[str, dict[str, float | None]]:
    """Compare the parts of each release's score with live's: preflight's figures, by release."""
    roles = {name: LearnedRoles.of(load_release(ref.folder)) for name, ref in refs.items()}
    live = roles.pop("live")
    return {
        name: {one.name: one.value for one in live.compare(canary)}
        for name, canary in roles.items()
    }


def _load(shop: Shop, refs: Mapping[str, ReleaseRef]) -> dict[str, LoadedRelease]:
    metrics, encoders = ServingMetrics(), QueryEncoders("none")
    return {name: load_arm(ref, shop.features, metrics, encoders) for name, ref in refs.items()}


def answer_all(
    shop: Shop, arms: Mapping[str, LoadedRelease], num: int
) -> dict[str, dict[str, float]]:
    """Have so many shoppers come; by release, the share of answers that each signal counts."""
    features = replace(shop.features, recent=dict(shop.features.recent))
    coming = {user: list(reversed(events)) for user, events in shop.coming.items()}
    counts = {name: Counter[str]() for name in arms}
    people = np.random.default_rng(0).choice(len(shop.user_ids), num, p=shop.weight).tolist()
    began = time.time()
    for place, person in enumerate(people):
        user_id = shop.user_ids[person]
        known = gather(features, user_id)
        for name, arm in arms.items():
            counts[name].update(arm.checks.signals(arm.maker.make(known, LENGTH, False)))
        live_on(features, coming, user_id, began + place / REQUESTS_S)
    return {name: {one: count[one] / num for one in SIGNALS} for name, count in counts.items()}


if __name__ == "__main__":
    sys.exit(main())
