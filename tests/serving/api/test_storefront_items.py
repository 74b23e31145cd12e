"""The storefront in a real browser: an item's page, filters, more of a list, and a new friend."""

import pytest
from browsing import quiet_pages, served, take_picture
from small_shop import item

CARDS = "#items > li.product:not(.ghost)"


@pytest.fixture
def look(browser, client):
    """Open the page as a shopper."""
    with served(client.app) as url, quiet_pages(browser, url) as opened:

        def opens(shopper="ana", query="", **how):
            page = opened(f"/?shopper={shopper}{query}", **how)
            page.locator("#items[aria-busy=false]").wait_for(state="attached")
            return page

        yield opens


def shown(page):
    return [card.get_attribute("data-id") for card in page.locator(CARDS).all()]


def tab_to(page, wanted, most=60):
    """From the keyboard alone: go on until what is wanted has the focus."""
    for _ in range(most):
        page.keyboard.press("Tab")
        if page.evaluate("wanted => document.activeElement.matches(wanted)", wanted):
            return
    raise AssertionError(f"{most} steps of the keyboard do not lead to {wanted}")


@pytest.mark.browser
def test_an_items_page_tells_who_has_it_and_the_way_back_is_the_browsers(look):
    from playwright.sync_api import expect

    page = look()
    page.goto(page.url + f"&item={item(1)}")
    article = page.get_by_role("article")
    expect(article.get_by_role("heading", level=1)).to_have_text("Climbing thing 1")
    having = article.locator(".having")
    expect(having).to_contain_text("1 more person you know bought this")
    assert "shy" not in article.inner_text()
    similar = article.get_by_role("heading", name="Similar items")
    expect(similar).to_be_visible()
    expect(page.locator(CARDS).first).to_be_hidden()
    take_picture(page, "item-light")
    first = article.locator(".mini a").first
    name = first.inner_text()
    first.click()
    expect(article.get_by_role("heading", level=1)).to_have_text(name)
    page.go_back()
    expect(article.get_by_role("heading", level=1)).to_have_text("Climbing thing 1")
    page.get_by_role("button", name="Back to the list").click()
    expect(article).to_be_hidden()
    expect(page.locator(CARDS)).to_have_count(20)
    assert "item=" not in page.url


@pytest.mark.browser
def test_the_keyboard_opens_an_item_and_buys_it(look, client):
    from playwright.sync_api import expect

    page = look("max")
    first = shown(page)[0]
    tab_to(page, "#items .title a")
    page.keyboard.press("Enter")
    article = page.get_by_role("article")
    expect(article).to_be_focused()
    tab_to(page, "#item .buy")
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_contain_text("Bought")
    expect(article).to_be_focused()
    listed = client.get("/v1/users/max/recommendations").json()["items"]
    assert first not in {one["item"]["item_id"] for one in listed}


@pytest.mark.browser
def test_filters_narrow_the_list_and_stand_in_the_address(look):
    from playwright.sync_api import expect

    page = look(query="&category=Books%2FScience")
    filters = page.get_by_role("form", name="Filters")
    expect(filters.get_by_label("Category")).to_have_value("Books/Science")
    assert {int(one[-4:]) % 4 for one in shown(page)} == {2}
    take_picture(page, "filters-light")
    filters.get_by_label("Category").select_option("Garden")
    page.wait_for_url("**category=Garden**")
    page.wait_for_function(
        "() => [...document.querySelectorAll('#items > li.product:not(.ghost)')]"
        ".every(card => Number(card.dataset.id.slice(-4)) % 4 === 3)"
        " && document.querySelector('#items').ariaBusy === 'false'"
    )
    filters.get_by_role("spinbutton", name="To").fill("1")
    page.keyboard.press("Enter")
    expect(page.locator("#items")).to_contain_text("Nothing fits the filters.")
    filters.get_by_role("button", name="Clear").click()
    expect(page.locator(CARDS)).to_have_count(20)
    assert "category" not in page.url


@pytest.mark.browser
def test_more_of_a_list_follows_where_it_ended_and_no_item_comes_twice(look):
    from playwright.sync_api import expect

    page = look("max")
    tab_to(page, "#more", most=200)
    page.keyboard.press("Enter")
    expect(page.locator(CARDS)).to_have_count(40)
    assert len(set(shown(page))) == 40
    expect(page.locator(CARDS).nth(20).locator("a")).to_be_focused()
    expect(page.locator(CARDS).nth(20).locator(".rank")).to_have_text("21")


@pytest.mark.browser
def test_filters_hold_for_more_of_a_list_for_an_item_and_for_the_way_back(look):
    from playwright.sync_api import expect

    page = look("max", "&category=Books&price_min=20")
    page.locator("#more").click()
    expect(page.locator(CARDS)).not_to_have_count(20)
    assert len(shown(page)) > 20
    rows = [int(one[-4:]) for one in shown(page)]
    assert all(row % 4 == 2 and row + 5 >= 20 for row in rows), rows
    page.locator(CARDS).first.locator(".title a").click()
    page.locator("#item .item-name").wait_for()
    page.reload()
    page.get_by_role("button", name="Back to the list").click()
    expect(page.get_by_label("Category")).to_have_value("Books")
    expect(page.get_by_role("spinbutton", name="From")).to_have_value("20")
    assert {int(one[-4:]) % 4 for one in shown(page)} == {2}


@pytest.mark.browser
def test_a_new_friend_changes_the_list(look, client):
    from playwright.sync_api import expect

    page = look("zoe2")
    before = shown(page)
    assert client.get("/v1/users/zoe2/recommendations").json()["source"] == "popular"
    page.get_by_label("Somebody you know, by id").fill("bea")
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_contain_text("You and bea know each other now.")
    expect(page.get_by_role("status")).to_contain_text("of 20 places changed.")
    expect(page.locator("#friends")).to_contain_text("bea")
    expect(page.locator("#lead")).to_have_text("You are new here: this is what your friends like.")
    listed = client.get("/v1/users/zoe2/recommendations").json()
    assert listed["source"] == "friends"
    assert shown(page) == [one["item"]["item_id"] for one in listed["items"]] != before


def test_an_item_is_told_to_a_shopper_as_reasons_would(client):
    told = client.get(f"/v1/users/ana/items/{item(1)}").json()
    assert sum(r["contribution"] for r in told["reasons"]) == pytest.approx(told["score"], abs=1e-5)
    [listed] = [
        one
        for one in client.get("/v1/users/ana/recommendations?k=100").json()["items"]
        if one["item"]["item_id"] == item(1)
    ]
    assert told["score"] == listed["score"]
    assert "shy" not in str(told)
    assert client.get("/v1/users/ana/items/none").status_code == 404
    bought = client.get(f"/v1/users/ana/items/{item(0)}").json()
    assert bought["item"]["item_id"] == item(0)
