"""The storefront in the reader's language, in a real browser."""

import pytest
from browsing import fits, quiet_pages, served, take_picture

CARDS = "#items > li.product:not(.ghost)"


@pytest.fixture
def look(browser, client):
    with served(client.app) as url, quiet_pages(browser, url) as opened:

        def opens(path, **how):
            page = opened(path, **how)
            page.locator(CARDS).first.wait_for()
            return page

        yield opens


@pytest.mark.browser
def test_the_language_is_chosen_and_kept(look):
    from playwright.sync_api import expect

    page = look("/?shopper=ana")
    expect(page.locator("#list-title")).to_have_text("Picked for you")
    page.get_by_label("Language").select_option("zh")
    expect(page.locator("#list-title")).to_have_text("为您推荐")
    expect(page.locator("html")).to_have_attribute("lang", "zh")
    page.locator(CARDS).first.wait_for()
    assert "您" in page.locator(".headline").first.inner_text()
    page.locator(".why summary").first.click()
    take_picture(page, "storefront-zh")
    page.goto(page.url.split("?")[0] + "?shopper=ana")
    expect(page.locator("#list-title")).to_have_text("为您推荐")


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_it_fits_every_screen_in_chinese(look, scheme, width):
    page = look("/?shopper=ana&lang=zh", scheme=scheme, width=width)
    fits(page)
    page.locator(".why summary").first.click()
    fits(page)
    take_picture(page, f"storefront-zh-{scheme}-{width}")


def test_the_page_begins_in_the_language_that_is_accepted(client):
    page = client.get("/", headers={"Accept-Language": "zh-CN"}).text
    assert '<html lang="zh">' in page
    assert '<option value="en">English</option><option value="zh">中文</option>' in page
    said = client.get("/languages/zh").json()
    assert said["entries"]["Picked for you"] == "为您推荐"
    assert said["forms"] == [0] * 200
    english = client.get("/languages/nonsense").json()
    assert (english["language"], english["entries"]) == ("en", {})
    assert english["forms"][:3] == [1, 0, 1]
