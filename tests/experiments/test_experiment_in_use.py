"""An experiment in a served shop, by its command line: the better rules are found, and an arm that
does harm is stopped."""

import json
import time

import httpx
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from live_shop import LiveShop, running, saying
from small_shop import item

from coterie.impressions.table import read_impressions
from coterie.schema import NETWORK_COMMUNITY, SHOPPER_NETWORK_VIEW
from serving.ingestion.sweep import Sweeper

LIKED, LOVED = item(30), item(60)
"""What rules pin: what is bought of it is the truth that the experiment has to find."""
BOUGHT = {LIKED: 0.6, LOVED: 0.75}
USUAL = 0.15
SHOPPERS = 480
PINNED = "rules:\n- {{rule: pin, items: [{0}], position: 1}}\n"


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    rules = {"liked": PINNED.format(LIKED), "loved": PINNED.format(LOVED)}
    return LiveShop(tmp_path_factory.mktemp("experiment"), rules)


@pytest.fixture(scope="module")
def url(shop):
    with running(shop.app) as address:
        yield address


@pytest.fixture
def said(url, monkeypatch, capsys):
    return saying(url, monkeypatch, capsys)


def visit(url, numbers, seed):
    """Shoppers ask for a list, buy by what stands first, and send back nearly all that was loved
    in the arm ``c``, which we know by its list alone."""
    rng, sent = np.random.default_rng(seed), []
    with httpx.Client(base_url=url, timeout=60) as client:
        for number in numbers:
            user = f"guest-{number:04d}"
            listed = client.get(
                f"/v1/users/{user}/recommendations", params={"k": 5, "explain": False}
            ).json()
            first = listed["items"][0]["item"]["item_id"]
            if rng.random() < BOUGHT.get(first, USUAL):
                one = {"user_id": user, "item_id": first, "list_id": listed["list_id"]}
                sent.append({**one, "event_id": f"{user}-{seed}", "event": "purchase", "value": 20})
                if rng.random() < (0.9 if first == LIKED else 0.1):
                    sent.append({**one, "event_id": f"{user}-{seed}-r", "event": "return"})
        for start in range(0, len(sent), 100):
            assert client.post("/v1/events", json={"events": sent[start : start + 100]}).is_success


def test_the_better_rules_are_found_and_the_arm_that_does_harm_is_stopped(shop, url, said):
    arms = ["a=control", "b=rules:loved", "c=rules:liked"]
    reason = ["--reason", "wider lists", "--who", "ana"]
    begun = said("start", "may", "--arms", *arms, "--guardrail", "returns", "--share", "1", *reason)
    assert "may runs on 1 of the shoppers of layer main" in begun
    assert "there was an experiment may before" in said(
        "start", "may", "--arms", *arms, *reason, code=2
    )
    shop.router.experiments.look()
    visit(url, range(SHOPPERS), seed=1)
    assert "nothing is known yet" in said("result", "may")
    shop.judge()
    found = json.loads(said("result", "may", "--json"))
    b, c = found["comparisons"]
    for effect, truth in ((b, 0.75 - USUAL), (c, 0.6 - USUAL)):
        assert effect["low"] < truth < effect["high"]
        assert effect["low"] > 0
        assert effect["e_value"] > effect["decided_at"]
    assert [arm["shoppers"] > 120 for arm in found["arms"]] == [True] * 3
    assert not found["mismatch"]["mismatch"]
    breached = {one["arm"] for one in found["guardrails"] if one["breached"]}
    assert breached == {"c"}
    shown = said("result", "may")
    assert "b is better than a" in shown
    assert "c breaches returns" in shown
    # Who was on the arm that is stopped gets what is live, and counts as of it all the same.
    shop.router.experiments.look()
    stopped = said("status", "may")
    assert "c shows rules:liked (stopped)" in stopped
    visit(url, range(40), seed=2)
    shop.judge(9.0)
    rows = read_impressions(str(shop.folder / "tables")).to_pylist()
    late = [row for row in rows if row["arm"] == "c" and row["position"] == 0][-5:]
    assert all(row["item_id"] != LIKED and row["rules"] != "liked" for row in late)
    # Whoever is on the arm ``a`` has just these lists.
    assert all(row["propensity"] == pytest.approx(2 / 3) for row in late)
    assert json.loads(said("result", "may", "--json"))["switched"] == 0
    by_folder = said("result", "may", "--source", str(shop.folder / "tables"), "--json")
    assert json.loads(by_folder)["arms"][0]["lists"] > 120
    assert "may has ended" in said("stop", "may", "--reason", "b is better")
    shop.router.experiments.look()
    assert shop.router.experiments.running.experiments == ()
    page = httpx.get(f"{url}/v1/experiments").json()["experiments"][0]
    assert (page["who"], page["stopped_why"]) == ("a person", "b is better")


def test_a_release_of_an_arm_makes_its_lists_apart_from_any_rollout(shop, url, said):
    reason = ["--reason", "new ties", "--who", "ana"]
    said("start", "june", "--arms", "a=release:v1", "b=release:v2", "--share", "1", *reason)
    shop.router.experiments.look()
    answers = shop.metrics.arms
    before = counted(shop, "coterie_arm_answers_total")
    visit(url, range(24), seed=3)
    assert counted(shop, "coterie_arm_answers_total") == before, answers
    shop.writer.flush()
    rows = read_impressions(str(shop.folder / "tables")).to_pylist()
    by_arm = {(r["arm"], r["release"]) for r in rows if r["experiment"] == "june"}
    assert by_arm == {("a", "v1"), ("b", "v2")}
    # A release that fails is blamed; its shoppers get what is live.
    loaded = shop.router.experiments.running.releases[shop.other.digest]
    loaded.maker.make = None
    visit(url, range(24), seed=4)
    shop.writer.flush()
    rows = read_impressions(str(shop.folder / "tables")).to_pylist()
    late = [r for r in rows if r["experiment"] == "june"]
    assert {(r["arm"], r["release"], r["shielded"]) for r in late} == {
        ("a", "v1", False),
        ("b", "v2", False),
        ("b", "v1", True),
    }
    said("stop", "june", "--reason", "enough")
    shop.router.experiments.look()  # lets go of the release that fails


def test_lists_of_two_releases_tell_which_pleases_more_and_keep_who_put_what_there(shop, url, said):
    reason = ["--reason", "new ties", "--who", "ana"]
    arms = ["a=release:v1", "b=release:v2,rules:loved"]
    metric = ["--metric", "purchases", "--share", "1"]
    said("start", "drafted", "--interleave", *arms, *metric, *reason)
    shop.router.experiments.look()
    by_rollouts = counted(shop, "coterie_arm_answers_total")
    sold = buy_what_is_loved(url, range(1000, 1120))
    assert counted(shop, "coterie_arm_answers_total") == by_rollouts
    shop.judge()
    rows = read_impressions(str(shop.folder / "tables")).to_pylist()
    rows = [row for row in rows if row["experiment"] == "drafted"]
    lists = {row["list_id"]: [] for row in rows}
    for row in rows:
        lists[row["list_id"]].append(row)
    assert {row["arm"] for row in rows} == {"interleaved"}
    assert {row["release"] for row in rows} == {"v1+v2"}
    for one in lists.values():
        assert abs(sum(1 if row["team"] == "a" else -1 for row in one)) == 1, "five items of two"
        [loved] = [row for row in one if row["item_id"] == LOVED]
        assert (loved["team"], loved["credit"], loved["position"] < 2) == ("b", -1.0, True)
    on_top = [one[0]["item_id"] == LOVED for one in lists.values()]
    assert 0.4 < np.mean(on_top) < 0.6, "a coin says who picks first"
    assert {row["propensity"] for row in rows if row["position"] == 0} == {0.5}
    found = json.loads(said("result", "drafted", "--json"))
    [told] = found["comparisons"]
    # What was bought of what only the second arm shows, less what was bought of the first's own.
    assert told["low"] < 0.75 - sold < told["high"]
    assert told["low"] > 0
    assert told["e_value"] > told["decided_at"]
    assert "b is better than a" in said("result", "drafted")
    assert "Both arms are in each list" in said("result", "drafted")
    by_folder = said("result", "drafted", "--source", str(shop.folder / "tables"), "--json")
    assert json.loads(by_folder)["arms"][0]["shoppers"] == 120
    # The same shopper has the same list again, and its pages hold nothing twice.
    with httpx.Client(base_url=url, timeout=60) as client:
        path, ask = "/v1/users/max/recommendations", {"k": 5, "explain": False}
        pages = [client.get(path, params=ask).json() for _ in range(2)]
        pages.append(client.get(path, params={**ask, "after": pages[0]["next"]}).json())
    ids = [[one["item"]["item_id"] for one in page["items"]] for page in pages]
    assert ids[0] == ids[1]
    assert not set(ids[0]) & set(ids[2])
    assert [one["rank"] for one in pages[2]["items"]] == [6, 7, 8, 9, 10]
    # Where one of both cannot make its list, what is live answers, and nothing is credited.
    shop.router.experiments.running.releases[shop.other.digest].maker.make = None
    buy_what_is_loved(url, range(2000, 2003))
    shop.writer.flush()
    late = read_impressions(str(shop.folder / "tables")).to_pylist()[-5:]
    assert {(row["shielded"], row["team"], row["credit"]) for row in late} == {(True, "", None)}
    said("stop", "drafted", "--reason", "enough")
    shop.router.experiments.look()


def buy_what_is_loved(url, numbers):
    """Shoppers buy what is loved, and of the other items each as often, wherever they stand; give
    what a shopper buys of the first arm's own, less of the second's other, on average."""
    rng, sent = np.random.default_rng(7), []
    with httpx.Client(base_url=url, timeout=60) as client:
        for number in numbers:
            user = f"guest-{number:04d}"
            listed = client.get(
                f"/v1/users/{user}/recommendations", params={"k": 5, "explain": False}
            ).json()
            for one in listed["items"]:
                item_id = one["item"]["item_id"]
                if rng.random() < BOUGHT.get(item_id, USUAL):
                    about = {"user_id": user, "item_id": item_id, "list_id": listed["list_id"]}
                    event_id = f"{user}-{item_id}-loved"
                    sent.append({**about, "event_id": event_id, "event": "purchase", "value": 20})
        for start in range(0, len(sent), 100):
            assert client.post("/v1/events", json={"events": sent[start : start + 100]}).is_success
    return USUAL


def test_a_holdout_gets_popular_items_and_comes_before_all_else(shop, url, said):
    reason = ["--reason", "worth of lists", "--who", "ana"]
    said("start", "all-year", "--holdout", ".5", *reason)
    said("start", "july", "--arms", "a=control", "b=rules:loved", "--share", "1", *reason)
    shop.router.experiments.look()
    with httpx.Client(base_url=url, timeout=60) as client:
        lists = [client.get(f"/v1/users/{u}/recommendations").json() for u in ("ana", "lou", "max")]
    shop.writer.flush()
    rows = read_impressions(str(shop.folder / "tables")).to_pylist()
    arm = {r["user_id"]: r["arm"] for r in rows if r["experiment"] == "all-year"}
    assert set(arm) == {"ana", "lou", "max"}
    for one in lists:
        assert (one["source"] == "popular") == (arm[one["user_id"]] == "popular")
    # What lists earn: two shoppers of three are too few to say so, and what is known is told.
    shop.judge(10.0)
    told = json.loads(said("result", "all-year", "--json"))["earned"]
    assert told["metrics"]["revenue"]["low"] is None
    assert "what recommendations earned" in said("result", "all-year")
    for name in ("all-year", "july"):
        said("stop", name, "--reason", "enough")


def test_communities_are_those_of_the_start_where_lists_are_made_and_where_they_are_judged(
    shop, url, said, monkeypatch
):
    """The network's next run numbers communities anew: nobody may change arms for it."""
    guests = [f"guest-{3000 + number}" for number in range(72)]
    study = pa.table({"user_id": guests, "community": [n % 24 for n in range(72)]})
    monkeypatch.setattr("serving.api.experiments.read_study", lambda *_: study)
    reason = ["--reason", "friends talk", "--who", "ana"]
    arms = ["--arms", "a=control", "b=rules:loved", "--share", "1"]
    arms += ["--by", "community", "--window-days", "1e-6"]
    said("start", "talk", *arms, *reason)
    [file] = (shop.folder / "tables" / "experiments" / "communities").glob("*.parquet")
    shop.router.experiments.look()
    # As the next run of the network has it.
    shop.features.studies = {
        guest: {SHOPPER_NETWORK_VIEW: {NETWORK_COMMUNITY: float(n // 3)}}
        for n, guest in enumerate(guests)
    }
    with httpx.Client(base_url=url, timeout=60) as client:
        for guest in guests:
            client.get(f"/v1/users/{guest}/recommendations", params={"k": 2})
    shop.writer.flush()
    rows = read_impressions(str(shop.folder / "tables")).to_pylist()
    arm = {row["user_id"]: row["arm"] for row in rows if row["experiment"] == "talk"}
    for n in range(24):
        assert len({arm[guest] for guest in guests[n::24] if guest in arm}) == 1
    assert set(arm.values()) == {"a", "b"}
    shop.judge(11.0)
    by_app = json.loads(said("result", "talk", "--json"))
    by_folder = said("result", "talk", "--source", str(shop.folder / "tables"), "--json")
    units = [one["comparisons"][0]["units"] for one in (by_app, json.loads(by_folder))]
    assert units == [24, 24]
    # Who is erased is in no map either.
    shop.log.erase(guests[0])
    Sweeper(shop.log, str(shop.folder / "tables")).sweep()
    assert sorted(pq.read_table(file)["user_id"].to_pylist()) == guests[1:]
    said("stop", "talk", "--reason", "enough")
    shop.clock = time.time() + 40 * 86_400
    shop.watch.look()
    assert not file.exists(), "kept until the last window is over"


def counted(shop, name):
    text = shop.metrics.expose().decode()
    return [line for line in text.splitlines() if line.startswith(name)]


@pytest.mark.parametrize(
    ("words", "wrong"),
    [
        (["--arms", "a=control", "b=rules:none"], "none.yaml"),
        (["--arms", "a=control", "b=release:v9"], "v9"),
        (["--arms", "a=control"], "expected 2 to 5"),
        (["--arms", "abc", "b=control"], "says not what it shows"),
        ([], "expected arms, or holdout"),
    ],
)
def test_what_does_not_fit_is_refused_with_the_reason(said, words, wrong):
    assert wrong in said("start", "bad", *words, "--reason", "no", code=2)
