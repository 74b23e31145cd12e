"""Outcomes as people like to read them: tables on standard output."""

import json
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from coterie.data.ingest import IngestReport
    from coterie.data.mapping.survey import Survey
    from coterie.evaluation.results import Comparison
    from coterie.evaluation.significance import PairedTest
    from coterie.privacy.forget import Forgotten
    from coterie.release.offline import ShopperList
    from coterie.tuning.study import Study, Trial
    from coterie.workflow import Challenger, Tuned

MAX_REASONS = 3
"""Of an item's reasons that a terminal shows; ``--json`` has them all."""
SHOWN = ("recall", "ndcg", "hit_rate", "precision", "coverage")
"""Of the metrics that a terminal has room for."""
MAX_TRIALS = 4
"""Of a study that a terminal shows; its page has them all."""


def say(text: str) -> None:
    """Say one line."""
    _screen().print(text, soft_wrap=True)


def table(drawn: Table) -> None:
    """Print a table."""
    _screen().print(drawn)


def as_json(content: Any) -> None:
    """Print a dataclass as JSON, for programs."""
    sys.stdout.write(json.dumps(asdict(content), indent=2) + "\n")


def surveyed(found: "Survey") -> None:
    """Show what each file seems to be, its columns, and what a person has to look at."""
    for look in found.files:
        roles = {column: role for role, column in look.guess.roles.items()}
        more = f" and {len(look.names) - 1} more" if len(look.names) > 1 else ""
        title = f"{look.names[0]}{more}: {look.guess.table}"
        table = Table("column", "seems to be", "type", "examples", "missing", title=title)
        for column in look.columns:
            missing = f"{column.missing:.1%}" if column.missing else ""
            role = roles.get(column.name, "")
            table.add_row(column.name, role, column.type, ", ".join(column.examples), missing)
        _screen().print(table)
        for problem in (look.guess.why, *look.problems):
            if problem:
                _look_at(f"{look.names[0]}: {problem}")
    for problem in (*found.unread.values(), *found.problems):
        _look_at(problem)


def _look_at(text: str) -> None:
    line = Text.assemble(("look at this: ", "bold yellow"), text)
    _screen().print(line, soft_wrap=True)


def ingested(report: "IngestReport") -> None:
    """Show rows of each table, why some were bad, what was not read, what else to look at."""
    table = _table("table", "read", "kept", "bad", "duplicates")
    for name, counts in report.tables.items():
        numbers = (counts.read, counts.kept, counts.bad, counts.duplicates)
        table.add_row(name, *(f"{number:,}" for number in numbers))
    _screen().print(table)
    for name, counts in report.tables.items():
        if counts.erased:
            say(f"{counts.erased:>8,} of {name} left out: of people who were erased")
        if counts.too_old:
            say(f"{counts.too_old:>8,} of {name} left out: older than what is kept")
    for reason, count in report.reasons.items():
        say(f"{count:>8,} in quarantine: {reason}")
    shared = report.shared
    people = f"{shared.people_of_events:,} people have events"
    if shared.people_of_ties:
        people = (
            f"{shared.people_of_ties_with_events:,} of {shared.people_of_ties:,} people in ties "
            f"have events, of {shared.people_of_events:,} who have any"
        )
    say(f"{people}; {shared.items_without_events:,} of {shared.items:,} items have none")
    for name, dropped in report.dropped.items():
        for reason, count in dropped.items():
            say(f"{count:>8,} rows of {name} left out, as the mapping says: {reason}")
    say(
        f"People are pseudonyms under key {report.pseudonym_key}"
        if report.pseudonym_key
        else "People's ids are kept as the shop has them: COTERIE_PSEUDONYM_KEY is not set"
    )
    for note in report.notes:
        say(note)
    for found in report.passed_over:
        say(f"not read: {found.file} ({found.reason})")
    for warning in report.warnings:
        _look_at(warning)


def forgotten(found: "Forgotten") -> None:
    """Show what became of files, and which still hold somebody, by what is to be done."""
    for name, num in found.rows.items():
        say(f"{num:>8,} rows: {name}")
    say(f"{found.num_files:,} files were looked at, {len(found.rows):,} rewritten")
    for what in dict.fromkeys(found.left.values()):
        say(f"still with the id, or maybe: {what}")
        for name in (name for name, to_do in found.left.items() if to_do == what):
            say(f"  {name}")


def fitted(challenger: "Challenger") -> None:
    """Show what a challenger reached on validation, beside popularity."""
    metrics = [metric for metric in challenger.validation if metric.split("@")[0] in SHOWN]
    table = _table("on validation", challenger.model, "popularity")
    for metric in metrics:
        ours, theirs = challenger.validation[metric], challenger.popularity[metric]
        table.add_row(metric, f"{ours:.4f}", f"{theirs:.4f}")
    _screen().print(table)


def tuned(outcome: "Tuned") -> None:
    """Show the best trials beside the model's own settings, a column each."""
    study, best, own = outcome.study, outcome.best, outcome.defaults
    trials = study.searched
    shown = sorted(trials, key=lambda trial: (trial is not best, -study.mean(trial)))[:MAX_TRIALS]
    if own is not None and own not in shown:
        shown.append(own)
    names = ["own settings" if trial is own else str(trials.index(trial) + 1) for trial in shown]
    table = _table("trial", *names)
    table.add_row("NDCG@20", *(_score(study, trial) for trial in shown))
    if len(study.scores(best)) > 1:
        table.add_row("of seeds", *(_seeds(study.scores(trial)) for trial in shown))
    table.add_row("epochs", *(str(t.curve[-1][0]) if t.curve else "-" for t in shown))
    for name in best.changes:
        table.add_row(name, *(_value(trial.changes[name]) for trial in shown))
    _screen().print(table)
    gain = None if own is None else study.gain(best, own)
    if gain is not None:
        say(f"best over the model's own settings, NDCG@20 on validation: {gain:+.1%}")


def _score(study: "Study", trial: "Trial") -> str:
    return trial.ending.value if trial.score is None else f"{study.mean(trial):.4f}"


def _seeds(scores: "Sequence[float]") -> str:
    return " ".join(f"{score:.4f}" for score in scores) if len(scores) > 1 else "one"


def _value(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def compared(comparison: "Comparison") -> None:
    """Show every model's figures on test, the best baseline and the social lift."""
    from coterie.evaluation.groups import NEWCOMERS  # brings SciPy: not for ``--help``

    k, metric = max(comparison.ks), comparison.primary
    table = _table("model", *(name.replace("_", " ") for name in SHOWN))
    table.title = f"{comparison.name}: {comparison.num_shoppers:,} shoppers, lists of {k}"
    for model, figures in comparison.models.items():
        table.add_row(model, *(f"{figures[f'{name}@{k}'].mean:.4f}" for name in SHOWN))
    _screen().print(table)
    against, lift = comparison.against_baseline.get(metric), comparison.lift.get(metric)
    if against:
        say(f"{comparison.ours} over {comparison.best_baseline}, {metric}: {_gain(against)}")
    if lift:
        say(f"social lift, {metric}: {_gain(lift)}")
    if metric in comparison.discretion:
        price = _gain(comparison.discretion[metric])
        say(f"as served over drawing on all friends, {metric}: {price}")
    for group in comparison.groups.get(NEWCOMERS, []):
        if group.lift:
            who = f"{group.num_shoppers:,} newcomers, known by {group.label}"
            say(f"social lift, {metric}, {who}: {_gain(group.lift)}")


def listed(answer: "ShopperList", version: str) -> None:
    """Show a shopper's list with its reasons."""
    if not answer.known:
        say(f"{answer.user_id} is not in the data: what most shoppers had")
    table = Table("#", "item", "because", title=f"For {answer.user_id}, by release {version}")
    for rank, item in enumerate(answer.items, 1):
        speaking_for = [reason for reason in item.told if reason.net > 0]
        why = "\n".join(f"{one.share:4.0%} {one.text}" for one in speaking_for[:MAX_REASONS])
        table.add_row(str(rank), f"{item.title}\n{item.item_id}", why, end_section=True)
    _screen().print(table)


def _screen() -> Console:
    # Titles and ids come from outside: brackets in them are no markup.
    return Console(markup=False, highlight=False)


def _table(first: str, *others: str) -> Table:
    table = Table(first)
    for name in others:
        table.add_column(name, justify="right")
    return table


def _gain(test: "PairedTest") -> str:
    if test.relative is None:
        return f"{test.difference.mean:+.4f}"
    interval = ""
    if test.relative.low is not None and test.relative.high is not None:
        interval = f" ({test.relative.low:+.1%} to {test.relative.high:+.1%})"
    sure = "" if test.p_value is None else f", p = {test.p_value:.4f}"
    return f"{test.relative.mean:+.1%}{interval}{sure}"
