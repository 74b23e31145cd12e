"""The storefront for everybody, in a real browser: to see, to hear, and by the keyboard alone."""

import pytest
from browsing import fits, quiet_pages, served, take_picture
from page_checks import cut_words, focus, headings, nameless, skipped_levels, too_faint
from small_shop import item

CARDS = "#items > li.product:not(.ghost)"
SPONSORED, CHOSEN = item(101), item(6)
RULES = f"""
rules:
  - {{rule: pin, items: [{SPONSORED}], position: 2, label: sponsored}}
  - {{rule: pin, items: [{CHOSEN}], position: 3}}
"""
LONG = "Hand-forged sauté pan, " * 5 + "Donaudampfschifffahrtselektrizitätenhauptbetriebswerk"


@pytest.fixture
def shop(make_client, tmp_path):
    """With rules, and titles as long as shops have them."""
    rules = tmp_path / "rules.yaml"
    rules.write_text(RULES)
    client = make_client(rules=str(rules))
    for row, title in ((24, LONG), (100, "手工锻造铜炒锅不锈钢内衬黄铜手柄限量珍藏版" * 3)):
        assert client.patch(f"/v1/items/{item(row)}", json={"title": title}).status_code == 200
    return client


@pytest.fixture
def look(browser, shop):
    with served(shop.app) as url, quiet_pages(browser, url) as opened:

        def opens(query="shopper=ana", **how):
            page = opened(f"/?{query}", **how)
            page.locator("#items[aria-busy=false]").wait_for(state="attached")
            return page

        yield opens


@pytest.mark.browser
@pytest.mark.parametrize(
    ("scheme", "width", "language"),
    [("light", 1280, "en"), ("dark", 1280, "zh"), ("light", 390, "zh"), ("dark", 390, "en")],
)
def test_every_word_can_be_read_and_everything_has_a_name(look, scheme, width, language):
    page = look(f"shopper=ana&lang={language}&price_max=900", scheme=scheme, width=width)

    def check(name):
        faults = {
            "too faint": too_faint(page),
            "without a name": nameless(page),
            "levels left out": skipped_levels(page),
            "cut off": cut_words(page),
            "wider than the screen": not fits(page),
        }
        take_picture(page, f"{name}-{scheme}-{width}-{language}")
        assert {fault: where for fault, where in faults.items() if where} == {}, name
        assert headings(page).count(1) == 1, name

    page.locator(".why summary").nth(1).click()
    page.locator(CARDS).first.locator(".actions button").nth(1).click()
    page.locator("#toast.shown").wait_for()
    for moved in page.locator(".move").all():
        assert moved.bounding_box()["height"] < 30, "one line, at the picture's corner"
    check("list")
    page.locator(CARDS).first.locator(".actions button").last.click()
    page.locator("#similar-items b").first.wait_for()
    check("similar")
    page.keyboard.press("Escape")
    page.locator("#find").fill("nobody")
    page.locator("#found small").wait_for()
    check("finder")
    page.keyboard.press("Escape")
    page.locator(CARDS).first.locator(".title a").click()
    page.locator("#item .item-name").wait_for()
    page.locator("#item .why summary").click()
    check("item")
    page.goto(page.url.split("?")[0] + f"?shopper=zoe2&lang={language}&q=zzzz")
    page.locator("#items .note").wait_for()
    check("nobody-and-nothing")


@pytest.mark.browser
def test_what_a_rule_lifted_is_said_at_the_item_wherever_it_stands(look):
    from playwright.sync_api import expect

    page = look(width=390)
    for place, item_id, said in ((1, SPONSORED, "Sponsored"), (2, CHOSEN, "Chosen by the shop")):
        card = page.locator(CARDS).nth(place)
        expect(card).to_have_attribute("data-id", item_id)
        expect(card.locator(".tag")).to_have_text(said)
        expect(card.locator(".tag")).to_be_visible()
        card.locator(".why summary").click()
        row = card.locator(".why li").filter(has_text=said)
        assert "friend" not in row.locator(".dot").get_attribute("class")
        # The line of a card is for tastes; what was lifted is never said by a face.
        expect(card.locator(".headline")).not_to_contain_text(said)
        assert said not in [one.inner_text() for one in page.locator(".having li").all()]
    legend = page.locator("#legend")
    expect(legend).to_contain_text("Sponsored")
    expect(page.locator(CARDS).first.locator(".tag")).to_have_count(0)
    page.locator(CARDS).nth(1).locator(".title a").click()
    head = page.locator("#item .item-head")
    expect(head.locator(".tag")).to_have_text("Sponsored")
    expect(head.locator(".having")).to_have_count(0)
    beside = page.locator("#item .mini").filter(has=page.locator(".tag"))
    expect(beside.locator(".tag")).to_have_text(["Chosen by the shop"])
    page.goto(page.url.replace(SPONSORED, item(1)))
    expect(page.locator("#item .item-head .tag")).to_have_count(0)
    expect(page.locator("#item .mini .tag")).to_have_text(["Sponsored", "Chosen by the shop"])


@pytest.mark.browser
def test_the_keyboard_goes_through_the_page_in_order_and_shows_where_it_is(look):
    page = look()
    page.keyboard.press("Tab")
    assert focus(page)["what"] == "skip"
    passed = []
    for _ in range(30):
        page.keyboard.press("Tab")
        passed.append(focus(page))
    assert [one for one in passed if not (one["ring"] and one["shown"])] == []
    order = [one["what"] for one in passed]
    expected = ["brand", "words", "find", "language", "person", "friend", "back", "no"]
    assert [order.index(one) for one in expected] == sorted(order.index(one) for one in expected)


@pytest.mark.browser
def test_escape_leads_back_to_where_one_was(look):
    from playwright.sync_api import expect

    page = look()
    similar = page.locator(CARDS).nth(4).locator(".actions button").last
    similar.press("Enter")
    page.locator("#similar-items b").first.wait_for()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()
    expect(similar).to_be_focused()
    page.locator("#find").fill("nobody")
    page.locator("#found small").wait_for()
    page.keyboard.press("Escape")
    expect(page.locator("#found")).to_be_hidden()
    expect(page.locator("#find")).to_have_value("ana")
    link = page.locator(CARDS).nth(4).locator(".title a")
    link.press("Enter")
    expect(page.get_by_role("article")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.get_by_role("article")).to_be_hidden()
    expect(link).to_be_focused()


@pytest.mark.browser
def test_who_types_while_the_page_begins_is_not_overtaken_by_it(browser, shop):
    from playwright.sync_api import expect

    with served(shop.app) as url:
        page = browser.new_page()
        held = []
        page.route("**/v1/shoppers?limit=1", lambda route: held.append(route))
        page.goto(url)
        page.locator("#words").fill("pan")
        page.locator("#words").press("Enter")
        page.locator("#find").fill("ana")
        offered = page.get_by_role("option", name="ana").first
        expect(offered).to_be_visible()
        [begins] = held
        begins.continue_()
        expect(page.locator("#items[aria-busy=false]")).to_be_attached()
        expect(page.locator("#find")).to_have_value("ana")
        offered.click()
        expect(page.locator("#who")).to_contain_text("ana")
        expect(page.locator("#words")).to_have_value("pan")
        page.close()


@pytest.mark.browser
def test_an_item_that_is_gone_leaves_the_shopper_and_a_way_back(browser, shop):
    from playwright.sync_api import expect

    with served(shop.app) as url:
        page = browser.new_page()  # chromium itself says in the console that there was a 404
        page.goto(f"{url}/?shopper=ana&item=none")
        alert = page.get_by_role("alert")
        expect(alert).to_contain_text("The shop does not have this (any more).")
        expect(page.locator("#friends")).to_contain_text("bea")
        alert.get_by_role("button", name="Back to the list").click()
        expect(page.locator(CARDS)).to_have_count(20)
        page.close()


@pytest.mark.browser
def test_a_changed_list_is_told_to_who_does_not_see_it(look):
    from playwright.sync_api import expect

    page = look("shopper=ana&category=Sports")
    heard = page.locator("#heard")
    expect(heard).to_have_attribute("aria-live", "polite")
    expect(heard).to_have_text("The list has 20 items.")
    page.locator("#filters [name=price_max]").fill("6")
    page.keyboard.press("Enter")
    expect(heard).to_have_text("The list has 1 item.")
    expect(page.get_by_role("status")).to_have_attribute("aria-live", "polite")
