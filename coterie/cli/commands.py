"""What each command does: options into one call, its outcome onto the screen."""

import argparse
from datetime import UTC, datetime
from pathlib import Path

from coterie import workflow
from coterie.cli import show
from coterie.data.ingest import IngestConfig
from coterie.data.ingest import ingest as clean_tables
from coterie.data.load import load_dataset
from coterie.data.simulate import ShopConfig
from coterie.data.simulate import simulate as make_shop
from coterie.errors import BadInputError
from coterie.progress import bar
from coterie.release.bundle import Release, load_release
from coterie.release.gate import Limits
from coterie.release.manifest import MANIFEST
from coterie.release.offline import OfflineLists
from coterie.release.store import ReleaseStore


def simulate(options: argparse.Namespace) -> None:
    """Make up a shop and write its tables."""
    config = ShopConfig(
        num_users=options.users,
        num_items=options.items,
        num_events=options.events,
        days=options.days,
        seed=options.seed,
    )
    with bar() as progress:
        make_shop(config, progress).write(options.out)
    show.say(f"A shop of {options.users} shoppers and {options.items} items is in {options.out}")


def ingest(options: argparse.Namespace) -> None:
    """Clean a shop's tables, after bringing a public set into the contract."""
    source = options.source
    if options.dataset:
        from coterie.data.public import convert

        source = f"{options.out.rstrip('/')}-raw"
        convert(options.dataset, options.source, source)
    config = IngestConfig(max_bad_share=options.max_bad_share, runner=options.runner)
    with bar() as progress:
        report = clean_tables(source, options.out, config, progress)
    show.ingested(report, options.out)


def train(options: argparse.Namespace) -> None:
    """Fit a challenger; release it if it wins."""
    changes = {"epochs": options.epochs, "seed": options.seed}
    settings = workflow.FitSettings(
        model=options.model,
        config={name: value for name, value in changes.items() if value is not None},
        workers=options.workers,
        use_gpu=options.gpu,
    )
    with bar() as progress:
        challenger = workflow.fit_challenger(options.clean, options.out, settings, progress)
    show.fitted(challenger)
    version = options.release_version or datetime.now(UTC).strftime("%Y%m%d%H%M%S")
    folder = f"{options.out}/{workflow.RELEASES}/{version}"
    limits = Limits(min_gain_over_popularity=options.min_gain)
    workflow.make_release(options.clean, options.out, folder, version, limits)
    show.say(f"Release {version} is in {folder}")


def evaluate(options: argparse.Namespace) -> None:
    """Compare models on the test part."""
    with bar() as progress:
        comparison = workflow.evaluate_all(
            options.clean, options.out, options.models, options.challenger, progress
        )
    show.compared(comparison)
    show.say(f"The figures are in {options.out}; draw them with: coterie report {options.out}")


def recommend(options: argparse.Namespace) -> None:
    """Show one shopper's list."""
    release = _find_release(options.release)
    lists = OfflineLists(release, load_dataset(options.data))
    answer = lists.recommend(options.user, options.k)
    if options.json:
        show.as_json(answer)
    else:
        show.listed(answer, release.version)


def report(options: argparse.Namespace) -> None:
    """Draw an evaluation."""
    out = options.out or f"{options.evaluation}/report.html"
    workflow.write_report(options.data, options.evaluation, out)
    show.say(f"The report is in {out}")


def _find_release(folder: str) -> Release:
    """The release in a folder, or the newest of those that ``train`` left there."""
    if not Path(folder, workflow.RELEASES).is_dir() or Path(folder, MANIFEST).exists():
        return load_release(folder)
    store = ReleaseStore(f"{folder}/{workflow.RELEASES}")
    version = store.champion() or store.latest()
    if version is None:
        raise BadInputError(f"{folder} holds no release: train one with coterie train")
    return store.get(version)
