import json
from io import BytesIO

import numpy as np
import pytest
import torch

transformers = pytest.importorskip("transformers", reason="the extra content is not installed")

from coterie.content.encoders import EncoderChoice, make_encoder  # noqa: E402
from coterie.content.folders import PictureFolder, TextFolder  # noqa: E402
from coterie.errors import BadInputError  # noqa: E402

LETTERS = "abcdefghijklmnopqrstuvwxyz"
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *LETTERS, *(f"##{one}" for one in LETTERS)]
SMALL = {
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 16,
}


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    """A transformer with weights of chance, as its own library leaves it."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("models") / "tiny-bert"
    config = transformers.BertConfig(vocab_size=len(WORDS), **SMALL)
    transformers.BertModel(config).save_pretrained(folder)
    vocab = folder.parent / "vocab.txt"
    vocab.write_text("\n".join(WORDS))
    transformers.BertTokenizerFast(str(vocab), model_max_length=40).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def vit(tmp_path_factory):
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("models") / "tiny-vit"
    config = transformers.ViTConfig(image_size=32, patch_size=16, **SMALL)
    transformers.ViTModel(config).save_pretrained(folder)
    size = {"height": 32, "width": 32}
    told = {"image_processor_type": "ViTImageProcessor", "do_resize": True, "size": size}
    (folder / "preprocessor_config.json").write_text(json.dumps(told))
    return folder


def copied(folder, target):
    for file in folder.iterdir():
        target.mkdir(exist_ok=True)
        (target / file.name).write_bytes(file.read_bytes())
    return target


def test_a_text_is_the_mean_of_its_tokens_whatever_it_is_encoded_with(bert):
    encoder = TextFolder(str(bert))
    texts = ["lamp", "", "a much longer text", "b"]
    found = encoder.encode(texts).vectors
    alone = np.concatenate([encoder.encode([text]).vectors for text in texts])
    assert found == pytest.approx(alone, abs=1e-5)
    assert (encoder.name, encoder.width, found.shape) == ("tiny-bert", 16, (4, 16))
    assert not found[1].any()
    model = transformers.BertModel.from_pretrained(bert)
    tokens = transformers.AutoTokenizer.from_pretrained(bert)("lamp", return_tensors="pt")
    with torch.inference_mode():
        mean = model(**tokens).last_hidden_state[0].mean(dim=0)
    assert found[0] == pytest.approx((mean / mean.norm()).numpy(), abs=1e-5)


def test_a_text_that_is_too_long_is_cut(bert):
    assert TextFolder(str(bert)).encode(["lamp " * 500]).vectors.any()


def test_prefix_and_every_file_decide_the_digest(bert, tmp_path):
    folder = copied(bert, tmp_path / "copy")
    same = TextFolder(str(folder)).digest
    assert same == TextFolder(str(bert)).digest != TextFolder(str(bert), "query: ").digest
    weights = folder / "model.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    assert TextFolder(str(folder)).digest != same


def test_a_folder_may_say_that_the_first_token_counts(bert, tmp_path):
    folder = copied(bert, tmp_path / "copy")
    (folder / "1_Pooling").mkdir()
    pooling = folder / "1_Pooling/config.json"
    pooling.write_text(json.dumps({"pooling_mode_cls_token": True}))
    first = TextFolder(str(folder)).encode(["lamp"]).vectors
    assert first.tolist() != TextFolder(str(bert)).encode(["lamp"]).vectors.tolist()
    pooling.write_text(json.dumps({"pooling_mode_max_tokens": True}))
    with pytest.raises(BadInputError, match="pools by"):
        TextFolder(str(folder))


def test_pickled_weights_are_not_read(bert, tmp_path):
    folder = copied(bert, tmp_path / "copy")
    (folder / "model.safetensors").unlink()
    torch.save({}, folder / "pytorch_model.bin")
    with pytest.raises(BadInputError, match="pickled weights are not read"):
        TextFolder(str(folder))


def test_code_in_a_folder_is_not_run(bert, tmp_path):
    folder = copied(bert, tmp_path / "copy")
    (folder / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\nclass M: pass\n")
    config = json.loads((folder / "config.json").read_text())
    config |= {"model_type": "evil", "auto_map": {"AutoConfig": "evil.M", "AutoModel": "evil.M"}}
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(BadInputError, match="cannot read"):
        TextFolder(str(folder))
    assert not (tmp_path / "ran").exists()


def test_a_folder_of_nothing_is_refused(tmp_path):
    with pytest.raises(BadInputError, match="holds no encoder"):
        TextFolder(str(tmp_path / "none"))


def test_pictures_are_encoded_and_one_bad_one_spoils_no_other(vit):
    from PIL import Image

    def saved(colour):
        out = BytesIO()
        Image.new("RGB", (40, 30), colour).save(out, "PNG")
        return out.getvalue()

    encoder = PictureFolder(str(vit))
    found = encoder.encode([saved("red"), b"none", saved("blue"), saved("red")])
    assert list(found.faults) == [1]
    assert np.linalg.norm(found.vectors, axis=1) == pytest.approx([1, 0, 1, 1], abs=1e-4)
    assert found.vectors[0] == pytest.approx(found.vectors[3], abs=1e-5)
    assert found.vectors[0].tolist() != found.vectors[2].tolist()


def test_a_choice_makes_the_encoder_of_its_place(bert, vit):
    assert make_encoder("text", EncoderChoice(str(bert))).name == "tiny-bert"
    assert make_encoder("image", EncoderChoice(str(vit))).name == "tiny-vit"
    asked = make_encoder("text", EncoderChoice("https://api.example/v1", "m"))
    assert asked.name == "m@api.example"
    assert make_encoder("audio", EncoderChoice("default")).kind == "audio"
    for kind, place in (("audio", str(bert)), ("image", "https://a.example"), ("smell", "default")):
        with pytest.raises(BadInputError):
            make_encoder(kind, EncoderChoice(place))
