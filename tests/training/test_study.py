"""A study's folder: what it keeps, what it survives, and whom it refuses."""

from dataclasses import replace

import pytest

from coterie.errors import BadInputError
from coterie.training.study import PLAN, TRIALS, Ending, Plan, Trial, load_study, open_study

PLAN_A = Plan("ease", {"l2": 300.0}, {"l2": ["LogUniform", 10.0, 3000.0]}, "d1", 0)
TRIAL = Trial({"l2": 300.0}, Ending.FINISHED, 0.25, 2, [(1, 0.125), (2, 0.25)], 1.5, 9.0)


def fill(folder, *trials):
    with open_study(folder, PLAN_A) as study:
        for trial in trials:
            study.add(trial)


def test_trials_are_there_when_the_study_is_opened_again(tmp_path):
    failed = replace(TRIAL, ending=Ending.FAILED, score=None, curve=[], error="too low\nan lr")
    fill(tmp_path, TRIAL, failed)
    with open_study(tmp_path, PLAN_A) as study:
        assert study.trials == (TRIAL, failed)
        assert study.elapsed_s == 9.0
    assert load_study(tmp_path).plan == PLAN_A


def test_a_line_that_a_kill_left_half_is_cut_off(tmp_path):
    fill(tmp_path, TRIAL)
    whole = (tmp_path / TRIALS).read_bytes()
    (tmp_path / TRIALS).write_bytes(whole + whole[:40])
    assert load_study(tmp_path).trials == (TRIAL,)
    other = replace(TRIAL, score=0.5)
    fill(tmp_path, other)
    assert load_study(tmp_path).trials == (TRIAL, other)


@pytest.mark.parametrize(
    "line", [b"{}", b"nonsense", b"[1]", b'{"changes": 1}', b'"\x80"'], ids=repr
)
def test_a_line_that_is_no_trial_is_named(tmp_path, line):
    fill(tmp_path, TRIAL)
    with (tmp_path / TRIALS).open("ab") as file:
        file.write(line + b"\n")
    with pytest.raises(BadInputError, match="line 2 of"):
        load_study(tmp_path)


@pytest.mark.parametrize(
    ("other", "says"),
    [
        ({"data": "d2"}, "its data differs"),
        ({"seed": 1}, "its seed differs"),
        ({"model": "item_knn", "space": {}}, r"its model and space \(l2\) differ"),
        (
            {"config": {"l2": 300, "a": 1, "b": 1, "c": 1, "d": 1}},
            r"\(a, b, c and 1 more\) differs",
        ),
    ],
)
def test_another_study_is_refused_by_what_differs(tmp_path, other, says):
    fill(tmp_path, TRIAL)
    with (
        pytest.raises(BadInputError, match=says),
        open_study(tmp_path, replace(PLAN_A, **other)),
    ):
        pass


def test_a_plan_is_the_same_after_it_was_read(tmp_path):
    tuples = replace(PLAN_A, config={"kinds": (1, 2)})
    for _ in range(2):
        with open_study(tmp_path, tuples):
            pass


def test_a_folder_of_something_else_is_left_alone(tmp_path):
    (tmp_path / "holiday.jpg").touch()
    with (
        pytest.raises(BadInputError, match=r"holiday\.jpg and no study"),
        open_study(tmp_path, PLAN_A),
    ):
        pass
    with pytest.raises(BadInputError, match="coterie tune"):
        load_study(tmp_path)


def test_two_cannot_be_at_it_at_once(tmp_path):
    with (
        open_study(tmp_path, PLAN_A),
        pytest.raises(BadInputError, match="another process"),
        open_study(tmp_path, PLAN_A),
    ):
        pass


@pytest.mark.parametrize("content", ["", "{}", '{"format": 9}', "[]", '{"format": 1, "a": 2}'])
def test_a_damaged_plan_is_named(tmp_path, content):
    (tmp_path / PLAN).write_text(content)
    with pytest.raises(BadInputError, match=r"study\.json"):
        load_study(tmp_path)


def test_of_equal_scores_the_earliest_is_best_and_what_was_cut_does_not_count(tmp_path):
    first, later = replace(TRIAL, score=0.5), replace(TRIAL, score=0.5, seconds=2.0)
    cut = replace(TRIAL, ending=Ending.CUT, score=0.1)
    failed = replace(TRIAL, ending=Ending.FAILED, score=None)
    fill(tmp_path, failed, cut, first, later)
    study = load_study(tmp_path)
    assert study.best == first
    assert study.num_counted == 3
    assert study.of({"l2": 300.0}) == failed
    assert study.of({"l2": 1.0}) is None
