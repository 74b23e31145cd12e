"""Tuning as a person types it, and what training makes of its outcome."""

import json
from dataclasses import asdict

import pytest
from tiny_shop import write_clean

from coterie.cli import main
from coterie.models.social_config import SocialConfig
from coterie.tuning.study import load_study
from coterie.workflow.config_values import flatten

SMALL = "--config loop.max_epochs=4 embedding_size=8"


@pytest.fixture(scope="module")
def clean(tmp_path_factory):
    return write_clean(tmp_path_factory.mktemp("shop"))


@pytest.fixture(scope="module")
def tuned(clean, tmp_path_factory):
    folder = tmp_path_factory.mktemp("tuned") / "study"
    assert main(f"tune {clean} --out {folder} --trials 3 {SMALL}".split()) == 0
    return folder


@pytest.mark.slow
def test_the_best_settings_are_what_training_takes(clean, tuned, tmp_path, capsys):
    best = json.loads((tuned / "best.json").read_text())
    trial = load_study(tuned).best
    assert best["embedding_size"] == 8
    assert best["loop"] == {"max_epochs": 4} | {
        name.removeprefix("loop."): value
        for name, value in trial.changes.items()
        if name.startswith("loop.")
    }
    main(f"train {clean} --out {tmp_path} --config {tuned}/best.json loop.patience=3".split())
    challenger = json.loads((tmp_path / "challenger.json").read_text())
    fitted = flatten(challenger["config"])
    assert trial.changes.items() <= fitted.items()
    assert fitted["loop.patience"] == 3
    assert challenger["validation"]["ndcg@20"] == pytest.approx(trial.score, rel=0.02)


@pytest.mark.slow
def test_the_models_own_settings_were_tried_and_what_was_set_was_not_searched(tuned):
    first, *others = load_study(tuned).trials
    own = flatten(asdict(SocialConfig()))
    assert first.changes == {name: own[name] for name in first.changes}
    assert len(others) == 2
    assert "embedding_size" not in first.changes


@pytest.mark.slow
def test_the_same_again_shows_the_outcome_and_another_study_is_refused(clean, tuned, capsys):
    capsys.readouterr()
    page = (tuned / "tuning.html").read_text()
    assert main(f"tune {clean} --out {tuned} --trials 3 {SMALL}".split()) == 0
    told = capsys.readouterr().out
    assert "own settings" in told
    assert "NDCG@20" in told
    assert f"--config {tuned}/best.json" in told.replace("\n", "")
    assert (tuned / "tuning.html").read_text() == page
    assert main(f"tune {clean} --out {tuned} --trials 3 {SMALL} embedding_size=16".split()) == 2
    assert "another study: its config (embedding_size) differs" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("typed", "says"),
    [
        ("--model popularity", "popularity has nothing to tune"),
        ("--model ease --config l2=3.0", "nothing to tune beside l2"),
        ("--config size=3", "no field 'size'"),
        ("--config embedding_size=many", "expected a value like"),
        ("--config absent.json", "absent.json' is no file"),
        ("--model ease --config l2=-1", "l2 must be over 0"),
    ],
)
def test_what_cannot_be_tuned_is_refused_before_anything_is_written(
    clean, tmp_path, capsys, typed, says
):
    assert main(f"tune {clean} --out {tmp_path / 'study'} {typed}".split()) == 2
    assert says in capsys.readouterr().err
    assert not (tmp_path / "study").exists()
