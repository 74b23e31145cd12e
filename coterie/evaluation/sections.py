"""What the report says of a comparison: the headline, tables beside plots, and how to read them."""

from collections.abc import Mapping, Sequence

from coterie.data.circle import CircleRule
from coterie.evaluation import blocks, plots
from coterie.evaluation.blocks import Cell, Plots
from coterie.evaluation.circles import UNNAMED
from coterie.evaluation.groups import BANDS, NEWCOMERS
from coterie.evaluation.phrases import (
    escape,
    is_sure,
    name_metric,
    name_model,
    write_change,
    write_change_interval,
    write_interval,
    write_metric,
    write_p,
)
from coterie.evaluation.results import Comparison
from coterie.evaluation.significance import Estimate, PairedTest

Section = tuple[str, str, str]
"""Id, title and HTML."""
_ABOUT = {name: bands.about for name, bands in BANDS.items()} | {
    NEWCOMERS: "what is known of people whom no model was fitted on",
    UNNAMED: "friends with a history who may not be named: of too few lists draw on none",
}


def headline(comparison: Comparison, title: str) -> str:
    """Write the page's title, what was found in words, and the figures that matter most."""
    model = _front(comparison)
    k = max(comparison.ks)
    recall = comparison.mean(model, f"recall@{k}")
    lead = (
        f"Of what a shopper went on to take, <strong>{100 * recall:.1f} %</strong> on average "
        f"stood among the first {k} of the list that {name_model(model)} would have shown."
    )
    tests = _tests(comparison)
    said = "".join(f'<p class="lead">{_say(test, rival)}</p>' for _, test, rival in tests)
    cards = [_metric_card(comparison, model, f"{name}@{k}") for name in ("recall", "ndcg")]
    cards += [_test_card(comparison, *test) for test in tests]
    about = f"with something held out, {comparison.num_items:,} items to choose from"
    cards.append(blocks.card("Shoppers judged", f"{comparison.num_shoppers:,}", about))
    return (
        f'<p class="eyebrow">Coterie evaluation report</p><h1>{title}</h1>'
        f'<p class="lead">{lead}</p>{said}<div class="cards">{"".join(cards)}</div>'
    )


def _front(comparison: Comparison) -> str:
    """Name the model that the page is about: ours; without it, whatever is best."""
    return comparison.ours if comparison.ours in comparison.models else plots.ranked(comparison)[0]


def _tests(comparison: Comparison) -> list[tuple[str, PairedTest, str]]:
    """List heading, test and rival of what can be said of ours."""
    found, primary = [], comparison.primary
    if primary in comparison.against_baseline and comparison.best_baseline:
        rival = f"the best baseline, {name_model(comparison.best_baseline)}"
        found.append(("Against the best baseline", comparison.against_baseline[primary], rival))
    if primary in comparison.lift:
        found.append(("Social lift", comparison.lift[primary], "the same model without ties"))
    if primary in comparison.discretion:
        rival = "the same lists drawing on all friends"
        found.append(("Price of discretion", comparison.discretion[primary], rival))
    return found


def _say(test: PairedTest, rival: str) -> str:
    change = write_change(test).lstrip("+\N{MINUS SIGN}-")
    if not is_sure(test):
        return (
            f"Its ranking is not told apart from that of {rival}: the difference of "
            f"{write_change(test)} could be chance ({write_p(test.p_value)})."
        )
    word = "better" if test.difference.mean > 0 else "worse"
    return f"It ranks <strong>{change} {word}</strong> than {rival} ({write_p(test.p_value)})."


def _metric_card(comparison: Comparison, model: str, metric: str) -> str:
    figure = comparison.models[model][metric]
    label = f"{name_metric(metric)}, {name_model(model)}"
    return blocks.card(label, write_metric(metric, figure.mean), write_interval(metric, figure))


def _test_card(comparison: Comparison, heading: str, test: PairedTest, rival: str) -> str:
    colour = ("good" if test.difference.mean > 0 else "bad") if is_sure(test) else ""
    beside = f"{write_change_interval(test)}<br>{write_p(test.p_value)}, {rival}"
    label = f"{heading}, {name_metric(comparison.primary)}"
    return blocks.card(label, write_change(test), beside, colour)


def of_comparison(comparison: Comparison, drawn: Plots, prefix: str, suffix: str) -> list[Section]:
    """Write all sections of one comparison.

    Args:
        comparison: What to show.
        drawn: Takes the figures.
        prefix: Of the sections' ids, which are unique on a page.
        suffix: Of their titles.
    """
    contents = [
        ("models", "Models", _models(comparison, drawn)),
        ("lift", "What is gained", _lift(comparison, drawn)),
        ("groups", "For whom", _groups(comparison, drawn)),
        ("qualities", "Beyond accuracy", _qualities(comparison, drawn)),
    ]
    return [
        (prefix + key, name + suffix, blocks.section(prefix + key, name + suffix, *parts))
        for key, name, parts in contents
        if parts
    ]


def _models(comparison: Comparison, drawn: Plots) -> list[str]:
    level, k = f"{100 * comparison.level:g} %", max(comparison.ks)
    forests = [
        drawn.add(
            plots.forest(comparison, f"{name}@{k}"), f"{name_metric(name)}@{k} by model", about
        )
        for name, about in (
            ("ndcg", "is what was taken near the top?"),
            ("recall", "is what was taken in the list at all?"),
        )
    ]
    tables = [_metric_table(comparison, k) for k in sorted(comparison.ks, reverse=True)]
    more = [
        blocks.folded(f"The same at lists of {k}", one)
        for k, one in zip(sorted(comparison.ks, reverse=True)[1:], tables[1:], strict=True)
    ]
    curve = drawn.add(
        plots.recall_curves(comparison),
        "Recall by length of the list",
        "how much of what was taken stands within so many items",
    )
    note = f"Best ranking first. Small print and whiskers are {level} intervals over shoppers."
    return [
        note,
        f'<div class="stack">{tables[0]}</div>',
        *more,
        "<br>",
        blocks.beside(*forests),
        "<br>",
        curve,
        _curve_table(comparison),
    ]


def _metric_table(comparison: Comparison, k: int) -> str:
    metrics = [m for m in next(iter(comparison.models.values())) if m.endswith(f"@{k}")]
    order = [f"{name}@{k}" for name in ("ndcg", "recall", "hit_rate", "precision")]
    metrics.sort(key=lambda m: order.index(m) if m in order else len(order))
    best = {m: max(f[m].mean for f in comparison.models.values()) for m in metrics}
    rows = []
    for model in plots.ranked(comparison):
        figures = comparison.models[model]
        cells = [_metric_cell(m, figures[m], figures[m].mean == best[m]) for m in metrics]
        rows.append(("ours" if model == comparison.ours else "", name_model(model), cells))
    head = ["Model", *(name_metric(m) for m in metrics)]
    return blocks.table(head, rows, f"Metrics at lists of {k} by model")


def _metric_cell(metric: str, figure: Estimate, top: bool) -> Cell:
    text, small = write_metric(metric, figure.mean), write_interval(metric, figure)
    return Cell(text, small, "top" if top else "")


def _curve_table(comparison: Comparison) -> str:
    longest = max(len(curve) for curve in comparison.recall_curves.values())
    rows = [
        ("", name_model(model), [Cell(f"{value:.4f}") for value in comparison.recall_curves[model]])
        for model in plots.ranked(comparison)
    ]
    head = ["Model", *(str(length) for length in range(1, longest + 1))]
    return blocks.folded("Recall at every length", blocks.table(head, rows, "Recall by length"))


def _lift(comparison: Comparison, drawn: Plots) -> list[str]:
    lift = plots.group_tests(comparison, comparison.lift, lift=True)
    rival = plots.group_tests(comparison, comparison.against_baseline, lift=False)
    primary, ours = name_metric(comparison.primary), name_model(comparison.ours)
    shown, tables = [], []
    if lift:
        figure = plots.changes(lift, "@noties")
        shown.append(drawn.add(figure, f"With ties against without, {primary}", "social lift"))
        rows = [*lift, *_other_metrics(comparison, comparison.lift)]
        tables.append(_test_table("With ties", "Without", rows))
    if rival:
        best = name_model(comparison.best_baseline or "")
        figure = plots.changes(rival, "@ours")
        shown.append(drawn.add(figure, f"{ours} against {best}, {primary}", "the best baseline"))
        rows = [*rival, *_other_metrics(comparison, comparison.against_baseline)]
        tables.append(_test_table(ours, best, rows))
    note = (
        "Against the same model fitted as if nobody knew anybody, and against the best baseline, "
        "shopper by shopper. Filled markers are differences that are unlikely to be chance "
        "(p &lt; 0.05, not corrected for looking at several groups). The widest whiskers of small "
        "groups may leave the picture, and groups of which the other model knows next to nothing "
        "are not in it; the numbers have them whole."
    )
    if not shown:
        return []
    return [note, blocks.beside(*shown), blocks.folded("These numbers", "<br>".join(tables))]


def _other_metrics(
    comparison: Comparison, tests: Mapping[str, PairedTest]
) -> list[tuple[str, PairedTest]]:
    return [
        (f"all shoppers, {name_metric(metric)}", test)
        for metric, test in tests.items()
        if metric != comparison.primary
    ]


def _test_table(ours: str, other: str, tests: Sequence[tuple[str, PairedTest]]) -> str:
    head = ["Shoppers", "Number", ours, other, "Difference", "Relative", "Chance"]
    rows = [("", label, _test_cells(test)) for label, test in tests]
    return blocks.table(head, rows, f"{ours} against {other} by group")


def _test_cells(test: PairedTest) -> list[Cell]:
    relative = Cell("")
    if test.relative is not None:
        relative = Cell(write_change(test), write_change_interval(test))
    return [
        Cell(f"{test.num_shoppers:,}"),
        Cell(f"{test.ours:.4f}"),
        Cell(f"{test.other:.4f}"),
        Cell(f"{test.difference.mean:+.4f}", write_interval("", test.difference)),
        relative,
        Cell(write_p(test.p_value)),
    ]


def _groups(comparison: Comparison, drawn: Plots) -> list[str]:
    parts = []
    for kind, groups in comparison.groups.items():
        if not groups:
            continue
        figure = plots.by_group(comparison, kind, comparison.primary)
        word = "of" if kind == NEWCOMERS else "by"
        title = f"{name_metric(comparison.primary)} {word} {escape(kind)}"
        about = escape(_ABOUT.get(kind, ""))
        parts.append(
            f"<div>{drawn.add(figure, title, about)}{_group_table(comparison, kind)}</div>"
        )
    note = "Shoppers by what they had before, and by how many people they follow."
    if NEWCOMERS in comparison.groups:
        note += (
            " Newcomers are others: experienced shoppers whose events no model was fitted on, "
            "judged by all that they took after their third item."
        )
    return [note, f'<div class="stack">{"".join(parts)}</div>'] if parts else []


def _group_table(comparison: Comparison, kind: str) -> str:
    groups = comparison.groups[kind]
    metrics = sorted(next(iter(groups[0].models.values())))
    tables = []
    for metric in metrics:
        rows = [
            (
                "",
                name_model(model),
                [_metric_cell(metric, group.models[model][metric], False) for group in groups],
            )
            for model in plots.in_group(comparison, kind)
        ]
        head = [name_metric(metric), *(f"{escape(g.label)} ({g.num_shoppers:,})" for g in groups)]
        tables.append(blocks.table(head, rows, f"{name_metric(metric)} by {escape(kind)}"))
    return blocks.folded("These numbers", "<br>".join(tables))


def _qualities(comparison: Comparison, drawn: Plots) -> list[str]:
    k = max(comparison.ks)
    about = {
        "coverage": "share of the catalogue that somebody was shown",
        "novelty": "bits: how rarely what is shown was taken before",
        "diversity": "how little the items of a list go together",
        "category_diversity": "pairs in a list that are not of one category",
    }
    known = next(iter(comparison.models.values()))
    shown = [
        drawn.add(
            plots.trade_off(comparison, f"{name}@{k}"),
            f"Accuracy and {name_metric(name).lower()}",
            said,
        )
        for name, said in about.items()
        if f"{name}@{k}" in known
    ]
    note = "A list can be right and dull. Up is more accurate, right is more of the other quality."
    return [note, _key(comparison), blocks.abreast(*shown)]


def _key(comparison: Comparison) -> str:
    """Say which marker is which model, for plots too small for a legend each."""
    styles = plots.style_of(comparison)
    entries = "".join(
        f'<span><b style="color:var(--{styles[model]["colour"][1:]})" aria-hidden="true">'
        f"{plots.SIGNS[styles[model]['symbol']]}</b> {name_model(model)}</span>"
        for model in plots.ranked(comparison)
    )
    return f'<p class="key">{entries}</p>'


def method(comparison: Comparison) -> str:
    """Write the protocol and what each number means."""
    level = f"{100 * comparison.level:g} %"
    terms = {
        "Protocol": "All items are ranked for every shopper with something held out. What they "
        "had in training is not shown again, but for what a rule lets return when the part begins. "
        "Figures are means over shoppers.",
        "Recall@k": "Share of a shopper's held-out items among the first k of the list.",
        "NDCG@k": "As recall, but ranks near the top count more: 1 / log2(rank + 1), over the "
        "best that could be reached with min(k, held-out items).",
        "Precision@k": "Held-out items among the first k of the list, over k.",
        "Hit rate@k": "Share of shoppers with a held-out item among the first k of the list.",
        "Coverage@k": "Share of all items that stand in at least one list.",
        "Novelty@k": "Mean of -log2 of the share of shoppers who had the item before, in bits.",
        "Diversity@k": "Mean over a list's pairs of 1 - cosine, the cosine being that of who had "
        "the two items. By category: the share of pairs of unlike category.",
        "Intervals": f"{level} percentile bootstrap over shoppers, all models on the same draws. "
        "None is given for fewer than ten shoppers, or for coverage.",
        "Chance": "Two-sided p-value of a sign-flip permutation test, shopper by shopper. The best "
        "baseline is the best on these very shoppers, which flatters the baseline, not us.",
        "Social lift": "The model fitted with ties against the same model fitted without.",
        "Whom lists draw on": f"{escape(CircleRule.from_json(comparison.circle).in_words())}, in "
        "what was learned and in what is measured here. Baselines that read ties read all.",
    }
    body = "".join(f"<dt>{name}</dt><dd>{said}</dd>" for name, said in terms.items())
    note = "One protocol for all models, so that their figures can be compared."
    return blocks.section("method", "How it was measured", note, f'<dl class="terms">{body}</dl>')
