"""What each command does: options into one call, its outcome onto the screen.

Each imports what it needs when it runs: who simulates a shop does not wait for torch.
"""

import argparse
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from coterie.cli import show
from coterie.errors import BadInputError
from coterie.progress import bar

if TYPE_CHECKING:
    from coterie.release.bundle import Release

SHORT_ID: Final = 6
"""Letters of an id below which files may well hold it by chance."""


def simulate(options: argparse.Namespace) -> None:
    """Make up a shop and write its tables."""
    from coterie.data.simulate import ShopConfig, simulate

    config = ShopConfig(
        num_users=options.users,
        num_items=options.items,
        num_events=options.events,
        days=options.days,
        seed=options.seed,
        pictures=options.pictures,
    )
    with bar() as progress:
        shop = simulate(config, progress)
        shop.write(options.out)
    show.say(
        f"A shop of {shop.users.num_rows} shoppers, {shop.items.num_rows} items and "
        f"{shop.events.num_rows} events is in {options.out}"
    )


def inspect(options: argparse.Namespace) -> None:
    """Look at a folder, and write a mapping to begin with."""
    from coterie.data.mapping.survey import survey, with_rules
    from coterie.data.mapping.write import mapping_text

    out = Path(options.out)
    if out.exists() and not options.force:
        raise BadInputError(f"{out} is there, perhaps edited: name another with --out, or --force")
    with bar() as progress:
        found = with_rules(survey(options.folder, progress))
    show.surveyed(found)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(mapping_text(found, options.out), encoding="utf-8")
    show.say(f"The mapping is in {options.out}: read it, edit it, then")
    show.say(f"coterie ingest {options.folder} --mapping {options.out} --out FOLDER")


def ingest(options: argparse.Namespace) -> None:
    """Clean a shop's tables, after bringing a public set into the contract."""
    from coterie.data.ingest import IngestConfig, ingest
    from coterie.data.mapping.document import read_mapping
    from coterie.data.pseudonyms import PseudonymKeys

    source, mapping = options.source, None
    if options.dataset and options.mapping:
        raise BadInputError("--dataset and --mapping: a data set needs no mapping, leave one out")
    if options.dataset:
        source = _convert(options.dataset, source, options.out)
    if options.mapping:
        mapping = read_mapping(options.mapping)
    config = IngestConfig(
        max_bad_share=options.max_bad_share,
        runner=options.runner,
        keep_days=options.keep_days,
        pseudonyms=PseudonymKeys.read(os.environ),
    )
    with bar() as progress:
        report = ingest(source, options.out, config, progress, mapping)
    show.ingested(report)
    show.say(f"The clean tables are in {options.out}")


def forget(options: argparse.Namespace) -> None:
    """Take a person out of files, and say what is left."""
    from coterie.data.pseudonyms import PseudonymKeys
    from coterie.privacy.forget import forget

    found = forget(options.user, options.folders, PseudonymKeys.read(os.environ))
    show.forgotten(found)
    if found.left:
        short = "; an id as short as this may stand there for something else, so look first"
        raise BadInputError(
            f"{len(found.left):,} files still hold the id, or may: do what is said above them"
            + (short if len(options.user) < SHORT_ID else "")
        )


def content(options: argparse.Namespace) -> None:
    """Encode a catalogue, but for what its folder has already."""
    from coterie import workflow
    from coterie.content.encoders import KEY_VARIABLE
    from coterie.content.vectors import KINDS
    from coterie.llm.endpoint import KEY_VARIABLE as LLM_KEY_VARIABLE
    from coterie.workflow.content import ContentSettings, encode_catalogue

    key = os.environ.get(KEY_VARIABLE, "").strip()
    places = {f"{kind}.place": getattr(options, kind) for kind in KINDS}
    given = {name: place for name, place in places.items() if place}
    settings = ContentSettings.changed(workflow.read_config(*options.config) | given)
    if not settings.chosen:
        raise BadInputError(
            "no encoder is named, so nothing would be encoded: begin with --text default"
        )
    with bar() as progress:
        # The folder is at once what is found again the next time and what is made.
        llm_key = os.environ.get(LLM_KEY_VARIABLE, "").strip()
        found = encode_catalogue(
            options.clean, "", settings, options.out, key, progress, llm_key=llm_key
        )
    for kind, coverage in found.items():
        show.say(coverage.in_words(kind))
    show.say(f"Train with them: coterie train {options.clean} --content {options.out} --out FOLDER")


def describe(options: argparse.Namespace) -> None:
    """Describe a catalogue by a language model."""
    from coterie.cli.describe import describe as by_model

    by_model(options)


def finetune(options: argparse.Namespace) -> None:
    """Fine-tune an encoder of texts."""
    from coterie.cli.finetune import finetune as by_pairs

    by_pairs(options)


def network(options: argparse.Namespace) -> None:
    """Look at who knows whom."""
    from coterie.cli.network import network as analyse

    analyse(options)


def behaviour(options: argparse.Namespace) -> None:
    """Look at what shoppers are like and may do."""
    from coterie.cli.behaviour import behaviour as analyse

    analyse(options)


def synthesise(options: argparse.Namespace) -> None:
    """Make up people, so that data can be shared."""
    from coterie.cli.synthesise import synthesise as make_up

    make_up(options)


def suspects(options: argparse.Namespace) -> None:
    """Look for fake accounts."""
    from coterie.cli.suspects import suspects as look_for

    look_for(options)


def tune(options: argparse.Namespace) -> None:
    """Search a model's settings."""
    from coterie import workflow
    from coterie.cli.study_bar import study_bar
    from coterie.data.circle import CircleRule

    settings = workflow.TuneSettings(
        model=options.model,
        config=workflow.read_config(*options.config),
        trials=options.trials,
        minutes=options.minutes,
        seed=options.seed,
        parallel=options.parallel or 0,
        use_gpu=options.gpu,
        content=options.content,
        circle=CircleRule.read(os.environ),
    )
    with study_bar(f"tuning {options.model}") as watch:
        tuned = workflow.tune_model(options.clean, options.out, settings, watch)
    show.tuned(tuned)
    show.say(f"How it went: {options.out}/tuning.html")
    show.say(
        f"Train with the best: coterie train {options.clean} --model {options.model} "
        f"--config {options.out}/best.json {_content(options)}--out FOLDER"
    )


def train(options: argparse.Namespace) -> None:
    """Fit a challenger; release it if it wins."""
    from coterie import workflow
    from coterie.data.circle import CircleRule
    from coterie.data.repurchase import RepurchaseRule
    from coterie.release.gate import Limits

    changes = {"loop.max_epochs": options.epochs, "loop.seed": options.seed}
    given = {name: value for name, value in changes.items() if value is not None}
    settings = workflow.FitSettings(
        model=options.model,
        config=workflow.read_config(*options.config) | given,
        workers=options.workers,
        use_gpu=options.gpu,
        repurchase=tuple(options.repurchase),
        content=options.content,
        impressions=options.impressions,
        circle=CircleRule.read(os.environ),
    )
    with bar() as progress:
        challenger = workflow.fit_challenger(options.clean, options.out, settings, progress)
    show.fitted(challenger)
    show.say(RepurchaseRule(challenger.repurchase).in_words())
    show.say(challenger.rule.in_words())
    if challenger.promise is not None:
        show.say(challenger.promise.in_words())
    version = options.release_version or datetime.now(UTC).strftime("%Y%m%d%H%M%S")
    folder = f"{options.out}/{workflow.RELEASES}/{version}"
    limits = Limits("ndcg@20", options.min_gain, options.min_gain_over_shown)
    workflow.make_release(
        options.clean,
        options.out,
        folder,
        version,
        limits,
        content=options.content,
        log=options.log,
    )
    show.say(f"Release {version} is in {folder}")


def evaluate(options: argparse.Namespace) -> None:
    """Compare models on the test part, or judge a release by a log."""
    if options.off_policy or options.candidate:
        from coterie.cli.off_policy import evaluate_off_policy

        evaluate_off_policy(options)
        return
    from coterie import workflow
    from coterie.data.circle import CircleRule

    with bar() as progress:
        comparison = workflow.evaluate_all(
            options.clean,
            options.out,
            options.models,
            options.challenger,
            progress,
            options.content,
            CircleRule.read(os.environ),
        )
    show.compared(comparison)
    show.say(
        f"The figures are in {options.out}; draw them with: "
        f"coterie report {options.out} --data {options.clean}"
    )


def recommend(options: argparse.Namespace) -> None:
    """Show one shopper's list, or write everybody's."""
    if options.all:
        _recommend_all(options)
        return
    if not options.data:
        raise BadInputError("--features goes with --all: one shopper's list is made from --data")
    from coterie.data.circle import CircleRule
    from coterie.data.ids import normal_id
    from coterie.data.load import load_dataset
    from coterie.data.pseudonyms import PseudonymKeys
    from coterie.languages.texts import texts_for
    from coterie.reasons.discretion import Discretion
    from coterie.release.offline import OfflineLists

    discretion = Discretion(circle=CircleRule.read(os.environ))
    release = _find_release(options.release)
    lists = OfflineLists(release, load_dataset(options.data), discretion=discretion)
    user = PseudonymKeys.read(os.environ).of(normal_id(options.user))
    answer = lists.recommend(user, options.k, texts_for(options.language))
    if options.json:
        show.as_json(answer)
    else:
        show.listed(answer, release.version)


def _recommend_all(options: argparse.Namespace) -> None:
    from coterie.data.circle import CircleRule
    from coterie.workflow.all_lists import AllListsSettings, list_everyone

    if not options.out:
        raise BadInputError("--all writes files: name a folder or URL with --out")
    settings = AllListsSettings(options.k, options.rules, CircleRule.read(os.environ))
    folder = release_folder(options.release)
    with bar() as progress:
        made = list_everyone(
            folder, options.out, settings, options.features, options.data, progress
        )
    show.say(
        f"Lists of {made.shoppers:,} shoppers by release {made.release} are in {options.out}, "
        f"{made.files} file{'s' if made.files > 1 else ''}"
    )


def serve(options: argparse.Namespace) -> None:
    """Serve a release until Ctrl-C."""
    from coterie.cli.serve import serve
    from coterie.release.bundle import load_release

    folder = release_folder(options.model)
    serve(options, load_release(folder), folder)


def report(options: argparse.Namespace) -> None:
    """Draw an evaluation."""
    from coterie import workflow

    out = options.out or f"{options.evaluation}/report.html"
    workflow.write_report(options.data, options.evaluation, out)
    show.say(f"The report is in {out}")


def rollout(options: argparse.Namespace) -> None:
    """Command and watch the rollout of a served shop."""
    from coterie.cli import rollout

    rollout.ACTIONS[options.action](options)


def experiment(options: argparse.Namespace) -> None:
    """Begin, end and judge experiments of a served shop."""
    from coterie.cli import experiment

    experiment.ACTIONS[options.action](options)


def release(options: argparse.Namespace) -> None:
    """Look at releases."""
    from coterie.cli import release

    release.ACTIONS[options.action](options)


def _content(options: argparse.Namespace) -> str:
    return f"--content {options.content} " if options.content else ""


def keys(options: argparse.Namespace) -> None:
    """Make, list, rotate or revoke keys that open the app."""
    from coterie.cli.keys import ACTIONS

    ACTIONS[options.action](options)


def pseudonyms(options: argparse.Namespace) -> None:
    """Make or rotate keys of pseudonyms, or look pseudonyms up."""
    from coterie.cli.pseudonyms import ACTIONS

    ACTIONS[options.action](options)


def _convert(dataset: str, source: str, out: str) -> str:
    from coterie.data.public import convert

    raw = f"{out.rstrip('/')}-raw"
    convert(dataset, source, raw)
    return raw


def _find_release(folder: str) -> "Release":
    from coterie.release.bundle import load_release

    return load_release(release_folder(folder))


def release_folder(folder: str) -> str:
    """Find a release: the folder itself, or the newest of those that ``train`` left there."""
    from coterie.release.manifest import MANIFEST
    from coterie.release.store import ReleaseStore
    from coterie.workflow import RELEASES

    if not Path(folder, RELEASES).is_dir() or Path(folder, MANIFEST).exists():
        return folder
    store = ReleaseStore(f"{folder}/{RELEASES}")
    version = store.champion() or store.latest()
    if version is None:
        raise BadInputError(f"{folder} holds no release: train one with coterie train")
    return store.folder(version)
