"""From a catalogue to what shoppers find, with each kind of encoder that a shop may name.

The content step encodes, a challenger is trained with it, a release made, and searched over HTTP by
the encoder that serving opens.
"""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from small_shop import FOLDERS, ref_of

from coterie import workflow
from coterie.data.ingest import ingest
from coterie.data.simulate import ShopConfig, simulate
from coterie.recommend.stand_ins import NEAREST
from coterie.release.bundle import load_release
from coterie.release.gate import Limits
from coterie.release.queries import NONE, QueryEncoders
from coterie.workflow.content import ContentSettings, encode_catalogue
from serving.lists import new_rows
from serving.rollouts.loaded_release import load_arm
from tests.embeddings_api import KEY, MODEL, EmbeddingsApi

KINDS = (
    "Leather Boots", "Desk Lamp", "Tea Pot", "Rain Umbrella", "Wool Scarf", "Frying Pan",
    "Wrist Watch", "Bath Towel", "Garden Spade", "Picture Frame", "Chess Set", "Yoga Mat",
)  # fmt: skip
COLOURS = ("Red", "Green", "Blue", "Black", "White")
NUM_ITEMS = len(KINDS) * len(COLOURS)
MEANT = {"boots": 0, "wellies": 0, "靴子": 0, "lamp": 1, "light": 1, "tea": 2, "towel": 3}
QUICK = {"loop.max_epochs": 1, "embedding_size": 8}


@pytest.fixture(scope="module")
def clean(tmp_path_factory):
    """A simulated shop whose items have titles of ours, and nothing else that tells of them."""
    home = tmp_path_factory.mktemp("shop")
    shop = ShopConfig(num_users=40, num_items=NUM_ITEMS, num_events=900)
    simulate(shop).write(str(home / "raw"))
    items = pq.read_table(home / "raw/items.parquet")
    titles = [f"{colour} {kind}" for colour in COLOURS for kind in KINDS]
    for name, values in (("title", titles), ("description", None), ("brand", None)):
        column = pa.array(values or [None] * NUM_ITEMS, pa.string())
        items = items.set_column(items.column_names.index(name), name, column)
    category = pa.array(["Shop"] * NUM_ITEMS)
    items = items.set_column(items.column_names.index("category"), "category", category)
    pq.write_table(items, home / "raw/items.parquet")
    ingest(str(home / "raw"), str(home / "clean"))
    return str(home / "clean")


@pytest.fixture(scope="module")
def api():
    with EmbeddingsApi(MEANT).answering() as api:
        yield api


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    """A transformer drawn by chance, but for one thing: wellies are boots to it."""
    transformers = pytest.importorskip("transformers", reason="the extra content is missing")
    import torch

    torch.manual_seed(0)
    words = sorted({word.lower() for kind in KINDS for word in kind.split()})
    words += [*(colour.lower() for colour in COLOURS), "shop", "wellies"]
    vocab = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *words]
    size = {"hidden_size": 64, "num_attention_heads": 2, "intermediate_size": 64}
    config = transformers.BertConfig(vocab_size=len(vocab), num_hidden_layers=1, **size)
    model = transformers.BertModel(config)
    with torch.no_grad():
        # Words count far more than their places, as in a model that has learned.
        known = model.embeddings.word_embeddings.weight.normal_()
        known[vocab.index("wellies")] = known[vocab.index("boots")]
    folder = tmp_path_factory.mktemp("models") / "tiny-bert"
    model.save_pretrained(folder)
    (folder.parent / "vocab.txt").write_text("\n".join(vocab))
    tokens = transformers.BertTokenizerFast(str(folder.parent / "vocab.txt"), model_max_length=40)
    tokens.save_pretrained(folder)
    return str(folder)


@pytest.fixture(scope="module")
def release_of(clean, tmp_path_factory):
    """Makes a release whose vectors of texts an encoder made."""

    def make(key="", **text):
        home = tmp_path_factory.mktemp("made")
        content, model, bundle = (str(home / name) for name in ("content", "model", "bundle"))
        encode_catalogue(clean, content, ContentSettings.changed(as_text(text)), key=key)
        told = workflow.FitSettings(config=QUICK, content=content)
        workflow.fit_challenger(clean, model, told)
        limits = Limits(min_gain_over_popularity=-1)
        workflow.make_release(clean, model, bundle, "v1", limits, content=content)
        release = load_release(bundle)
        FOLDERS[release.digest] = bundle
        return release

    return make


def as_text(choice):
    return {f"text.{name}": value for name, value in choice.items()}


@pytest.fixture(scope="module")
def by_default(release_of):
    """A release of the default encoder, and what serving opens for it."""
    pytest.importorskip("sentencepiece", reason="the extra content is not installed")
    return release_of(place="default"), QueryEncoders()


def found(client, query, k=5):
    """Titles without their colour, and by what each fits."""
    answer = client.get("/v1/users/nobody/search", params={"q": query, "k": k})
    assert answer.status_code == 200, answer.text
    return [
        (one["item"]["title"].partition(" ")[2], set(one["matched"]))
        for one in answer.json()["items"]
    ]


@pytest.mark.parametrize(
    ("query", "kind", "matched"),
    [
        ("umbrella for the rain", "Rain Umbrella", {"words", "meaning"}),
        ("umbrela", "Rain Umbrella", {"words"}),  # a slip
        ("parasol", "Rain Umbrella", {"meaning"}),
        ("雨伞", "Rain Umbrella", {"meaning"}),
        ("靴子", "Leather Boots", {"meaning"}),
    ],
)
def test_the_default_encoder_finds(make_client, by_default, query, kind, matched):
    release, encoders = by_default
    first, *_ = found(make_client(release, encoders=encoders), query)
    assert first == (kind, matched)


def test_an_address_encodes_queries_as_it_did_items(make_client, release_of, api):
    release = release_of(KEY, place=api.address, model=MODEL, prefix="say: ")
    made = release.manifest.encoders["text"]
    assert (made.place, made.model, made.prefix) == (api.address, MODEL, "say: ")
    client = make_client(release, encoders=QueryEncoders(api.address, KEY))
    asked = len(api.asked)
    boots = [("Leather Boots", {"meaning"})] * len(COLOURS)
    assert found(client, "靴子") == found(client, "wellies") == boots
    # How wide its vectors are is asked once, before the first query.
    assert api.asked[asked:] == ["a", "say: 靴子", "say: wellies"]
    # An API that refuses leaves words alone.
    client = make_client(release, encoders=QueryEncoders(api.address, "another key"))
    assert found(client, "靴子") == []
    assert found(client, "boots", 1) == [("Leather Boots", {"words"})]


def test_a_folder_encodes_queries_as_it_did_items(make_client, release_of, bert):
    release = release_of(place=bert)
    client = make_client(release, encoders=QueryEncoders(bert))
    assert found(client, "wellies")[0] == ("Leather Boots", {"meaning"})
    # Nobody opens a folder on the word of a release.
    assert found(make_client(release, encoders=QueryEncoders()), "wellies") == []


@pytest.mark.parametrize("title", ["Parasol", "雨伞"])
def test_what_means_the_same_stands_in_for_an_item_that_came_since(by_default, monkeypatch, title):
    release, encoders = by_default
    weighed, extended = [], new_rows.extended
    monkeypatch.setattr(
        new_rows, "extended", lambda known, w: weighed.append(w.toarray()[0]) or extended(known, w)
    )
    said = {"title": title, "category": "Shop", "brand": None, "price": None}
    new = {"new-1": {name: (value, 1, "put-1") for name, value in said.items()}}
    both = encoders, QueryEncoders(NONE)
    makers = [load_arm(ref_of(release), encoders=one).maker for one in both]
    for maker in makers:
        maker.add_items(new)
    by_meaning, by_category = weighed
    titles = release.catalogue["title"].to_pylist()
    umbrellas = {
        row
        for row, known in enumerate(titles)
        if known.endswith("Rain Umbrella") and release.popularity[row] > 0
    }
    assert umbrellas
    assert set(np.argsort(-by_meaning)[: len(umbrellas)]) == umbrellas
    assert by_meaning.sum() == pytest.approx(1.0)
    assert np.count_nonzero(by_meaning) <= NEAREST < np.count_nonzero(by_category)
    # Without an encoder all of its category are alike to it.
    assert len(set(by_category[by_category > 0])) == 1
    learned = makers[0].release.parameters["item_out"].double().numpy()
    assert learned[-1] == pytest.approx(by_meaning @ learned[:-1], abs=1e-5)
