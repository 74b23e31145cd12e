"""Settings and tensors of the version before are read under their old names, and written anew."""

import json
import logging
from dataclasses import asdict, fields

import pytest
import torch

from coterie.errors import BadInputError
from coterie.fitting.runs import _under_old_names
from coterie.models import MODELS
from coterie.models.social_config import SocialConfig
from coterie.recommend.terms import RENAMED_TENSORS, renew_tensors
from coterie.renamed import renamed_fields, under_new_names
from coterie.tuning.study import PLAN, TRIALS, StudyPlan, load_study, open_study
from coterie.workflow.challenger import CHALLENGER, load_challenger
from coterie.workflow.config_values import flatten, nest
from coterie.workflow.settings import FitSettings
from coterie.workflow.tuning import TuneSettings

OLD = {"dim": 16, "mix": 0.25, "linear": {"tail": 0.75}, "loop": {"average": 0.5}}
NEW = {
    "embedding_size": 16,
    "linear_weight": 0.25,
    "linear.residual_weight": 0.75,
    "loop.ema_decay": 0.5,
}


@pytest.mark.parametrize("name", MODELS)
def test_every_old_name_leads_to_a_field_and_is_none(name):
    config = MODELS[name].config_class()
    renamed, known = renamed_fields(config), flatten(asdict(config))
    assert set(renamed.values()) <= known.keys()
    assert renamed.keys().isdisjoint(known)
    assert name in ("popularity", "item_knn", "ease", "content", "bounded") or renamed


def test_old_settings_are_read_with_one_warning_that_names_the_new_ones(caplog):
    settings = FitSettings("social", OLD)
    config = settings.configure()
    assert (config.embedding_size, config.linear_weight) == (16, 0.25)
    assert (config.linear.residual_weight, config.loop.ema_decay) == (0.75, 0.5)
    [said] = caplog.messages
    assert "dim is embedding_size now" in said
    assert "linear.tail is linear.residual_weight now" in said


def test_what_is_kept_of_old_settings_has_the_new_names():
    assert FitSettings("social", OLD).config == NEW
    assert flatten(TuneSettings("social", nest(OLD)).config) == NEW


def test_a_field_that_is_fixed_by_its_old_name_is_not_searched():
    search = TuneSettings("social", {"scale": 8.0, "linear.alike": 0.1}).search()
    assert "inverse_temperature" not in search.space
    assert search.configure(search.defaults).inverse_temperature == 8.0


def test_both_names_of_a_setting_are_refused():
    with pytest.raises(BadInputError, match="dim and embedding_size, which are one: leave out dim"):
        FitSettings("social", {"dim": 8, "embedding_size": 16})


def test_new_names_are_read_without_a_word(caplog):
    FitSettings("social", NEW).configure()
    assert caplog.messages == []


def test_a_challenger_of_the_version_before_is_read(tmp_path):
    chosen = _under_old_names(SocialConfig(embedding_size=64))
    assert chosen["dim"] == 64
    content = {"model": "social", "config": OLD, "chosen": chosen, "split": "by_time"}
    content |= {"validation": {}, "popularity": {}}
    content |= {"best_epoch": 3, "data_fingerprint": "f", "code_version": "0.1.0", "seconds": 1.0}
    (tmp_path / CHALLENGER).write_text(json.dumps(content))
    found = load_challenger(str(tmp_path))
    assert found.config == NEW
    as_json = json.loads(json.dumps(asdict(SocialConfig(embedding_size=64))))
    assert flatten(found.chosen) == flatten(as_json)


def test_a_study_of_the_version_before_goes_on(tmp_path, caplog):
    plan = StudyPlan("social", {"embedding_size": 8}, {"linear.tie_coupling": ["U", 0.0]}, "d", 1)
    old = {"format": 1, "model": "social", "config": {"dim": 8}, "data": "d", "seed": 1}
    (tmp_path / PLAN).write_text(json.dumps(old | {"space": {"linear.alike": ["U", 0.0]}}))
    trial = {"changes": {"linear.alike": 0.5}, "ending": "finished", "score": 0.1, "best_epoch": 1}
    trial |= {"curve": [[1, 0.1]], "seconds": 1.0, "elapsed_s": 1.0}
    (tmp_path / TRIALS).write_text(json.dumps(trial) + "\n")
    with open_study(tmp_path, plan, renamed_fields(SocialConfig())) as study:
        assert study.of({"linear.tie_coupling": 0.5}) is not None
    assert sum("dim is embedding_size now" in said for said in caplog.messages) == 1
    assert load_study(tmp_path).trials[0].changes == {"linear.alike": 0.5}, "as it was written"


def test_a_release_of_the_version_before_is_read(caplog):
    scale, prior = torch.tensor(6.0), torch.tensor(0.5)
    found = renew_tensors({"scale": scale, "prior": prior})
    assert found == {"inverse_temperature": scale, "popularity_weight": prior}
    [record] = caplog.records
    assert record.levelno == logging.WARNING
    assert "scale is inverse_temperature now" in record.message
    assert renew_tensors(found) == found
    assert len(caplog.records) == 1
    assert set(RENAMED_TENSORS.values()) == found.keys()


def test_values_keep_their_order():
    assert [*under_new_names({"b": 1, "a": 2, "c": 3}, {"a": "z"}, "values")] == ["b", "z", "c"]


def test_no_config_has_two_fields_for_one():
    names = [field.name for field in fields(SocialConfig)]
    assert len(names) == len(set(names)) > 15
