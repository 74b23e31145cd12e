"""Fit every model, look at test once, and draw it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from coterie.data.circle import AS_SERVED, CircleRule
from coterie.errors import BadInputError
from coterie.evaluation.catalogue import categories
from coterie.evaluation.comparison import (
    ALL_FRIENDS,
    OURS,
    WITHOUT_TIES,
    compare,
    with_newcomers,
)
from coterie.evaluation.newcomers import REVEALED, Newcomers
from coterie.evaluation.protocols import Evaluation
from coterie.evaluation.report import report
from coterie.evaluation.results import Comparison
from coterie.evaluation.shop import shop_figures
from coterie.files import write_atomically
from coterie.fitting.fit import chosen_config, fit, fit_twice
from coterie.graph.figures import degree_counts, graph_figures
from coterie.models import COMPARED, MODELS, Bounded, Inductive, Model, Releasable, is_releasable
from coterie.progress import Progress, silent
from coterie.workflow.challenger import (
    Challenger,
    history_of,
    load_challenger,
    load_parameters,
    load_popularity,
)
from coterie.workflow.config_values import flatten
from coterie.workflow.settings import FitSettings, change
from coterie.workflow.shop import CleanShop

COMPARISON: Final = "comparison.json"
TRAINING: Final = "training.json"
"""How each learned model learned, while validation chose its epochs."""
SPLITS: Final = {
    "by_time": "Split by time",
    "bundled": "Bundled split",
    "by_chance": "Split by chance",
}


def evaluate_all(
    clean: str,
    out: str,
    models: Sequence[str] = (),
    challenger: str | None = None,
    progress: Progress = silent,
    content: str = "",
    rule: CircleRule = AS_SERVED,
) -> Comparison:
    """Compare models on the test part; writes ``comparison.json`` and ``training.json``.

    Args:
        clean: Folder that ``ingest`` wrote.
        out: Folder for the figures.
        models: Names of ``coterie.models.MODELS``, or ``social_no_ties``; all of them if empty.
        challenger: Folder that ``fit_challenger`` wrote: its model is not fitted again.
        progress: Called while models are fitted and measured.
        content: Folder or URL with vectors of items, for all models that read any; those that the
            challenger was fitted with. Empty: none.
        rule: Whom lists draw on, as served ones do; a challenger's own goes before it.

    Raises:
        BadInputError: The data are wrong, or the challenger was fitted on other data or vectors.
    """
    known = None if challenger is None else load_challenger(challenger)
    again = known.repurchase_setting() if known else None
    shop = CleanShop.open(clean, again, content, known.rule if known else rule)
    if known and known.data_fingerprint != shop.dataset.fingerprint:
        raise BadInputError(f"the challenger in {challenger} was fitted on other data than {clean}")
    if known:
        known.check_content(shop.split.items)
    runs: dict[str, _Run] = {}
    theirs = () if known is None or known.model in COMPARED else (known.model,)
    for name in models or (*COMPARED, *theirs, WITHOUT_TIES):
        if challenger and known and name == known.model and is_releasable(name):
            runs[name] = _restore(known, challenger, shop)
        else:
            runs[name] = _fit(name, known, shop, progress)
    comparison = compare(
        {name: run.model for name, run in runs.items()} | _with_all_friends(runs, shop),
        shop.split.for_test(),
        shop.split.test,
        name=SPLITS.get(shop.split.name, shop.split.name),
        category=categories(shop.dataset.catalogue),
        progress=progress,
    )
    comparison = _meet_newcomers(comparison, runs, shop, progress)
    comparison.save(f"{out}/{COMPARISON}")
    learned = {name: run.training for name, run in runs.items() if run.training}
    write_atomically(Path(out, TRAINING), json.dumps(learned) + "\n")
    return comparison


def write_report(clean: str, evaluation: str, out: str) -> None:
    """Draw the HTML report of an evaluation.

    Args:
        clean: Folder that ``ingest`` wrote.
        evaluation: Folder that ``evaluate_all`` wrote.
        out: The HTML file.

    Raises:
        BadInputError: There is no evaluation, or it is damaged, or the tables are not clean.
    """
    comparison, shop = load_comparison(evaluation), CleanShop.open(clean)
    data = shop.split.for_test()
    histories = Path(evaluation, TRAINING)
    report(
        comparison,
        graph_figures(data) | degree_counts(data),
        out,
        shop=shop_figures(shop.dataset.events),
        training=json.loads(histories.read_text()) if histories.is_file() else None,
    )


def load_comparison(evaluation: str) -> Comparison:
    """Read what ``evaluate_all`` wrote.

    Raises:
        BadInputError: There is none, or it is damaged.
    """
    path = Path(evaluation, COMPARISON)
    if not path.is_file():
        raise BadInputError(f"{evaluation} holds no {COMPARISON}: run coterie evaluate first")
    return Comparison.load(path)


def _meet_newcomers(
    comparison: Comparison, runs: Mapping[str, "_Run"], shop: CleanShop, progress: Progress
) -> Comparison:
    """Fit once more without some shoppers, and judge the lists that they would get."""
    newcomers = Newcomers.choose(shop.split.for_test(), shop.split.test)
    if newcomers is None:
        return comparison
    told: dict[int, dict[str, Evaluation]] = {num: {} for num in REVEALED}
    able = {name: run for name, run in runs.items() if isinstance(run.model, Inductive)}
    for done, (name, run) in enumerate(able.items()):
        progress("meeting newcomers", done, len(able))
        model = fit(newcomers.without, run.model.name, run.chosen)
        assert isinstance(model, Inductive)
        for num, evaluations in told.items():
            model.serve(newcomers.knowing(num))
            evaluations[name] = newcomers.evaluate(model, num, comparison.ks)
    return with_newcomers(comparison, told)


@dataclass(frozen=True, slots=True)
class _Run:
    """A fitted model, and how it came to be."""

    model: Model
    chosen: Any
    """Its config, with all that validation chose."""
    training: Mapping[str, Any] | None


def _restore(known: Challenger, folder: str, shop: CleanShop) -> _Run:
    kind = MODELS[known.model]
    model = kind(change(kind.config_class(), flatten(known.config)))
    if isinstance(model, Bounded):
        model.popularity = load_popularity(folder)
    model.use(load_parameters(folder), shop.split.for_test())
    return _Run(model, change(kind.config_class(), flatten(known.chosen)), known.training)


def _with_all_friends(runs: Mapping[str, "_Run"], shop: CleanShop) -> dict[str, Model]:
    """Let our model draw on all friends as well, where served lists do not."""
    ours = runs[OURS].model if OURS in runs else None
    if shop.split.circle is None or not isinstance(ours, Releasable):
        return {}
    same: Releasable = MODELS[OURS](ours.config)
    same.use(ours.parameters, shop.split.for_test().with_all_friends())
    return {ALL_FRIENDS: same}


def _fit(name: str, known: Challenger | None, shop: CleanShop, progress: Progress) -> _Run:
    """Fit a model, with the challenger's config for its own name and for ours without ties."""
    model = OURS if name == WITHOUT_TIES else name
    config = flatten(known.config) if known and known.model == model else {}
    if name == WITHOUT_TIES:
        config |= {"use_ties": False}
    settings = FitSettings(model, config)

    def tell(_: str, done: int, total: int) -> None:
        progress(f"training {name}", done, total)

    fitted = fit_twice(shop.split, model, settings.configure(), progress=tell)
    return _Run(fitted.final, chosen_config(fitted.chosen), history_of(fitted.chosen))
