"""Two releases, tried on simulated shoppers who live by the lists that they are shown: the better
one is found, by how much is told rightly, and the worse one is stopped by its guardrail."""

import json
from functools import partial

import httpx
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
import torch
from live_shop import LiveShop, running, saying
from small_shop import FOLDERS

from coterie.data.simulate import ShopConfig, simulate
from coterie.impressions.table import read_impressions
from coterie.recommend.encoder import Encoder
from coterie.release.bundle import ReleaseContent, write_release
from coterie.schema import ITEMS
from serving.features.online_store import FakeFeatures
from serving.features.recent import RecentList
from serving.lists.shopper_features import ShopperFeatures

K, DIM, REPEATS = 5, 16, 20
SHOP = ShopConfig(num_users=460, num_items=80, num_events=6_000, days=60)


class Simulated:
    """What a simulated shop's events teach, and what its shoppers do with lists."""

    def __init__(self):
        shop = simulate(SHOP)
        self.world, events = shop.world, shop.events.sort_by([("ts", "descending")])
        self.items = shop.items.sort_by("item_id")
        users, items = self.world.user_ids, self.world.item_ids
        user = np.searchsorted(users, np.asarray(events["user_id"], np.str_))
        item = np.searchsorted(items, np.asarray(events["item_id"], np.str_))
        had = np.zeros((len(users), len(items)))
        had[user, item] = 1.0
        self.popularity = had.sum(axis=0)
        _, size, right = np.linalg.svd(had / np.sqrt(self.popularity + 1), full_matrices=False)
        vectors = right[:DIM].T * size[:DIM]
        self.vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        # Stands in for what many more events would teach of items.
        self.pleases = 3 * self.world.attraction(users.tolist(), items.tolist()).mean(axis=0)
        recent = {}
        # Who did nothing gets popular items of either release: nothing to tell them apart by.
        self.shoppers = np.unique(users[user]).tolist()
        for name in self.shoppers:
            theirs = events.filter(pc.equal(events["user_id"], name)).slice(0, 30)
            ids = dict.fromkeys(theirs["item_id"].to_pylist())
            times = pc.cast(theirs["ts"], pa.int64()).to_pylist()[: len(ids)]
            recent[name] = RecentList(tuple(ids), (0,) * len(ids), tuple(t // 1000 for t in times))
        self.features = FakeFeatures(recent=recent)

    def write(self, folder, version):
        """Write a release of what events teach; in the second its scores came out turned round."""
        sign = -1.0 if version == "v2" else 1.0
        read = torch.from_numpy(self.vectors.astype(np.float32))
        encoder = {f"encoder.{name}": p.detach() for name, p in Encoder().named_parameters()}
        parameters = {
            "item_in": read,
            "item_out": sign * read,
            "item_bias": sign * torch.from_numpy(self.pleases.astype(np.float32)),
            "inverse_temperature": torch.tensor(4.0),
            "popularity_weight": torch.tensor(0.0),
            **encoder,
        }
        made = write_release(
            str(folder),
            ReleaseContent(
                version=version,
                parameters=parameters,
                catalogue=self.items.select(ITEMS.arrow.names).cast(ITEMS.arrow),
                popularity=self.popularity.astype(np.float32),
                metrics={"recall@20": 0.3},
                data_fingerprint="simulated",
                limits={},
            ),
        )
        FOLDERS[made.digest] = str(folder)
        return made

    def buys(self, shown, rng):
        """Show each shopper a list; give what they did."""
        return self.world.answer(list(shown), list(shown.values()), rng)


def live(url, simulated, seed, users):
    """Shoppers come, see their lists, and the shop is told what they did with them."""
    with httpx.Client(base_url=url, timeout=60) as client:
        shown, named = {}, {}
        for user in users:
            ask = f"/v1/users/{user}/recommendations"
            listed = client.get(ask, params={"k": K, "explain": False}).json()
            shown[user] = [one["item"]["item_id"] for one in listed["items"]]
            named[user] = listed["list_id"]
        told = [
            {
                **{name: one[name] for name in ("event_id", "user_id", "item_id", "event")},
                "list_id": named[one["user_id"]],
                "value": 10.0 if one["event"] == "purchase" else None,
            }
            for one in simulated.buys(shown, seed).to_pylist()
            if one["event"] in ("click", "cart", "purchase")
        ]
        for start in range(0, len(told), 500):
            answer = client.post("/v1/events", json={"events": told[start : start + 500]})
            assert answer.is_success, answer.text
    return shown


def truth(shop, simulated):
    """What everybody on the second release would buy more than everybody on the first."""
    rates, other = [], shop.router.experiments.running.releases[shop.other.digest]
    for maker in (shop.router.stable, other.maker):
        lists = {}
        for user in simulated.shoppers:
            known = ShopperFeatures(user, shop.features.shopper(user), [])
            listed = maker.make(known, K, False)
            lists[user] = [one.item.item_id for one in listed.items]
        rates.append(np.mean([_buyers(simulated.buys(lists, seed)) for seed in range(REPEATS)]))
    return (rates[1] - rates[0]) / len(simulated.shoppers)


def _buyers(did):
    return len(pc.unique(did.filter(pc.equal(did["event"], "purchase"))["user_id"]))


@pytest.fixture(scope="module")
def simulated():
    return Simulated()


@pytest.fixture(scope="module")
def shop(tmp_path_factory, simulated):
    folder = tmp_path_factory.mktemp("releases")
    return LiveShop(folder, write=partial(Simulated.write, simulated), features=simulated.features)


def test_the_better_release_is_found_and_the_worse_one_stopped(
    shop, simulated, monkeypatch, capsys
):
    everybody = simulated.shoppers
    with running(shop.app) as url:
        said = saying(url, monkeypatch, capsys)
        arms = ["a=release:v1", "b=release:v2", "--guardrail", "clicks", "--share", "1"]
        said("start", "try", "--arms", *arms, "--reason", "new vectors", "--who", "ana")
        shop.router.experiments.look()
        more = truth(shop, simulated)
        live(url, simulated, 5, everybody)
        shop.judge()
        found = json.loads(said("result", "try", "--json"))
        [effect] = found["comparisons"]
        assert effect["low"] < more < effect["high"] < 0
        assert not found["mismatch"]["mismatch"]
        assert {one["name"]: one["releases"] for one in found["arms"]} == {"a": ["v1"], "b": ["v2"]}
        [clicks] = found["guardrails"]
        assert clicks["breached"]
        shown = said("result", "try")
        assert "b breaches clicks; b is worse than a" in shown
        # Nobody is shown the worse one any more, and all of its shoppers count as its own still.
        shop.router.experiments.look()
        assert "b shows release:v2 (stopped)" in said("status", "try")
        live(url, simulated, 7, everybody[:10])
        shop.writer.flush()
        late = read_impressions(str(shop.folder / "tables")).to_pylist()[-10 * K :]
        assert {(row["arm"], row["release"]) for row in late} == {("a", "v1"), ("b", "v1")}
        said("stop", "try", "--reason", "v1 is better")
