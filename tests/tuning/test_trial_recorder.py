"""What becomes of trials, whoever runs them."""

from dataclasses import replace

import pytest

from coterie.errors import BadInputError, UnavailableError
from coterie.tuning.study import Ending, StudyPlan, Trial, open_study
from coterie.tuning.trial_recorder import TrialRecorder
from coterie.tuning.trials import Bounds, Search

OWN, OTHER = {"l2": 300.0}, {"l2": 30.0}
SEARCH = Search("ease", dict, {}, OWN)
SEEDED = replace(SEARCH, seeds={"loop.seed": 0})


class Watched:
    """A recorder on an open study, and all that it told."""

    def __init__(self, study, bounds, search=SEARCH):
        self.study, self.told = study, []
        self.recorder = TrialRecorder(study, search, bounds, self.told.append)

    def fly(self, key, changes, *reports, repeat=0):
        self.recorder.started(key, changes, repeat)
        for report in reports:
            self.recorder.reported(key, report)


@pytest.fixture
def watched(tmp_path):
    with open_study(tmp_path / "study", StudyPlan("ease", {}, {}, "d", 0)) as study:
        yield Watched(study, Bounds(trials=4))


def epoch(number, score, best=None):
    return {"epoch": number, "score": score, "best": best or score}


def test_who_says_so_has_finished_all_others_were_stopped(watched):
    watched.fly("a", OWN, epoch(1, 0.1), epoch(2, 0.2), {"best": 0.3, "finished": True})
    watched.fly("b", OTHER, epoch(1, 0.25), epoch(2, 0.15, 0.25))
    watched.recorder.ended("a")
    watched.recorder.ended("b")
    first, second = watched.study.trials
    assert (first.ending, first.score, first.best_epoch) == (Ending.FINISHED, 0.3, 2)
    assert (second.ending, second.score, second.best_epoch) == (Ending.STOPPED, 0.25, 1)
    assert second.curve == [(1, 0.25), (2, 0.15)]


def test_what_failed_has_no_score_and_does_not_end_the_study(watched):
    watched.fly("a", OTHER, epoch(1, 0.9), {"best": 0.0, "failed": "the loss is nan"})
    watched.recorder.ended("a")
    watched.fly("b", OTHER)
    watched.recorder.died("b", "out of memory")
    assert [(t.ending, t.score, t.error) for t in watched.study.trials] == [
        (Ending.FAILED, None, "the loss is nan"),
        (Ending.FAILED, None, "out of memory"),
    ]
    assert not watched.recorder.enough()
    watched.recorder.raise_if_hopeless()


@pytest.mark.parametrize(
    ("report", "error"),
    [
        ({"failed": "too few items"}, BadInputError),
        ({"failed": "KeyError: x", "fault": True}, RuntimeError),
        (None, UnavailableError),
    ],
)
def test_where_the_models_own_settings_fail_there_is_no_sense_in_going_on(watched, report, error):
    watched.fly("a", OWN, *([report] if report else []))
    watched.recorder.ended("a") if report else watched.recorder.died("a", "killed")
    assert watched.recorder.enough()
    watched.recorder.cut()
    with pytest.raises(error):
        watched.recorder.raise_if_hopeless()
    assert watched.study.trials == (), "the next run tries again"


def test_time_ends_a_study_and_cuts_what_is_in_flight(watched, tmp_path):
    late = Watched(watched.study, Bounds(seconds=1e-9))
    late.fly("a", OTHER, epoch(1, 0.4))
    assert late.recorder.enough()
    late.recorder.cut()
    (cut,) = late.study.trials
    assert (cut.ending, cut.score, late.study.num_counted) == (Ending.CUT, 0.4, 0)
    assert not watched.recorder.enough()


def test_who_watches_learns_how_far_it_is(watched):
    watched.fly("a", OWN, epoch(1, 0.2), {"best": 0.2, "finished": True})
    assert watched.told[0].running == "fitting"
    assert watched.told[1].running == "epoch 1 0.2000"
    assert watched.told[1].seconds_left is None
    watched.recorder.ended("a")
    last = watched.told[-1]
    assert (last.done, last.total, last.best, last.gain) == (1, 4, 0.2, 0.0)
    assert last.running == ""
    assert last.seconds_left >= 0


def test_a_second_run_counts_on(watched):
    watched.fly("a", OWN, {"best": 0.2, "finished": True})
    watched.recorder.ended("a")
    again = Watched(watched.study, Bounds(trials=4))
    again.fly("a", OTHER, {"best": 0.1, "finished": True})
    assert again.told[0].seconds_left is None, "this run has no pace yet"
    again.recorder.ended("a")
    assert again.told[-1].done == 2
    first, second = watched.study.trials
    assert second.elapsed_s >= first.elapsed_s


def close(study):
    """Two trials that one fit each cannot tell apart, and 100 seconds each."""
    for changes, score in ((OWN, 0.2), (OTHER, 0.2001)):
        study.add(Trial(changes, Ending.FINISHED, score, 1, [(1, score)], 100.0, 0.0))


@pytest.mark.parametrize(
    ("seconds", "search", "is_over"),
    [(190.0, SEEDED, True), (210.0, SEEDED, False), (190.0, SEARCH, False)],
)
def test_a_search_ends_while_there_is_time_to_fit_its_best_again(watched, seconds, search, is_over):
    close(watched.study)
    recorder = Watched(watched.study, Bounds(seconds=seconds, parallel=1), search).recorder
    assert recorder.enough() is is_over
    assert not recorder.enough(repeat=1), "that is what the time was left for"


def test_what_is_fitted_again_is_told_from_the_search_and_ends_nothing(watched):
    close(watched.study)
    again = Watched(watched.study, Bounds(trials=2), SEEDED)
    assert [trial.changes for trial in again.recorder.rivals] == [OTHER, OWN]
    again.fly("a", OTHER, epoch(1, 0.1), {"best": 0.1, "finished": True}, repeat=1)
    assert [told.running for told in again.told] == [
        "again, fitting",
        *["again, epoch 1 0.1000"] * 2,
    ]
    again.recorder.ended("a")
    assert watched.study.trials[-1].repeat == 1
    again.fly("b", OWN, {"best": 0.0, "failed": "the loss is nan"}, repeat=1)
    again.recorder.ended("b")
    assert not again.recorder.enough(repeat=1)
    again.recorder.raise_if_hopeless()
    assert (again.told[-1].done, again.recorder.rivals) == (2, ())
