"""The report says everything that it was given, loads nothing, and trusts no name."""

import json
import re
import subprocess
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from browsers import chromium

from coterie.data.circle import CircleRule
from coterie.data.dataset import Interactions
from coterie.errors import BadInputError
from coterie.evaluation.phrases import (
    escape,
    name_model,
    write_interval,
    write_metric,
    write_number,
    write_p,
    write_percent,
)
from coterie.evaluation.plots import _in_view
from coterie.evaluation.report import render, report
from coterie.evaluation.results import Comparison, ShopperGroup
from coterie.evaluation.shop import shop_figures
from coterie.evaluation.significance import Estimate, PairedTest
from coterie.schema import EVENT_KINDS, EventKind

METRICS = ("recall", "ndcg", "precision", "hit_rate", "novelty", "diversity")
MODELS = ("popularity", "ease", "social_no_ties", "social")
EVIL = "<img src=x onerror=alert(1)></script><script>alert(2)</script>\"'&"


class Numbers:
    """Numbers that are all different, so that each can be looked for in the page."""

    def __init__(self):
        self.last = 0.1

    def estimate(self, bounds=True):
        self.last = round(self.last + 0.0007, 4)
        around = (self.last - 0.0002, self.last + 0.0003) if bounds else (None, None)
        return Estimate(self.last, *around)

    def test(self, p_value):
        ours, other = self.estimate().mean, self.estimate().mean
        return PairedTest(ours, other, self.estimate(), self.estimate(), p_value, 1234)


def make_comparison(name="a shop", models=MODELS):
    draw = Numbers()
    ks = (5, 10)
    figures = {
        m: {f"{metric}@{k}": draw.estimate() for k in ks for metric in METRICS} for m in models
    }
    for held in figures.values():
        held |= {f"coverage@{k}": draw.estimate(bounds=False) for k in ks}
    groups = {
        kind: [
            ShopperGroup(
                label,
                1000 + place,
                {m: {f"{n}@10": draw.estimate() for n in ("ndcg", "recall")} for m in models},
                draw.test(0.012),
                draw.test(None),
            )
            for place, label in enumerate(labels)
        ]
        for kind, labels in (
            ("activity", ("cold: none", "heavy: 11+")),
            ("friends", ("none", "6+")),
        )
    }
    tests = [{f"{n}@10": draw.test(p) for n in ("ndcg", "recall")} for p in (0.0001, 0.3)]
    curves = {m: [draw.estimate().mean for _ in range(10)] for m in models}
    return Comparison(
        name, 4321, 8765, ks, 0.95, "ndcg@10", "social", "social_no_ties", figures, curves, "ease",
        tests[0], tests[1], groups,
    )  # fmt: skip


FIGURES = {
    "ties": 5017,
    "reciprocity": 0.2468,
    "homophily": float("nan"),
    "friends_a_shopper": [0, 3, 2, 1],
}
SHOP = {
    "events_by_kind": {"view": 54_321, "purchase": 1_357},
    "starts": ["2024-01-01", "2024-01-02"],
    "events_over_time": [40_000, 15_678],
}
HISTORY = {
    "epochs": [
        {"epoch": 1, "loss": 3.5, "score": 0.11, "seconds": 1.0},
        {"epoch": 2, "loss": 2.5, "score": None, "seconds": 1.0},
        {"epoch": 3, "loss": 1.5, "score": 0.13, "seconds": 1.0},
    ],
    "best_epoch": 3,
}


@pytest.fixture(scope="module")
def comparison():
    return make_comparison()


@pytest.fixture(scope="module")
def html(comparison):
    return render([comparison], FIGURES, SHOP, {"social": HISTORY}, None)


class Reader(HTMLParser):
    """Elements with their attributes, and text outside scripts and styles."""

    def __init__(self, html):
        super().__init__()
        self.elements, self.texts, self.scripts, self.ids = [], [], [], []
        self._raw = None
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        self.ids += [value for name, value in attrs if name == "id"]
        self._raw = tag if tag in ("script", "style") else None
        if tag == "script":
            self.scripts.append("")

    def handle_endtag(self, tag):
        self._raw = None

    def handle_data(self, data):
        if self._raw == "script":
            self.scripts[-1] += data
        elif self._raw is None:
            self.texts.append(data)

    @property
    def text(self):
        return "\n".join(self.texts)


def figures_of(html):
    return json.loads(Reader(html).scripts[0])


def test_every_number_stands_in_a_table(comparison, html):
    text = Reader(html).text
    for figures in comparison.models.values():
        for metric, figure in figures.items():
            assert write_metric(metric, figure.mean) in text
            assert write_interval(metric, figure) in text
    for groups in comparison.groups.values():
        for group in groups:
            assert f"{group.num_shoppers:,}" in text
            for figures in group.models.values():
                for metric, figure in figures.items():
                    assert write_metric(metric, figure.mean) in text
                    assert write_interval(metric, figure) in text
    tests = [*comparison.lift.values(), *comparison.against_baseline.values()]
    for groups in comparison.groups.values():
        tests += [test for group in groups for test in (group.lift, group.against_baseline)]
    for test in tests:
        for value in (test.ours, test.other):
            assert f"{value:.4f}" in text
        assert f"{test.difference.mean:+.4f}" in text
        assert write_percent(test.relative.mean) in text
        assert write_percent(test.relative.low) in text
    for curve in comparison.recall_curves.values():
        assert all(f"{value:.4f}" in text for value in curve)
    assert "4,321" in text
    assert "8,765" in text


def test_graph_figures_and_training_are_there(html):
    reader = Reader(html)
    for shown in ("5,017", "0.2468", "not known", "Friends a shopper"):
        assert shown in reader.text
    drawn = figures_of(html).values()
    series = [(trace.get("x"), trace.get("y")) for figure in drawn for trace in figure["data"]]
    assert ([1, 2, 3], [3.5, 2.5, 1.5]) in series
    assert ([1, 3], [0.11, 0.13]) in series
    assert ([1, 2, 3], [3.0, 2.0, 1.0]) in series
    assert ([1_357, 54_321], ["purchase", "view"]) in series
    assert (["2024-01-01", "2024-01-02"], [40_000, 15_678]) in series


def test_plots_show_the_figures_with_their_intervals(comparison, html):
    forest = next(
        f for f in figures_of(html).values() if f["data"][0].get("error_x") and len(f["data"]) == 4
    )
    best = max(comparison.models, key=comparison.mean)
    top = forest["data"][-1]
    figure = comparison.models[best]["ndcg@10"]
    assert top["y"] == [name_model(best)]
    assert top["x"] == [figure.mean]
    assert top["x"][0] + top["error_x"]["array"][0] == pytest.approx(figure.high)
    assert top["x"][0] - top["error_x"]["arrayminus"][0] == pytest.approx(figure.low)


def test_every_figure_has_its_place_and_every_place_its_figure(html):
    reader = Reader(html)
    drawn_in = [attrs["data-figure"] for _, attrs in reader.elements if "data-figure" in attrs]
    assert sorted(drawn_in) == sorted(figures_of(html))
    assert len(reader.ids) == len(set(reader.ids))
    links = [attrs["href"][1:] for tag, attrs in reader.elements if tag == "a"]
    assert links
    assert set(links) <= set(reader.ids)


def test_nothing_is_loaded_from_anywhere(html):
    for tag, attrs in Reader(html).elements:
        assert tag not in ("link", "iframe", "object", "embed", "base", "img")
        for name in ("src", "srcset", "href", "action", "data", "poster", "xlink:href"):
            assert re.match(r"#|$", attrs.get(name) or ""), (tag, name, attrs)
    for style in re.findall(r"<style>(.*?)</style>", html, re.S)[:1]:
        assert "url(" not in style
        assert "@import" not in style
    assert html.count("plotly.js v") == 1


def test_only_the_pages_own_scripts_may_run(html):
    assert "<" not in Reader(html).scripts[0]
    policy = next(a["content"] for t, a in Reader(html).elements if a.get("http-equiv"))
    assert "default-src 'none'" in policy
    allowed = re.search("script-src ([^;]*)", policy)[1].split()
    assert len(allowed) == 2
    assert all(re.fullmatch(r"'sha256-[\w+/]{43}='", source) for source in allowed)


def test_a_page_says_whom_lists_draw_on_and_what_that_costs():
    models = ("ease", "social_all_friends", "social_no_ties", "social")
    whole = make_comparison("shop", models)
    rule = CircleRule(4, one_sided=False)
    price = replace(whole.lift["ndcg@10"], p_value=0.001)
    text = Reader(
        render(
            [replace(whole, circle=rule.as_json(), discretion={"ndcg@10": price})], {}, {}, {}, None
        )
    ).text
    assert rule.in_words() in text
    assert "Price of discretion" in text
    assert "Social, all friends" in text
    text = Reader(render([whole], {}, {}, {}, None)).text
    assert "Lists draw on all friends" in text
    assert "Price of discretion" not in text


def test_names_from_outside_stay_text():
    models = ("ease", EVIL, "social_no_ties", "social")
    evil = replace(make_comparison(EVIL, models), best_baseline=EVIL)
    html = render(
        [evil], {EVIL: 1, EVIL + "2": [0, 1]}, {"events_by_kind": {EVIL: 3}}, {EVIL: HISTORY}, EVIL
    )
    reader = Reader(html)
    assert not [tag for tag, _ in reader.elements if tag == "img"]
    assert len(reader.scripts) == 3
    assert EVIL in reader.text
    # Plotly reads tags in its labels, so they are escaped there a second time.
    for figure in figures_of(html).values():
        assert "<img" not in json.dumps(figure)
        assert "<script" not in json.dumps(figure)


def test_two_splits_stand_in_one_report(comparison):
    other = replace(comparison, name="by time")
    html = render([comparison, other], {}, {}, {}, "Both")
    reader = Reader(html)
    assert len(reader.ids) == len(set(reader.ids))
    assert {"models", "split2-models"} <= set(reader.ids)
    assert reader.text.count("Models (by time)") == 2


@pytest.mark.parametrize(
    "models", [("ease",), ("social",), ("social", "social_no_ties"), ("ease", "social")]
)
def test_a_report_of_fewer_models_leaves_out_what_it_cannot_say(models):
    whole = make_comparison(models=models)
    groups = {
        k: [replace(g, lift=None, against_baseline=None) for g in v]
        for k, v in whole.groups.items()
    }
    part = replace(whole, groups=groups, best_baseline=None, against_baseline={}, lift={})
    html = render([part], {}, {}, {}, None)
    assert "What is gained" not in html
    assert name_model(models[0]) in html


def test_what_could_be_chance_is_not_sold_as_a_gain(comparison):
    def said(p_value, sign=1):
        test = replace(
            comparison.against_baseline["ndcg@10"],
            p_value=p_value,
            difference=Estimate(sign * 0.01, sign * 0.01 - 0.002, sign * 0.01 + 0.002),
            relative=Estimate(sign * 0.125, sign * 0.125 - 0.02, sign * 0.125 + 0.02),
        )
        shown = replace(comparison, against_baseline={"ndcg@10": test}, lift={})
        return Reader(render([shown], {}, {}, {}, None)).text.replace("\n", "")

    assert "It ranks 12.5 % better than the best baseline, EASE (p < 0.001)." in said(0.0002)
    assert "It ranks 12.5 % worse than the best baseline, EASE (p = 0.002)." in said(0.002, -1)
    for p_value in (0.05, 0.3, None):
        assert "could be chance" in said(p_value)
        assert "better than" not in said(p_value)


def test_the_file_is_written_whole_or_not_at_all(comparison, tmp_path):
    path = tmp_path / "new" / "report.html"
    report(comparison, FIGURES, path, shop=SHOP)
    assert path.read_text(encoding="utf-8").endswith("</html>\n")
    assert [p.name for p in path.parent.iterdir()] == ["report.html"]
    before = path.read_bytes()
    with pytest.raises(KeyError):
        report(comparison, FIGURES, path, training={"social": {}})
    assert path.read_bytes() == before
    with pytest.raises(BadInputError, match="at least one comparison"):
        report([], FIGURES, path)


def test_the_same_input_gives_the_same_file(comparison, html):
    assert render([comparison], FIGURES, SHOP, {"social": HISTORY}, None) == html


@pytest.mark.parametrize(
    ("p_value", "words"),
    [
        (0.00099, "p &lt; 0.001"),
        (0.001, "p = 0.001"),
        (0.06, "p = 0.060"),
        (None, "too few shoppers to tell"),
    ],
)
def test_p_values_are_never_zero_in_words(p_value, words):
    assert write_p(p_value) == words


def test_numbers_in_words():
    shown = [
        write_number(v) for v in (0, 1234567, 0.00012345, float("inf"), np.float64(2.5), 12345.6)
    ]
    assert shown == ["0", "1,234,567", "0.0001234", "not known", "2.5", "12,346"]
    assert escape("<a href='x'>") == "&lt;a href=&#x27;x&#x27;&gt;"


def events(kinds, ts_ms):
    n = len(kinds)
    rows = np.zeros(n, np.int64)
    codes = np.array([EVENT_KINDS.index(k) for k in kinds], np.int8)
    return Interactions(rows, rows, codes, np.zeros(n, np.float32), np.array(ts_ms, np.int64), rows)


def test_events_are_counted_by_kind_and_day():
    day = 86_400_000
    times = [day * 19_723 + hour * 3_600_000 for hour in (0, 1, 2, 3, 4, 23, 24, 25, 26, 72)]
    found = shop_figures(events([EventKind.VIEW] * 9 + [EventKind.PURCHASE], times))
    assert found["events_by_kind"] == {"view": 9, "purchase": 1}
    assert found["starts"] == ["2024-01-01", "2024-01-02", "2024-01-03", "2024-01-04"]
    assert found["events_over_time"] == [6, 3, 0, 1]


def test_a_long_history_is_counted_by_longer_stretches():
    years = np.linspace(0, 11 * 365 * 86_400_000, 5000).astype(np.int64)
    found = shop_figures(events([EventKind.RATING] * 5000, years))
    assert len(found["starts"]) <= 150
    assert sum(found["events_over_time"]) == 5000


def test_invented_times_make_no_history():
    found = shop_figures(events([EventKind.PURCHASE] * 50, [0, 86_400_000] * 25))
    assert found == {"events_by_kind": {"purchase": 50}}
    assert shop_figures(events([], [])) == {"events_by_kind": {}}


@pytest.mark.browser
def test_a_browser_draws_every_plot(comparison, tmp_path):
    program = chromium()
    path = tmp_path / "report.html"
    report(comparison, FIGURES, path, shop=SHOP, training={"social": HISTORY})
    flags = (
        "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-sync "
        "--disable-background-networking --disable-component-update --virtual-time-budget=8000 "
        "--enable-logging=stderr --dump-dom"
    )
    profile = f"--user-data-dir={tmp_path / 'profile'}"
    done = subprocess.run(
        [program, *flags.split(), profile, f"file://{path}"],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert "CONSOLE" not in done.stderr
    drawn = re.findall(r'<div class="plot js-plotly-plot" data-figure="([\w-]+)"', done.stdout)
    assert sorted(drawn) == sorted(figures_of(path.read_text(encoding="utf-8")))


def test_a_tiny_groups_whiskers_do_not_press_the_others_onto_the_zero_line():
    usual = [Estimate(10.0 * place, 10.0 * place - 8, 10.0 * place + 8) for place in range(5)]
    low, high = _in_view([*usual, Estimate(110.0, -40.0, 580.0)])
    assert 110 < high < 200
    assert -110 < low < -40
    assert _in_view(usual)[1] < 60
    low, high = _in_view([])
    assert low < 0 < high
