import json
import os
import subprocess
import sys
from io import BytesIO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from coterie.content.encoder import EncodedBatch, digest_of, unit_rows
from coterie.content.vectors import ItemVectors
from coterie.data.ingest import ingest
from coterie.errors import BadInputError, UnavailableError
from coterie.workflow.content import ContentSettings, encode_catalogue
from tests.tiny_shop import write_raw

TEXT = ContentSettings.read('{"text": {"place": "default"}}')


class Toy:
    """Counts letters, or bytes; remembers what it was asked. No vector of what says ``bad``."""

    width = 4

    def __init__(self, kind, version=1):
        self.kind, self.name, self.digest = kind, "toy", digest_of(version=version)
        self.asked = []

    def encode(self, batch):
        self.asked += batch
        vectors = np.array(
            [
                [len(one), len(set(one)), one[0] if isinstance(one, bytes) else ord(one[0]), 1]
                for one in batch
            ]
        )
        faults = {p: "says bad" for p, one in enumerate(batch) if one[:3] in (b"bad", "bad")}
        vectors = unit_rows(vectors.reshape(len(batch), 4))
        vectors[list(faults)] = 0
        return EncodedBatch(vectors, faults)


def toys(version=1):
    made = {}

    def make(kind, choice, key):
        made[kind] = Toy(kind, version)
        return made[kind]

    return made, make


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    return write_raw(tmp_path_factory.mktemp("raw"))


@pytest.fixture
def shop(raw, tmp_path):
    """Cleans the shop with some columns of its items replaced."""

    def clean(**columns):
        folder = tmp_path / "raw"
        folder.mkdir(exist_ok=True)
        for file in raw.glob("*.parquet"):
            (folder / file.name).write_bytes(file.read_bytes())
        items = pq.read_table(raw / "items.parquet")
        for name, change in columns.items():
            values = change(items["item_id"].to_pylist())
            place = items.column_names.index(name)
            items = items.set_column(place, name, pa.array(values, pa.string()))
        pq.write_table(items, folder / "items.parquet")
        ingest(str(folder), str(tmp_path / "clean"))
        return str(tmp_path / "clean")

    return clean


def titled(prefix, special=None):
    special = special or {}
    return lambda ids: [special.get(place, f"{prefix} {one}") for place, one in enumerate(ids)]


def test_every_item_gets_the_vector_of_its_text(shop, tmp_path):
    made, make = toys()
    clean = shop(title=titled("lamp"))
    found = encode_catalogue(clean, str(tmp_path / "out"), TEXT, make=make)
    vectors = ItemVectors.read(tmp_path / "out", "text")
    assert found["text"].known == found["text"].encoded == len(vectors.item_ids)
    assert vectors.known.all()
    one = vectors.item_ids[7]
    (text,) = [text for text in made["text"].asked if text.split("\n")[0] == f"lamp {one}"]
    expected = Toy("text").encode([text]).vectors[0]
    assert vectors.for_items([one])[0] == pytest.approx(expected, abs=1e-3)
    assert (vectors.encoder, vectors.digest) == ("toy", digest_of(version=1))


def test_the_next_day_only_what_is_new_or_changed_is_encoded(shop, tmp_path):
    keep, out = str(tmp_path / "keep"), str(tmp_path / "out")
    _, make = toys()
    encode_catalogue(shop(title=titled("lamp")), out, TEXT, keep, make=make)
    before = ItemVectors.read(out, "text")
    second, make = toys()
    clean = shop(title=titled("lamp", {3: "a new title"}))
    found = encode_catalogue(clean, out, TEXT, keep, make=make)
    assert found["text"].encoded == 1
    assert [text.split("\n")[0] for text in second["text"].asked] == ["a new title"]
    after = ItemVectors.read(out, "text")
    assert (before.vectors != after.vectors).any(axis=1).sum() == 1
    third, make = toys()
    assert encode_catalogue(clean, out, TEXT, keep, make=make)["text"].encoded == 0
    assert third["text"].asked == []


def test_vectors_of_another_encoder_are_not_used_again(shop, tmp_path):
    keep, out = str(tmp_path / "keep"), str(tmp_path / "out")
    clean = shop(title=titled("lamp"))
    encode_catalogue(clean, out, TEXT, keep, make=toys()[1])
    found = encode_catalogue(clean, out, TEXT, keep, make=toys(version=2)[1])
    assert found["text"].encoded == found["text"].items
    assert ItemVectors.read(keep, "text").digest == digest_of(version=2)


def test_what_is_kept_and_broken_is_made_again(shop, tmp_path):
    keep, out = tmp_path / "keep", str(tmp_path / "out")
    clean = shop(title=titled("lamp"))
    encode_catalogue(clean, out, TEXT, str(keep), make=toys()[1])
    (file,) = keep.glob("*.safetensors")
    file.write_bytes(b"broken")
    found = encode_catalogue(clean, out, TEXT, str(keep), make=toys()[1])
    assert found["text"].encoded == found["text"].items
    assert ItemVectors.read(keep, "text").known.all()


def test_a_bad_picture_goes_to_quarantine_and_its_item_lives_without(shop, tmp_path):
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    (pictures / "good.png").write_bytes(b"good")
    (pictures / "bad.png").write_bytes(b"bad")
    names = {0: "good.png", 1: "bad.png", 2: "none.png", 3: "good.png", 4: "/etc/passwd"}
    clean = shop(image_uri=lambda ids: [names.get(place) for place in range(len(ids))])
    keep, out = str(tmp_path / "keep"), tmp_path / "out"
    settings = ContentSettings.read(
        json.dumps({"image": {"place": "default"}, "fetch": {"roots": [str(pictures)]}})
    )
    made, make = toys()
    found = encode_catalogue(clean, str(out), settings, keep, make=make)["image"]
    assert made["image"].asked in ([b"good", b"bad"], [b"bad", b"good"])
    assert (found.known, found.encoded, found.quarantined) == (2, 1, 3)
    bad = pq.read_table(out / "quarantine.parquet").sort_by("found").to_pylist()
    assert [(row["column"], row["found"]) for row in bad] == [
        ("image_uri", "/etc/passwd"),
        ("image_uri", "bad.png"),
        ("image_uri", "none.png"),
    ]
    assert bad[1]["reason"] == "says bad"
    assert "no file below" in bad[0]["reason"]
    # What was bad is tried again; what was good and is the same is not read.
    same, make = toys()
    encode_catalogue(clean, str(out), settings, keep, make=make)
    assert same["image"].asked == [b"bad"]
    (pictures / "bad.png").write_bytes(b"mended")
    again, make = toys()
    found = encode_catalogue(clean, str(out), settings, keep, make=make)["image"]
    assert again["image"].asked == [b"mended"]
    assert (found.known, found.quarantined) == (3, 2)


def test_what_was_encoded_before_an_api_fell_silent_is_kept(shop, tmp_path):
    class Fails(Toy):
        def encode(self, batch):
            if len(self.asked) >= 40:
                raise UnavailableError("api.example does not answer")
            return super().encode(batch)

    keep, clean = str(tmp_path / "keep"), shop(title=titled("lamp"))
    settings = ContentSettings.read('{"text.place": "default", "batch": 20}')
    made, _ = toys()

    def make(kind, choice, key):
        return made.setdefault(kind, Fails(kind))

    found = encode_catalogue(clean, str(tmp_path / "out"), settings, keep, make=make)["text"]
    assert (found.known, found.encoded, found.quarantined) == (40, 40, found.items - 40)
    (why,) = set(pq.read_table(tmp_path / "out/quarantine.parquet")["reason"].to_pylist())
    assert why == "api.example does not answer"
    with pytest.raises(UnavailableError):
        encode_catalogue(clean, str(tmp_path / "out"), settings, keep, make=make)
    after = encode_catalogue(clean, str(tmp_path / "out"), settings, keep, make=toys()[1])["text"]
    assert (after.known, after.encoded) == (after.items, after.items - 40)


def test_without_an_encoder_nothing_is_made(shop, tmp_path):
    clean = shop(title=titled("lamp"))
    assert encode_catalogue(clean, str(tmp_path / "out"), ContentSettings.read("")) == {}
    assert sorted(one.name for one in (tmp_path / "out").iterdir()) == [
        "content.json",
        "quarantine.parquet",
    ]


def test_the_real_encoders_run_over_a_catalogue(shop, tmp_path):
    pytest.importorskip("sentencepiece", reason="the extra content is not installed")
    Image = pytest.importorskip("PIL.Image", reason="the extra content is not installed")
    out = BytesIO()
    Image.new("RGB", (20, 20), "red").save(out, "PNG")
    (tmp_path / "a.png").write_bytes(out.getvalue())
    clean = shop(image_uri=lambda ids: ["a.png"] * len(ids))
    given = {
        "text.place": "default",
        "image.place": "default",
        "audio.place": "default",
        "fetch.roots": [str(tmp_path)],
        "texts.max_characters": 60,
    }
    found = encode_catalogue(clean, str(tmp_path / "out"), ContentSettings.read(json.dumps(given)))
    assert found["text"].known == found["image"].known == found["text"].items
    assert found["image"].encoded == 1, "one picture of all items is encoded once"
    assert found["audio"].known == found["audio"].quarantined == 0
    assert ItemVectors.read(tmp_path / "out", "text").width == 512


ON_RAY = """
import sys
from coterie.workflow.content import ContentSettings, encode_catalogue

clean, out, settings = sys.argv[1:]
print(encode_catalogue(clean, out, ContentSettings.read(settings))["audio"].in_words("audio"))
"""


@pytest.mark.slow
def test_workers_make_the_vectors_that_one_process_makes(shop, tmp_path):
    pytest.importorskip("ray", reason="Ray comes with the extra train")
    soundfile = pytest.importorskip("soundfile", reason="the extra content is not installed")
    noise = np.random.default_rng(0).normal(0, 0.1, (30, 4_000))
    for place, samples in enumerate(noise):
        soundfile.write(tmp_path / f"{place}.wav", samples, 8_000)
    (tmp_path / "bad.wav").write_bytes(b"no sound")
    clean = shop(
        audio_uri=lambda ids: ["bad.wav", *(f"{place % 30}.wav" for place in range(len(ids) - 1))]
    )
    given = {"audio.place": "default", "fetch.roots": [str(tmp_path)], "batch": 4}
    here = encode_catalogue(clean, str(tmp_path / "here"), ContentSettings.read(json.dumps(given)))
    quiet = os.environ | {"RAY_AUTH_MODE": "disabled", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}
    there = subprocess.run(
        [
            sys.executable,
            "-c",
            ON_RAY,
            clean,
            str(tmp_path / "there"),
            json.dumps(given | {"workers.count": 2}),
        ],
        capture_output=True,
        text=True,
        timeout=240,
        env=quiet,
    )
    assert there.returncode == 0, there.stderr
    assert here["audio"].in_words("audio") in there.stdout
    one, other = (ItemVectors.read(tmp_path / name, "audio") for name in ("here", "there"))
    assert one.item_ids == other.item_ids
    assert one.known.sum() == len(one.item_ids) - 1
    assert one.vectors.tolist() == other.vectors.tolist()


@pytest.mark.parametrize(
    "bad",
    [
        '{"texts": {"length": 3}}',
        '{"batch": 0}',
        '{"smell": "default"}',
        '{"audio": {"place": "s3://models/clap"}}',
        '{"image": {"place": "https://api.example/v1"}}',
        '{"text": {"place": "https://api.example/v1"}}',  # no model is named
    ],
)
def test_settings_that_are_not_known_are_refused(bad):
    with pytest.raises(BadInputError):
        ContentSettings.read(bad)
