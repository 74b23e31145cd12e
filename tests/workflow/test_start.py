"""Fine-tuning: a model goes on from a release, on the rows of today's items."""

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pytest
import torch
from synthetic import planted

from coterie.data.vocab import Vocab
from coterie.errors import BadInputError
from coterie.fitting.dataset_file import digest_start, pack_start, unpack_start
from coterie.fitting.fit import Here, fit
from coterie.fitting.runs import run_identity
from coterie.models.social_config import SocialConfig
from coterie.models.social_trainee import SocialTrainee
from coterie.release.bundle import ReleaseContent, write_release
from coterie.release.store import ReleaseStore
from coterie.schema import ITEMS
from coterie.training.loop import LoopConfig
from coterie.workflow.start import find_start, open_start

CONFIG = SocialConfig(embedding_size=16, linear_weight=0.5, loop=LoopConfig(max_epochs=12, lr=1e-2))


@pytest.fixture(scope="module")
def data():
    return planted().data


@pytest.fixture(scope="module")
def champion(data):
    return fit(replace(data, validation=None), "social", CONFIG)


def start_of(model, rows=None):
    num = model.parameters["item_in"].shape[0]
    return {**model.parameters, "rows": torch.arange(num) if rows is None else rows}


def trainee(data, config=CONFIG):
    return SocialTrainee(config, data, torch.device("cpu"))


def test_the_first_step_stands_where_the_release_stood(data, champion):
    """What was released was scaled to the closed form's size: the scores before that come back."""
    begun = trainee(data)
    begun.start_from(start_of(champion))
    size = float(champion.parameters["inverse_temperature"]) / CONFIG.inverse_temperature
    bias = champion.parameters["item_bias"] / size
    torch.testing.assert_close(begun.item_bias.detach(), bias)
    own = begun.release_parameters()
    for name in ("item_in", "item_out"):
        torch.testing.assert_close(own[name], champion.parameters[name])
    assert begun.validate() > 2 * trainee(data).validate()


def test_one_epoch_from_the_champion_beats_one_from_nothing(data, champion):
    short = replace(CONFIG, loop=replace(CONFIG.loop, max_epochs=1))
    begun = fit(data, "social", short, start=start_of(champion)).history
    anew = fit(data, "social", short).history
    assert begun.best_score > 1.2 * anew.best_score


def test_items_that_are_new_begin_as_they_would_have_begun(data, champion):
    rows = torch.arange(data.num_items)
    rows[:3] = -1
    rows[3:] = rows[3:].flip(0)  # other places than in the release
    begun, anew = trainee(data), trainee(data)
    begun.start_from(start_of(champion, rows))
    assert torch.equal(begun.item_in[0][:3], anew.item_in[0][:3])
    assert torch.equal(begun.item_in[0][3:], champion.parameters["item_in"][rows[3:]])


def test_a_release_of_another_size_is_refused(data, champion):
    for other in (replace(CONFIG, embedding_size=8), replace(CONFIG, heads=2)):
        with pytest.raises(BadInputError, match='"embedding_size": 16, "heads": 1'):
            trainee(data, other).start_from(start_of(champion))


def test_a_release_of_when_all_kinds_spoke_for_their_items_goes_on(data, champion):
    start = start_of(champion)
    old = start | {"encoder.kind": start["encoder.kind"][:7]}
    begun = trainee(data)
    begun.start_from(old)
    kind = begun.encoder.kind.detach()
    torch.testing.assert_close(kind[:7], champion.parameters["encoder.kind"][:7])
    assert kind[7:].tolist() == [0.0, 0.0]


def test_heads_go_on_as_such(data):
    config = replace(CONFIG, heads=2)
    of_two = fit(replace(data, validation=None), "social", config)
    begun = trainee(data, config)
    begun.start_from(start_of(of_two))
    torch.testing.assert_close(
        begun.release_parameters()["item_out"], of_two.parameters["item_out"]
    )


@pytest.mark.parametrize("model", ["popularity", "lightgcn"])
def test_other_models_begin_anew(data, champion, model):
    with pytest.raises(BadInputError, match="go"):
        fit(data, model, start=start_of(champion))


def test_states_of_another_start_are_not_gone_on_from(data, champion, tmp_path):
    start = start_of(champion)
    other = {**start, "item_bias": start["item_bias"] + 1}
    known = {run_identity("social", CONFIG, data, one) for one in (None, start, other)}
    assert len(known) == 3
    fit(data, "social", CONFIG, Here(str(tmp_path)), start=start)
    with pytest.raises(BadInputError, match="training of something else"):
        fit(data, "social", CONFIG, Here(str(tmp_path)), start=other)


def test_a_start_travels_as_a_file(champion, tmp_path):
    start = start_of(champion)
    pack_start(start, f"memory://{tmp_path.name}/start")
    assert digest_start(unpack_start(f"memory://{tmp_path.name}/start")) == digest_start(start)
    with pytest.raises(BadInputError, match="nothing to start from"):
        unpack_start(str(tmp_path / "none"))


# Of a store.


@pytest.fixture
def store(tmp_path):
    """With v1, then v2; a release of three items."""
    parameters = {"item_in": torch.ones(3, 4), "item_bias": torch.tensor([1.0, 2.0, 3.0])}
    ids = [{"item_id": one} for one in ("a", "b", "c")]
    releases = ReleaseStore(str(tmp_path / "releases"))
    for version in ("v1", "v2"):
        folder = str(tmp_path / version)
        write_release(
            folder,
            ReleaseContent(
                version=version,
                parameters=parameters,
                catalogue=pa.Table.from_pylist(ids, schema=ITEMS.arrow),
                popularity=np.ones(3, np.float32),
                metrics={},
                data_fingerprint="x",
                limits={},
                created_at=datetime(2026, 1, int(version[1]), tzinfo=UTC),
            ),
        )
        releases.publish(folder)
    return releases


def test_items_are_found_by_their_ids(store):
    start = open_start(store.folder("v1"), Vocab.of(["c", "new", "a"]))
    assert start["rows"].tolist() == [0, 2, -1]  # a, c, new
    with pytest.raises(BadInputError, match="knows none of the 1 items"):
        open_start(store.folder("v1"), Vocab.of(["another shop's"]))


def test_the_champion_is_gone_on_from_or_else_the_newest(store):
    assert find_start(store.root).endswith("/v2")
    store.crown("v1")
    assert find_start(store.root).endswith("/v1")
    assert find_start(store.root, "v2").endswith("/v2")
    assert find_start(store.root, "") == find_start("") == ""
    with pytest.raises(BadInputError, match="v9"):
        find_start(store.root, "v9")


def test_a_store_without_releases_has_nothing_to_go_on_from(tmp_path):
    assert find_start(str(tmp_path)) == ""
