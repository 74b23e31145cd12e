"""Pages of other origins: shut out, unless a setting names them."""

import pytest
from asking import assert_problem, event

from coterie.errors import BadInputError
from serving.settings import Settings, read_settings

SHOP = "https://shop.example"
ALLOWED = "access-control-allow-origin"
POLICY = "cross-origin-resource-policy"


def preflight(client, path, method="POST", origin=SHOP, headers="content-type"):
    asked = {"origin": origin, "access-control-request-method": method}
    return client.options(path, headers=asked | {"access-control-request-headers": headers})


def test_nobody_is_let_in_without_the_setting(client):
    answer = client.get("/v1/users/ana/recommendations", headers={"origin": SHOP})
    assert ALLOWED not in answer.headers
    assert answer.headers[POLICY] == "same-origin"
    assert_problem(preflight(client, "/v1/events"), 405)


def test_a_page_of_a_named_origin_reads_lists_and_sends_events(make_client):
    client = make_client(cors_origins=f"{SHOP}, http://localhost:3000")
    for path in ("/v1/events", "/v1/users/ana/recommendations"):
        asked = preflight(client, path)
        assert asked.status_code == 200
        assert asked.headers[ALLOWED] == SHOP
        assert "POST" in asked.headers["access-control-allow-methods"]
    sent = client.post("/v1/events", json={"events": [event()]}, headers={"origin": SHOP})
    assert (sent.status_code, sent.headers[ALLOWED]) == (200, SHOP)
    got = client.get("/v1/users/ana/recommendations", headers={"origin": SHOP})
    assert (got.headers[ALLOWED], got.headers[POLICY]) == (SHOP, "cross-origin")
    assert "Origin" in got.headers["vary"]
    assert "x-request-id" in got.headers["access-control-expose-headers"].lower()
    assert got.headers["content-security-policy"].startswith("default-src 'none'")


@pytest.mark.parametrize("origins", [SHOP, "*"])
def test_no_cookies_and_no_token_come_from_pages(make_client, origins):
    client = make_client(cors_origins=origins, admin_token="t" * 16)
    answer = client.get("/healthz", headers={"origin": SHOP, "cookie": "a=b"})
    assert answer.headers[ALLOWED] == origins
    assert "access-control-allow-credentials" not in answer.headers
    asked = preflight(client, "/v1/admin/rollouts", headers="authorization, content-type")
    assert asked.status_code == 400


def test_errors_can_be_read_too(make_client, features):
    client = make_client(cors_origins=SHOP)
    origin, json = {"origin": SHOP}, {"content-type": "application/json"}
    brotli = origin | json | {"content-encoding": "br"}
    answers = [
        client.get("/v1/items?limit=0", headers=origin),
        client.get("/v1/users/%ff", headers=origin),
        client.post("/v1/events", content=b" " * (1 << 21), headers=origin | json),
        client.post("/v1/events", content=b"{}", headers=brotli),
    ]
    assert [one.status_code for one in answers] == [422, 400, 413, 415]
    features.recent["ana"] = "not a list"
    answers.append(client.get("/v1/users/ana/recommendations", headers=origin))
    assert answers[-1].status_code == 500
    assert {one.headers[ALLOWED] for one in answers} == {SHOP}
    assert "accept-encoding" in answers[3].headers["access-control-expose-headers"].lower()


@pytest.mark.parametrize("origin", ["https://shop.example.evil", "http://shop.example", "null"])
def test_any_other_origin_stays_out(make_client, origin):
    client = make_client(cors_origins=SHOP)
    answer = client.get("/healthz", headers={"origin": origin})
    assert ALLOWED not in answer.headers
    assert answer.headers[POLICY] == "same-origin"
    assert preflight(client, "/v1/events", origin=origin).status_code == 400


def test_a_preflight_is_counted_under_a_bounded_label(make_client):
    client = make_client(cors_origins=SHOP)
    preflight(client, "/v1/events")
    told = client.get("/metrics").text
    assert 'coterie_http_requests_total{method="OPTIONS",route="other",status="2xx"} 1.0' in told


def test_origins_are_read_from_a_list():
    found = read_settings({"COTERIE_CORS_ORIGINS": f"{SHOP},http://localhost:3000  "}, release="r")
    assert found.origins == (SHOP, "http://localhost:3000")
    assert Settings(release="r", cors_origins="http://[::1]:8000").origins
    assert Settings(release="r").origins == ()
    assert read_settings(found.as_environment()) == found


@pytest.mark.parametrize(
    "given",
    [
        *("shop.example", f"{SHOP}/", f"{SHOP}/path", "HTTPS://SHOP.example", "null"),
        *("https://*.example", f"* {SHOP}", "https://a@b", "ftp://shop.example", "https://"),
    ],
)
def test_what_no_browser_sends_is_refused(given):
    with pytest.raises(BadInputError, match="COTERIE_CORS_ORIGINS"):
        Settings(release="r", cors_origins=given)
