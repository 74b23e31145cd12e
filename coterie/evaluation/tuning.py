"""The page of a study: what is best, how it was found, and what mattered. One file, offline."""

from collections.abc import Mapping
from pathlib import Path

from coterie.evaluation import blocks, tuning_plots
from coterie.evaluation.blocks import Cell, Plots
from coterie.evaluation.phrases import escape, name_model, write_number, write_percent
from coterie.files import write_atomically
from coterie.models.space import Space
from coterie.tuning.study import CLOSE, MAX_RIVALS, Ending, Study, Trial

Section = tuple[str, str, str]
"""Id, title and HTML."""


def write_page(
    study: Study,
    space: Space,
    defaults: Mapping[str, object],
    importances: Mapping[str, float],
    path: Path,
) -> None:
    """Write the page; replaced when it is whole.

    Args:
        study: With at least one trial that has a score.
        space: What was searched.
        defaults: The model's own values of its fields.
        importances: Share of each field in what mattered; empty where too few trials tell.
        path: Of the HTML file.
    """
    write_atomically(path, render(study, space, defaults, importances))


def render(
    study: Study,
    space: Space,
    defaults: Mapping[str, object],
    importances: Mapping[str, float],
) -> str:
    """Render the page as text; arguments as in :func:`write_page`."""
    drawn, best, own = Plots(), study.best, study.of(defaults)
    assert best is not None
    parts = [
        _growth(study, own, best, drawn),
        *_runoff(study, best, drawn),
        _fields(study, space, best, importances, drawn),
        _trials(study, space, own, best),
        _method(study, space),
    ]
    links = "".join(f'<a href="#{key}">{name}</a>' for key, name, _ in parts)
    title = f"Tuning {name_model(study.plan.model)}"
    body = (
        f"<header>{_headline(study, space, own, best, title)}"
        f'<nav aria-label="Contents">{links}</nav></header>\n<main>'
        "<noscript><p>Plots need JavaScript; every trial also stands in the table.</p></noscript>"
        f"{''.join(content for _, _, content in parts)}</main>\n"
        "<footer>Made by Coterie. This file loads nothing from anywhere.</footer>"
    )
    return blocks.page(title, body, drawn)


def _headline(study: Study, space: Space, own: Trial | None, best: Trial, title: str) -> str:
    counts = {ending: sum(t.ending is ending for t in study.searched) for ending in Ending}
    told = [f"{n} {_ENDINGS[ending]}" for ending, n in counts.items() if n]
    hours, minutes = divmod(round(study.elapsed_s / 60), 60)
    spent = f"{hours} h {minutes} min" if hours else f"{study.elapsed_s / 60:.1f} min"
    seeds = len(study.scores(best))
    where = f"mean of {seeds} seeds" if seeds > 1 else _where(best)
    cards = [
        blocks.card("Best NDCG@20 on validation", f"{study.mean(best):.4f}", where),
        blocks.card("Trials", str(len(study.searched)), ", ".join(told)),
        blocks.card("Time spent", spent, f"{len(space)} fields searched"),
    ]
    gain = None if own is None else study.gain(best, own)
    if own is not None and gain is not None:
        beside = f"over {study.mean(own):.4f} with the model's own settings"
        beside += "" if len(study.scores(own)) == seeds else ", by the first seed"
        card = blocks.card("Gain", write_percent(gain), beside, "good" if gain > 0 else "")
        cards.insert(1, card)
    fields = ", ".join(f"{escape(k)} {write_number(v)}" for k, v in best.changes.items())
    return (
        f'<p class="eyebrow">Coterie tuning</p><h1>{title}</h1>'
        f'<p class="lead">Best on validation: <strong>{fields}</strong>.</p>'
        f'<div class="cards">{"".join(cards)}</div>'
    )


_ENDINGS = {
    Ending.FINISHED: "finished",
    Ending.STOPPED: "stopped early",
    Ending.CUT: "cut when time was up",
    Ending.FAILED: "failed",
}


def _where(trial: Trial) -> str:
    return f"at epoch {trial.best_epoch}" if trial.best_epoch else "fitted at once"


def _growth(study: Study, own: Trial | None, best: Trial, drawn: Plots) -> Section:
    by_trial = tuning_plots.growth(study.searched, own, by_time=False)
    by_time = tuning_plots.growth(study.searched, own, by_time=True)
    shown = blocks.beside(
        drawn.add(by_trial, "Score by trial", "the line is the best so far"),
        drawn.add(by_time, "Score by time", "when each trial ended"),
    )
    note = "What would still be gained by going on? Where the line is flat, little."
    if any(trial.curve for trial in study.searched):
        about = "those that others were ahead of were stopped; the rest went on to their end"
        figure = tuning_plots.curves(study.searched, own, best)
        shown = f"{shown}<br>{drawn.add(figure, 'Score by epoch, one line a trial', about)}"
    return _section("growth", "How the score grew", note, shown)


def _runoff(study: Study, best: Trial, drawn: Plots) -> list[Section]:
    """Write what close trials scored with other seeds; nothing where no two were close."""
    numbered = [(n, t, study.scores(t)) for n, t in enumerate(study.searched, 1)]
    again = [(n, t, scores) for n, t, scores in numbered if len(scores) > 1]
    if not again:
        return []
    again.sort(key=lambda row: -study.mean(row[1]))
    rows = [
        (
            "ours" if trial is best else "",
            f"Trial {number}",
            [Cell(f"{score:.4f}") for score in (*scores, study.mean(trial))],
        )
        for number, trial, scores in again
    ]
    figure = tuning_plots.runoff([(number, scores) for number, _, scores in again])
    about = "a circle is one fit, the bar is their mean"
    table = blocks.table(["", "In the search", "Again", "Mean"], rows, "What was fitted again")
    note = (
        f"Seeds alone move a score by about {100 * CLOSE:.0f} %: trials as close as that to the "
        f"best, {MAX_RIVALS} at most, were fitted again with the next seed, and the mean decided."
    )
    shown = f'<div class="stack">{drawn.add(figure, "Score by seed", about)}{table}</div>'
    return [_section("runoff", "Which of the best is best", note, shown)]


def _fields(
    study: Study,
    space: Space,
    best: Trial,
    importances: Mapping[str, float],
    drawn: Plots,
) -> Section:
    parts = []
    if importances:
        about = "share of each field in whether a trial is among the best (PED-ANOVA); a hint"
        parts.append(drawn.add(tuning_plots.shares(importances), "What mattered", about))
    if len(space) > 1:
        about = "each line is a trial, from its first field to its last"
        figure = tuning_plots.parallel(space, study.searched)
        parts.append(drawn.add(figure, "Trials across fields", about))
    order = sorted(space, key=lambda name: -importances.get(name, 0.0))
    slices = [
        drawn.add(
            tuning_plots.slice_of(name, space[name], study.searched, best),
            escape(name),
            f"best: {write_number(best.changes[name])}",
        )
        for name in order
    ]
    note = (
        "A best value at the edge of its range asks for a wider one. Hollow marks were stopped "
        "early: they would have come further."
    )
    stack = f'<div class="stack">{"".join(parts)}{blocks.abreast(*slices)}</div>'
    return _section("fields", "Field by field", note, stack)


def _trials(study: Study, space: Space, own: Trial | None, best: Trial) -> Section:
    numbered = list(enumerate(study.searched, 1))
    numbered.sort(key=lambda row: (row[1] is not best, row[1].score is None, -study.mean(row[1])))
    rows = [
        ("ours" if trial is best else "", _name(number, trial is own), _cells(study, trial, space))
        for number, trial in numbered
    ]
    head = ["Trial", "NDCG@20", "Ended", "Epochs", "Seconds", *(escape(name) for name in space)]
    table = blocks.table(head, rows, "All trials, the best first")
    failed = {t.error for t in study.trials if t.error}
    why = "".join(f"<li>{escape(error)}</li>" for error in sorted(failed))
    told = blocks.folded("Why trials failed", f"<ul>{why}</ul>") if why else ""
    return _section("trials", "All trials", "The best first.", table + told)


def _name(number: int, is_own: bool) -> str:
    return f"{number} (own settings)" if is_own else str(number)


def _cells(study: Study, trial: Trial, space: Space) -> list[Cell]:
    score = "none" if trial.score is None else f"{study.mean(trial):.4f}"
    epochs = str(trial.curve[-1][0]) if trial.curve else ""
    values = [Cell(write_number(trial.changes[name])) for name in space]
    ended, seconds = Cell(_ENDINGS[trial.ending]), Cell(f"{trial.seconds:,.1f}")
    return [Cell(score), ended, Cell(epochs), seconds, *values]


def _method(study: Study, space: Space) -> Section:
    searched = [
        ("", escape(name), [Cell(escape(_range(bounds)))])
        for name, bounds in study.plan.space.items()
    ]
    table = blocks.table(["Field", "Searched"], searched, "What was searched")
    fixed = {
        escape(name): _plain(value)
        for name, value in study.plan.config.items()
        if name not in space
    }
    stopped = "; ASHA stopped those that fell behind" if any(t.curve for t in study.trials) else ""
    note = (
        "Every trial was fitted on the training part and scored by NDCG@20 over the full ranking "
        "of the validation part; the test part was not looked at. The model's own settings were "
        "the first trial, and nothing stopped them. Optuna's TPE drew the others, "
        f"with seed {study.plan.seed}{stopped}."
    )
    content = blocks.folded("Fields that every trial had alike", blocks.facts(fixed))
    return _section("method", "How it was done", note, table + content)


def _plain(value: object) -> str:
    """Write a setting of whatever type."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return write_number(value) if is_number else escape("none" if value is None else value)


def _range(bounds: list[object]) -> str:
    kind, *values = bounds
    words = [write_number(value) for value in values]
    if kind == "Choice":
        return "one of " + ", ".join(words)
    return f"{words[0]} to {words[1]}" + (", logarithmic" if kind == "LogUniform" else "")


def _section(key: str, title: str, note: str, content: str) -> Section:
    return key, title, blocks.section(key, title, note, content)
