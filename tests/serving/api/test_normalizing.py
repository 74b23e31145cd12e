"""HEAD, percent encoding, compressed bodies, and what a body says it is."""

import gzip
import json
import os
import socket
import threading
import zlib
from contextlib import closing, contextmanager
from http.client import HTTPConnection

import pytest
from asking import assert_problem, event, receipt
from small_shop import item

from serving.api.bodies import MAX_BODY_BYTES

JSON = {"content-type": "application/json"}
EVERY_GET = (
    *("/healthz", "/readyz", "/docs", "/openapi.json", "/static/app.js", "/", "/operations"),
    *("/v1/users/ana", "/v1/shoppers", "/v1/rollouts", "/v1/items", "/v1/items?limit=3"),
    # Not how a rollout stands: that says how long ago all was.
    *(f"/v1/items/{item(3)}/similar", "/v1/admin/rollouts/history"),
)
NOT_ANSWERED = ("/none", "/v1/items/none/similar", "/v1/items?limit=0", "/v1/users/%ff")


def bare(headers):
    return {name: value for name, value in headers.items() if name != "x-request-id"}


@pytest.mark.parametrize("path", EVERY_GET + NOT_ANSWERED)
def test_head_is_get_without_the_body(make_client, path):
    client = make_client(admin_token="t" * 16)
    bearer = {"authorization": "Bearer " + "t" * 16}
    got, head = client.get(path, headers=bearer), client.head(path, headers=bearer)
    assert (head.status_code, head.content) == (got.status_code, b"")
    assert got.status_code == 200 or path in NOT_ANSWERED
    # Of a problem, `request_id` differs, and has the same length.
    assert bare(head.headers) == bare(got.headers)
    assert int(head.headers["content-length"]) == len(got.content) > 0


@pytest.mark.parametrize("path", ["/healthz", "/static/app.js", "/none"])
def test_the_app_itself_sends_no_body_for_head(client, path):
    # Clients and servers drop one silently.
    sent = ask_in_chunks(client.app, iter([b""]), "HEAD", path)
    assert [one["body"] for one in sent if "body" in one] == [b""] * (len(sent) - 1)
    assert len(sent) > 1


@pytest.mark.parametrize("http", ["httptools", "h11"])
def test_a_connection_outlives_head(client, http):
    """With a real server: it closes what an app has confused."""
    with served_by_uvicorn(client.app, http) as connection:
        for path in ("/healthz", "/static/app.js", "/none"):
            connection.request("HEAD", path)
            head = connection.getresponse()
            assert head.read() == b""
            first = connection.sock
            connection.request("GET", path)
            got = connection.getresponse()
            assert len(got.read()) == int(head.getheader("content-length"))
            assert connection.sock is first is not None


@contextmanager
def served_by_uvicorn(app, http):
    import uvicorn

    with socket.create_server(("127.0.0.1", 0)) as free:
        config = uvicorn.Config(app, http=http, ws="none", lifespan="off", log_level="critical")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, args=([free],), daemon=True)
        thread.start()
        with closing(HTTPConnection(*free.getsockname(), timeout=10)) as connection:
            yield connection
        server.should_exit = True
        thread.join(timeout=10)


def test_a_list_has_its_headers_too_and_is_counted_by_its_method(client):
    head = client.head("/v1/users/ana/recommendations?k=3")
    assert (head.status_code, head.content) == (200, b"")
    assert int(head.headers["content-length"]) > 100
    client.head("/metrics")
    told = client.get("/metrics").text
    route = 'route="/v1/users/{user_id}/recommendations"'
    assert f'coterie_http_requests_total{{method="HEAD",{route},status="2xx"}} 1.0' in told
    assert 'method="HEAD",route="/metrics",status="2xx"} 1.0' in told


def test_head_of_what_only_takes_posts_says_so(client):
    answer = client.head("/v1/events")
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("/v1/users/%ff/recommendations", "%FF"),
        ("/v1/users/%zz/recommendations", "%zz"),
        ("/v1/users/100%/recommendations", "%"),
        ("/v1/users/%C3/recommendations", "%C3"),
        ("/v1/items?q=%", "%"),
        ("/v1/items?q=%e", "%e"),
        ("/v1/items?ids=%ff", "%FF"),
        ("/v1/items?%ed%a0%80=1", "%ED"),
        ("/static/%ff", "%FF"),
    ],
)
def test_bad_percent_encoding_is_named(client, path, found):
    # Not through the client's own URL, which would mend it.
    assert found in assert_problem(asked_as_it_is(client, path), 400)["detail"]


def asked_as_it_is(client, target, method="GET"):
    """An answer to a request line, byte for byte."""
    request = client.build_request(method, "http://testserver/")
    request.url = request.url.copy_with(raw_path=target.encode())
    assert request.url.raw_path == target.encode()
    return client.send(request)


GOOD = json.dumps({"events": [event()]}).encode()
GZIPPED = gzip.compress(GOOD, mtime=0)


def raw_deflate(content):
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(content) + packer.flush()


def two_parts(content):
    return gzip.compress(content[:9]) + gzip.compress(content[9:])


def send(client, content, coding, chunk=None, **more):
    whole = (
        content
        if chunk is None
        else (content[n : n + chunk] for n in range(0, len(content), chunk))
    )
    return client.post(
        "/v1/events", content=whole, headers=JSON | {"content-encoding": coding} | more
    )


@pytest.mark.parametrize("chunk", [None, 1, 7])
@pytest.mark.parametrize(
    ("coding", "pack"),
    [
        ("gzip", gzip.compress),
        ("GZip", gzip.compress),
        ("x-gzip", gzip.compress),
        ("gzip, identity", gzip.compress),
        ("gzip", two_parts),
        ("deflate", zlib.compress),
        ("deflate", raw_deflate),
        ("identity", bytes),
        ("", bytes),
    ],
)
def test_a_compressed_batch_is_kept(client, coding, pack, chunk):
    answer = send(client, pack(GOOD), coding, chunk)
    assert (answer.status_code, answer.json()) == (200, receipt(accepted=1))


@pytest.mark.parametrize("coding", ["br", "zstd", "compress", "gzip, gzip", "gzip, br", "x" * 500])
def test_another_compression_is_answered_with_those_that_are_taken(client, coding):
    answer = send(client, GOOD, coding)
    assert "Content-Encoding" in assert_problem(answer, 415)["detail"]
    assert answer.headers["accept-encoding"] == "gzip, deflate"


@pytest.mark.parametrize("chunk", [None, 5])
@pytest.mark.parametrize(
    ("coding", "content", "why"),
    [
        ("gzip", GZIPPED[:-1], "cut short"),
        ("gzip", GZIPPED[:1], "cut short"),
        ("deflate", zlib.compress(GOOD)[:-5], "cut short"),
        ("deflate", raw_deflate(GOOD)[:-1], "cut short"),
        ("gzip", GZIPPED + b"rest", "other bytes follow"),
        ("gzip", GZIPPED + b"\0", "other bytes follow"),
        ("deflate", zlib.compress(GOOD) + b"rest", "other bytes follow"),
        ("deflate", zlib.compress(GOOD) + zlib.compress(GOOD), "other bytes follow"),
        ("gzip", GOOD, "not gzip"),
        ("gzip", zlib.compress(GOOD), "not gzip"),
        ("deflate", GZIPPED, "not deflate"),
        ("gzip", gzip.compress(b"", mtime=0) * 65, "other bytes follow"),
    ],
)
def test_a_broken_body_is_said_to_be_broken(client, coding, content, why, chunk):
    assert why in assert_problem(send(client, content, coding, chunk), 400)["detail"]


@pytest.mark.parametrize(("coding", "pack"), [("gzip", gzip.compress), ("deflate", zlib.compress)])
@pytest.mark.parametrize("over", [0, 1])
def test_the_bound_is_of_the_body_as_it_is_decompressed(client, coding, pack, over):
    content = GOOD + b" " * (MAX_BODY_BYTES - len(GOOD) + over)
    assert send(client, pack(content), coding).status_code == (413 if over else 200)


def test_a_bomb_is_refused_as_soon_as_the_bound_is_passed(client):
    packed, taken = gzip.compress(b"\0" * 200 * MAX_BODY_BYTES), []

    def chunks():
        for n in range(0, len(packed), 1024):
            taken.append(n)
            yield packed[n : n + 1024]

    # The client of tests joins what it sends: the app is asked as a server would.
    assert ask_in_chunks(client.app, chunks())[0]["status"] == 413
    assert len(taken) < 5 < len(packed) / 1024


def ask_in_chunks(app, chunks, method="POST", path="/v1/events"):
    """What is sent, while as few chunks as the app wants are taken."""
    import asyncio

    sent = []

    async def receive():
        for chunk in chunks:
            return {"type": "http.request", "body": chunk, "more_body": True}
        return await asyncio.get_running_loop().create_future()  # nothing more comes

    async def send(message):
        sent.append(message)

    headers = [(b"content-type", b"application/json"), (b"content-encoding", b"gzip")]
    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "query_string": b"",
        "headers": headers,
    }
    asyncio.run(app(scope, receive, send))
    return sent


def test_what_does_not_compress_is_bounded_as_it_comes(client):
    packed = gzip.compress(os.urandom(MAX_BODY_BYTES + 4096))
    assert_problem(send(client, packed, "gzip", 65536), 413)


@pytest.mark.parametrize(
    "kind",
    [
        "application/json",
        "application/json; charset=utf-8",
        'Application/JSON;charset="UTF-8"',
        "application/vnd.shop.events+json",
    ],
)
def test_json_may_say_so_in_several_ways(client, kind):
    answer = client.post("/v1/events", content=GOOD, headers={"content-type": kind})
    assert answer.status_code == 200


@pytest.mark.parametrize(
    "kind",
    [
        None,
        "",
        "text/plain",
        "application/x-www-form-urlencoded",
        "json",
        "text/json+json",
        "application/json; charset=latin-1",
        "application/json, text/plain",
    ],
)
@pytest.mark.parametrize("path", ["/v1/events", "/v1/admin/rollouts"])
def test_a_body_that_does_not_say_that_it_is_json_is_told_how(make_client, path, kind):
    client = make_client(admin_token="t" * 16)
    headers = {"authorization": "Bearer " + "t" * 16}
    answer = client.post(
        path, content=GOOD, headers=headers | ({} if kind is None else {"content-type": kind})
    )
    detail = assert_problem(answer, 415)["detail"]
    assert "Content-Type" in detail
    assert "application/json" in detail
