"""Who may ask: every route with every scope, keys that come and go, tokens and sessions."""

import asyncio
import base64
import contextlib
import json
import queue
import threading
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import jwt
import pytest
from asking import assert_problem, event
from fastapi import APIRouter
from hypothesis import given
from hypothesis import strategies as st
from small_shop import item

from coterie.access.at_home import own_key
from coterie.access.keys import changing, make_key, parse_keys, read_keys, revoked, rotated, written
from coterie.access.last_use import EVERY_S, FOLDER, LastUses, last_uses
from coterie.access.scopes import Scope
from coterie.access.tokens import Purpose, mint
from coterie.errors import BadInputError, UnavailableError
from serving.api import key_ring
from serving.api.access import ACCESS, MOUNTED, access_table, need_of
from serving.api.auth import SESSION, Guard, open_scopes
from serving.api.key_ring import TOKENS, KeyRing
from serving.api.problems import ProblemError
from serving.api.rates import BURST_S, Buckets
from serving.api.strict_routes import StrictRoute
from serving.settings import Settings

DOCS = Path(__file__).parents[3] / "docs" / "http-api.md"
LIST = "/v1/users/ana/recommendations"
GUARDED = {route: need for route, need in ACCESS.items() if need.scope}
OPEN = {route: need for route, need in ACCESS.items() if not need.scope}


def now():
    """When it is asked: between collection and a test may lie a quarter of an hour."""
    return datetime.now(UTC)


@pytest.fixture(scope="module")
def keys():
    """One of each scope: what is kept, and the key."""
    return {scope: make_key(f"only {scope}", [scope], now()) for scope in Scope}


@pytest.fixture
def keys_file(folder, keys, monkeypatch):
    monkeypatch.setattr(key_ring, "LOOK_S", 0.0)
    path = folder / "keys.json"
    path.write_text(written([kept for kept, _ in keys.values()]))
    return path


@pytest.fixture
def shop(make_client, keys_file):
    return make_client(keys=str(keys_file))


def bearer(credential):
    return {"Authorization": f"Bearer {credential}"}


def asked(client, route, **more):
    method, path = route
    named = {
        "user_id": "ana",
        "other_id": "bea",
        "item_id": item(3),
        "verb": "pause",
        "name": "may",
    }
    return client.request(method, path.format(**named, language="en"), **more)


def test_there_is_no_route_without_a_line_and_no_line_without_a_route(shop):
    described = shop.get("/openapi.json").json()["paths"]
    shown = {(method.upper(), path) for path, all_of in described.items() for method in all_of}
    hidden = {route for route in ACCESS if route not in shown}
    assert shown <= set(ACCESS)
    assert {path for _, path in hidden} == {
        *(
            "/openapi.json",
            "/docs",
            "/",
            "/operations",
            "/experiments",
            "/privacy",
            "/session",
            "/sign-in",
            "/together",
            "/circle",
            "/languages/{language}",
        )
    }
    assert all(asked(shop, route).status_code not in (404, 405) for route in hidden)
    app = shop.app._app._app
    assert {one.path for one in app.routes if type(one).__name__ == "Mount"} <= set(MOUNTED)
    new = APIRouter(route_class=StrictRoute)
    with pytest.raises(LookupError, match="/v1/secrets has no line"):
        new.add_api_route("/v1/secrets", lambda: "told", methods=["GET"])


@pytest.mark.parametrize("route", GUARDED, ids=" ".join)
def test_each_route_opens_for_its_scope_and_for_no_other(shop, keys, route):
    needed = GUARDED[route].scope
    for scope, (_, key) in keys.items():
        answer = asked(shop, route, headers=bearer(key))
        if scope == needed:
            assert answer.status_code not in (401, 403, 404, 405, 500), answer.text
        else:
            assert_problem(answer, 403)
            assert f'scope="{needed}"' in answer.headers["WWW-Authenticate"]
    for headers in ({}, bearer("ck_00000000_x"), bearer(key[:-1]), {"Authorization": key}):
        answer = asked(shop, route, headers=headers)
        assert_problem(answer, 401)
        assert answer.headers["WWW-Authenticate"].startswith('Bearer realm="coterie"')


WRITING = [route for route in GUARDED if route[0] != "GET"]


def said_before_a_body_was_asked_for(app, route, headers):
    """The status of a request whose body never comes; 0 where it was waited for."""
    method, path = route
    named = {
        "user_id": "ana",
        "other_id": "bea",
        "item_id": item(3),
        "verb": "pause",
        "name": "may",
    }
    told = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    told.append((b"content-length", b"999999"))
    scope = {
        "type": "http",
        "method": method,
        "path": path.format(**named),
        "query_string": b"",
        "headers": told,
        "client": ("203.0.113.7", 1),
    }
    sent = []

    class WaitedForError(Exception):
        pass

    async def receive():
        raise WaitedForError

    async def send(message):
        sent.append(message)

    asyncio.run(app({**scope, "app": None}, receive, send))
    # What a wait for a body ends in is ours to answer, as any failure.
    status = sent[0]["status"]
    return 0 if status == 500 else status


@pytest.mark.parametrize("route", WRITING, ids=" ".join)
def test_who_may_not_ask_is_refused_before_any_of_the_body_is_read(shop, keys, route):
    needed = GUARDED[route].scope
    other = next(key for scope, (_, key) in keys.items() if scope != needed)
    app = shop.app
    assert said_before_a_body_was_asked_for(app, route, {}) == 401
    assert said_before_a_body_was_asked_for(app, route, bearer("ck_00000000_x")) == 401
    assert said_before_a_body_was_asked_for(app, route, bearer(other)) == 403
    assert said_before_a_body_was_asked_for(app, route, bearer(keys[needed][1])) == 0


def test_a_route_that_there_is_not_reads_no_body(shop):
    assert said_before_a_body_was_asked_for(shop.app, ("POST", "/v1/nothing"), {}) == 404
    assert said_before_a_body_was_asked_for(shop.app, ("POST", "/static/app.js"), {}) == 405


@pytest.mark.parametrize("route", OPEN, ids=" ".join)
def test_what_is_open_needs_no_key(shop, route):
    assert asked(shop, route).status_code not in (403, 404, 500)
    assert OPEN[route].why


def test_the_document_has_the_table_of_the_code():
    assert "\n".join(access_table()) in DOCS.read_text()


def test_a_key_that_is_made_revoked_or_rotated_counts_without_a_restart(shop, keys_file, keys):
    assert shop.get(LIST, headers=bearer(keys[Scope.LISTS][1])).is_success
    with changing(keys_file) as change:
        kept, made = make_key("phone", [Scope.LISTS], now())
        change.keys += (kept,)
    assert shop.get(LIST, headers=bearer(made)).is_success
    with changing(keys_file) as change:
        change.keys, new = rotated(change.keys, kept.id, now(), timedelta(hours=1))
    assert shop.get(LIST, headers=bearer(made)).is_success
    assert shop.get(LIST, headers=bearer(new)).is_success
    with changing(keys_file) as change:
        change.keys = revoked(change.keys, kept.id, now())
    assert shop.get(LIST, headers=bearer(made)).status_code == 401
    assert shop.get(LIST, headers=bearer(new)).is_success
    ended, ends = make_key("guest", [Scope.LISTS], now(), now() - timedelta(seconds=1))
    with changing(keys_file) as change:
        change.keys += (ended,)
    assert shop.get(LIST, headers=bearer(ends)).status_code == 401


@pytest.mark.parametrize("content", [b"", b"{", b'{"version": 2, "keys": []}', b"[]", None])
def test_a_file_that_does_not_fit_leaves_the_last_good_keys(shop, keys_file, keys, content):
    headers = bearer(keys[Scope.LISTS][1])
    assert shop.get(LIST, headers=headers).is_success
    keys_file.unlink()
    if content is not None:
        keys_file.write_bytes(content)
    assert shop.get(LIST, headers=headers).is_success
    assert shop.get(LIST).status_code == 401


def test_where_no_file_was_ever_read_nobody_gets_in(make_client, folder, keys):
    closed = make_client(keys=str(folder / "none.json"))
    assert closed.get(LIST).status_code == 401
    assert closed.get(LIST, headers=bearer(keys[Scope.LISTS][1])).status_code == 401


def test_without_keys_all_but_admin_is_open_as_before(make_client):
    client = make_client()
    assert client.get(LIST).is_success
    answer = client.get("/v1/admin/rollouts")
    assert_problem(answer, 403)
    assert "COTERIE_ADMIN_TOKEN" in answer.json()["detail"]


def test_settings_may_open_a_scope_to_everybody(make_client, keys_file, keys):
    client = make_client(keys=str(keys_file), open_scopes="lists:read, events:write")
    assert client.get(LIST).is_success
    assert client.get(LIST, headers=bearer("of-yesterday")).is_success
    assert client.post("/v1/events", json={"events": [event()]}).is_success
    assert client.put("/v1/users/ana/ties/max", json={}).status_code == 401
    headers = bearer(keys[Scope.PEOPLE][1])
    assert client.put("/v1/users/ana/ties/max", json={}, headers=headers).is_success


@pytest.mark.parametrize(("setting", "scopes"), TOKENS.items())
def test_tokens_of_before_are_keys_of_what_they_open(make_client, keys_file, setting, scopes):
    secret = "of-the-people-on-call"
    client = make_client(keys=str(keys_file), **{setting: secret})
    for route, need in GUARDED.items():
        status = asked(client, route, headers=bearer(secret)).status_code
        assert (status not in (401, 403)) == (need.scope in scopes), route
    assert secret not in repr(client.parts.settings)
    ring = KeyRing(tokens={setting: secret})
    assert open_scopes(Settings(release="x"), ring.token_scopes) == (
        set(Scope) - {Scope.ADMIN} - set(scopes)
    )


def shopper_token(client, key, user="ana", **query):
    answer = client.post(f"/v1/users/{user}/tokens", headers=bearer(key), params=query)
    assert answer.status_code == 201, answer.text
    return answer.json()["token"]


def test_a_shoppers_token_opens_that_shoppers_lists_alone(shop, keys):
    headers = bearer(shopper_token(shop, keys[Scope.LISTS][1], seconds=60))
    for route, need in GUARDED.items():
        status = asked(shop, route, headers=headers, params={"q": "pan"}).status_code
        assert (status in (200, 422)) if need.own else (status == 403), route
    assert shop.get(LIST, headers=headers).json()["user_id"] == "ana"
    assert shop.get("/v1/users/%61na/recommendations", headers=headers).is_success
    for other in ("bea", "ANA", "ana%2Fx", "ana%20bea"):
        assert shop.get(f"/v1/users/{other}/recommendations", headers=headers).status_code == 403
    # Remembered query strings skip the checks, but not the guard.
    assert shop.get(LIST, headers=headers).is_success
    assert shop.get("/v1/users/bea/recommendations", headers=headers).status_code == 403
    assert shop.get(LIST).status_code == 401


@pytest.mark.parametrize("opens", [[], ["lists:read"], ["people:write"]])
def test_no_token_reads_or_erases_another_shopper_whatever_its_key_may(make_client, folder, opens):
    """Also where everybody may ask for lists: who sends a token asks as that shopper."""
    kept, key = make_key("whole", list(Scope), now())
    path = folder / "whole.json"
    path.write_text(written([kept]))
    shop = make_client(keys=str(path), open_scopes=" ".join(opens))
    headers = bearer(mint(kept, Purpose.SHOPPER, now(), subject="ana"))
    reads = ("/recommendations", "/search?q=pan", "/data")
    for rest in reads:
        assert shop.get(f"/v1/users/ana{rest}", headers=headers).is_success, rest
    others = ("bea", "ANA", "an", "anab", "ana%00", "ana%2F..%2Fbea", "%2561na", "ana%252Fbea")
    for other in others:
        for rest in reads:
            answer = shop.get(f"/v1/users/{other}{rest}", headers=headers)
            assert answer.status_code in (403, 422), (other, rest)
        assert shop.delete(f"/v1/users/{other}", headers=headers).status_code in (403, 422), other
    # Nor does a phone forget its own shopper, or change what they agree to.
    for method, rest in (("DELETE", ""), ("PUT", ""), ("DELETE", "/erasure"), ("PUT", "/ties/bea")):
        answer = shop.request(method, f"/v1/users/ana{rest}", headers=headers, json={})
        assert_problem(answer, 403)
    for user in ("ana", "bea"):
        assert not shop.get(f"/v1/users/{user}/data", headers=bearer(key)).json()["erased"]


def test_of_two_keys_in_one_request_neither_is_taken(shop, keys):
    both = [("Authorization", f"Bearer {keys[scope][1]}") for scope in (Scope.ADMIN, Scope.LISTS)]
    for sent in (both, both[::-1], [both[1], both[1]]):
        assert_problem(shop.get(LIST, headers=sent), 401)
    beside = [("Authorization", "Basic YTpi"), both[1]]
    assert shop.get(LIST, headers=beside).status_code == 200


def test_a_token_ends_with_its_key_and_with_its_time(shop, keys_file, keys):
    kept, key = keys[Scope.LISTS]
    token = shopper_token(shop, key)
    assert shop.get(LIST, headers=bearer(token)).is_success
    old = mint(kept, Purpose.SHOPPER, now() - timedelta(hours=2), subject="ana")
    assert shop.get(LIST, headers=bearer(old)).status_code == 401
    with changing(keys_file) as change:
        change.keys = revoked(change.keys, kept.id, now())
    assert shop.get(LIST, headers=bearer(token)).status_code == 401


def forged(kept, **changes):
    claims = {"aud": Purpose.SHOPPER.value, "sub": "ana", "iat": now()}
    claims = {**claims, "exp": now() + timedelta(minutes=5), **changes}
    claims = {name: value for name, value in claims.items() if value is not None}
    return jwt.encode(claims, kept.signing, "HS256", headers={"kid": kept.id})


@pytest.mark.filterwarnings("ignore::jwt.warnings.InsecureKeyLengthWarning")
def test_only_tokens_as_we_make_them_open_anything(shop, keys):
    kept, other = keys[Scope.LISTS][0], keys[Scope.EVENTS][0]
    assert shop.get(LIST, headers=bearer(forged(kept))).is_success
    claims = {"aud": Purpose.SHOPPER.value, "sub": "ana", "iat": now()}
    claims["exp"] = now() + timedelta(minutes=5)
    unsigned = jwt.encode(claims, "", "none", headers={"kid": kept.id})
    tokens = [
        unsigned,
        jwt.encode(claims, kept.signing, "HS512", headers={"kid": kept.id}),
        jwt.encode(claims, other.signing, "HS256", headers={"kid": kept.id}),
        jwt.encode(claims, kept.signing, "HS256"),
        jwt.encode(claims, kept.signing, "HS256", headers={"kid": "ffffffff"}),
        jwt.encode(claims, kept.digest, "HS256", headers={"kid": kept.id}),
        forged(kept, aud="coterie"),
        forged(kept, aud=Purpose.SESSION.value),
        forged(kept, aud=None),
        forged(kept, sub=None),
        forged(kept, exp=None),
        forged(kept, iat=None),
        forged(kept, exp=now() + timedelta(hours=2)),
        forged(kept, exp=str(int(time.time()) + 60)),
        forged(kept, sub=7),
        forged(kept) + "x",
        "a.b.c",
        "..",
        "é.é.é",
        "x" * 5000 + "..",
    ]
    for token in tokens:
        answer = shop.get(LIST, headers={"Authorization": f"Bearer {token}".encode()})
        assert answer.status_code == 401, token
    assert shop.get(LIST, headers=bearer(forged(other))).status_code == 403


@pytest.mark.parametrize("seconds", [0, 59, 3601, "long"])
def test_a_token_lasts_an_hour_at_most(shop, keys, seconds):
    headers = bearer(keys[Scope.LISTS][1])
    answer = shop.post("/v1/users/ana/tokens", headers=headers, params={"seconds": seconds})
    assert_problem(answer, 422)


def test_who_asks_without_a_key_of_the_file_gets_no_token(make_client):
    assert_problem(make_client().post("/v1/users/ana/tokens"), 409)


def test_a_link_begins_a_session_that_only_our_own_pages_use(shop, keys_file, keys):
    kept = keys[Scope.LISTS][0]
    link = mint(kept, Purpose.SIGN_IN, now())
    answer = shop.get("/session", params={"token": link}, follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    cookie = answer.headers["set-cookie"]
    assert all(part in cookie for part in (SESSION, "HttpOnly", "SameSite=strict", "Path=/"))
    assert "Secure" not in cookie
    assert shop.get(LIST).is_success  # the client keeps cookies, as browsers do
    assert shop.get(LIST, headers={"Sec-Fetch-Site": "same-origin"}).is_success
    for site in ("cross-site", "same-site", ""):
        assert shop.get(LIST, headers={"Sec-Fetch-Site": site}).status_code == 401
    assert shop.put("/v1/users/ana/ties/max", json={}).status_code == 403
    assert shop.get(LIST, headers=bearer("ck_00000000_x")).status_code == 401
    with changing(keys_file) as change:
        change.keys = revoked(change.keys, kept.id, now())
    assert shop.get(LIST).status_code == 401
    shop.cookies.clear()
    for token in (link, mint(kept, Purpose.SESSION, now()), "x", ""):
        assert shop.get("/session", params={"token": token}).status_code == 401


def test_behind_a_proxy_that_speaks_tls_the_cookie_is_for_tls_alone(make_client, keys_file, keys):
    client = make_client(keys=str(keys_file), proxies=1)
    link = mint(keys[Scope.LISTS][0], Purpose.SIGN_IN, now())
    headers = {"X-Forwarded-Proto": "https"}
    answer = client.get(f"/session?token={link}", headers=headers, follow_redirects=False)
    assert "Secure" in answer.headers["set-cookie"]


def test_pages_that_this_machine_opens_begin_a_session_by_themselves(make_client, folder):
    given, key = own_key(folder / "state", True, {})
    assert (folder / "state" / "key").read_text().strip() == key
    names = {f"COTERIE_{name.upper()}": name for name in ("keys", "page_key", "open_scopes")}
    client = make_client(**{names[variable]: value for variable, value in given.items()})
    tie = "/v1/users/ana/ties/max"
    assert client.get(LIST).is_success
    assert client.put(tie, json={}).status_code == 401
    for host in ("testserver", "evil.example", "127.0.0.1.evil.example"):
        assert SESSION not in client.get("/", headers={"Host": host}).headers.get("set-cookie", "")
    cookie = client.get("/", headers={"Host": "127.0.0.1:8000"}).headers["set-cookie"]
    assert "HttpOnly" in cookie
    sent = {"Cookie": cookie.partition(";")[0]}
    assert client.put(tie, json={}, headers=sent).is_success
    assert (
        client.put(tie, json={}, headers=sent | {"Sec-Fetch-Site": "cross-site"}).status_code == 401
    )
    assert SESSION in client.get("/operations", headers={"Host": "localhost"}).headers["set-cookie"]


def test_a_machines_own_key_is_another_at_each_start_and_leaves_those_of_people(folder):
    people, _ = make_key("phone", [Scope.LISTS], now())
    with changing(folder / "keys.json") as change:
        change.keys = (people,)
    (first, key), (second, other) = (own_key(folder, False, {}) for _ in range(2))
    assert first == second == {"COTERIE_KEYS": str(folder / "keys.json")}
    kept = read_keys(folder / "keys.json")
    assert [one.name for one in kept] == ["phone", "this machine"]
    assert (kept[1].is_of(other), kept[1].is_of(key)) == (True, False)
    assert own_key(folder, True, {"COTERIE_KEYS": "mine.json"}) == ({}, "")
    with pytest.raises(BadInputError, match="COTERIE_PAGE_KEY"):
        Settings(release="x", host="0.0.0.0", page_key="a1")


TEXTS = st.one_of(
    st.binary(max_size=200),
    st.sampled_from([b"Bearer ", b"Bearer ck_", b"bearer ck__", b"Bearer a.b.c", b"Bearer eyJ.."]),
    st.binary(max_size=60).map(lambda raw: b"Bearer " + base64.urlsafe_b64encode(raw) + b".e30.x"),
    st.binary(max_size=60).map(lambda raw: SESSION.encode() + b"=" + raw),
    st.binary(max_size=60).map(lambda raw: b"Bearer ck_00000000_" + raw),
)
NAMES = st.sampled_from([b"authorization", b"cookie", b"sec-fetch-site", b"x-forwarded-for"])
HEADERS = st.lists(st.tuples(NAMES, TEXTS), max_size=6)


@given(headers=HEADERS, proxies=st.integers(0, 2))
def test_whatever_bytes_say_who_asks_the_guard_refuses_in_its_own_words(headers, proxies):
    kept, _ = make_key("only lists", [Scope.LISTS], now())
    ring = KeyRing()
    ring._keys = {"00000000": replace(kept, id="00000000")}
    guard = Guard(ring, proxies=proxies)
    scope = {"headers": headers, "state": {}, "client": None, "path_params": {"user_id": "ana"}}
    with pytest.raises(ProblemError) as refused:
        guard.admit(scope, need_of("/v1/users/{user_id}/recommendations", ["GET"]))
    assert refused.value.status in (401, 403)


@given(
    content=st.one_of(st.binary(max_size=300), st.from_type(dict).map(lambda d: str(d).encode()))
)
def test_whatever_bytes_a_file_of_keys_has_they_are_keys_or_refused(content):
    for whole in (content, b'{"version": 1, "keys": [' + content + b"]}"):
        with contextlib.suppress(BadInputError):
            assert isinstance(parse_keys(whole, "keys.json"), tuple)


@pytest.mark.parametrize(
    "digest",
    ["é" * 64, "A" * 64, "a" * 63, "a" * 64 + "\n"],
    ids=["letters", "capitals", "short", "line"],
)
def test_a_digest_that_nothing_could_be_compared_with_is_told_with_the_file(digest):
    kept, _ = make_key("k", [Scope.LISTS], now())
    with pytest.raises(BadInputError, match="no SHA-256 digest"):
        parse_keys(written([replace(kept, digest=digest)]).encode(), "keys.json")


def test_who_asks_too_often_waits(make_client, keys_file, keys):
    client = make_client(keys=str(keys_file), rate_per_key=0.1, rate_per_address=0.1)
    for key in (keys[Scope.LISTS][1], keys[Scope.EVENTS][1]):
        first, second = (client.get(LIST, headers=bearer(key)) for _ in range(2))
        assert first.status_code != 429
        assert_problem(second, 429)
        assert 1 <= int(second.headers["Retry-After"]) <= 10
    assert [client.get(LIST).status_code for _ in range(2)] == [401, 429]
    assert client.get("/healthz").is_success


def test_a_shopper_who_asks_too_often_holds_up_nobody_else(make_client, keys_file, keys):
    client = make_client(keys=str(keys_file), rate_per_key=0.1)
    kept, key = keys[Scope.LISTS]
    tokens = [mint(kept, Purpose.SHOPPER, now(), subject=who) for who in ("ana", "bea")]
    asks = [("ana", tokens[0]), ("ana", tokens[0]), ("bea", tokens[1]), ("ana", key), ("ana", key)]
    found = [client.get(LIST.replace("ana", who), headers=bearer(sent)) for who, sent in asks]
    assert [answer.status_code for answer in found] == [200, 429, 200, 200, 429]


def test_nothing_on_the_way_may_keep_what_not_everybody_may_ask(shop, keys):
    lists, people = bearer(keys[Scope.LISTS][1]), bearer(keys[Scope.PEOPLE][1])
    guarded = [shop.get(LIST, headers=lists), shop.get(LIST, headers=lists), shop.get(LIST)]
    guarded.append(shop.get("/v1/users/ana/data", headers=people))
    assert {answer.headers.get("cache-control") for answer in guarded} == {"no-store"}
    assert "cache-control" not in shop.get("/openapi.json").headers


def test_addresses_are_those_that_our_own_proxies_saw(make_client, keys_file):
    def statuses(client, *chains):
        found = [client.get(LIST, headers={"X-Forwarded-For": chain}) for chain in chains]
        return [answer.status_code for answer in found]

    limits = {"keys": str(keys_file), "rate_per_address": 0.1}
    assert statuses(make_client(**limits), "10.0.0.1", "10.0.0.2") == [401, 429]
    one = make_client(**limits, proxies=1)
    assert statuses(one, "10.0.0.1", "10.0.0.2", "evil, 10.0.0.1", "10.0.0.1") == [
        *(401, 401, 429, 429)
    ]


def test_a_network_of_many_addresses_waits_like_one(make_client, keys_file):
    one = make_client(keys=str(keys_file), rate_per_address=0.1, proxies=1)
    asks = ("2001:db8::1", "2001:db8::2", "[2001:db8::3]:99", "2001:db8:0:1::1", "192.0.2.1:5")
    found = [one.get(LIST, headers={"X-Forwarded-For": ask}) for ask in (*asks, "192.0.2.1:6")]
    assert [answer.status_code for answer in found] == [401, 429, 429, 401, 401, 429]


def test_a_bucket_fills_as_time_goes_by_and_there_are_only_so_many():
    buckets = Buckets(rate=2, most=3)
    burst = round(2 * BURST_S)
    assert [buckets.wait_s("a", 0) for _ in range(burst)] == [0] * burst
    assert buckets.wait_s("a", 0) == pytest.approx(0.5)
    assert buckets.wait_s("a", 0.25) == pytest.approx(0.25)
    assert buckets.wait_s("a", 0.5) == 0
    assert buckets.wait_s("a", 1000) == 0
    for who in "bcdefg":
        assert buckets.wait_s(who, 1001) == 0
    assert len(buckets) == 3
    assert Buckets(0).wait_s("a", 0) == 0


def test_every_write_is_in_the_audit_log_with_key_and_request(shop, keys, caplog):
    caplog.set_level("INFO", logger="coterie.serving.audit")
    headers = {**bearer(keys[Scope.PEOPLE][1]), "X-Request-ID": "r-1"}
    assert shop.put("/v1/users/ana/ties/bea", json={}, headers=headers).is_success
    assert shop.put("/v1/users/ana/ties/bea", json={}).status_code == 401
    shop.delete(f"/v1/items/{item(3)}", headers=bearer(keys[Scope.EVENTS][1]))
    shop.get(LIST, headers=bearer(keys[Scope.LISTS][1]))
    told = [record.fields for record in caplog.records if record.message == "audit"]
    assert [(one.get("key"), one["scope"], one["status"]) for one in told] == [
        (keys[Scope.PEOPLE][0].id, "people:write", 200),
        (None, "people:write", 401),
        (keys[Scope.EVENTS][0].id, "catalogue:write", 403),
    ]
    assert told[0]["request_id"] == "r-1"
    assert told[2]["item"] == item(3)
    people = (told[0]["user"], told[0]["other"])
    assert len({*people}) == 2
    assert "ana" not in json.dumps(told)


def test_when_a_key_was_used_is_kept_beside_and_written_once_a_minute(shop, keys, folder):
    shop.get(LIST, headers=bearer(keys[Scope.LISTS][1]))
    shop.get(LIST, headers=bearer("ck_00000000_x"))
    found = last_uses(folder)
    assert list(found) == [keys[Scope.LISTS][0].id]
    assert abs(found[keys[Scope.LISTS][0].id] - time.time()) < 600
    uses = LastUses(folder / "other" / FOLDER)
    for at in (1000.0, 1001.0, 1000.0 + EVERY_S - 1):
        uses.note("a", at)
    assert last_uses(folder / "other") == {"a": 1000.0}
    uses.note("a", 1000.0 + EVERY_S)
    assert last_uses(folder / "other") == {"a": 1000.0 + EVERY_S}
    # Else who asks once a day would never be seen, where others ask all the time.
    uses.note("b", 1001.0 + EVERY_S)
    assert last_uses(folder / "other")["b"] == 1001.0 + EVERY_S


def test_when_a_key_was_used_is_shared_without_anybody_waiting_for_it():
    told, away, may_go_on = queue.Queue(), [True], threading.Event()

    def share(times):
        may_go_on.wait(60)
        if away.pop():
            away.append(False)
            told.put("away")
            raise UnavailableError("away")
        away.append(False)
        told.put(times)

    uses = LastUses(None, share)
    uses.note("a", 1000.0)
    may_go_on.set()
    assert told.get(timeout=60) == "away"
    uses.note("b", 1001.0)
    assert told.get(timeout=60) == {"a": 1000.0, "b": 1001.0}


@pytest.mark.parametrize(("log", "shared"), [("", False), ("redis://h:1/0", True)])
def test_a_service_with_a_redis_shares_when_keys_were_used(folder, log, shared):
    guard = Guard.of(Settings(release="x", state=str(folder), event_log=log))
    assert (guard._uses._share is not None) is shared


def test_a_disk_that_refuses_hinders_nobody(make_client, keys_file, keys, folder):
    (folder / FOLDER).write_text("no folder")
    client = make_client(keys=str(keys_file))
    assert client.get(LIST, headers=bearer(keys[Scope.LISTS][1])).is_success


def test_an_app_with_keys_describes_them_and_lets_pages_send_one(make_client, keys_file):
    client = make_client(keys=str(keys_file), cors_origins="https://shop.example")
    whole = client.get("/openapi.json").json()
    told = whole["paths"]["/v1/users/{user_id}/recommendations"]["get"]
    assert told["security"] == [{"Key": []}, {"ShopperToken": []}]
    assert set(whole["components"]["securitySchemes"]) == {"Key", "ShopperToken"}
    assert "security" not in whole["paths"]["/healthz"]["get"]
    assert {"401", "403", "429"} <= set(told["responses"])
    headers = {"origin": "https://shop.example", "access-control-request-method": "GET"}
    headers["access-control-request-headers"] = "authorization"
    assert client.options(LIST, headers=headers).status_code == 200


def test_a_guard_is_made_of_settings(folder):
    settings = Settings(release="x", state=str(folder), admin_token="a" * 16, change_token="b" * 16)
    guard = Guard.of(settings)
    assert guard.is_open == {Scope.LISTS, Scope.EVENTS}
    assert guard.ring.of_credential("a" * 16).scopes == (Scope.ADMIN,)
    assert guard.ring.of_credential("c" * 16) is None
