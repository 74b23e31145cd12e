"""States on disk: whole or passed over."""

import json
import logging
import uuid

import fsspec
import pytest
import torch
from synthetic import some_state

from coterie.errors import BadInputError
from coterie.training.checkpoint import (
    STATE,
    TENSORS,
    CheckpointFolder,
    CheckpointStore,
    checkpoints_in,
)


@pytest.fixture
def folder(tmp_path):
    kept = CheckpointFolder(tmp_path, run="mine")
    for epochs in (1, 2, 3):
        kept.save(some_state(epochs))
    return tmp_path


def load(folder):
    return CheckpointFolder(folder, run="mine").load()


def test_nothing_saved_is_nothing_loaded(tmp_path):
    assert load(tmp_path / "none") is None


def test_a_state_comes_back_as_it_was(tmp_path):
    state = some_state(2)
    CheckpointFolder(tmp_path, run="mine").save(state)
    back = load(tmp_path)
    assert back.history == state.history
    torch.testing.assert_close(back.weights, state.weights, rtol=0, atol=0)
    torch.testing.assert_close(back.best_weights, state.best_weights, rtol=0, atol=0)
    torch.testing.assert_close(back.average, state.average, rtol=0, atol=0)
    optimizer = torch.optim.AdamW(torch.nn.Linear(3, 2).parameters(), lr=0.1)
    optimizer.load_state_dict(back.optimizer)
    assert optimizer.param_groups[0]["lr"] == 0.5
    for index, moments in state.optimizer["state"].items():
        torch.testing.assert_close(dict(optimizer.state_dict()["state"][index]), moments)


def test_only_the_newest_two_are_kept_and_nothing_half_written(folder):
    assert sorted(path.name for path in folder.iterdir()) == ["epoch-000002", "epoch-000003"]


def truncate(newest):
    whole = (newest / TENSORS).read_bytes()
    (newest / TENSORS).write_bytes(whole[: len(whole) // 2])


def flip_a_bit(newest):
    whole = bytearray((newest / TENSORS).read_bytes())
    whole[-1] ^= 1
    (newest / TENSORS).write_bytes(bytes(whole))


def lose_the_state(newest):
    (newest / STATE).unlink()


def lose_a_key(newest):
    content = json.loads((newest / STATE).read_text())
    del content["sha256"]
    (newest / STATE).write_text(json.dumps(content))


@pytest.mark.parametrize("harm", [truncate, flip_a_bit, lose_the_state, lose_a_key])
def test_a_damaged_state_is_passed_over_for_the_one_before(folder, caplog, harm):
    harm(folder / "epoch-000003")
    with caplog.at_level(logging.WARNING):
        assert len(load(folder).history.epochs) == 2
    assert "epoch-000003" in caplog.text


def test_another_runs_state_is_refused(folder):
    with pytest.raises(BadInputError, match="another run name"):
        CheckpointFolder(folder, run="theirs").load()


@pytest.fixture
def url():
    place = f"memory://{uuid.uuid4().hex}/states"
    kept = checkpoints_in(place, run="mine")
    assert isinstance(kept, CheckpointStore)
    for epochs in (1, 2, 3):
        kept.save(some_state(epochs))
    return place


def test_states_at_a_url_outlive_the_disk_that_they_were_made_on(url):
    back = checkpoints_in(url, run="mine").load()
    assert len(back.history.epochs) == 3
    fs, root = fsspec.url_to_fs(url)
    found = sorted(path.rpartition("/")[2] for path in fs.ls(root, detail=False))
    assert found == ["epoch-000002", "epoch-000003"]
    assert checkpoints_in(f"{url}/none", run="mine").load() is None


@pytest.mark.parametrize("lost", [STATE, TENSORS])
def test_a_state_at_a_url_that_was_not_written_whole_is_passed_over(url, lost):
    """A pod that is killed while it writes leaves one without what vouches for it."""
    fs, root = fsspec.url_to_fs(url)
    fs.rm(f"{root}/epoch-000003/{lost}")
    assert len(checkpoints_in(url, run="mine").load().history.epochs) == 2


def test_states_of_another_run_at_a_url_are_refused(url):
    with pytest.raises(BadInputError, match="something else"):
        checkpoints_in(url, run="theirs").load()
