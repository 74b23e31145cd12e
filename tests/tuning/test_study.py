"""A study's folder: what it keeps, what it survives, and whom it refuses."""

from dataclasses import replace

import pytest

from coterie.errors import BadInputError
from coterie.tuning.study import PLAN, TRIALS, Ending, StudyPlan, Trial, load_study, open_study

PLAN_A = StudyPlan("ease", {"l2": 300.0}, {"l2": ["LogUniform", 10.0, 3000.0]}, "d1", 0)
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


def reached(score, l2, **others):
    return replace(TRIAL, changes={"l2": l2}, score=score, **others)


def again(trial, score, **others):
    return replace(trial, score=score, repeat=1, **others)


@pytest.fixture
def four():
    """The first two are closer than seeds, the third just within, the last is not."""
    return [reached(score, l2) for l2, score in enumerate((0.2, 0.1999, 0.1981, 0.1979), 1)]


def test_rivals_are_those_that_seeds_may_have_put_in_their_order(tmp_path, four):
    one, two, three, _ = four
    fill(tmp_path, *reversed(four))
    study = load_study(tmp_path)
    assert study.rivals == study.pending == (one, two, three)
    fill(tmp_path, reached(0.1999, 9.0), reached(None, 8.0, ending=Ending.FAILED))
    rivals = load_study(tmp_path).rivals
    assert len(rivals) == 3, "no more than three, whoever came first of equals"
    assert rivals[:2] == (one, two)


@pytest.mark.parametrize(
    "trials",
    [
        [reached(0.2, 1.0), reached(0.19, 2.0)],
        [reached(0.2, 1.0), reached(0.2, 1.0)],
        [reached(0.2, 1.0), reached(0.2, 2.0, ending=Ending.STOPPED)],
        [reached(0.2, 1.0), reached(0.2, 2.0), reached(0.21, 3.0, ending=Ending.CUT)],
        [],
    ],
    ids=["far apart", "the same twice", "one was stopped", "the leader was cut", "none"],
)
def test_without_rivals_there_is_no_runoff(tmp_path, trials):
    fill(tmp_path, *trials)
    assert load_study(tmp_path).rivals == ()


def test_the_mean_decides_among_those_that_were_fitted_again(tmp_path, four):
    one, two, three, last = four
    fill(tmp_path, *four, again(two, 0.21))
    assert load_study(tmp_path).best == one, "until the leader was, too, it leads"
    fill(tmp_path, again(one, 0.17))
    study = load_study(tmp_path)
    assert study.best == two, "by the mean; the fourth has the higher score than the first's mean"
    assert study.scores(two) == (0.1999, 0.21)
    assert study.mean(two) == pytest.approx(0.20495)
    assert study.pending == (three,)
    assert study.searched == tuple(four)
    assert study.num_counted == 4, "they come on top of the trials that were asked for"
    assert study.gain(two, one) == pytest.approx(0.4099 / 0.37 - 1)
    assert study.gain(two, last) == pytest.approx(0.1999 / 0.1979 - 1), "by the seed of both"


def test_a_later_leader_leads_until_it_was_fitted_again(tmp_path, four):
    one, two, *_ = four
    later = reached(0.2005, 5.0)
    fill(tmp_path, one, two, again(one, 0.2), again(two, 0.2), later)
    study = load_study(tmp_path)
    assert study.best == later
    assert study.pending == (later,)
    fill(tmp_path, again(later, 0.19))
    assert load_study(tmp_path).best == one


def test_a_second_fit_that_failed_found_nothing_and_one_that_was_cut_is_tried_again(tmp_path, four):
    one, two, *_ = four
    fill(tmp_path, one, two, again(one, None, ending=Ending.FAILED))
    study = load_study(tmp_path)
    assert study.scores(one) == (0.2, 0.0)
    fill(tmp_path, again(two, 0.1, ending=Ending.CUT))
    assert load_study(tmp_path).pending == (two,)
    fill(tmp_path, again(two, 0.1))
    assert load_study(tmp_path).best == two


def test_studies_from_before_the_runoff_go_on(tmp_path):
    fill(tmp_path, TRIAL)
    path = tmp_path / TRIALS
    path.write_text(path.read_text().replace(', "repeat": 0', ""))
    assert "repeat" not in path.read_text()
    assert load_study(tmp_path).trials == (TRIAL,)
