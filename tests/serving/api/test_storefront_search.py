"""The storefront in a real browser: what the shop's pictures show, and how one looks for things."""

import numpy as np
import pytest
from browsing import fits, quiet_pages, served, take_picture
from search_shop import OneEncoder, WordEncoder, write_release_with_vectors
from small_shop import item

from coterie.data.simulate.pictures import png

CARDS = "#items > li.product:not(.ghost)"
BROKEN, DRAWN = 4, 12
"""Items whose picture cannot be read, and that have none."""


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """Ten of one colour each, and one that is none."""
    folder = tmp_path_factory.mktemp("pictures")
    for digit in range(10):
        (folder / f"{digit}.png").write_bytes(png(np.full((8, 8, 3), 25 * digit, np.uint8)))
    (folder / "broken.png").write_bytes(b"no picture")
    return folder


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    images = {row: f"{row % 10}.png" for row in range(120)} | {BROKEN: "broken.png"}
    del images[DRAWN]
    folder = tmp_path_factory.mktemp("told") / "v1"
    return write_release_with_vectors(folder, images=images)


@pytest.fixture
def look(browser, make_client, told, pictures):
    """Open the page as a shopper."""
    client = make_client(told, encoders=OneEncoder(WordEncoder()), pictures=str(pictures))
    with served(client.app) as url, quiet_pages(browser, url) as opened:

        def opens(shopper="lou", query="", **how):
            page = opened(f"/?shopper={shopper}" + (f"&q={query}" if query else ""), **how)
            page.locator(CARDS).first.wait_for()
            return page

        yield opens


def shown(page):
    return [card.get_attribute("data-id") for card in page.locator(CARDS).all()]


def search(page, words):
    """From the keyboard alone."""
    page.get_by_role("searchbox", name="Search the shop").fill(words)
    page.keyboard.press("Enter")
    heading = page.get_by_role("heading", level=1)
    page.locator("#items[aria-busy=false]").wait_for()
    return heading


@pytest.mark.browser
def test_items_are_shown_by_their_pictures_and_drawn_where_there_are_none(look):
    from playwright.sync_api import expect

    page = look(query="kitchen thing")
    cards = {card.get_attribute("data-id"): card for card in page.locator(CARDS).all()}
    assert {item(0), item(BROKEN), item(DRAWN)} <= set(cards)
    for row in (BROKEN, DRAWN):
        cards[item(row)].locator(".shot svg").wait_for()
    photo = cards[item(0)].locator(".shot img")
    photo.scroll_into_view_if_needed()
    expect(photo).to_have_js_property("naturalWidth", 8)
    assert photo.get_attribute("src") == "/pictures/0.png"
    assert photo.get_attribute("alt") == "", "its title stands beside it"


@pytest.mark.browser
def test_what_is_looked_for_in_chinese_is_found_and_bought_and_left_again(look):
    from playwright.sync_api import expect

    page = look()
    picked = shown(page)
    heading = search(page, "厨房")
    expect(heading).to_have_text("Results for “厨房”")
    expect(heading).to_have_attribute("lang", "zh")
    first = page.locator(CARDS).first
    expect(first).to_contain_text("Found in what it means")
    expect(first).to_contain_text("Kitchen")
    assert "q=%E5%8E%A8%E6%88%BF" in page.url
    expect(page.get_by_role("heading", name="New here")).to_be_hidden()
    with page.expect_request("**/v1/events") as sent:
        first.get_by_role("button", name="Buy").click()
    assert "list_id" not in sent.value.post_data_json["events"][0], "it was in no list"
    expect(page.get_by_role("status")).to_contain_text("Bought Kitchen thing")
    expect(heading).to_have_text("Results for “厨房”")
    page.get_by_role("button", name="Back to what is picked for you").press("Enter")
    expect(heading).to_have_text("Picked for you")
    expect(page.locator(CARDS)).to_have_count(len(picked))
    assert "q=" not in page.url


@pytest.mark.browser
def test_where_nothing_fits_the_page_says_so(look):
    from playwright.sync_api import expect

    page = look()
    search(page, "zzzzqqqq")
    expect(page.locator("#items")).to_contain_text("Nothing fits.")


@pytest.mark.browser
def test_what_is_new_has_a_row_of_its_own(look):
    page = look()
    row = page.get_by_role("region", name="New here")
    assert row.locator("li b").all_inner_texts() == ["Science thing 22", "Climbing thing 21"]


@pytest.mark.browser
def test_what_looks_like_an_item_and_what_reads_like_it_are_a_key_away(look):
    from playwright.sync_api import expect

    page = look(query="kitchen thing 0")
    page.locator(CARDS).first.get_by_role("button", name="Items similar to").press("Enter")
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("button", name="Liked by the same")).to_have_attribute(
        "aria-pressed", "true"
    )
    for name, fitting in (("Looks like it", "0"), ("Reads like it", "Kitchen thing")):
        button = dialog.get_by_role("button", name=name)
        button.press("Enter")
        expect(button).to_have_attribute("aria-pressed", "true")
        expect(dialog.locator("li b")).to_have_count(8)
        titles = dialog.locator("li b").all_inner_texts()
        fits_all = str.endswith if fitting == "0" else str.startswith
        assert all(fits_all(title, fitting) for title in titles), (name, titles)
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()


@pytest.mark.browser
@pytest.mark.parametrize("width", [375, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_fits_narrow_and_wide_screens(look, width, scheme):
    page = look(width=width, scheme=scheme)
    take_picture(page, f"storefront-{width}-{scheme}")
    assert fits(page)
    search(page, "kitchen")
    assert fits(page)
    overflowing = "button => button.scrollWidth > button.clientWidth"
    assert not any(one.evaluate(overflowing) for one in page.locator(".actions button").all())
