"""Fine-tuned encoders: what is learned from, what stops it, and the folder that is left."""

from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sp
import torch

from coterie.content.encoders import EncoderChoice, make_encoder
from coterie.errors import BadInputError
from coterie.finetuning.config import FinetuneConfig
from coterie.finetuning.networks import open_network
from coterie.finetuning.pairs import ItemPairs
from coterie.finetuning.trainee import EncoderTrainee, contrastive_loss
from coterie.fitting.finetune import finetune
from coterie.fitting.fit import Here
from coterie.training.loop import LoopConfig
from tests.finetuning.planted_texts import NoWaiting, texts_and_people, write_bert

CONFIG = FinetuneConfig(
    loop=LoopConfig(max_epochs=3, patience=3, lr=3e-3), batch_pairs=32, max_tokens=16
)
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    pytest.importorskip("transformers", reason="the extra content is not installed")
    return EncoderChoice(str(write_bert(tmp_path_factory.mktemp("models") / "bert")))


@pytest.fixture(scope="module")
def pairs():
    texts, had = texts_and_people()
    return ItemPairs.of(had, texts, 0.2, seed=0)


@pytest.fixture(scope="module")
def learned(bert, pairs):
    return finetune(bert, pairs, CONFIG, Here())


def test_pairs_are_of_one_person_and_of_no_item_that_is_held_out(pairs):
    had = texts_and_people()[1].toarray() > 0
    drawn = pairs.draw(np.random.default_rng(0))
    assert len(drawn) == pairs.num_pairs > 100
    assert (had[:, drawn[:, 0]] & had[:, drawn[:, 1]]).any(axis=0).all()
    assert (drawn[:, 0] != drawn[:, 1]).all()
    assert not np.isin(drawn, pairs.candidates).any()
    assert np.isin(pairs.targets, pairs.candidates).all()
    assert not np.isin(pairs.anchors, pairs.candidates).any()
    assert (had[:, pairs.anchors] & had[:, pairs.targets]).any(axis=0).all()
    assert pairs.draw(np.random.default_rng(1)).tolist() != drawn.tolist()


def test_what_says_nothing_is_in_no_pair_and_nobody_with_two_items_is_refused():
    texts, had = texts_and_people()
    quiet = ItemPairs.of(had, ["" if i % 2 else text for i, text in enumerate(texts)], 0.2, 0)
    assert not (quiet.items % 2).any()
    assert not (quiet.candidates % 2).any()
    with pytest.raises(BadInputError, match="nobody had two such items"):
        ItemPairs.of(sp.eye_array(len(texts)).tocsr(), texts, 0.2, 0)


def test_pairs_outlive_the_process(pairs, tmp_path):
    pairs.write(str(tmp_path / "pairs.npz"))
    again = ItemPairs.read(str(tmp_path / "pairs.npz"))
    assert (again.digest(), again.texts) == (pairs.digest(), pairs.texts)
    other = replace(pairs, texts=(*pairs.texts[:-1], "another"))
    assert other.digest() != pairs.digest()
    (tmp_path / "pairs.npz").write_text("none")
    with pytest.raises(BadInputError, match="holds no pairs"):
        ItemPairs.read(str(tmp_path / "pairs.npz"))


def test_items_that_say_the_same_are_no_negatives_of_each_other():
    torch.manual_seed(0)
    vectors = torch.nn.functional.normalize(torch.randn(6, 4), dim=-1)
    apart = torch.arange(6)
    alone = contrastive_loss(vectors[[0, 1, 3, 4]], torch.arange(4), 0.1)
    # The third pair says what the first says: neither may count against the other.
    same = torch.tensor([0, 1, 0, 3, 4, 3])
    assert contrastive_loss(vectors, same, 0.1) < contrastive_loss(vectors, apart, 0.1)
    doubled = vectors[[0, 1, 0, 3, 4, 3]]
    found = contrastive_loss(doubled, same, 0.1)
    rows = [contrastive_row(doubled, row, [0, 1] if row != 1 else [0, 1, 2]) for row in range(3)]
    assert found == pytest.approx(float(torch.stack(rows).mean()), abs=1e-5)
    assert torch.isfinite(alone)


def contrastive_row(vectors, row, columns):
    """The loss of one pair, both ways, among some columns, its own among them."""
    own = row if row in columns else columns[0]
    left, right, places = vectors[:3], vectors[3:], torch.tensor(columns)
    both = left[row] @ right[places].T, right[row] @ left[places].T
    at = columns.index(own)
    return sum(torch.logsumexp(one / 0.1, 0) - one[at] / 0.1 for one in both) / 2


def test_held_out_items_are_found_better_than_by_the_frozen_encoder(learned):
    assert learned.is_better
    assert learned.history.best_score > learned.frozen + 0.1
    assert [round(one.loss, 3) for one in learned.history.epochs] == sorted(
        (round(one.loss, 3) for one in learned.history.epochs), reverse=True
    )


def written(network, folder):
    folder.mkdir()
    network.write(folder)
    return folder


def test_the_folder_is_an_encoder_that_says_what_was_learned(learned, bert, pairs, tmp_path):
    folder = written(learned.network, tmp_path / "encoder")
    assert {file.suffix for file in folder.rglob("*")} <= {".json", ".safetensors", ".txt"}
    opened = make_encoder("text", EncoderChoice(str(folder)))
    ids, lengths = padded(learned.network, pairs.texts[:5])
    with torch.inference_mode():
        expected = learned.network(ids, lengths).numpy()
    np.testing.assert_allclose(opened.encode(pairs.texts[:5]).vectors, expected, atol=1e-5)
    before = make_encoder("text", bert)
    assert opened.digest != before.digest
    assert abs(opened.encode(["abc red"]).vectors - before.encode(["abc red"]).vectors).max() > 0.01


def padded(network, texts):
    cut = network.tokens(list(texts), 64)
    lengths = torch.tensor([len(one) for one in cut])
    ids = torch.zeros(len(cut), int(lengths.max()), dtype=torch.long)
    for row, one in enumerate(cut):
        ids[row, : len(one)] = torch.tensor(one)
    return ids, lengths


def test_adapters_alone_learn_and_become_part_of_the_weights(bert, pairs, tmp_path):
    pytest.importorskip("peft", reason="the extra finetune is not installed")
    config = replace(CONFIG, lora_rank=4, loop=replace(CONFIG.loop, max_epochs=2))
    trainee = EncoderTrainee(open_network(bert, 4), pairs, config, CPU)
    assert all("lora_" in name for name in trainee.state_dict())
    found = finetune(bert, pairs, config, Here())
    assert found.is_better
    ids, lengths = padded(found.network, pairs.texts[:5])
    with torch.inference_mode():
        expected = found.network(ids, lengths).numpy()
    folder = written(found.network, tmp_path / "encoder")
    told = make_encoder("text", EncoderChoice(str(folder))).encode(pairs.texts[:5]).vectors
    np.testing.assert_allclose(told, expected, atol=1e-5)


def test_a_step_does_not_wait_for_the_device(bert, pairs):
    trainee = EncoderTrainee(open_network(bert), pairs, CONFIG, CPU)
    batch = trainee.batch(0, 0, 0, 1)
    with NoWaiting():
        trainee(batch).backward()


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_step_on_a_gpu_does_not_wait_for_it(bert, pairs):
    device = torch.device("cuda")
    trainee = EncoderTrainee(open_network(bert), pairs, CONFIG, device)
    trainee(trainee.batch(0, 0, 0, 1)).backward()
    torch.cuda.set_sync_debug_mode("error")
    try:
        with torch.autocast("cuda", torch.bfloat16):
            loss = trainee(trainee.batch(0, 1, 0, 1))
        loss.backward()
    finally:
        torch.cuda.set_sync_debug_mode("default")


def test_two_workers_share_an_epoch_without_a_pair_twice(bert, pairs):
    trainee = EncoderTrainee(open_network(bert), pairs, replace(CONFIG, batch_pairs=16), CPU)
    steps = trainee.num_batches(2)
    assert steps == pairs.num_pairs // 32
    drawn = pairs.draw(np.random.default_rng((0, 0)))
    shared = [trainee.batch(0, step, rank, 2).same for step in range(steps) for rank in range(2)]
    said = np.array([pairs.texts.index(text) for text in pairs.texts])
    expected = drawn[: 32 * steps].reshape(-1, 16, 2).transpose(0, 2, 1).reshape(-1, 32)
    assert torch.stack(shared).tolist() == said[expected].tolist()


def test_what_was_broken_off_ends_where_it_would_have(bert, pairs, learned, tmp_path):
    states = Here(str(tmp_path / "states"))
    short = replace(CONFIG, loop=replace(CONFIG.loop, max_epochs=1))
    finetune(bert, pairs, short, states)
    resumed = finetune(bert, pairs, CONFIG, states)
    assert resumed.history.resumed_from == 1
    assert resumed.history.best_score == pytest.approx(learned.history.best_score, abs=1e-6)
    with pytest.raises(BadInputError, match="training of something else"):
        finetune(bert, pairs, replace(CONFIG, temperature=0.2), states)


@pytest.mark.parametrize(
    ("choice", "config", "message"),
    [
        (EncoderChoice("https://api.example/v1"), CONFIG, "cannot be fine-tuned"),
        (EncoderChoice("default"), replace(CONFIG, lora_rank=4), "is no transformer"),
        (EncoderChoice("default"), replace(CONFIG, masked_epochs=1), "no masked word pieces"),
    ],
    ids=["address", "adapters", "masked"],
)
def test_what_cannot_learn_so_is_refused(choice, config, message, pairs):
    pytest.importorskip("sentencepiece", reason="the extra content is not installed")
    with pytest.raises(BadInputError, match=message):
        finetune(choice, pairs, config, Here())


@pytest.mark.parametrize(
    "wrong",
    [
        {"batch_pairs": 1},
        {"held_out_share": 1.0},
        {"masked_epochs": -1},
        {"temperature": 0.0},
    ],
    ids=["batch", "share", "masked", "temperature"],
)
def test_settings_without_sense_are_refused(wrong):
    with pytest.raises(BadInputError):
        FinetuneConfig(**wrong)
