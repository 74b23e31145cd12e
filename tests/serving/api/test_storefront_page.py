"""The storefront page, in a real browser: what a shopper does not want, or sends back."""

import pytest
from browsing import fits, quiet_pages, served, take_picture

from coterie.schema import EventKind

CARDS = "#items > li.product:not(.ghost)"


@pytest.fixture
def look(browser, client):
    """Open the page as a shopper."""
    with served(client.app) as url, quiet_pages(browser, url) as opened:

        def opens(shopper, **how):
            page = opened(f"/?shopper={shopper}", **how)
            page.locator(CARDS).first.wait_for()
            return page

        yield opens


def shown(page):
    return [card.get_attribute("data-id") for card in page.locator(CARDS).all()]


def posted(page, press):
    """The one event that pressing something sends."""
    with page.expect_request("**/v1/events") as sent:
        press()
    [event] = sent.value.post_data_json["events"]
    return event


@pytest.mark.browser
def test_what_is_not_for_me_goes_away_and_stays_away(look, client):
    from playwright.sync_api import expect

    page = look("ana")
    before, card = shown(page), page.locator(CARDS).nth(2)
    title = card.get_by_role("heading").inner_text()
    button = page.get_by_role("button", name=f"Not for me: {title}", exact=True)
    take_picture(page, "storefront-before")
    event = posted(page, button.click)
    assert (event["item_id"], event["event"]) == (before[2], EventKind.DISLIKE)
    made = client.get("/v1/users/ana/recommendations").json()["list_id"]
    assert event["list_id"].split("-")[0] == made.split("-")[0]
    status = page.get_by_role("status")
    expect(status).to_contain_text(f"Not for you: {title}. It will not be shown to you again.")
    expect(page.locator(CARDS)).to_have_count(20)
    assert before[2] not in shown(page)
    take_picture(page, "storefront-after")
    page.reload()
    page.locator(CARDS).first.wait_for()
    assert before[2] not in shown(page)


@pytest.mark.browser
def test_the_keyboard_goes_on_at_what_took_the_items_place(look):
    from playwright.sync_api import expect

    page = look("ana")
    before = shown(page)
    page.locator(CARDS).nth(1).locator(".no").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_contain_text("Not for you")
    second = page.locator(CARDS).nth(1)
    assert second.get_attribute("data-id") not in before[:2]
    expect(second.locator(".no")).to_be_focused()
    page.keyboard.press("Enter")
    expect(second).not_to_have_attribute("data-id", shown(page)[0])
    expect(page.locator(CARDS)).to_have_count(20)


@pytest.mark.browser
def test_what_was_bought_can_be_sent_back_and_is_not_listed_again(look):
    from playwright.sync_api import expect

    page = look("ana", width=390, height=800)
    assert fits(page)
    first = page.locator("#history li").first
    title = first.locator("b").inner_text()
    button = page.get_by_role("button", name=f"Return {title}", exact=True)
    event = posted(page, button.click)
    assert event["event"] == EventKind.RETURN
    assert "list_id" not in event
    expect(page.get_by_role("status")).to_contain_text(f"Sent back {title}.")
    expect(first).to_contain_text("Turned down")
    expect(first.get_by_role("button")).to_have_count(0)
    assert event["item_id"] not in shown(page)


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_buttons_fit_their_cards(look, scheme):
    page = look("ana", scheme=scheme, width=1360)
    take_picture(page, f"storefront-{scheme}")
    assert fits(page)
    overlap = """card => {
      const edges = part => part.getBoundingClientRect();
      const why = edges(card.querySelector(".why summary")), no = edges(card.querySelector(".no"));
      const box = edges(card);
      return why.right > no.left || no.right > box.right;
    }"""
    assert not any(card.evaluate(overlap) for card in page.locator(CARDS).all())


@pytest.mark.browser
def test_on_a_phone_the_item_one_came_for_is_first_and_every_page_is_reached(look):
    from playwright.sync_api import expect

    page = look("ana", width=375)
    for name in ("Shop together", "Your data"):
        expect(page.get_by_role("link", name=name)).to_be_in_viewport()
    page.goto(f"{page.url}&item={shown(page)[0]}")
    item = page.locator("#item")
    expect(item.get_by_role("heading").first).to_be_in_viewport()
    assert item.bounding_box()["y"] < page.locator(".side").bounding_box()["y"]
    assert fits(page)
