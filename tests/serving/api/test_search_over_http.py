"""Search over HTTP: what is found, for whom, and that nothing tells what was searched for."""

import time

import numpy as np
import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from search_shop import OneEncoder, WordEncoder, write_release_with_vectors
from small_shop import CATEGORIES, NUM_ITEMS, item, write_small_release
from waiting import wait_until

from coterie.errors import BadInputError
from coterie.experiments.assignment import bucket
from coterie.json_logs import JsonFormatter
from coterie.release.encoders import ReleasedEncoder
from serving.lists import search as item_search
from serving.lists.list_maker import ListMaker
from serving.rollouts import searches


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """A release with vectors."""
    return write_release_with_vectors(tmp_path_factory.mktemp("told") / "v1")


@pytest.fixture
def encoder():
    return WordEncoder()


@pytest.fixture
def shop(make_client, told, encoder):
    return make_client(told, encoders=OneEncoder(encoder))


def search(client, query, user="nobody", **asked):
    answer = client.get(f"/v1/users/{user}/search", params={"q": query, **asked})
    assert answer.status_code == 200, answer.text
    return answer.json()


def ids(found):
    return [one["item"]["item_id"] for one in found["items"]]


def outcomes(client):
    lines = client.get("/metrics").text.splitlines()
    counts = [line.split() for line in lines if line.startswith("coterie_searches_total{")]
    return {name.split('"')[1]: float(count) for name, count in counts if float(count)}


def test_words_find_what_has_them_slips_and_all(client):
    found = search(client, "kichen thing 4")
    assert (found["user_id"], found["query"], found["release"]) == (
        "nobody",
        "kichen thing 4",
        "v1",
    )
    assert ids(found)[0] == item(4)
    assert [one["rank"] for one in found["items"]] == list(range(1, 21))
    assert all(one["matched"] == ["words"] and "parts" not in one for one in found["items"])
    assert len(search(client, "kitchen", k=3)["items"]) == 3


def test_meaning_finds_what_has_none_of_the_words(shop):
    found = search(shop, "厨房", k=100)
    assert {one["item"]["category"] for one in found["items"]} == {CATEGORIES[0]}
    assert len(found["items"]) == 29  # of thirty, one is not available
    assert {tuple(one["matched"]) for one in found["items"]} == {("meaning",)}


def test_a_picture_finds_what_no_text_tells_of(make_client, tmp_path, encoder, monkeypatch):
    monkeypatch.setattr("coterie.search.pictured.LEAST_PAIRS", 100)
    text = np.eye(len(CATEGORIES))[np.arange(NUM_ITEMS) % len(CATEGORIES)]
    looks = text.copy()
    text[12] = 0.0
    made = ReleasedEncoder(WordEncoder.name, WordEncoder.digest)
    for image, is_there in ((looks, True), (np.zeros_like(looks), False)):
        content = {"text": (text, made), "image": (image, made)}
        release = write_small_release(tmp_path / f"v{is_there:d}", content=content)
        found = search(make_client(release, encoders=OneEncoder(encoder)), "厨房", k=100)
        assert (item(12) in ids(found)) == is_there


def test_a_shoppers_taste_orders_what_fits_and_a_stranger_has_none(shop, features):
    by_stranger = search(shop, "thing", explain=True)["items"]
    by_max = search(shop, "thing", "max", explain=True)["items"]
    assert not any(one["parts"]["taste"] for one in by_stranger)
    assert {one["item"]["category"] for one in by_max} == {CATEGORIES[2]}  # what max had
    for one in by_max + by_stranger:
        assert one["score"] == pytest.approx(sum(one["parts"].values()), abs=2e-6)
    assert not set(ids(search(shop, "kitchen", "max", k=100))) & {item(2), item(6)}


def test_what_cannot_be_had_is_never_found(client):
    assert item(8) not in ids(search(client, "kitchen thing 8", k=100))


@pytest.mark.parametrize(
    "query",
    ["🎉🎉", "?!", " ", "q", "qqqqqq", "\x00", "مصباح", "灯" * 200, "'; DROP TABLE x; --", "%"],
)
def test_odd_queries_find_nothing_and_are_no_error(shop, query):
    assert search(shop, query, "ana")["items"] == []


@pytest.mark.parametrize("asked", [{}, {"q": ""}, {"q": "x" * 201}, {"q": "x", "k": 0}])
def test_a_query_that_does_not_fit_is_refused(client, asked):
    answer = client.get("/v1/users/ana/search", params=asked)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"


def test_words_alone_answer_while_the_encoder_does_not(shop, encoder, monkeypatch):
    encoder.down = True
    assert ids(search(shop, "厨房 kitchen thing 4"))[0] == item(4)
    asked = encoder.asked
    search(shop, "厨房")
    assert encoder.asked == asked  # not asked again at once
    assert outcomes(shop) == {"words_alone": 2}
    encoder.down = False
    later = time.monotonic() + item_search.REST_S
    monkeypatch.setattr(time, "monotonic", lambda: later)
    assert search(shop, "厨房")["items"]


def test_an_encoder_is_not_asked_before_somebody_searches(shop, encoder):
    assert encoder.asked == 0
    search(shop, "厨房")
    assert encoder.asked == 1


def test_a_store_that_does_not_answer_is_503(client, features):
    features.down = True
    assert client.get("/v1/users/ana/search?q=kitchen").status_code == 503
    assert outcomes(client) == {"failed": 1}


def test_too_many_searches_at_once_are_503(client, monkeypatch):
    monkeypatch.setattr(searches, "MOST_WAITING", 0)
    answer = client.get("/v1/users/ana/search?q=kitchen")
    assert answer.status_code == 503
    assert answer.headers["Retry-After"]


def test_a_canary_searches_for_its_shoppers_and_stable_where_it_cannot(
    make_client, release, told, encoder, monkeypatch
):
    client = make_client(release, told, OneEncoder(encoder))
    users = [f"shopper-{n}" for n in range(20)]
    theirs = next(user for user in users if bucket(user, told.digest) < 0.5)
    other = next(user for user in users if bucket(user, told.digest) >= 0.5)
    assert search(client, "厨房", theirs)["items"]
    assert not search(client, "厨房", other)["items"]
    real = ListMaker.search

    def broken(self, *asked):
        if self.release.digest == told.digest:
            raise BadInputError("厨房 kitchen")
        return real(self, *asked)

    monkeypatch.setattr(ListMaker, "search", broken)
    assert search(client, "kitchen", theirs)["items"]
    assert outcomes(client) == {"found": 1, "nothing": 1, "shielded": 1}


def failing(self, known, query, *_):
    raise RuntimeError(f"{query} for {known.user_id}")


def test_nothing_tells_what_was_searched_for(shop, encoder, caplog, monkeypatch):
    kept, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(kept))
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", provider)
    with caplog.at_level("DEBUG"):
        search(shop, "secretword kitchen", "ana")
        encoder.down = True
        search(shop, "secretword", "ana")
        shop.get("/v1/users/ana/search", params={"q": "secretword" * 30})
        monkeypatch.setattr(ListMaker, "search", failing)
        assert shop.get("/v1/users/ana/search?q=secretword").status_code == 500
    ours = [r for r in caplog.records if r.name.startswith("coterie")]
    assert sum(r.getMessage() == "request" for r in ours) == 4
    spans = kept.get_finished_spans()
    assert {"search", "encode", "taste", "find"} <= {span.name for span in spans}
    assert "RuntimeError" in {span.status.description for span in spans}
    everything = [JsonFormatter().format(one) for one in ours]
    everything += [shop.get("/metrics").text, *(span.to_json() for span in spans)]
    assert not any("secretword" in one for one in everything)
    assert not any('"ana"' in one for one in everything)


def test_items_are_alike_in_words_and_in_looks(shop, client):
    def like(served, by):
        answer = served.get(f"/v1/items/{item(3)}/similar", params={"by": by, "k": 10})
        assert answer.status_code == 200, answer.text
        return answer.json()["items"]

    for served in (shop, client):
        assert {one["item"]["category"] for one in like(served, "words")} == {CATEGORIES[3]}
    assert all(0 < one["similarity"] <= 1 for one in like(shop, "words"))
    looks = [one["item"]["item_id"] for one in like(shop, "looks")]
    assert looks == [item(row) for row in range(13, 113, 10)]
    assert shop.get(f"/v1/items/{item(7)}/similar?by=looks").json()["items"] == []


def test_looks_of_a_release_that_knows_none_are_a_conflict(client):
    answer = client.get(f"/v1/items/{item(3)}/similar?by=looks")
    assert answer.status_code == 409
    assert "taste or words" in answer.json()["detail"]
    assert client.get(f"/v1/items/{item(3)}/similar?by=price").status_code == 422
    assert client.get("/v1/items/none/similar?by=words").status_code == 404


def test_a_search_knows_what_a_new_or_changed_item_means(make_client, told, encoder):
    client, other = (make_client(told, encoders=OneEncoder(encoder)) for _ in range(2))
    assert "spade-1" not in ids(search(client, "spade", k=100))
    assert client.put("/v1/items/spade-1", json={"title": "mountains"}).status_code == 200
    assert client.patch(f"/v1/items/{item(2)}", json={"title": "厨房"}).status_code == 200
    for replica in (client, other):
        wait_until(lambda replica=replica: "spade-1" in by_meaning(replica, "mountains"))
        wait_until(lambda replica=replica: item(2) in by_meaning(replica, "厨房"))
        assert item(2) not in by_meaning(replica, "physics")
        assert {item(6), item(10)} <= by_meaning(replica, "physics")


def test_what_is_new_is_found_by_words_while_its_encoder_does_not_answer(
    make_client, told, encoder, monkeypatch
):
    monkeypatch.setattr(item_search, "REST_S", 0.0)
    client = make_client(told, encoders=OneEncoder(encoder))
    search(client, "physics")
    encoder.down = True
    assert client.put("/v1/items/spade-1", json={"title": "mountains"}).status_code == 200
    wait_until(lambda: ids(search(client, "mountains", k=1)) == ["spade-1"])
    encoder.down = False
    assert "spade-1" not in by_meaning(client, "mountains")
    # The next change, of whatever item, asks again.
    assert client.patch(f"/v1/items/{item(3)}", json={"price": 1.0}).status_code == 200
    wait_until(lambda: "spade-1" in by_meaning(client, "mountains"))


def by_meaning(client, query):
    found = search(client, query, k=100)["items"]
    return {one["item"]["item_id"] for one in found if "meaning" in one["matched"]}
