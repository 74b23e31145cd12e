"""How a person or a pipeline names a model's settings."""

import json

import pytest

from coterie.errors import BadInputError
from coterie.models.ease import EASE
from coterie.models.space import Tuning, Uniform
from coterie.workflow.config_values import flatten, nest, read_config
from coterie.workflow.settings import FitSettings
from coterie.workflow.tuning import TuneSettings

NESTED = {"embedding_size": 8, "loop": {"lr": 0.5, "seed": 3}}
FLAT = {"embedding_size": 8, "loop.lr": 0.5, "loop.seed": 3}


def test_a_file_a_text_and_fields_are_the_same(tmp_path):
    path = tmp_path / "best.json"
    path.write_text(json.dumps(NESTED))
    given = ("embedding_size=8", "loop.lr=0.5", "loop.seed=3")
    for source in (
        [str(path)],
        [f"file://{path}"],
        [json.dumps(NESTED)],
        given,
        [json.dumps(FLAT)],
    ):
        assert read_config(*source) == FLAT


def test_nothing_given_changes_nothing():
    assert read_config() == read_config("{}") == {}


def test_later_settings_win(tmp_path):
    path = tmp_path / "best.json"
    path.write_text(json.dumps(NESTED))
    assert read_config("embedding_size=9", str(path))["embedding_size"] == 8
    assert read_config(str(path), "embedding_size=9", "embedding_size=10") == FLAT | {
        "embedding_size": 10
    }


def test_values_are_read_as_json_where_they_are_json():
    assert read_config("a=true", "b=1.5", "c=words", "d=null", "e=x=y") == {
        "a": True,
        "b": 1.5,
        "c": "words",
        "d": None,
        "e": "x=y",
    }


def test_a_path_may_hold_an_equals_sign(tmp_path):
    path = tmp_path / "run=1.json"
    path.write_text(json.dumps(NESTED))
    assert read_config(str(path)) == FLAT


@pytest.mark.parametrize(
    ("content", "says"),
    [(b"[1]", "expected an object"), (b"{", "no JSON"), (b"\xff\xfe", "no text")],
)
def test_a_file_of_something_else_is_named(tmp_path, content, says):
    path = tmp_path / "x.json"
    path.write_bytes(content)
    with pytest.raises(BadInputError, match=rf"x\.json.*{says}"):
        read_config(str(path))


@pytest.mark.parametrize("given", ["absent.json", "{broken", "", "."])
def test_what_is_neither_is_refused(given, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BadInputError):
        read_config(given)


def test_nested_and_flat_are_two_forms_of_one():
    assert nest(FLAT) == NESTED
    assert flatten(nest(FLAT)) == FLAT
    for form in (NESTED, FLAT):
        config = FitSettings("lightgcn", form).configure()
        assert (config.embedding_size, config.loop.lr, config.loop.seed) == (8, 0.5, 3)


def test_a_field_that_is_set_is_not_searched():
    search = TuneSettings("lightgcn", {"loop": {"lr": 0.5, "max_epochs": 7}}).search()
    assert "loop.lr" not in search.space
    assert "temperature" in search.space
    assert search.max_epochs == 7
    assert search.configure(search.defaults).loop.lr == 0.5


def test_defaults_are_the_models_own():
    settings = TuneSettings("lightgcn")
    search = settings.search()
    assert search.configure(search.defaults) == FitSettings("lightgcn").configure()
    assert TuneSettings("ease").search().max_epochs == 0
    assert settings.bounds.trials == 30
    assert TuneSettings("lightgcn", minutes=2).bounds.trials is None
    assert TuneSettings("lightgcn", minutes=2).bounds.seconds == 120


def test_own_settings_outside_the_space_are_named(monkeypatch):
    monkeypatch.setattr(EASE, "tuning", Tuning({"l2": Uniform(0.0, 1.0)}))
    with pytest.raises(BadInputError, match=r"l2 = 300\.0 lies outside"):
        TuneSettings("ease").search()
