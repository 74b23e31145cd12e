"""The page of a study says all that the trials said, loads nothing, and trusts no name."""

import json
import re
import subprocess
from dataclasses import replace

import pytest
from browsers import chromium
from test_report import EVIL, Reader, figures_of

from coterie.evaluation.tuning import render, write_page
from coterie.evaluation.tuning_plots import curves, growth, log_ticks, parallel
from coterie.models.space import Choice, LogUniform, Uniform, describe
from coterie.tuning.study import Ending, Study, StudyPlan, Trial

SPACE = {
    "embedding_size": Choice((32, 64, 128)),
    "entry_dropout": Uniform(0.0, 0.9),
    "loop.lr": LogUniform(1e-4, 1e-1),
}
OWN = {"embedding_size": 64, "entry_dropout": 0.5, "loop.lr": 1e-3}
CONFIG = OWN | {
    "inverse_temperature": 6.0,
    "loop.seed": 3,
    "linear_weight": None,
    "kinds": [1, 2],
    "use_ties": True,
}
SHARES = {"loop.lr": 0.61, "entry_dropout": 0.3, "embedding_size": 0.09}


def trial(score, ending=Ending.FINISHED, lr=1e-2, elapsed=60.0, error=""):
    curve = [] if score is None else [(1, score / 2), (3, score)]
    changes = OWN | {"loop.lr": lr, "embedding_size": 32}
    return Trial(changes, ending, score, 3, curve, 12.25, elapsed, error)


@pytest.fixture
def study(tmp_path):
    trials = [
        replace(trial(0.2001), changes=OWN),
        trial(0.0503, Ending.STOPPED, 1e-4, 90.0),
        trial(None, Ending.FAILED, 1e-1, 95.0, "the loss of epoch 2 is nan"),
        trial(0.2207, lr=2e-2, elapsed=180.0),
        trial(0.1009, Ending.CUT, 3e-3, 200.0),
    ]
    return Study(tmp_path, StudyPlan("social", CONFIG, describe(SPACE), "d", 7), trials)


@pytest.fixture
def html(study):
    return render(study, SPACE, OWN, SHARES)


def test_every_trial_stands_in_the_table(study, html):
    text = Reader(html).text
    for one in study.trials:
        if one.score is not None:
            assert f"{one.score:.4f}" in text
    for shown in ("stopped early", "failed", "cut when time was up", "own settings"):
        assert shown in text
    assert "the loss of epoch 2 is nan" in text
    assert "12.2" in text


def test_the_headline_is_the_best_trial_and_its_gain(html):
    text = Reader(html).text.replace("\n", " ")
    assert "embedding_size 32, entry_dropout 0.5, loop.lr 0.02" in text
    assert "+10.3 %" in text
    assert "over 0.2001" in text
    assert "2 finished, 1 stopped early, 1 cut when time was up, 1 failed" in text
    assert "3.3 min" in text


def runoff(study):
    """The same, after the first trial won by another seed."""
    first, _, _, leader, _ = study.trials
    first = replace(first, score=0.2190)
    again = [replace(leader, score=0.2101, repeat=1), replace(first, score=0.2243, repeat=1)]
    return Study(study.folder, study.plan, [first, *study.trials[1:], *again])


def test_a_runoff_is_shown_and_its_winner_is_the_best(study):
    html = render(runoff(study), SPACE, OWN, SHARES)
    text = Reader(html).text.replace("\n", " ")
    assert "Which of the best is best" in text
    assert "embedding_size 64, entry_dropout 0.5, loop.lr 0.001" in text, (
        "the headline is the winner's"
    )
    assert "mean of 2 seeds" in text
    for shown in ("0.2207", "0.2101", "0.2154", "0.2190", "0.2243", "0.2217"):
        assert shown in text
    assert "2 finished, 1 stopped early" in text, "what was fitted again is no trial more"
    names = {
        frozenset(t.get("name") for t in f["data"]): f["data"] for f in figures_of(html).values()
    }
    fits, means = names[frozenset({"one fit", "mean"})]
    assert fits["x"] == [0.2190, 0.2243, 0.2207, 0.2101]
    assert means["y"] == ["trial 1", "trial 4"]


def test_what_was_searched_and_what_was_not_is_said(html):
    text = Reader(html).text
    assert "0.0001 to 0.1, logarithmic" in text
    assert "one of 32, 64, 128" in text
    for shown in ("loop.seed", "none", "[1, 2]", "True"):
        assert shown in text
    assert "with seed 7; ASHA stopped those that fell behind." in text


def test_the_line_of_the_best_never_falls(study):
    for by_time in (False, True):
        figure = growth(study.trials, study.of(OWN), by_time)
        line = figure["data"][0]
        assert line["y"] == [0.2001, 0.2001, 0.2207, 0.2207]
        assert line["x"] == ([1, 1.5, 3, 200 / 60] if by_time else [1, 2, 4, 5])
        assert figure["layout"]["shapes"][0]["y0"] == 0.2001


def test_each_kind_of_ending_has_its_mark_and_none_is_left_out(study):
    _, *marks = growth(study.trials, None, by_time=False)["data"]
    assert {m["name"]: m["y"] for m in marks} == {
        "finished": [0.2001, 0.2207],
        "stopped early": [0.0503],
        "time was up": [0.1009],
    }


def test_curves_are_lines_of_their_own(study):
    traces = {t["name"]: t for t in curves(study.trials, study.of(OWN), study.best)["data"]}
    assert traces["stopped early"]["y"] == [0.02515, 0.0503, None, 0.05045, 0.1009, None]
    assert traces["best"]["x"] == [1, 3, None]
    assert "finished" not in traces, "both have a line of another name"


def test_trials_across_fields_lie_between_the_ends(study):
    figure = parallel(SPACE, study.trials)
    heights = {t["name"]: t["y"] for t in figure["data"]}
    assert heights["best quarter"] == [
        0.0,
        pytest.approx(0.5 / 0.9),
        pytest.approx(0.767, abs=1e-3),
        None,
    ]
    ends = [note["text"] for note in figure["layout"]["annotations"]]
    assert ends == ["32", "128", "0", "0.9", "0.0001", "0.1"]


def test_ticks_of_a_logarithmic_field_are_round_and_few():
    assert log_ticks(2.0, 20.0) == [2.0, 5.0, 10.0, 20.0]
    assert log_ticks(5e-4, 2e-2) == [0.0005, 0.001, 0.002, 0.005, 0.01, 0.02]
    assert log_ticks(1.0, 1e9)[:2] == [1.0, 10.0]


def test_a_page_of_few_trials_leaves_out_what_cannot_be_said(study):
    alone = Study(study.folder, study.plan, [replace(study.trials[1], curve=[])])
    html = render(alone, SPACE, OWN, {})
    assert "PED-ANOVA" not in html
    assert "Score by epoch" not in html
    assert "ASHA" not in html
    assert "Gain" not in Reader(html).text


def test_every_figure_has_its_place_and_nothing_is_loaded(html):
    reader = Reader(html)
    drawn_in = [attrs["data-figure"] for _, attrs in reader.elements if "data-figure" in attrs]
    assert sorted(drawn_in) == sorted(figures_of(html))
    assert len(drawn_in) == 3 + 2 + len(SPACE)
    assert len(reader.ids) == len(set(reader.ids))
    for tag, attrs in reader.elements:
        assert tag not in ("link", "iframe", "object", "embed", "base", "img")
        for name in ("src", "srcset", "href", "action"):
            assert re.match(r"#|$", attrs.get(name) or "")


def test_names_from_outside_stay_text(study):
    plan = replace(study.plan, model=EVIL, config=CONFIG | {EVIL: EVIL})
    trials = [*study.trials, trial(None, Ending.FAILED, error=EVIL)]
    html = render(Study(study.folder, plan, trials), SPACE, OWN, SHARES)
    reader = Reader(html)
    assert not [tag for tag, _ in reader.elements if tag == "img"]
    assert len(reader.scripts) == 3
    assert EVIL in reader.text
    assert "<img" not in json.dumps(figures_of(html))


def test_the_file_is_written_whole(study, tmp_path):
    write_page(study, SPACE, OWN, SHARES, tmp_path / "tuning.html")
    assert (tmp_path / "tuning.html").read_text(encoding="utf-8").endswith("</html>\n")
    assert [path.name for path in tmp_path.iterdir()] == ["tuning.html"]


@pytest.mark.browser
@pytest.mark.parametrize("runs_off", [False, True])
def test_a_browser_draws_every_plot(study, tmp_path, runs_off):
    program = chromium()
    path = tmp_path / "tuning.html"
    write_page(runoff(study) if runs_off else study, SPACE, OWN, SHARES, path)
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
