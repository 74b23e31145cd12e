"""Pages say what the results say, in figures and in words."""

import json
import re
from pathlib import Path

import pytest

from benchmarks import pages, settings_table
from benchmarks.accuracy_chart import draw_chart
from benchmarks.accuracy_figures import PROTOCOL, best_baseline, cells_of, ndcg
from benchmarks.training_page import write_page
from coterie.errors import BadInputError
from coterie.models import MODELS, Inductive, is_releasable

BY_HAND = re.compile(r"(?<![\w.])0?\.\d{3,4}\b|[+-]\d+\.\d ?%")


@pytest.fixture(scope="module")
def results():
    return json.loads((pages.RESULTS / "accuracy.json").read_text())


def test_every_page_holds_the_figures_of_the_results(capsys):
    assert pages.main(["--check"]) == 0, capsys.readouterr().err


def test_a_page_out_of_date_is_named_and_written_again(results, tmp_path, monkeypatch, capsys):
    page, chart = tmp_path / "accuracy.md", tmp_path / "accuracy.svg"
    page.write_text("ties add <!-- = lift beidian -->+99%<!-- / --> there\n")
    for name, value in {"PAGES": (page,), "CHART": chart, "ROOT": tmp_path}.items():
        monkeypatch.setattr(pages, name, value)
    assert pages.main(["--check"]) == 1
    assert "accuracy.md is not what" in capsys.readouterr().err
    assert pages.main([]) == 0
    assert "-->+22.1% [+18.2%, +26.3%]<!-- / --> there" in page.read_text()
    assert pages.main(["--check"]) == 0


@pytest.mark.parametrize("asked", ["lift", "lift nowhere", "gain beidian of whom", "lfit beidian"])
def test_a_page_that_asks_for_what_there_is_not_is_told(results, asked):
    with pytest.raises(BadInputError, match="which the results do not have"):
        pages.fill_page(f"<!-- = {asked} --><!-- / -->", results)


@pytest.mark.parametrize("name", ["README.md", "docs/models.md", "docs/accuracy.md"])
def test_no_figure_is_typed_by_hand(name):
    text = (pages.ROOT / name).read_text()
    assert pages.MARKED.search(text)
    code = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)
    by_hand = BY_HAND.findall(code.sub("", pages.MARKED.sub("", text)))
    assert by_hand == []
    assert BY_HAND.findall("they have 0.0774, which is +3.1% or .077") == [
        "0.0774",
        "+3.1%",
        ".077",
    ]


@pytest.mark.parametrize("page", pages.PAGES, ids=lambda page: page.name)
def test_a_figure_in_a_line_never_begins_it(page):
    # Markdown takes a comment at the start of a line for a block, and ends the paragraph or list.
    assert re.findall(r"^\s*<!-- = .+? -->[^\n].*$", page.read_text(), re.MULTILINE) == []


def test_what_the_pages_say_in_words_is_what_the_results_say(results):
    sets = results["protocols"][PROTOCOL]
    assert {best_baseline(cells) for cells in sets.values()} == {"ease"}
    lows = {name: cells["social"]["against"]["ease"]["relative"][1] for name, cells in sets.items()}
    assert [name for name, low in lows.items() if low <= 0] == ["ciao_time"]
    lifts = {n: c["social_no_ties"]["lift"]["all"]["all shoppers"] for n, c in sets.items()}
    assert {n for n, lift in lifts.items() if lift["relative"][1] > 0} == {"beidian", "lastfm"}
    gains = {
        name: _newcomers(cells, "social") - _newcomers(cells, "social_no_ties")
        for name, cells in sets.items()
    }
    assert [name for name, gain in gains.items() if gain <= 0] == ["ciao_time"]
    twice = {n for n, c in sets.items() if gains[n] > 0.8 * _newcomers(c, "social_no_ties")}
    assert {"beidian", "lastfm"} <= twice
    with_ties = [cells for cells in sets.values() if "lightgcn_ties" in cells]
    assert all(ndcg(cells["lightgcn_ties"]) < ndcg(cells["ease"]) for cells in with_ties)
    books = cells_of(results, "douban_book")
    assert round(ndcg(books["social_linear"]), 4) == round(ndcg(books["social"]), 4)


def _newcomers(cells, row):
    return cells[row]["newcomers"]["0"]["figures"][1]


def test_the_chart_has_every_set_and_its_intervals(results):
    chart = draw_chart(results)
    for name in ("Beidian", "Ciao by time", "Douban-Book", "LastFM by time"):
        assert f">{name}</text>" in chart
    figures = [ndcg(cells["social"]) for cells in results["protocols"][PROTOCOL].values()]
    assert all(f">{figure:.4f}</text>" in chart for figure in figures)
    assert chart.count('fill="#ffffff" stroke="#3b5bdb"') == 1  # Ciao by time alone is unsure


def test_a_setting_without_an_effect_is_told(monkeypatch):
    assert "| `embedding_size` | 128 | 128, 256, 512 |" in settings_table.write_tuned()
    monkeypatch.delitem(settings_table.TUNED, "heads")
    monkeypatch.setitem(settings_table.OTHERS, "loop.gone", "whatever")
    with pytest.raises(BadInputError, match="differ in heads"):
        settings_table.write_tuned()
    with pytest.raises(BadInputError, match=r"differ in loop\.gone"):
        settings_table.write_others()


def test_the_table_of_models_has_them_all():
    text = (pages.ROOT / "docs" / "models.md").read_text()
    table = text.split("## Which model does what")[1].split("\n## ")[0]
    assert re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE) == list(MODELS)
    again = [name for name, model in MODELS.items() if not isinstance(model(), Inductive)]
    assert again == ["lightgcn"]
    released = re.findall(r"^\| `(\w+)` .*\| yes \|$", table, re.MULTILINE)
    assert released == [name for name in MODELS if is_releasable(name)]


@pytest.mark.parametrize("name", ["models.md", "accuracy.md"])
def test_a_page_is_read_in_five_minutes(name):
    lines = (pages.ROOT / "docs" / name).read_text().splitlines()
    assert 60 <= len(lines) <= 90


def test_the_page_of_training_holds_the_figures_of_its_results(tmp_path: Path):
    write_page(json.loads((pages.RESULTS / "training.json").read_text()), tmp_path / "page.md")
    assert (tmp_path / "page.md").read_text() == (pages.ROOT / "docs" / "training.md").read_text()
