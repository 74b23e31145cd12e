"""The recipe "A new item signal" of CONTRIBUTING, followed for a toy: items of a brand that the
shopper or a friend had before."""

from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import pyarrow.compute as pc
import pytest
import torch

from coterie.data.vocab import Vocab
from coterie.errors import BadInputError
from coterie.fitting.dataset_file import digest, pack, unpack
from coterie.models import MODELS
from coterie.models.exposure import EXPOSURE
from coterie.models.social import SocialModel
from coterie.models.social_config import SocialConfig
from coterie.recommend import score
from coterie.recommend.linear import LinearPart
from coterie.recommend.terms import Query, TermContributions
from coterie.release.gate import Limits
from coterie.release.offline import OfflineLists
from coterie.schema import EventKind
from coterie.workflow import FitSettings, fit_challenger, make_release
from coterie.workflow.challenger import load_challenger
from coterie.workflow.shop import CleanShop
from serving.events.event import Event
from serving.features.online_store import FakeFeatures
from serving.features.recent import RecentList, merge
from serving.lists.list_maker import ListMaker
from serving.telemetry.metrics import ServingMetrics
from tests.tiny_shop import write_clean

SHARED = 0.4
NOON_MS = 1_700_000_000_000


# Step 1, coterie/recommend/<signal>.py: the term, which serving runs.
class BrandTerm:
    names: ClassVar[frozenset[str]] = frozenset({"brand.vectors"})

    def __init__(self, vectors):
        self.vectors = vectors.double()

    def query(self, asked):
        return Query(torch.from_numpy(asked.item_weights(len(self.vectors)) @ self.vectors.numpy()))

    def split(self, asked, sources, items):
        had = asked.shoppers.histories.item_idx[sources.entries]
        vectors = self.vectors[torch.from_numpy(had)] * sources.weight[:, None]
        return TermContributions((vectors @ self.vectors[items].T).numpy())

    def times(self, factor):
        return BrandTerm(self.vectors * abs(factor) ** 0.5)

    def tensors(self):
        return {"brand.vectors": self.vectors.float()}

    @classmethod
    def of_tensors(cls, tensors, num_items):
        if len(tensors["brand.vectors"]) != num_items:
            raise BadInputError(f"brands of {len(tensors['brand.vectors'])} items, not {num_items}")
        return cls(tensors["brand.vectors"])


# Step 3, coterie/models/<signal>.py: its settings, and how it is made.
@dataclass(frozen=True, slots=True)
class BrandSignal:
    share: float | None = 0.0
    columns: ClassVar[tuple[str, ...]] = ("brand",)

    def fit(self, data, community, device):
        brand = data.item_column("brand")
        brands = Vocab.of(brand)
        vectors = np.zeros((data.num_items, len(brands)))
        rows = brands.rows(brand)
        vectors[rows >= 0, rows[rows >= 0]] = 1.0
        return BrandTerm(torch.from_numpy(vectors))


# Step 4, coterie/models/social_config.py: a field of the config. (The toy has its own class.)
@dataclass(frozen=True, slots=True)
class BrandedConfig(SocialConfig):
    brand: BrandSignal = field(default_factory=BrandSignal)


class Branded(SocialModel):
    name: ClassVar[str] = "branded"
    config_class: ClassVar[type[Any]] = BrandedConfig


@pytest.fixture(autouse=True)
def followed(monkeypatch):
    """Step 2: its entry in ``score.TERMS``; and the toy's model."""
    monkeypatch.setattr(score, "TERMS", (LinearPart, BrandTerm))
    monkeypatch.setitem(MODELS, "branded", Branded)


@pytest.fixture(scope="module")
def clean(tmp_path_factory):
    return str(write_clean(tmp_path_factory.mktemp("shop")))


def settings(share):
    small = {"embedding_size": 16, "loop.max_epochs": 2, "linear.rank": 16}
    return FitSettings("branded", small | {"brand.share": share})


@pytest.fixture(scope="module")
def releases(clean, tmp_path_factory):
    """With and without the signal, at a share that makes it count."""
    made = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(score, "TERMS", (LinearPart, BrandTerm))
        patch.setitem(MODELS, "branded", Branded)
        for share in (SHARED, 0.0):
            out = tmp_path_factory.mktemp("model")
            fit_challenger(clean, str(out / "challenger"), settings(share))
            made[share] = make_release(
                clean,
                str(out / "challenger"),
                str(out / "release"),
                limits=Limits(min_gain_over_popularity=-1.0),
            )
    return made


def lists_of(release, clean, k=10):
    dataset = CleanShop.open(clean).dataset
    lists = OfflineLists(release, dataset)
    return [lists.recommend(user, k) for user in dataset.users.ids.to_pylist()[::3]]


def share_of_own_brands(shown, clean):
    """Of the places of who has a history, those with a brand that is in it."""
    dataset = CleanShop.open(clean).dataset
    ids, brands = (dataset.catalogue[name].to_pylist() for name in ("item_id", "brand"))
    brand, had = dict(zip(ids, brands, strict=True)), set()
    users = dataset.users.to_ids(dataset.events.user_idx)
    for user, item in zip(users, dataset.events.item_idx.tolist(), strict=True):
        had.add((user, brands[item]))
    known = [one for one in shown if one.source == "own"]
    return np.mean([(one.user_id, brand[i.item_id]) in had for one in known for i in one.items])


def test_the_signal_is_released_and_moves_lists_its_way(releases, clean):
    assert releases[SHARED].parameters.keys() - releases[0.0].parameters.keys() == BrandTerm.names
    with_it, without = (share_of_own_brands(lists_of(r, clean), clean) for r in releases.values())
    assert with_it > without + 0.05


def test_reasons_add_up_to_scores_with_the_signal(releases, clean):
    shown = lists_of(releases[SHARED], clean)
    for item in [item for one in shown for item in one.items]:
        assert sum(r.contribution for r in item.reasons) == pytest.approx(item.score, abs=1e-4)
    assert {one.source.value for one in shown} >= {"own", "friends"}


def test_a_release_with_an_unknown_term_is_refused(releases, clean, monkeypatch):
    monkeypatch.setattr(score, "TERMS", (LinearPart,))
    with pytest.raises(BadInputError, match=r"brand\.vectors"):
        lists_of(releases[SHARED], clean)


def test_validation_chooses_the_share_and_the_refit_keeps_it(clean, tmp_path):
    known = fit_challenger(clean, str(tmp_path), settings(None))
    assert known.config["brand"]["share"] is None
    assert 0.0 <= known.chosen["brand"]["share"] < 1.0
    assert load_challenger(str(tmp_path)).chosen["brand"]["share"] == known.chosen["brand"]["share"]


def test_a_model_is_handed_the_columns_that_it_reads_and_no_others(clean, tmp_path):
    data = CleanShop.open(clean).split.for_validation()
    reads = data.with_item_columns(Branded(settings(SHARED).configure()).item_columns)
    assert reads.items.column_names == ["brand"]
    assert Branded(settings(0.0).configure()).item_columns == (EXPOSURE,)
    pack(reads, str(tmp_path / "packed"))
    found = unpack(str(tmp_path / "packed"))
    assert found.items.equals(reads.items)
    assert digest(found) == digest(reads) != digest(data.with_item_columns(()))
    assert pc.sum(pc.is_valid(reads.item_column("brand"))).as_py() > 50
    with pytest.raises(BadInputError, match="title"):
        reads.item_column("title")


def test_it_is_served_with_reasons(releases, clean):
    brands = releases[SHARED].catalogue["brand"].to_pylist()
    ids = releases[SHARED].catalogue["item_id"].to_pylist()
    bought = Event("e1", "ana", ids[0], EventKind.PURCHASE, NOON_MS)
    features = FakeFeatures(recent={"ana": merge(RecentList(), [bought])})
    places = {}
    for share, release in releases.items():
        served = ListMaker(release, features, ServingMetrics()).recommend("ana", 100, True).items
        for item in served:
            told = sum(reason.contribution for reason in item.reasons)
            assert told == pytest.approx(item.score, abs=1e-4)
        same = [brands[ids.index(item.item.item_id)] == brands[0] for item in served]
        places[share] = np.flatnonzero(same).mean()
    assert places[SHARED] < places[0.0]
