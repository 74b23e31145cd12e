"""The storefront in the reader's language, in a real browser."""

import re
from gettext import GNUTranslations
from io import BytesIO

import pytest
from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from browsing import quiet_pages, served, take_picture
from small_shop import CATEGORIES, item

from coterie.languages.texts import Texts

CARDS = "#items > li.product:not(.ghost)"
SAID = """() => {
  const said = [document.title];
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walk.nextNode(); node; node = walk.nextNode()) {
    const skipped = node.parentElement.closest("script, noscript, #language, .face");
    if (!skipped && node.parentElement.checkVisibility()) said.push(node.data);
  }
  for (const name of ["aria-label", "placeholder", "title", "alt"])
    for (const one of document.querySelectorAll(`[${name}]`)) said.push(one.getAttribute(name));
  for (const field of document.querySelectorAll("input")) said.push(field.validationMessage);
  return said;
}"""
SHOPS_OWN = re.compile(
    r"\w+ thing \d+|Number \d+ of its kind|Acme|"
    + "|".join(word for path in CATEGORIES for word in path.split("/"))
)
NAMES = {"ana", "bea", "cleo", "max", "lou", "zoe2", "nobody", "v1", "coterie", "Coterie", "API"}
NAMES |= {"JavaScript", "docs", "zzzz", "Esc"}
LATIN, HAN = re.compile(r"[A-Za-z][A-Za-z0-9]+"), re.compile(r"[\u4e00-\u9fff]+")


def foreign(said, language):
    """Words that are ours, and of the other language."""
    left = SHOPS_OWN.sub(" ", " ".join(said)).replace("咖啡", "")
    return set((LATIN if language == "zh" else HAN).findall(left)) - NAMES


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
def test_who_reads_english_is_told_nothing_in_chinese(look, client):
    page = look("/?shopper=ana&lang=en")
    page.locator(".why summary").first.click()
    said = page.evaluate(SAID)
    page.goto(page.url + f"&item={item(1)}")
    page.locator("#item .item-name").wait_for()
    assert foreign(said + page.evaluate(SAID), "en") == set()


@pytest.mark.browser
def test_who_reads_chinese_is_told_nothing_in_english(look):
    """Through the storefront, state by state."""
    from playwright.sync_api import expect

    said = {}
    page = look("/?shopper=ana&lang=zh")
    expect(page.locator("html")).to_have_attribute("lang", "zh")
    home = page.url.split("?")[0] + "?lang=zh&shopper="

    def heard(where):
        page.locator("#items[aria-busy=false]").wait_for(state="attached")
        said[where] = page.evaluate(SAID)

    def told(act, where):
        page.locator("#toast").evaluate("toast => { toast.textContent = ''; }")
        act()
        expect(page.locator("#toast")).not_to_be_empty()
        heard(where)

    page.locator(".why summary").first.click()
    heard("a list, and why")
    for button in (".no", ".buy", ".actions button:nth-child(2)"):
        told(page.locator(CARDS).first.locator(button).click, button)
    told(page.locator("#history .back").first.click, "sent back")
    page.locator("#more").click()
    expect(page.locator(CARDS)).to_have_count(40)
    heard("more of it")
    page.locator(CARDS).first.locator(".actions button").last.click()
    page.locator("#similar-items b").first.wait_for()
    heard("similar items")
    page.keyboard.press("Escape")
    page.locator("#find").fill("nobody")
    page.locator("#found small").wait_for()
    heard("shoppers to find")
    page.keyboard.press("Escape")
    for price, high in (("-1", ""), ("9", "3")):
        page.locator("[name=price_min]").fill(price)
        page.locator("[name=price_max]").fill(high)
        page.locator("[name=price_max]").blur()
        heard(f"a range from {price} to {high}")
    page.goto(f"{home}ana&price_max=1")
    page.locator("#items .note").wait_for()
    heard("filters that nothing fits")
    page.goto(f"{home}ana&item={item(1)}")
    page.locator("#item .item-name").wait_for()
    heard("an item that friends have")
    page.goto(f"{home}ana&item={item(8)}")
    page.locator("#item .gone").wait_for()
    heard("an item that nobody has, and that is not for sale")
    page.goto(f"{home}zoe2")
    page.locator(CARDS).first.wait_for()
    heard("a shopper of whom nothing is known")
    told(lambda: page.locator("#befriend button").click(), "a friend without a name")
    page.locator("#friend").fill("bea")
    told(lambda: page.locator("#befriend button").click(), "a new friend")
    page.goto(f"{home}zoe2&q=zzzz")
    page.locator("#items .note").wait_for()
    heard("a search that finds nothing")
    page.goto(f"{home}zoe2&q=Kitchen")
    page.locator(CARDS).first.wait_for()
    heard("a search")
    left = {where: words for where, one in said.items() if (words := foreign(one, "zh"))}
    assert left == {}


@pytest.mark.browser
def test_the_page_counts_as_its_catalogue_does(look):
    """Polish, whose forms go by the last two digits."""
    one, many = "{num} friend is not named.", "{num} friends are not named."
    catalogue, written = Catalog(locale="pl"), BytesIO()
    catalogue.add((one, many), ["{num} osoba", "{num} osoby", "{num} osób"])
    write_mo(written, catalogue)
    written.seek(0)
    texts = Texts("pl", GNUTranslations(written))
    page = look("/?shopper=ana")
    told = {"language": "pl", "forms": texts.forms(), "entries": texts.entries()}
    page.route("**/languages/en", lambda route: route.fulfill(json=told))
    page.reload()
    page.locator(CARDS).first.wait_for()
    assert page.locator("#friends-hint").inner_text() == "1 osoba"
    nums = [0, 1, 2, 5, 12, 22, 100, 112, 122, 1000, 1012, 1_000_002]
    counted = page.evaluate(
        """async ([one, many, nums]) => {
          const { count } = await import("/static/languages.js");
          return nums.map((num) => count(one, many, num));
        }""",
        [one, many, nums],
    )
    assert counted == [texts.count((one, many), num) for num in nums]


@pytest.mark.browser
def test_what_went_wrong_is_said_in_the_readers_language(browser, client):
    from playwright.sync_api import expect

    goes_wrong = 0

    def answered(route):
        answer = {"detail": "English for programs", "request_id": "12345"}
        return route.fulfill(status=goes_wrong, json=answer) if goes_wrong else route.abort()

    with served(client.app) as url:
        page = browser.new_page()
        page.route("**/recommendations?*", answered)
        page.goto(f"{url}/?shopper=ana&lang=zh")
        alert, again = page.get_by_role("alert"), page.get_by_role("button", name="重试")
        for goes_wrong in (404, 409, 422, 403, 413, 418, 500, 503, 0):
            alert.evaluate("alert => alert.dataset.seen = ''")
            again.click()
            page.locator("[role=alert]:not([data-seen])").wait_for()
            assert alert.inner_text().startswith("出错了。")
            assert foreign([alert.inner_text()], "zh") == set()
            assert ("12345" in alert.inner_text()) is (goes_wrong >= 500)
            expect(page.locator("#items")).to_have_attribute("aria-busy", "false")
        page.close()


def test_a_language_that_was_chosen_before_goes_before_the_browsers(client):
    asked = {"Accept-Language": "en", "Cookie": "coterie_language=zh"}
    answer = client.get("/", headers=asked)
    assert '<html lang="zh">' in answer.text
    assert {"Accept-Language", "Cookie"} <= set(answer.headers["vary"].split(", "))
    assert '<html lang="en">' in client.get("/?lang=en", headers=asked).text
    broken = {"Accept-Language": "zh", "Cookie": "coterie_language=xx"}
    assert '<html lang="zh">' in client.get("/?lang=%3Cscript%3E", headers=broken).text


def test_the_page_itself_is_said_before_any_script_runs(client):
    page = client.get("/?lang=zh").text
    without_tags = re.sub(r"<option.*?</option>|<[^>]*>", " ", page)
    assert foreign([without_tags], "zh") == set()
    said = re.findall(r'\s(?:placeholder|aria-label)="([^"]*)"', page)
    assert said
    assert foreign(said, "zh") == set()


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
