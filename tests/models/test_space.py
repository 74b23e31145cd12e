"""Spaces that tuning searches: they fit the models that they are of."""

from dataclasses import asdict

import pytest

from coterie.errors import BadInputError
from coterie.models import MODELS
from coterie.models.space import Choice, LogUniform, Uniform, describe
from coterie.workflow.config_values import flatten
from coterie.workflow.settings import change


@pytest.mark.parametrize("name", MODELS)
def test_a_models_own_settings_lie_in_its_space(name):
    own = flatten(asdict(MODELS[name].config_class()))
    for field, values in MODELS[name].tuning.space.items():
        assert own[field] in values, field


@pytest.mark.parametrize("name", MODELS)
def test_a_model_takes_both_ends_of_every_field(name):
    for field, values in MODELS[name].tuning.space.items():
        ends = values.values if isinstance(values, Choice) else (values.low, values.high)
        for value in (ends[0], ends[-1]):
            changed = change(MODELS[name].config_class(), {field: value})
            assert flatten(asdict(changed))[field] == value


@pytest.mark.parametrize(
    ("name", "start"), [(n, s) for n in MODELS for s in MODELS[n].tuning.starts]
)
def test_a_start_lies_in_its_space(name, start):
    assert all(value in MODELS[name].tuning.space[field] for field, value in start.items())


def test_spaces_are_small():
    assert all(len(model.tuning.space) <= 10 for model in MODELS.values())


def test_only_numbers_that_rise_are_in_order():
    assert Choice((1, 2, 4.5)).in_order
    for values in ((2, 1), (1, 1), (False, True), ("a", "b")):
        assert not Choice(values).in_order


@pytest.mark.parametrize(
    ("kind", "bounds"),
    [(Choice, [(1,)]), (Uniform, [2.0, 2.0]), (LogUniform, [0.0, 1.0]), (LogUniform, [3.0, 1.0])],
)
def test_a_space_without_room_is_refused(kind, bounds):
    with pytest.raises(BadInputError):
        kind(*bounds)


def test_a_space_is_described_in_plain_values():
    space = {"embedding_size": Choice((8, 16)), "dropout": Uniform(0.0, 0.5)}
    assert describe(space) == {
        "embedding_size": ["Choice", 8, 16],
        "dropout": ["Uniform", 0.0, 0.5],
    }
