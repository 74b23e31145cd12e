"""Masked word pieces before any pair: what is hidden, what of it is learned, and what goes on."""

import pickle
import shutil
import sys
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from coterie.content.encoders import EncoderChoice
from coterie.errors import BadInputError
from coterie.finetuning.config import FinetuneConfig
from coterie.finetuning.masked import MaskedTrainee
from coterie.finetuning.networks import open_network
from coterie.finetuning.pairs import ItemPairs
from coterie.fitting.finetune import finetune
from coterie.fitting.fit import Here
from coterie.fitting.runs import RayWorkers
from coterie.training.loop import LoopConfig, run_epochs
from tests.finetuning.planted_texts import STYLES, NoWaiting, texts_and_people, write_bert

CONFIG = FinetuneConfig(
    loop=LoopConfig(max_epochs=2, patience=9, lr=3e-3),
    batch_pairs=8,
    max_tokens=16,
    masked_epochs=2,
)
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    pytest.importorskip("transformers", reason="the extra content is not installed")
    return EncoderChoice(str(write_bert(tmp_path_factory.mktemp("models") / "bert")))


@pytest.fixture(scope="module")
def pairs():
    """Each text says its style six times, so that a hidden one can be told by the others."""
    told, had = texts_and_people()
    texts = [f"{told[i][:3]} {' '.join([STYLES[i % len(STYLES)]] * 6)}" for i in range(len(told))]
    return ItemPairs.of(had, texts, 0.2, seed=0)


@pytest.fixture(scope="module")
def trainee(bert, pairs):
    return MaskedTrainee(open_network(bert), pairs, CONFIG, CPU)


def unhidden(trainee, batch):
    """The word pieces of each text of a batch, hidden ones back in their places."""
    ids = batch.ids.flatten().clone()
    ids[batch.places] = torch.from_numpy(trainee._used)[batch.answers]
    rows = ids.view(batch.ids.shape).tolist()
    return [tuple(row[:n]) for row, n in zip(rows, batch.lengths.tolist(), strict=True)]


def cut(trainee, texts):
    return {tuple(one) for one in trainee.network.tokens(sorted(texts), 16)}


def test_what_is_hidden_is_what_is_asked_for(trainee, pairs):
    batch = trainee.batch(0, 0, 0, 1)
    assert set(unhidden(trainee, batch)) <= cut(trainee, pairs.texts)
    asked = trainee._used[batch.answers.numpy()]
    assert not set(asked.tolist()) & trainee.network.special_tokens
    assert len(set(batch.places.tolist())) == len(batch.places)


def test_of_pieces_to_foresee_most_are_masked_some_are_others_and_some_stay(trainee):
    batches = [trainee.batch(epoch, 0, 0, 1) for epoch in range(150)]
    shown = torch.cat([one.ids.flatten()[one.places] for one in batches])
    answers = torch.from_numpy(trainee._used)[torch.cat([one.answers for one in batches])]
    masked, stays = shown == trainee.network.mask_token, shown == answers
    free = sum(int((one.lengths - 2).sum()) for one in batches)
    assert len(shown) == pytest.approx(0.15 * free, rel=0.03)
    assert float(masked.double().mean()) == pytest.approx(0.8, abs=0.03)
    # A few that are to be another piece are drawn as they were.
    assert float(stays.double().mean()) == pytest.approx(0.1, abs=0.03)
    assert float((~masked & ~stays).double().mean()) == pytest.approx(0.1, abs=0.03)


def test_texts_of_held_out_items_are_hidden_and_never_learned_from(trainee, pairs):
    held = {pairs.texts[item] for item in pairs.candidates}
    steps = [(epoch, step) for epoch in range(3) for step in range(trainee.num_batches(1))]
    learned = {one for at in steps for one in unhidden(trainee, trainee.batch(*at, 0, 1))}
    assert learned == cut(trainee, set(pairs.texts) - held)
    assert {one for batch in trainee._held for one in unhidden(trainee, batch)} == cut(
        trainee, held
    )


def test_hidden_pieces_are_told_by_the_others_and_not_by_how_usual_they_are(bert, pairs):
    network = open_network(bert)
    with torch.no_grad():
        network.table.mul_(15)  # as short as rows of chance are, all pieces look the same
    config = replace(CONFIG, masked_share=0.3, batch_pairs=24)
    trainee = MaskedTrainee(network, pairs, config, CPU)
    answers = torch.cat([one.answers for one in trainee._held])
    usual = torch.bincount(answers).double()
    most = float(torch.exp((usual / usual.sum()).log()[answers].mean()))
    history = run_epochs(trainee, LoopConfig(max_epochs=100, validate_every=20, lr=2e-2))
    # Who sees no other piece knows at best how often each is asked for.
    assert history.best_score > 1.4 * most, (history.best_score, most)


def test_pairs_go_on_from_what_masked_pieces_left(bert, pairs, tmp_path):
    found = finetune(bert, pairs, CONFIG, Here())
    assert len(found.masked.history.epochs) == CONFIG.masked_epochs
    plain = finetune(bert, pairs, replace(CONFIG, masked_epochs=0), Here())
    assert (plain.masked, plain.frozen) == (None, found.frozen)
    assert found.masked.found != found.frozen
    losses = [one.history.epochs[0].loss for one in (found, plain)]
    assert losses[0] != losses[1]


def test_workers_learn_what_this_process_would(bert, pairs, tmp_path, monkeypatch):
    def on_one(make, loop, run, workers, what, progress):
        """What reaches a worker is pickled, and what it learns comes back as tensors."""
        trainee = pickle.loads(pickle.dumps(make))(CPU)
        history = run_epochs(trainee, loop)
        folders.append(workers.folder)
        return trainee.state_dict(), history

    folders = []
    ours = SimpleNamespace(run_on_workers=on_one)
    monkeypatch.setitem(sys.modules, "coterie.fitting.distributed", ours)
    there, here = (
        finetune(bert, pairs, CONFIG, where) for where in (RayWorkers(str(tmp_path)), Here())
    )
    assert len(set(folders)) == 2
    assert there.masked.found == pytest.approx(here.masked.found, abs=1e-6)
    assert there.history.epochs[0].loss == pytest.approx(here.history.epochs[0].loss, abs=1e-5)
    assert there.history.best_score == pytest.approx(here.history.best_score, abs=1e-6)


def test_what_was_broken_off_in_masked_pieces_ends_where_it_would_have(bert, pairs, tmp_path):
    def words(epochs, where):
        config = replace(CONFIG, loop=replace(CONFIG.loop, max_epochs=1), masked_epochs=epochs)
        return finetune(bert, pairs, config, where)

    states = Here(str(tmp_path / "states"))
    words(1, states)
    shutil.rmtree(tmp_path / "states" / "epoch-000001")  # of pairs, which were not begun yet
    resumed, alone = words(2, states), words(2, Here())
    assert resumed.masked.history.resumed_from == 1
    assert resumed.masked.found == pytest.approx(alone.masked.found, abs=1e-6)
    assert resumed.history.best_score == pytest.approx(alone.history.best_score, abs=1e-6)
    with pytest.raises(BadInputError, match="training of something else"):
        words(3, states)  # pairs would go on from other weights than they began with


def test_a_step_does_not_wait_for_the_device(trainee):
    batch = trainee.batch(0, 0, 0, 1)
    with NoWaiting():
        trainee(batch).backward()


def test_a_catalogue_without_a_text_to_learn_from_is_refused(bert, pairs):
    same = replace(pairs, texts=("red",) * len(pairs.texts))
    with pytest.raises(BadInputError, match="0 texts to learn masked pieces from"):
        MaskedTrainee(open_network(bert), same, CONFIG, CPU)
