"""What encodes queries: the encoder that made a release's vectors, or none, never another one."""

from types import SimpleNamespace

import numpy as np
import pytest

from coterie.content.encoders import EncoderChoice, make_encoder
from coterie.content.endpoint import EndpointEncoder, EndpointSettings
from coterie.content.sentences import WEIGHTS
from coterie.content.weights import PackagedFile
from coterie.errors import BadInputError
from coterie.release.encoders import ReleasedEncoder
from coterie.release.queries import QueryEncoders

OTHER = ReleasedEncoder("e5", "ab" * 32, "s3://models/e5")
V1 = "https://api.example/v1"


def release(made, version="v7", width=512):
    """What is asked of a release, which is written and read in test_bundle."""
    encoders = {"text": made} if made else {}
    vectors = {"text": np.zeros((3, width), np.float16)} if made else {}
    manifest = SimpleNamespace(version=version, encoders=encoders)
    return SimpleNamespace(version=version, manifest=manifest, vectors=vectors)


@pytest.fixture(scope="module")
def default():
    pytest.importorskip("sentencepiece", reason="the extra content is not installed")
    return make_encoder("text", EncoderChoice("default"))


@pytest.fixture
def made(default):
    return ReleasedEncoder(default.name, default.digest, "default")


@pytest.mark.parametrize("place", ["", "default"])
def test_queries_are_read_as_the_texts_were(default, made, place):
    opened = QueryEncoders(place).open(release(made))
    texts = ["a red lamp"]
    np.testing.assert_array_equal(opened.encode(texts).vectors, default.encode(texts).vectors)


def test_two_releases_share_one_encoder(made):
    encoders = QueryEncoders()
    assert encoders.open(release(made)) is encoders.open(release(made, "v8"))


@pytest.mark.parametrize("place", ["", "default", "/no/such/folder", V1])
def test_a_release_without_vectors_needs_no_encoder(place):
    assert QueryEncoders(place).open(release(None)) is None


def test_another_encoder_than_the_releases_is_refused(made):
    with pytest.raises(
        BadInputError,
        match=r"encoded by use-multilingual-3 \(\w{12}\) of default, and release v7 has vectors of "
        r"e5 \(abababababab\): set COTERIE_TEXT_ENCODER",
    ):
        QueryEncoders("default").open(release(OTHER))
    older = ReleasedEncoder(made.encoder, "cd" * 32, "default")
    with pytest.raises(BadInputError, match="cdcdcdcdcdcd"):
        QueryEncoders().open(release(older))


def test_vectors_that_the_encoder_cannot_have_made_are_refused(made):
    with pytest.raises(BadInputError, match="have 16 numbers and not 512"):
        QueryEncoders().open(release(made, width=16))


def test_nothing_but_the_default_is_opened_on_the_word_of_a_release():
    assert QueryEncoders().open(release(OTHER)) is None
    assert QueryEncoders("none").open(release(OTHER)) is None


def test_without_its_package_the_default_is_missed_only_where_it_was_set(made, monkeypatch):
    gone = PackagedFile("no-such-package", "1", WEIGHTS.path, WEIGHTS.sha256)
    monkeypatch.setattr("coterie.content.sentences.WEIGHTS", gone)
    assert QueryEncoders().open(release(made)) is None
    with pytest.raises(BadInputError, match="not installed"):
        QueryEncoders("default").open(release(made))


def test_a_folder_without_what_reads_it_says_what_to_install(monkeypatch):
    def fail(*_):
        raise ModuleNotFoundError("No module named 'transformers'", name="transformers")

    monkeypatch.setattr("coterie.release.queries.make_encoder", fail)
    with pytest.raises(BadInputError, match=r"transformers is not installed; pip install 'cot"):
        QueryEncoders("/models/e5").open(release(OTHER))


def test_an_address_takes_the_releases_model_and_prefix_and_is_not_asked_yet():
    there = EndpointEncoder(EndpointSettings(V1, "small", "query: "))
    made = ReleasedEncoder(there.name, there.digest, V1, "small", "query: ")
    opened = QueryEncoders(V1, "secret").open(release(made))
    assert (opened.name, opened.digest) == (there.name, there.digest)
    with pytest.raises(BadInputError, match=r"small@api\.example"):
        QueryEncoders("https://other.example/v1").open(release(made))


def test_an_address_with_a_secret_in_it_is_refused():
    for address in ("https://me:secret@api.example/v1", f"{V1}?key=secret"):
        with pytest.raises(BadInputError) as error:
            EndpointSettings(address, "small")
        assert "secret" not in str(error.value)
