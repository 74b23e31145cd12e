# ruff: noqa: RUF001 - Chinese has marks of its own
"""The storefront's ask box in a real browser, in English and Chinese, with a model and without."""

import contextlib

import pytest
from browsing import fits, quiet_pages, served, take_picture
from search_shop import OneEncoder, WordEncoder, write_release_with_vectors

from tests.llm_api import KEY, MODEL, LlmApi

CARDS = "#items > li.product:not(.ghost)"
READ = {"price_min": None, "in_stock": False, "category": None}
SAID = {
    "something for my sister who likes climbing, under 50": {
        "query": "climbing",
        "price_max": 50,
        "recipient": "my sister",
    },
    "给妹妹买点厨房用的，五十以下": {"query": "厨房", "price_max": 50, "recipient": "妹妹"},
}


EN, ZH = SAID


def read(_, told):
    return READ | next(said for question, said in SAID.items() if question in told)


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    return write_release_with_vectors(tmp_path_factory.mktemp("told") / "v1")


@pytest.fixture
def look(browser, make_client, told):
    """Open the page, with a model or without."""
    with LlmApi(read).answering() as api:

        def opens(path, model=True):
            named = {"llm": api.address, "llm_model": MODEL, "llm_key": KEY} if model else {}
            client = make_client(told, encoders=OneEncoder(WordEncoder()), **named)
            app = stack.enter_context(served(client.app))
            page = stack.enter_context(quiet_pages(browser, app))(path)
            page.locator(CARDS).first.wait_for()
            return page

        with contextlib.ExitStack() as stack:
            yield opens


def ask(page, question):
    page.locator("#asked").fill(question)
    page.keyboard.press("Enter")
    page.locator("#items[aria-busy=false]").wait_for()


@pytest.mark.browser
@pytest.mark.parametrize(
    ("language", "question", "heading", "lead", "kind"),
    [
        ("en", EN, f"For “{EN}”", "for my sister", "Climbing"),
        ("zh", ZH, f"为“{ZH}”找到的", "给妹妹", "Kitchen"),
    ],
    ids=["en", "zh"],
)
def test_a_question_is_answered_with_a_list(look, language, question, heading, lead, kind):
    from playwright.sync_api import expect

    page = look(f"/?shopper=lou&lang={language}")
    ask(page, question)
    expect(page.get_by_role("heading", level=1)).to_have_text(heading)
    expect(page.locator("#lead")).to_contain_text(lead)
    expect(page.locator(CARDS).first).to_contain_text(f"{kind} thing")
    prices = [float(one) for one in page.locator(f"{CARDS} .price").all_inner_texts()]
    assert prices
    assert max(prices) <= 50
    assert fits(page)
    take_picture(page, f"storefront-ask-{language}")
    first = page.locator(CARDS).first
    with page.expect_request("**/v1/events"):
        first.locator(".buy").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(heading)
    page.locator("#back").click()
    expect(page.locator("#lead")).not_to_contain_text(lead)
    assert page.locator("#asked").input_value() == ""


@pytest.mark.browser
def test_without_a_model_the_page_says_that_search_answered(look):
    from playwright.sync_api import expect

    page = look("/?shopper=lou", model=False)
    ask(page, "mountains")
    expect(page.locator("#lead")).to_contain_text("No language model read this")
    expect(page.locator(CARDS).first).to_contain_text("Climbing thing")
