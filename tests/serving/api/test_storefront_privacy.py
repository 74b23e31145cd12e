"""The page of one shopper's own data, in a real browser."""

import json

import pytest
from asking import event, list_of, post
from browsing import fits, quiet_pages, served, take_picture
from small_shop import NOON_MS, item


@pytest.fixture
def look(browser, client):
    """Open the page of a shopper."""
    with served(client.app) as url, quiet_pages(browser, url) as opened:

        def opens(shopper, **how):
            page = opened(f"/privacy?shopper={shopper}", **how)
            page.locator("#counts dd").first.wait_for()
            return page

        yield opens


def friends_in_reasons(client, user="ana"):
    told = [one for entry in list_of(client, user)["items"] for one in entry["reasons"]]
    return {one["friend"] for one in told if one.get("friend")}


@pytest.mark.browser
def test_a_shopper_sees_has_decides_and_is_forgotten(look, client):
    from playwright.sync_api import expect

    assert post(client, event("e1", "bea", item(1), ts=NOON_MS)).status_code == 200
    page = look("bea")
    expect(page.locator("#counts dd")).to_have_text(["3", "0", "0", "1"])
    take_picture(page, "privacy")
    # Decides.
    assert "bea" in friends_in_reasons(client)
    page.get_by_label("What I do may help others").uncheck()
    expect(page.get_by_role("status")).to_contain_text("Kept")
    assert "bea" not in friends_in_reasons(client)
    page.get_by_label("Friends may see my name").uncheck()
    page.reload()
    expect(page.get_by_label("What I do may help others")).not_to_be_checked()
    # Has.
    with page.expect_download() as saved:
        page.get_by_role("button", name="Download everything").click()
    told = json.loads(saved.value.path().read_text())
    assert [one["fields"]["event_id"] for one in told["log"] if one["kind"] == "event"] == ["e1"]
    assert len(told["recent"]) == 3
    # Is asked first, and may change their mind.
    page.locator("#forget").click()
    page.get_by_role("button", name="Keep it").click()
    assert client.get("/v1/users/bea/data").json()["erased"] is False
    page.locator("#forget").click()
    page.get_by_role("dialog").get_by_role("button", name="Forget me").click()
    expect(page.get_by_role("heading", name="You are forgotten")).to_be_visible()
    take_picture(page, "privacy-receipt")
    assert client.get("/v1/users/bea/data").json()["erased"] is True
    page.reload()
    expect(page.get_by_role("status")).to_contain_text("keeps nothing")


@pytest.mark.browser
def test_what_is_downloaded_is_everything_on_all_pages(look, client):
    """More than two pages of the API have, each once; and of nobody else."""
    for first in (0, 300, 600, 900):
        events = [
            event(f"e{n}", "bea", item(n % 20), ts=NOON_MS + n) for n in range(first, first + 300)
        ]
        assert post(client, *events).status_code == 200
    assert post(client, event("other", "ana", item(1), ts=NOON_MS)).status_code == 200
    page = look("bea")
    expected = page.locator("#counts dt").last.inner_text()
    assert expected == "Entries of the shop's log that name you, at least"
    with page.expect_download() as saved:
        page.get_by_role("button", name="Download everything").click()
    told = json.loads(saved.value.path().read_text())
    found = [one["fields"]["event_id"] for one in told["log"] if one["kind"] == "event"]
    assert sorted(found) == sorted(f"e{n}" for n in range(1200))
    assert (told["user_id"], len(told["recent"]) > 0) == ("bea", True)


@pytest.mark.browser
def test_an_id_is_that_persons_whatever_is_in_it(look, client):
    """None of it is a part of the address."""
    odd = "../bea?x=1#y/data &amp; 50%"
    assert post(client, event("odd", odd, item(2), ts=NOON_MS)).status_code == 200
    page = look("ana")
    page.locator("#shopper").fill(odd)
    with page.expect_response(lambda answer: "/data" in answer.url) as heard:
        page.locator("#whose [type=submit]").click()
    assert heard.value.json()["user_id"] == odd
    page.reload()
    page.locator("#counts dd").first.wait_for()
    assert page.locator("#shopper").input_value() == odd
    page.locator("#forget").click()
    assert odd in page.locator("#sure-who").inner_text()
    page.locator("#sure .yes").click()
    page.locator("#receipt").wait_for()
    assert client.get("/v1/users/bea/data").json()["erased"] is False
    assert client.get("/v1/users/ana/data").json()["erased"] is False


@pytest.mark.browser
def test_it_fits_a_phone_in_the_dark_and_the_storefront_leads_to_it(look, browser, client):
    page = look("ana", scheme="dark", width=360, height=800)
    assert fits(page)
    take_picture(page, "privacy-phone")
    page.get_by_role("link", name="Storefront", exact=True).click()
    page.locator("#items > li.product:not(.ghost)").first.wait_for()
    assert page.locator("#privacy").get_attribute("href") == "/privacy?shopper=ana"
