"""From raw tables to a list with reasons, each part as it runs in earnest."""

import gzip
import json
import os
import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from browsers import browsing
from prometheus_client.parser import text_string_to_metric_families
from shop_in_use import RUNS, run_training, serve
from waiting import PATIENCE_S, wait_until

from coterie.data.load import load_dataset
from coterie.data.simulate import SimulatedShop
from coterie.evaluation.results import Comparison
from coterie.monitoring.runs import Outcome, Runs
from coterie.reasons.rounding import coarsely
from coterie.release.bundle import ReleaseContent, load_release, write_release
from coterie.release.offline import OfflineLists
from coterie.release.store import ReleaseStore
from coterie.workflow.comparison import COMPARISON
from pipelines.client import Client
from pipelines.demo_rollouts import PLAN
from pipelines.faulty_releases.library import write_copy
from pipelines.simulated_traffic import SimulatedTraffic

TOKEN = "a-token-for-this-test-alone"
COMPARED = 30
LENGTH = 20
FITS = {
    **{"accepted": 0, "duplicate": 0, "applied": True},
    **{"refused": [], "unknown_item": [], "shortened": []},
}
"""Receipt of a batch whose events all fit."""

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("shop")


@pytest.fixture(scope="module")
def made(home):
    return run_training(home)


@pytest.fixture(scope="module")
def served(made, home):
    environment = {"COTERIE_ADMIN_TOKEN": TOKEN, "COTERIE_ROLLOUT_INTERVAL_S": "0.5"}
    with serve(made, home, environment=environment) as running:
        yield running


def test_the_pipeline_leaves_figures_a_report_and_a_release(made, home):
    [run] = Runs(str(home / RUNS)).read()
    assert (run.name, run.pipeline, run.outcome) == ("v1", "train", Outcome.SUCCEEDED)
    models = Comparison.load(Path(made.evaluation, COMPARISON)).models
    # Some of its friends may not be named: what lists on all friends would do is beside ours.
    assert set(models) == {"popularity", "social", "social_all_friends"}
    assert "<html" in Path(made.report).read_text(encoding="utf-8")[:200]
    assert load_release(made.bundle).version == "v1"


def test_the_list_that_is_served_is_the_list_that_is_measured(made, served):
    dataset = load_dataset(made.clean)
    offline = OfflineLists(load_release(made.bundle), dataset)
    withheld = np.unique(dataset.withheld.user_idx)
    assert len(withheld) > 3, "they have lists of their own, which are easily forgotten"
    spread = np.arange(0, len(dataset.users), len(dataset.users) // COMPARED)
    kinds, in_full, in_two_digits, num_compared = set(), 0, 0, 0
    for user_id in dataset.users.to_ids(np.union1d(spread, withheld)):
        num_compared += 1
        expected, answer = offline.recommend(user_id, LENGTH), served.list_of(user_id, LENGTH)
        assert answer["source"] == expected.source.value
        ids = [item["item"]["item_id"] for item in answer["items"]]
        assert ids == [item.item_id for item in expected.items], user_id
        scores = [item["score"] for item in answer["items"]]
        exact = [item.score for item in expected.items]
        # Where people count who may not be named, scores are told with two digits.
        in_full += scores == pytest.approx(exact, abs=1e-4)
        in_two_digits += scores == [coarsely(score) for score in exact]
        kinds |= {reason["kind"] for item in answer["items"] for reason in item["reasons"]}
    assert in_full + in_two_digits == num_compared
    assert in_full > num_compared // 2, "most have few friends who may not be named"
    assert {"own", "friend"} <= kinds, "lists that draw on nobody prove little"


def test_a_stranger_gets_popular_items_and_is_told_so(made, served):
    answer = served.list_of("nobody-knows-me", 5)
    assert answer["source"] == "popular"
    release = load_release(made.bundle)
    order = sorted(
        (-had, row) for row, had in enumerate(release.popularity) if release.available[row]
    )
    best = [release.items.ids[row].as_py() for _, row in order[:5]]
    assert [item["item"]["item_id"] for item in answer["items"]] == best
    for item in answer["items"]:
        [reason] = item["reasons"]
        assert reason["kind"] == "popular"
        assert "popular" in reason["text"].lower()


def test_events_change_the_next_list_and_count_once(served):
    first = served.list_of("newcomer")
    bought = [item["item"]["item_id"] for item in first["items"][3:5]]
    batch = {
        "events": [
            {
                "event_id": f"e2e-{place}",
                "user_id": "newcomer",
                "item_id": item_id,
                "event": "purchase",
            }
            for place, item_id in enumerate(bought)
        ]
    }
    receipt = served.http.post("/v1/events", json=batch).json()
    assert receipt == FITS | {"accepted": 2}
    then = served.list_of("newcomer")
    assert (first["source"], then["source"]) == ("popular", "own")
    assert then["items"] != first["items"]
    assert {reason["item_id"] for reason in then["items"][0]["reasons"] if "item_id" in reason} <= {
        *bought
    }
    receipt = served.http.post("/v1/events", json=batch).json()
    assert receipt == FITS | {"duplicate": 2}
    assert served.list_of("newcomer")["items"] == then["items"]


def test_a_new_tie_an_item_and_a_consent_change_the_next_list(made, served):
    """As README promises, on the replicas of the real app, which learn of changes by themselves."""
    dataset = load_dataset(made.clean)
    said = dataset.people.to_pydict()
    active = dataset.users.to_ids(np.unique(dataset.events.user_idx))
    agree = zip(said["user_id"], said["may_be_named"], said["may_be_used"], strict=True)
    friend = min({user for user, named, used in agree if named and used} & set(active))
    stranger = "a-new-shopper"

    def change(method, path, body=None):
        answer = served.http.request(method, path, json=body)
        assert answer.status_code == 200, answer.text
        assert answer.json()["applied"] is True

    assert served.list_of(stranger)["source"] == "popular"
    change("PUT", f"/v1/users/{stranger}/ties/{friend}", {"kind": "friend"})
    assert served.list_of(stranger)["source"] == "friends"
    change("PUT", f"/v1/users/{friend}", {"may_be_used": False})
    assert served.list_of(stranger)["source"] == "popular"
    change("PUT", f"/v1/users/{friend}", {"may_be_used": True})
    assert served.list_of(stranger)["source"] == "friends"
    first = served.list_of(stranger)["items"][0]["item"]["item_id"]
    change("PATCH", f"/v1/items/{first}", {"available": False})
    for _ in range(5):
        assert first not in {one["item"]["item_id"] for one in served.list_of(stranger)["items"]}
    change("PATCH", f"/v1/items/{first}", {"available": True})
    assert served.list_of(stranger)["items"][0]["item"]["item_id"] == first
    change("PUT", "/v1/items/brand-new", {"title": "Brand new", "brand": "Nobody's"})
    wait_until(lambda: served.http.get("/v1/items/brand-new/similar").status_code == 200)
    change("DELETE", f"/v1/users/{stranger}/ties/{friend}")
    assert served.list_of(stranger)["source"] == "popular"
    change("DELETE", "/v1/items/brand-new")


def test_what_cannot_be_asked_is_a_problem_in_json(served):
    answer = served.http.get("/v1/users/newcomer/recommendations", params={"k": 0})
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["status"] == 422
    assert any("k" in error["where"] for error in problem["errors"])


def test_what_http_allows_comes_through_the_proxy(served):
    """Byte for byte: clients mend or refuse some of these."""
    for path, user_id in {
        "a%2Fb": "a/b",
        "%252F": "%2F",
        "%2E%2E": "..",
        "%2e": ".",
        "Zoe%CC%88%20": "Zo\u00eb",
        "a%3Fk=0%23": "a?k=0#",
        "a+b": "a+b",
        "%F0%9F%A6%8A" * 256: "\U0001f98a" * 256,
    }.items():
        status, _, body = served.exactly("GET", f"/v1/users/{path}/recommendations?k=1")
        assert (status, json.loads(body)["user_id"]) == (200, user_id)
    for path in ("%ff", "%zz", "100%"):
        status, _, body = served.exactly("GET", f"/v1/users/{path}/recommendations")
        assert (status, json.loads(body)["status"]) == (400, 400)
    status, _, body = served.exactly("GET", "/v1/users/a%2Fb/recommendations?page=2")
    assert (status, json.loads(body)["errors"][0]["where"]) == (422, "query.page")
    for path in ("/healthz", "/readyz", "/docs", "/", "/static/app.js", "/v1/items?limit=1"):
        status, headers, body = served.exactly("HEAD", path)
        assert (status, body) == (200, b"")
        assert int(headers["content-length"]) == len(served.http.get(path).content)


def test_a_compressed_batch_with_a_bad_and_a_new_one_comes_through_the_proxy(made, served):
    known = load_release(made.bundle).items.ids[0].as_py()
    sent = [("zip-1", "view", known), ("zip-2", "like", known), ("zip-3", "view", "brand/new")]
    events = [
        {"event_id": name, "user_id": "a/b", "item_id": item_id, "event": kind}
        for name, kind, item_id in sent
    ]
    body = gzip.compress(json.dumps({"events": events}).encode())
    json_type = {"content-type": "application/json"}
    packed = json_type | {"content-encoding": "gzip"}
    answer = served.http.post("/v1/events", content=body, headers=packed)
    assert answer.status_code == 207, answer.text
    receipt = answer.json()
    assert (receipt["accepted"], receipt["unknown_item"]) == (2, ["brand/new"])
    assert [one["where"] for one in receipt["refused"]] == ["body.events[1].event"]
    assert served.list_of("a%2Fb")["source"] == "own"
    bomb = gzip.compress(bytes(1 << 26))
    assert served.http.post("/v1/events", content=bomb, headers=packed).status_code == 413
    brotli = served.http.post(
        "/v1/events", content=body, headers=packed | {"content-encoding": "br"}
    )
    assert (brotli.status_code, brotli.headers["accept-encoding"]) == (415, "gzip, deflate")
    untold = served.http.post("/v1/events", content=b"{}", headers={"content-type": "text/plain"})
    assert (untold.status_code, "Content-Type" in untold.json()["detail"]) == (415, True)


def test_metrics_count_what_was_asked(served):
    before = requests_counted(served)
    for _ in range(3):
        served.list_of("nobody-knows-me")
    served.http.get("/v1/users/newcomer/recommendations", params={"k": 0})
    after = requests_counted(served)
    assert after["2xx"] - before["2xx"] == 3
    assert after["4xx"] - before.get("4xx", 0) == 1


def requests_counted(served):
    """Requests for lists, by class of status."""
    text = served.http.get("/metrics").text
    return {
        sample.labels["status"]: sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == "coterie_http_requests_total"
        and sample.labels["route"] == "/v1/users/{user_id}/recommendations"
    }


@pytest.mark.browser
def test_a_shopper_buys_in_the_storefront_and_sees_the_list_change(served, made, tmp_path):
    from playwright.sync_api import expect

    shopper = someone_with_friends(made)
    with browsing() as browser:
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        heard = []
        page.on("console", lambda line: heard.append(line.text))
        page.on("pageerror", lambda error: heard.append(str(error)))
        page.on("request", lambda sent: asked.append(sent.url))
        asked = []
        page.goto(f"{served.http.base_url}")
        page.locator("#find").fill(shopper)
        page.get_by_role("option", name=shopper).first.click()
        expect(page.locator("#who")).to_contain_text(shopper)
        expect(page.locator("#friends button").first).to_be_visible()
        cards = page.locator("#items > li.product:not(.ghost)")
        expect(cards).to_have_count(20)
        shown = [card.get_attribute("data-id") for card in cards.all()]
        cards.first.get_by_text("Why this?").click()
        expect(cards.first.locator(".why li").first).to_be_visible()
        cards.nth(2).get_by_role("button", name="Buy").click()
        expect(page.get_by_role("status")).to_contain_text(re.compile(r"Bought .* places changed"))
        assert [card.get_attribute("data-id") for card in cards.all()] != shown
        expect(page.locator("#history li").first).to_contain_text("just now")
        unwanted = cards.nth(1).get_attribute("data-id")
        cards.nth(1).get_by_role("button", name="Not for me").click()
        expect(page.get_by_role("status")).to_contain_text("will not be shown to you again")
        expect(cards).to_have_count(20)
        ids = [item["item"]["item_id"] for item in served.list_of(shopper, 100)["items"]]
        assert unwanted not in ids
        if folder := os.environ.get("COTERIE_SCREENSHOTS"):
            page.screenshot(path=Path(folder, "storefront.png"))
    assert heard == []
    assert {url for url in asked if not url.startswith(str(served.http.base_url))} == set()


def someone_with_friends(made):
    """Who has both a history and friends, so that the page has all its parts."""
    dataset = load_dataset(made.clean)
    active = set(dataset.events.user_idx.tolist())
    followers = dataset.ties.src_idx.tolist()
    return dataset.users.ids[next(user for user in followers if user in active)].as_py()


def write_damaged(folder, out, version):
    """A copy whose titles and prices were lost on the way: no list differs by it."""
    good = load_release(folder)
    catalogue = good.catalogue
    for name, value in (("title", "?"), ("price", 0.0)):
        place, field = catalogue.column_names.index(name), catalogue.schema.field(name)
        lost = pa.array([value] * catalogue.num_rows, field.type)
        catalogue = catalogue.set_column(place, field, lost)
    content = ReleaseContent(
        version,
        good.parameters,
        catalogue,
        good.popularity,
        good.manifest.metrics,
        good.manifest.data_fingerprint,
        good.manifest.limits,
    )
    write_release(out, content)


def test_a_catalogue_that_was_damaged_is_refused_before_anybody_is_shown_it(served, made, home):
    store = str(Path(made.bundle).parent)
    write_damaged(made.bundle, f"{store}/v1-damaged", "v1-damaged")
    shop = Client(str(served.http.base_url).rstrip("/"), timeout_s=30, token=TOKEN)
    body = {"release": "v1-damaged", "reason": "a new catalogue", "plan": PLAN}
    shop.post("/v1/admin/rollouts", body)
    assert await_phase(shop, "rolled_back", "shadow", "promoted") == "rolled_back"
    told = shop.get("/v1/admin/rollouts/history", limit=10)["transitions"]
    back = next(line for line in told if line["after"] == "rolling_back")
    assert (back["before"], back["cause"]) == ("preflight", "preflight")
    assert {"blank_titles", "titles_changed", "zero_prices"} <= set(re.findall(r"\w+", back["why"]))
    verdicts = {
        one["name"]: one["verdict"]
        for one in shop.get("/v1/admin/rollouts")["comparison"]["figures"]
    }
    assert verdicts["zero_prices"] == "bad"
    assert verdicts["lists_agree"] == "good"
    said = [file.read_text() for file in (home / "state").glob("replicas/*.json")]
    assert not any(back["canary"] in text for text in said), "no replica has loaded it"
    assert served.list_of("shopper-0001")["items"][0]["item"]["title"] != "?"


def test_a_controller_that_is_killed_comes_back_and_ends_what_it_began(served, made, home):
    store = str(Path(made.bundle).parent)
    write_copy(made.bundle, f"{store}/v2", "v2")  # as good: nothing else may end it
    shop = Client(str(served.http.base_url).rstrip("/"), timeout_s=30, token=TOKEN)
    world = SimulatedShop.load_world(home / "raw" / "world.npz")
    body = {"release": "v2", "reason": "a controller is killed", "plan": PLAN}
    with SimulatedTraffic(shop, world) as traffic:
        shop.post("/v1/admin/rollouts", body)
        await_phase(shop, "shadow", "step", "bake")
        before = shop.get("/v1/admin/rollouts")["weight"]
        (controller,) = served.family("RolloutController")
        controller.kill()
        assert shop.get("/v1/admin/rollouts")["weight"] >= before  # nothing moves by itself
        assert await_phase(shop, "promoted", "rolled_back", within_s=150) == "promoted"
        assert traffic.failed == 0
    # Until it alone is live, the one before it may answer for a canary that took too long.
    wait_until(lambda: served.list_of("shopper-0001")["release"] == "v2", every=0.2)
    # The controller writes it beside its turns.
    wait_until(lambda: ReleaseStore(store).champion() == "v2", every=0.1)


def await_phase(shop, *phases, within_s=PATIENCE_S):
    def found():
        phase = shop.get("/v1/admin/rollouts")["phase"]
        return phase if phase in phases else None

    return wait_until(found, within_s, every=0.2)


def test_ctrl_c_ends_the_app_and_all_its_processes(served):
    """Last: nobody answers after it."""
    status, left = served.interrupt()
    assert status == 0
    assert left == []
