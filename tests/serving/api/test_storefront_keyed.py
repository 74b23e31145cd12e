"""The storefront where keys are on, in a real browser: a session by cookie, and by nothing else."""

import json
from datetime import UTC, datetime

import pytest
from asking import assert_problem
from browsing import fits, served, take_picture
from page_checks import cut_words, nameless, skipped_levels, too_faint
from small_shop import item
from test_storefront_languages import SAID, foreign

from coterie.access.keys import changing, make_key, revoked, written
from coterie.access.scopes import Scope
from serving.api import key_ring
from serving.api.auth import SESSION

CARDS = "#items > li.product:not(.ghost)"
ALL = [Scope.LISTS, Scope.EVENTS, Scope.PEOPLE]


@pytest.fixture
def keys_file(folder, monkeypatch):
    monkeypatch.setattr(key_ring, "LOOK_S", 0.0)
    now = datetime.now(UTC)
    made = {
        "whole": make_key("the shop's own", ALL, now),
        "lists": make_key("lists alone", [Scope.LISTS], now),
    }
    path = folder / "keys.json"
    path.write_text(written([kept for kept, _ in made.values()]))
    return path, {name: key for name, (_, key) in made.items()}, made["whole"][0].id


@pytest.fixture
def shop(make_client, keys_file):
    return make_client(keys=str(keys_file[0]))


@pytest.fixture
def look(browser, shop):
    """Opens pages of browsers that know nothing of each other."""
    opened = []
    with served(shop.app) as url:

        def opens(path, scheme="light", width=1280, height=900):
            context = browser.new_context(
                viewport={"width": width, "height": height}, color_scheme=scheme
            )
            opened.append(context)
            page = context.new_page()
            page.goto(f"{url}{path}")
            return page

        yield opens
        for context in opened:
            context.close()


def sign_in(page, key):
    page.locator("#key").fill(key)
    page.locator("#enter [type=submit]").click()


def cookies(page):
    return {one["name"]: one for one in page.context.cookies()}


@pytest.mark.browser
def test_somebody_signs_in_with_a_key_sees_a_list_and_signs_out(look, keys_file):
    from playwright.sync_api import expect

    _, keys, _ = keys_file
    page = look("/?shopper=ana")
    expect(page.get_by_role("alert")).to_contain_text("This page needs a key")
    take_picture(page, "keyed-without")
    page.get_by_role("alert").get_by_role("link", name="Sign in").click()
    page.locator("#key").wait_for()
    for wrong in ("ck_00000000_nothing", keys["whole"][:-1], "ключ"):
        sign_in(page, wrong)
        expect(page.locator("#said")).to_contain_text("This key opens nothing")
        expect(page.locator("#key")).to_have_value("")
        assert SESSION not in cookies(page)
        page.locator("#said").evaluate("said => { said.textContent = ''; }")
    take_picture(page, "keyed-sign-in")
    sign_in(page, f" {keys['whole']} ")
    page.locator(CARDS).first.wait_for()
    assert page.url.endswith("/?shopper=ana")
    kept = cookies(page)[SESSION]
    assert (kept["httpOnly"], kept["sameSite"]) == (True, "Strict")
    assert keys["whole"] not in json.dumps(page.context.storage_state())
    assert SESSION not in page.evaluate("document.cookie")
    take_picture(page, "keyed-list")
    page.goto(page.url.split("?")[0] + "sign-in")
    page.get_by_role("button", name="Sign out").click()
    expect(page.locator("#said")).to_have_text("You are signed out.")
    assert SESSION not in cookies(page)


@pytest.mark.browser
def test_with_a_session_the_privacy_page_tells_decides_and_forgets(look, shop, keys_file):
    from playwright.sync_api import expect

    _, keys, _ = keys_file
    auth = {"Authorization": f"Bearer {keys['whole']}"}
    page = look("/privacy?shopper=bea")
    expect(page.locator("#said")).to_contain_text("needs a key")
    page.locator("#enter a").click()
    sign_in(page, keys["whole"])
    page.locator("#counts dd").first.wait_for()
    assert page.url.endswith("/privacy?shopper=bea")
    page.get_by_label("What I do may help others").uncheck()
    expect(page.get_by_role("status")).to_contain_text("Kept")
    assert shop.get("/v1/users/bea/data", headers=auth).json()["consents"]["may_be_used"] is False
    with page.expect_download() as saved:
        page.get_by_role("button", name="Download everything").click()
    assert json.loads(saved.value.path().read_text())["user_id"] == "bea"
    page.locator("#forget").click()
    page.get_by_role("dialog").get_by_role("button", name="Forget me").click()
    expect(page.get_by_role("heading", name="You are forgotten")).to_be_visible()
    assert shop.get("/v1/users/bea/data", headers=auth).json()["erased"] is True


@pytest.mark.browser
def test_a_session_opens_what_its_key_does_and_ends_with_it(look, keys_file):
    from playwright.sync_api import expect

    path, keys, whole = keys_file
    page = look("/sign-in?next=%2Fprivacy%3Fshopper%3Dana")
    sign_in(page, keys["lists"])
    expect(page.locator("#said")).to_contain_text("does not let this page")
    assert page.locator("#enter").is_hidden()
    page.goto(page.url.split("/privacy")[0] + "/sign-in?next=/privacy?shopper=ana")
    sign_in(page, keys["whole"])
    page.locator("#counts dd").first.wait_for()
    with changing(path) as change:
        change.keys = revoked(change.keys, whole, datetime.now(UTC))
    page.get_by_label("Friends may see my name").click()
    expect(page.locator("#said")).to_contain_text("needs a key")
    expect(page.get_by_label("Friends may see my name")).to_be_checked()


@pytest.mark.browser
@pytest.mark.parametrize(
    "elsewhere",
    ["https://evil.example/", "//evil.example/", "javascript:alert(1)", "\\\\evil.example", "a:b"],
)
def test_who_signed_in_comes_back_to_a_page_of_this_shop(look, keys_file, elsewhere):
    page = look("/")
    home = page.url
    page.goto(f"{home}sign-in")
    page.evaluate(
        "next => history.replaceState(null, '', '?next=' + encodeURIComponent(next))", elsewhere
    )
    with page.expect_navigation():
        sign_in(page, keys_file[1]["whole"])
    assert page.url.startswith(home)


@pytest.mark.browser
@pytest.mark.parametrize(
    ("scheme", "width", "language"),
    [("light", 1280, "zh"), ("dark", 390, "zh"), ("dark", 1280, "en"), ("light", 360, "en")],
)
def test_both_pages_can_be_read_by_everybody_in_their_language(
    look, shop, keys_file, scheme, width, language
):
    """State by state; nothing is said in the other language."""
    from playwright.sync_api import expect

    page = look(f"/privacy?shopper=ana&lang={language}", scheme=scheme, width=width)
    expect(page.locator("html")).to_have_attribute("lang", language)
    said = {}

    def check(where):
        faults = {
            "too faint": too_faint(page),
            "without a name": nameless(page),
            "levels left out": skipped_levels(page),
            "cut off": cut_words(page),
            "wider than the screen": not fits(page),
        }
        take_picture(page, f"keyed-{where}-{scheme}-{width}-{language}")
        assert {fault: at for fault, at in faults.items() if at} == {}, where
        said[where] = page.evaluate(SAID)

    expect(page.locator("#said")).not_to_be_empty()
    check("privacy-without-a-key")
    page.locator("#enter a").click()
    page.locator("#key").wait_for()
    expect(page.locator("html")).to_have_attribute("lang", language)
    sign_in(page, "wrong")
    expect(page.locator("#said")).not_to_be_empty()
    check("sign-in")
    sign_in(page, keys_file[1]["whole"])
    page.locator("#counts dd").first.wait_for()
    expect(page.locator("html")).to_have_attribute("lang", language)
    for part in page.locator("summary").all():
        part.click()
    check("privacy")
    page.locator("#may_be_used").click()
    expect(page.locator("#said")).not_to_be_empty()
    check("privacy-kept")
    page.locator("#forget").click()
    check("privacy-asked")
    page.locator("#sure .yes").click()
    page.locator("#receipt").wait_for()
    check("privacy-receipt")
    page.reload()
    expect(page.locator("#said")).not_to_be_empty()
    check("privacy-forgotten")
    left = {where: words for where, one in said.items() if (words := foreign(one, language) - OWN)}
    assert left == {}


OWN = {"item", "shy", "中文"}
"""Of ids, and what a language calls itself."""


def enter(shop, key, **headers):
    return shop.post("/session", json={"key": key}, headers=headers)


def test_a_session_is_begun_by_our_own_pages_alone(shop, keys_file):
    key = keys_file[1]["whole"]
    for site in ("cross-site", "same-site", "none", "nonsense"):
        answer = enter(shop, key, **{"Sec-Fetch-Site": site})
        assert_problem(answer, 403)
        assert "set-cookie" not in answer.headers
        assert_problem(shop.delete("/session", headers={"Sec-Fetch-Site": site}), 403)
    # As a form of another page sends it, which asks no leave before.
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data"):
        answer = shop.post(
            "/session", content=json.dumps({"key": key}), headers={"Content-Type": kind}
        )
        assert_problem(answer, 415)
        assert "set-cookie" not in answer.headers
    said = enter(shop, key, **{"Sec-Fetch-Site": "same-origin"})
    assert (said.status_code, said.headers["cache-control"]) == (204, "no-store")
    assert {"HttpOnly", "SameSite=strict", "Path=/"} <= set(said.headers["set-cookie"].split("; "))
    assert key not in said.headers["set-cookie"]


@pytest.mark.parametrize(("proxies", "secure"), [(0, False), (1, True)])
def test_the_cookie_is_for_tls_alone_where_a_proxy_of_ours_speaks_it(
    make_client, keys_file, proxies, secure
):
    path, keys, _ = keys_file
    shop = make_client(keys=str(path), proxies=proxies)
    said = enter(shop, keys["whole"], **{"X-Forwarded-Proto": "https"})
    assert ("Secure" in said.headers["set-cookie"].split("; ")) is secure


def test_a_wrong_key_is_refused_and_guesses_are_slow(make_client, keys_file):
    path, keys, _ = keys_file
    shop = make_client(keys=str(path), rate_per_address=0.5)
    answers = [enter(shop, f"ck_00000000_{n}") for n in range(6)]
    assert [one.status_code for one in answers] == [401, 401, 429, 429, 429, 429]
    assert "set-cookie" not in answers[0].headers
    assert_problem(answers[0], 401)
    # Nor is it told whether the next one would have been right.
    assert enter(shop, keys["whole"]).status_code == 429
    for body in ({"key": "x" * 5000}, {}, {"key": 7}, {"key": "a", "more": 1}):
        assert_problem(shop.post("/session", json=body), 422)


def test_a_cookie_writes_nothing_for_another_page(shop, keys_file):
    cookie = enter(shop, keys_file[1]["whole"]).headers["set-cookie"].split(";")[0]
    shop.cookies.clear()
    body = {"events": [{"event_id": "e1", "user_id": "ana", "item_id": item(1), "event": "view"}]}
    for site, status in (("cross-site", 401), ("same-site", 401), ("same-origin", 200)):
        headers = {"Cookie": cookie, "Sec-Fetch-Site": site}
        assert shop.post("/v1/events", json=body, headers=headers).status_code == status
        assert shop.get("/v1/users/ana/data", headers=headers).status_code == status
        assert shop.delete("/v1/users/zoe2", headers=headers).status_code == status
