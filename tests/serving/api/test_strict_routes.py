"""What a route does not know is refused by name, on every route there is."""

import inspect

import pytest
from asking import assert_problem
from small_shop import item

from serving.api import changes, routes, service, storefront
from serving.api.operations import STATIC

TOKEN = "t" * 16
HIDDEN = ("/", "/docs", "/openapi.json", "/operations", "/static/app.js")
VALUES = {
    "user_id": "ana",
    "item_id": item(3),
    "verb": "pause",
    "k": "3",
    "explain": "false",
    "ids": item(2),
    "q": "thing",
    "limit": "2",
    "seconds": "60",
    "before": "5",
    "at": "2026-01-31T12:00:00Z",
    "user": "ana",
    "atomic": "true",
    "by": "words",
    "surface": "home",
    "after": "",
    "brand": "Acme",
    "price_min": "1",
    "price_max": "200",
    "in_stock": "true",
    "other_id": "bea",
    "kind": "friend",
    "ts": "2026-01-31T12:00:00Z",
    "change_id": "c1",
    "category": "Home",
    "exclude": item(2),
    "attribute": "steel",
    "wording": "model",
    "rule": "fair",
    "name": "may",
}


@pytest.fixture
def client(make_client):
    client = make_client(admin_token=TOKEN)
    client.headers["authorization"] = f"Bearer {TOKEN}"
    return client


def operations(client):
    """Method, path and the parameters of the query, of all that is described, and of pages."""
    for path, methods in client.get("/openapi.json").json()["paths"].items():
        for method, operation in methods.items():
            parameters = operation.get("parameters", [])
            filled = path.format(**{p["name"]: VALUES[p["name"]] for p in parameters})
            yield method, filled, [p for p in parameters if p["in"] == "query"]
    for path in HIDDEN:
        yield "get", path, []


def ask(client, method, path, query):
    body = {"json": {}} if method in {"post", "put", "patch"} else {}
    return client.request(method, path, params=query, **body)


def test_every_operation_refuses_a_parameter_that_does_nothing(client):
    asked = 0
    for method, path, _ in operations(client):
        body = assert_problem(ask(client, method, path, {"page": "2"}), 422)
        assert body["errors"] == [
            {"where": "query.page", "message": body["errors"][0]["message"]}
        ], path
        assert "no such parameter" in body["detail"]
        asked += 1
    assert asked >= 17


def test_every_operation_takes_the_parameters_that_it_describes(client):
    asked = 0
    for method, path, parameters in operations(client):
        query = {p["name"]: VALUES[p["name"]] for p in parameters}
        answer = ask(client, method, path, query)
        assert "no such parameter" not in answer.text, (path, answer.text)
        asked += len(query)
    assert asked >= 12


def test_every_parameter_that_is_taken_once_is_refused_twice(client):
    for method, path, parameters in operations(client):
        for one in parameters:
            query = {one["name"]: [VALUES[one["name"]]] * 2}
            answer = ask(client, method, path, query)
            schemas = one["schema"].get("anyOf", [one["schema"]])
            if any(part.get("type") == "array" for part in schemas):
                assert "2 times" not in answer.text
            else:
                body = assert_problem(answer, 422)
                assert body["errors"][0]["where"] == f"query.{one['name']}"
                assert "2 times" in body["detail"]


@pytest.mark.parametrize(
    ("query", "where", "meant"),
    [
        ("k=3&colour=red", "colour", None),
        ("k=3&page=2", "page", "after"),
        ("limit=3&offset=3", "limit", "k"),
        ("max_price=9", "max_price", "price_max"),
        ("excluded=i1", "excluded", "exclude"),
        ("K=3", "K", "k"),
        ("explian=false", "explian", "explain"),
        ("explain%20=false", "explain ", "explain"),
        ("user_id=max", "user_id", None),
        ("", "", None),
        ("=1", "", None),
        ("%C3%BC=1", "ü", None),
    ],
)
def test_the_nearest_parameter_is_named(client, query, where, meant):
    answer = client.get(f"/v1/users/ana/recommendations?{query}")
    if not query:
        assert answer.status_code == 200
        return
    body = assert_problem(answer, 422)
    assert body["errors"][0]["where"] == f"query.{where}"
    message = body["errors"][0]["message"]
    assert "expected are k, explain" in message
    assert (f"did you mean {meant}?" in message) if meant else ("did you mean" not in message)


def test_the_pages_own_link_to_a_shopper_is_taken(client):
    assert client.get("/?shopper=ana").status_code == 200
    assert 'address.get("shopper")' in (STATIC / "app.js").read_text()


def test_a_token_is_asked_for_wherever_a_parameter_is_known(make_client):
    assert_problem(make_client(admin_token=TOKEN).get("/v1/admin/rollouts/history?limit=2"), 401)


def test_many_faults_are_bounded(client):
    query = "&".join(f"x{n}={'y' * 10}" for n in range(2000))
    assert len(assert_problem(client.get(f"/healthz?{query}"), 422)["errors"]) == 20


def test_a_key_that_is_there_twice_is_refused_by_name(client):
    """As in a file: which of two users did it, nobody knows."""
    event = (
        f'{{"event_id":"e1","user_id":"ana","user_id":"bo","item_id":"{item(3)}","event":"view"}}'
    )
    sent = {"content": f'{{"events":[{event}]}}', "headers": {"Content-Type": "application/json"}}
    problem = assert_problem(client.post("/v1/events", **sent), 422)
    assert "'user_id' more than once" in problem["detail"]
    once = event.replace('"user_id":"bo",', "")
    kept = client.post("/v1/events", **{**sent, "content": f'{{"events":[{once}]}}'})
    assert kept.json()["accepted"] == 1


@pytest.mark.parametrize("body", ["{", "[" * 100_000, '"\\xff"'])
def test_what_is_no_json_is_no_fault_of_ours(client, body):
    sent = {"content": body, "headers": {"Content-Type": "application/json"}}
    assert_problem(client.post("/v1/events", **sent), 422)


def test_nothing_that_a_request_needs_waits_for_a_thread(client):
    """A function that is no coroutine is called in a thread, which takes longer than its work."""

    def called(dependant):
        yield from (one.call for one in dependant.dependencies)
        for one in dependant.dependencies:
            yield from called(one)

    apis = [routes.api, changes.api, service.api, storefront.api]
    found = {call for api in apis for route in api.routes for call in called(route.dependant)}
    assert len(found) > 3
    assert {call for call in found if not inspect.iscoroutinefunction(call)} == set()
