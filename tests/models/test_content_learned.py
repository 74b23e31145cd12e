"""Content in what is learned: words as rows of the closed form, and a map in training."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
import torch

from coterie.data.dataset import Interactions, Ties, TrainingSet
from coterie.errors import BadInputError
from coterie.models.content_map import content_features
from coterie.models.content_rows import ContentRows, words_of_known
from coterie.models.content_signal import ContentSignal
from coterie.models.exposure import EXPOSURE
from coterie.models.social import SocialModel
from coterie.models.social_config import SocialConfig
from coterie.models.social_linear import SocialLinearConfig, fit_linear
from coterie.models.social_trainee import SocialTrainee
from coterie.recommend.batches import Community
from coterie.schema import EVENT_KINDS, EventKind
from coterie.training.loop import LoopConfig, run_epochs

LAMPS, HOSES, COLD = range(4), range(4, 8), 8
LOOP = LoopConfig(max_epochs=6, lr=2e-2, patience=6)


def events(pairs):
    user, item = np.array(pairs, np.int64).T
    n = len(user)
    return Interactions(
        user,
        item,
        np.full(n, EVENT_KINDS.index(EventKind.PURCHASE), np.int8),
        np.full(n, np.nan, np.float32),
        np.arange(1, n + 1, dtype=np.int64),
        np.full(n, -1, np.int64),
    )


def shop(told=True, asked=True):
    """Lamps and hoses. Nobody had lamps 0 and 3 together, nor hoses 4 and 7: words alone tell that
    who had one will like the other. Nobody had the last lamp at all."""
    had = [(u, u % 3 + 4 * (u >= 12)) for u in range(24)]
    had += [(u, u % 3 + 1 + 4 * (u >= 12)) for u in range(24) if u % 3]
    titles = [f"lamp {i}" for i in LAMPS] + [f"hose {i}" for i in HOSES] + ["lamp new"]
    items = pa.table({"item_id": [str(i) for i in range(9)], "title": titles})
    wanted = [(u, 3 + 4 * (u >= 12)) for u in range(24) if u % 3 == 0]
    return TrainingSet(
        events(had),
        Ties.none(),
        24,
        9,
        items=items if told else None,
        validation=events(wanted) if asked else None,
    )


def model_of(data, **content):
    signal = ContentSignal(**content)
    model = SocialModel(SocialConfig(embedding_size=8, loop=LOOP, content=signal))
    model.fit(data)
    return model


def test_words_are_those_that_two_known_items_share():
    words = words_of_known(shop()).toarray()
    assert (words > 0).astype(int).tolist() in (
        [[1] * 4 + [0] * 5, [0] * 4 + [1] * 4 + [0]],
        [
            [0] * 4 + [1] * 4 + [0],
            [1] * 4 + [0] * 5,
        ],
    )


def test_the_closed_form_holds_items_of_one_word_for_alike():
    data = shop(asked=False)
    weights = []
    for content in (None, ContentRows(words_of_known(data), 1.0)):
        part = fit_linear(SocialLinearConfig(), data, Community.of(data), content=content)
        weights.append(np.asarray((part.own @ part.out.T).numpy() + part.near.toarray()))
    without, with_rows = weights
    assert abs(without[0, 3]) < 0.05 * with_rows[0, 3]
    assert with_rows[0, 3] > 5 * abs(with_rows[0, 7])


def test_validation_weighs_words_and_the_refit_keeps_what_it_found():
    found = model_of(shop(), share=None)
    assert found.row_weight > 0
    assert found.refit_config().content.row_weight == found.row_weight
    again = SocialModel(found.refit_config())
    again.fit(shop(asked=False))
    assert again.row_weight == found.row_weight


def test_words_as_rows_alone_are_kept_by_the_refit_where_neighbours_have_no_share():
    first = model_of(shop(), share=0.0, row_weight=1.0)
    config = first.refit_config().content
    assert (config.share, config.row_weight) == (0.0, 1.0)
    assert "title" in SocialModel(first.refit_config()).item_columns
    assert not any(name.startswith("content.") for name in first.parameters)
    plain = model_of(shop(), share=0.0)
    assert plain.item_columns == (EXPOSURE,)
    assert not torch.equal(first.parameters["linear.out"], plain.parameters["linear.out"])


def test_without_validation_or_words_there_are_no_rows():
    assert model_of(shop(asked=False), share=0.2).row_weight == 0.0
    assert model_of(shop(told=False), share=None).row_weight == 0.0
    assert model_of(shop(), share=0.2, row_weight=0.0).row_weight == 0.0


def test_a_weight_below_nothing_is_refused():
    with pytest.raises(BadInputError, match="row_weight must not be below 0, found -1"):
        ContentSignal(row_weight=-1.0)


def trainee_of(data, **content):
    signal = ContentSignal(**content)
    config = SocialConfig(embedding_size=8, heads=2, loop=LOOP, content=signal)
    return SocialTrainee(config, data, torch.device("cpu"))


def test_at_the_start_the_map_says_nothing_and_without_it_there_is_none():
    plain, mapped = (trainee_of(shop(), share=0.2, in_training=on) for on in (False, True))
    assert {*mapped.state_dict()} - {*plain.state_dict()} == {
        f"content_{name}" for name in ("in.0", "in.1", "out.0", "out.1", "bias")
    }
    for name, tensor in plain.release_parameters().items():
        assert torch.equal(mapped.release_parameters()[name], tensor)
    nothing = trainee_of(shop(told=False), share=0.2, in_training=True)
    assert nothing.state_dict().keys() == plain.state_dict().keys()


def test_a_map_in_training_alone_is_kept_by_the_refit():
    first = model_of(shop(), share=0.0, row_weight=0.0, in_training=True)
    config = first.refit_config()
    assert config.content.in_training
    assert "title" in SocialModel(config).item_columns
    assert "content_bias" in dict(first.trainee(shop(), torch.device("cpu")).named_parameters())


def test_what_is_released_is_what_was_learned_of_an_item_and_the_map_of_its_content():
    data = replace(shop(), validation=None)
    trainee = trainee_of(data, share=0.2, in_training=True)
    run_epochs(trainee, LOOP)
    features = torch.from_numpy(content_features(data, ContentSignal().kinds)).float()
    released = trainee.release_parameters()
    with torch.no_grad():
        whole = [o + features @ m for o, m in zip(trainee.item_in, trainee.content_in, strict=True)]
        bias = trainee.item_bias + features @ trainee.content_bias
    assert released["item_in"] == pytest.approx(torch.cat(whole, dim=1), abs=1e-5)
    assert released["item_bias"] == pytest.approx(bias, abs=1e-5)
    for maps in (trainee.content_in, trainee.content_out):
        assert min(float(one.detach().abs().max()) for one in maps) > 1e-3
    assert float(trainee.content_bias.detach().abs().max()) > 1e-3


def test_lamps_that_nobody_had_together_come_nearer_by_the_map():
    near = []
    for on in (False, True):
        trainee = trainee_of(replace(shop(), validation=None), share=0.2, in_training=on)
        run_epochs(trainee, LOOP)
        out = trainee.release_parameters()["item_out"]
        near.append(float(out[0] @ out[3] - out[0] @ out[7]))
    assert near[1] > near[0] + 0.1


def test_training_goes_on_from_a_release_whose_content_spoke():
    data = replace(shop(), validation=None)
    content = ContentSignal(share=0.2, in_training=True, row_weight=0.3)
    config = SocialConfig(embedding_size=8, loop=LOOP, content=content)
    model = SocialModel(config)
    model.fit(data)
    begun = SocialTrainee(config, data, torch.device("cpu"))
    begun.start_from({**model.parameters, "rows": torch.arange(9)})
    own = begun.release_parameters()
    for name in ("item_in", "item_out"):
        assert own[name][:COLD] == pytest.approx(model.parameters[name][:COLD], abs=1e-5)
