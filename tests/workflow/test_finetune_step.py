"""From clean tables to an encoder that the content step takes."""

import json
from pathlib import Path

import pytest
import torch

from coterie.cli.main import main
from coterie.content import sentences
from coterie.content.encoders import EncoderChoice, make_encoder
from coterie.content.texts import item_texts
from coterie.content.vectors import ItemVectors
from coterie.errors import BadInputError
from coterie.finetuning.networks import open_network
from coterie.finetuning.pairs import ItemPairs
from coterie.models.engagement import engagement
from coterie.workflow.content import ContentSettings, encode_catalogue
from coterie.workflow.finetune import FinetuneSettings, finetune_encoder
from coterie.workflow.shop import CleanShop
from tests.finetuning.planted_texts import write_bert
from tests.tiny_shop import write_clean

QUICK = {
    "learning.loop.max_epochs": 2,
    "learning.loop.lr": 3e-3,
    "learning.batch_pairs": 16,
    "learning.held_out_share": 0.2,
}


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    pytest.importorskip("transformers", reason="the extra content is not installed")
    return str(write_bert(tmp_path_factory.mktemp("models") / "bert"))


@pytest.fixture(scope="module")
def texts_encoder():
    pytest.importorskip("sentencepiece", reason="the extra content is not installed")
    if not sentences.WEIGHTS.installed:
        pytest.skip(f"{sentences.WEIGHTS.distribution} is not installed: the extra content")
    return sentences.SentenceEncoder()


@pytest.fixture(scope="module")
def clean(tmp_path_factory):
    return str(write_clean(tmp_path_factory.mktemp("shop")))


@pytest.fixture(scope="module")
def finetuned(bert, clean, tmp_path_factory):
    out = str(tmp_path_factory.mktemp("encoder") / "shop")
    return out, finetune_encoder(clean, out, FinetuneSettings.changed(QUICK | {"text.place": bert}))


def test_the_folder_says_what_it_was_learned_from_and_content_encodes_by_it(
    finetuned, bert, clean, tmp_path
):
    out, report = finetuned
    assert report.finetuned > report.frozen
    told = json.loads(Path(out, "finetuned.json").read_text())
    assert told["base_digest"] == open_network(EncoderChoice(bert)).base
    assert (told["pairs"], told["held_out"]) == (report.pairs, report.held_out)
    assert {file.suffix for file in Path(out).iterdir()} <= {".json", ".safetensors", ".txt"}
    settings = ContentSettings.changed({"text.place": out})
    found = encode_catalogue(clean, "", settings, str(tmp_path / "content"))
    vectors = ItemVectors.read(tmp_path / "content", "text")
    assert (
        found["text"].digest == vectors.digest != make_encoder("text", EncoderChoice(bert)).digest
    )
    assert vectors.known.all()


def test_only_training_events_are_learned_from(finetuned, bert, clean):
    split = CleanShop.open(clean).split
    assert split.items is not None
    texts = item_texts(split.items)
    pairs = ItemPairs.of(engagement(split.for_validation()), texts, 0.2, 0)
    everything = ItemPairs.of(engagement(split.for_test()), texts, 0.2, 0)
    told = json.loads(Path(finetuned[0], "finetuned.json").read_text())
    assert told["pairs_digest"] == pairs.digest() != everything.digest()


def test_the_same_again_has_the_same_digest(finetuned, bert, clean, tmp_path):
    settings = FinetuneSettings.changed(QUICK | {"text.place": bert})
    again = finetune_encoder(clean, str(tmp_path / "again"), settings)
    assert again.digest == finetuned[1].digest


def test_no_gain_leaves_no_encoder(bert, clean, tmp_path, capsys):
    out = tmp_path / "encoder"
    settings = [f"{name}={value}" for name, value in QUICK.items()]
    told = ["--text", bert, "--masked", "1", "--config", *settings, "learning.loop.lr=1e-15"]
    code = main(["finetune", clean, "--out", str(out), *told])
    assert code == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "after masked word pieces alone; no gain, so no encoder was written" in said
    assert not out.exists()


def test_who_learned_with_a_prefix_is_told_to_encode_with_it(bert, clean, tmp_path, capsys):
    out = str(tmp_path / "encoder")
    settings = [f"{name}={value}" for name, value in (QUICK | {"text.prefix": "query: "}).items()]
    assert main(["finetune", clean, "--out", out, "--text", bert, "--config", *settings]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert f"--text {out} --out FOLDER --config 'text.prefix=query: '" in said


def test_a_default_that_learned_is_a_folder_as_well(texts_encoder, tmp_path):
    network = open_network(EncoderChoice("default"))
    assert network.base == texts_encoder.digest
    with torch.no_grad():
        network.network.deep[3].weight += 0.05
    out = tmp_path / "shop"
    out.mkdir()
    network.write(out)
    opened = make_encoder("text", EncoderChoice(str(out)))
    again = open_network(EncoderChoice(str(out)))
    ids = torch.tensor(again.tokens(["red shoes"], 16))
    vector = opened.encode(["red shoes"]).vectors[0]
    assert again(ids, torch.tensor([ids.shape[1]]))[0].tolist() == pytest.approx(
        vector.tolist(), abs=1e-6
    )
    assert abs(vector - texts_encoder.encode(["red shoes"]).vectors[0]).max() > 0.01
    assert (opened.name, opened.width, opened.digest) == ("shop", 512, again.base)
    with pytest.raises(BadInputError, match="without a prefix"):
        make_encoder("text", EncoderChoice(str(out), prefix="query: "))
    weights = out / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(BadInputError, match="holds no sentence encoder"):
        make_encoder("text", EncoderChoice(str(out)))


def test_fewer_than_no_workers_are_refused():
    with pytest.raises(BadInputError, match="0 learns here"):
        FinetuneSettings(workers=-1)
