"""Made-up requests of what the description leaves out: pages, and how browsers sign in.

``/session`` is no part of the description, since programs send keys: it answers to a browser's own
page, by a cookie. So what schemathesis makes of the description does not reach it.
"""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from coterie.access.keys import make_key, revoked, written
from coterie.access.scopes import Scope
from coterie.access.tokens import Purpose, mint
from serving.api.access import ACCESS
from serving.api.auth import SESSION

DESCRIBED = ("/v1/", "/healthz", "/readyz", "/metrics")
HIDDEN = sorted(
    {path.format(language="en") for _, path in ACCESS if not path.startswith(DESCRIBED)}
)
METHODS = ("GET", "POST", "DELETE", "PUT")
SENT = st.text(st.characters(codec="utf-8"), max_size=40)
"""What people might type, and programs send."""
MADE_UP = settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture
def known(folder):
    """A key that opens something, one that was revoked, and what both stand behind."""
    now = datetime.now(UTC)
    (holds, key), (gone, taken) = (make_key(name, [Scope.LISTS], now) for name in ("a", "b"))
    (gone,) = revoked([gone], gone.id, now)
    (folder / "keys.json").write_text(written([holds, gone]))
    links = {one: mint(holds, one, now) for one in Purpose}
    return {"key": key, "taken": taken, "ended": mint(gone, Purpose.SIGN_IN, now), **links}


def test_these_are_the_routes_that_the_description_leaves_out(make_client, known, folder):
    shop = make_client(keys=str(folder / "keys.json"))
    described = shop.get("/openapi.json").json()["paths"]
    left_out = {path.replace("{language}", "en") for _, path in ACCESS if path not in described}
    assert left_out == set(HIDDEN)
    assert "/session" in HIDDEN


def test_whatever_is_sent_none_fails_and_a_session_begins_by_a_key_alone(
    make_client, known, folder
):
    shop = make_client(keys=str(folder / "keys.json"))

    @MADE_UP
    @given(
        method=st.sampled_from(METHODS),
        path=st.sampled_from(HIDDEN),
        query=st.dictionaries(st.sampled_from(["token", "shopper", "lang", "x"]), SENT, max_size=2),
        body=st.binary(max_size=60) | st.dictionaries(SENT, SENT).map(lambda d: json.dumps(d)),
        cookie=SENT,
    )
    @example("GET", "/session", {"token": known["ended"]}, b"", "")
    @example("GET", "/session", {"token": known[Purpose.SHOPPER]}, b"", "")
    @example("GET", "/session", {"token": known[Purpose.SESSION]}, b"", "")
    @example("POST", "/session", {}, json.dumps({"key": known["taken"]}), "")
    @example("POST", "/session", {}, json.dumps({"key": known[Purpose.SIGN_IN]}), "")
    @example("POST", "/session", {}, json.dumps({"key": f"{known['key']}x"}), "")
    @example("POST", "/session", {}, b"[" * 9000, "")
    def asked(method, path, query, body, cookie):
        headers = {"Content-Type": "application/json"}
        headers["Cookie"] = f"{SESSION}={cookie}".encode()
        answer = shop.request(
            method, path, params=query, content=body, headers=headers, follow_redirects=False
        )
        assert answer.status_code < 500, answer.text
        assert SESSION not in answer.headers.get("set-cookie", "") or method == "DELETE"
        if (method, path) not in ACCESS and path != "/languages/en":
            assert answer.status_code == 405

    asked()
    begun = shop.post("/session", json={"key": known["key"]})
    assert SESSION in begun.headers["set-cookie"]
    linked = shop.get("/session", params={"token": known[Purpose.SIGN_IN]}, follow_redirects=False)
    assert (linked.status_code, SESSION in linked.headers["set-cookie"]) == (303, True)
