import pytest
from asking import assert_problem, event, post
from fastapi.testclient import TestClient
from small_shop import item
from starlette.datastructures import Headers, MutableHeaders

from serving.launch.request_ids import middlewares


@pytest.mark.parametrize("k", ["0", "101", "-1", "x", "1.5"])
def test_k_is_bounded(client, k):
    body = assert_problem(client.get(f"/v1/users/ana/recommendations?k={k}"), 422)
    assert body["errors"][0]["where"] == "query.k"


@pytest.mark.parametrize("user", ["x" * 257, "%00", "a%0ab", "%20", "NULL"])
def test_ids_are_bounded(client, user):
    assert_problem(client.get(f"/v1/users/{user}/recommendations"), 422)


def test_an_id_of_any_letters_is_a_stranger(client):
    assert client.get("/v1/users/%F0%9F%A6%8A%20d%C3%BC/recommendations").status_code == 200


@pytest.mark.parametrize("num", [0, 501])
def test_the_batch_is_bounded(client, num):
    assert_problem(post(client, *(event(f"e{i}") for i in range(num))), 422)


def test_the_largest_batch_fits(client):
    answer = post(client, *(event(f"e{i}", f"u{i}", item(i % 100)) for i in range(500)))
    assert answer.json()["accepted"] == 500


def test_the_body_is_bounded_when_it_says_its_length(client):
    assert_problem(client.post("/v1/events", content=b" " * ((1 << 20) + 1)), 413)


def test_the_body_is_bounded_when_it_comes_in_chunks(client):
    answer = client.post("/v1/events", content=(b" " * 65536 for _ in range(20)))
    assert_problem(answer, 413)


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b'{"events": 3}', b"\xff", b'{"events":[{"event_id":"\\ud800"}]}']
)
def test_a_body_that_is_not_a_batch_is_refused(client, content):
    headers = {"content-type": "application/json"}
    assert_problem(client.post("/v1/events", content=content, headers=headers), 422)


def test_what_is_not_there_is_a_problem(client):
    assert_problem(client.get("/v2/users"), 404)
    assert_problem(client.get("/static/none.js"), 404)
    assert_problem(client.get("/v1/items/none/similar"), 404)


def test_the_wrong_method_is_a_problem_that_names_the_right_one(client):
    answer = client.delete("/v1/events")
    assert_problem(answer, 405)
    assert answer.headers["allow"] == "POST"
    assert client.delete("/v1/admin/rollouts").headers["allow"] == "GET, HEAD, POST"
    assert client.post("/static/app.js").headers["allow"] == "GET, HEAD"
    assert client.post("/v1/items/a").headers["allow"] == "DELETE, PATCH, PUT"
    assert client.post("/v1/users/ana").headers["allow"] == "DELETE, GET, HEAD, PUT"


def test_a_store_that_does_not_answer_is_a_problem_to_try_again(client, features):
    features.down = True
    answer = client.get("/v1/users/ana/recommendations")
    body = assert_problem(answer, 503)
    assert answer.headers["retry-after"] == "1"
    assert "feature" not in body["detail"]


def test_a_fault_of_ours_is_a_problem_that_tells_nothing_of_the_inside(client, features):
    features.recent["ana"] = "not a list"
    body = assert_problem(client.get("/v1/users/ana/recommendations"), 500)
    assert "request_id" in body["detail"]
    assert "Error" not in body["detail"]


def test_a_plain_request_id_is_taken_over_and_an_odd_one_is_not(client):
    given = client.get("/healthz", headers={"x-request-id": "abc-1"})
    assert given.headers["x-request-id"] == "abc-1"
    odd = client.get("/healthz", headers={"x-request-id": "a b<script>"})
    assert odd.headers["x-request-id"] != "a b<script>"


class SaysWhatWasSent:
    """As ray.serve._private.http_util.RequestIdMiddleware, which is around every app."""

    def __init__(self, app):
        self._app = app

    async def __call__(self, scope, receive, send):
        sent = Headers(scope=scope)["x-request-id"]

        async def say(message):
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).append("X-Request-ID", sent)
            await send(message)

        await self._app(scope, receive, say)


def test_an_answer_has_one_request_id_also_within_ray_serve(client):
    [around] = middlewares()
    served = TestClient(around.cls(SaysWhatWasSent(client.app)))
    for sent in ("abc-1", "a b<script>"):
        answer = served.get("/none", headers={"x-request-id": sent})
        assert answer.headers.get_list("x-request-id") == [answer.json()["request_id"]]


def test_every_answer_forbids_what_the_page_does_not_need(client):
    for path in ("/healthz", "/none", "/docs"):
        headers = client.get(path).headers
        assert headers["content-security-policy"].startswith("default-src 'none'")
        assert headers["x-content-type-options"] == "nosniff"
