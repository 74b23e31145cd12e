"""Fitting by name, here."""

from dataclasses import replace

import numpy as np
import pytest
from synthetic import NUM_USERS, planted

from coterie.data.circle import Circle, CircleRule
from coterie.data.dataset import Split
from coterie.errors import BadInputError
from coterie.fitting.dataset_file import digest, pack, unpack
from coterie.fitting.fit import Here, fit, fit_twice
from coterie.fitting.runs import run_identity
from coterie.models.ease import EASEConfig
from coterie.models.lightgcn import LightGCNConfig
from coterie.training.loop import LoopConfig

SMALL = LightGCNConfig(
    embedding_size=8, batch_size=256, negatives=32, loop=LoopConfig(max_epochs=4, lr=1e-2)
)
USERS = np.arange(0, NUM_USERS, 9)


@pytest.fixture
def split():
    shop = planted()
    data = shop.data
    return Split(
        "planted",
        data.interactions,
        data.validation,
        shop.held_out,
        data.ties,
        data.num_users,
        data.num_items,
    )


def test_a_model_that_is_not_there_is_named():
    with pytest.raises(BadInputError, match=r"'eas'.*popularity"):
        fit(planted().data, "eas")


@pytest.mark.parametrize("place", ["states", "memory://broken-off/states"])
def test_a_run_broken_off_goes_on_from_where_its_states_are(tmp_path, monkeypatch, place):
    """A URL is one, and no folder of that name beside the program."""
    monkeypatch.chdir(tmp_path)
    data = planted().data

    def kill(what, done, total):
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(data, "lightgcn", SMALL, Here(place), kill)
    resumed = fit(data, "lightgcn", SMALL, Here(place))
    assert resumed.history.resumed_from == 2
    np.testing.assert_array_equal(resumed.scores(USERS), fit(data, "lightgcn", SMALL).scores(USERS))
    assert [path.name for path in tmp_path.iterdir()] == ([] if ":" in place else ["states"])


def test_the_final_model_has_seen_validation_for_the_chosen_number_of_epochs(split, tmp_path):
    fitted = fit_twice(split, "lightgcn", SMALL, Here(str(tmp_path / "run")))
    assert len(fitted.final.history.epochs) == fitted.chosen.history.best_epoch
    assert not np.array_equal(fitted.final.scores(USERS), fitted.chosen.scores(USERS))
    assert {path.name for path in tmp_path.iterdir()} == {"run", "run-final"}


def test_what_needs_no_epochs_is_fitted_twice_as_well(split):
    fitted = fit_twice(split, "ease", EASEConfig(l2=7.0))
    assert fitted.final.config.l2 == 7.0
    assert not np.array_equal(fitted.final.scores(USERS), fitted.chosen.scores(USERS))


def test_a_packed_training_set_is_the_same(tmp_path):
    data = planted().data
    pack(data, str(tmp_path / "a" / "data.npz"))
    assert digest(unpack(str(tmp_path / "a" / "data.npz"))) == digest(data)
    assert digest(data.without_ties()) != digest(data)
    pack(data.without_ties(), str(tmp_path / "b.npz"))
    assert unpack(str(tmp_path / "b.npz")).ties.src_idx.shape == (0,)
    circle = Circle(CircleRule(2, one_sided=False), USERS % 2 == 0)
    pack(replace(data, circle=circle), str(tmp_path / "c.npz"))
    found = unpack(str(tmp_path / "c.npz")).circle
    assert found.rule == circle.rule
    assert np.array_equal(found.may_be_named, circle.may_be_named)


def test_what_is_no_training_set_is_refused(tmp_path):
    (tmp_path / "x.npz").write_bytes(b"PK nothing")
    for name in ("x.npz", "missing.npz"):
        with pytest.raises(BadInputError, match="holds no training set"):
            unpack(str(tmp_path / name))


def test_a_run_is_told_by_data_model_and_settings_but_not_by_its_length():
    data = planted().data
    this = run_identity("lightgcn", SMALL, data)
    longer = LightGCNConfig(
        embedding_size=8, batch_size=256, negatives=32, loop=LoopConfig(max_epochs=9, lr=1e-2)
    )
    other = LightGCNConfig(
        embedding_size=9, batch_size=256, negatives=32, loop=LoopConfig(max_epochs=4, lr=1e-2)
    )
    assert run_identity("lightgcn", longer, data) == this
    assert run_identity("lightgcn", other, data) != this
    assert run_identity("lightgcn", SMALL, data.without_ties()) != this
