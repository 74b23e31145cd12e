"""The storefront in a real browser: whom to share with, people to know, and a group's list."""

import pytest
from browsing import fits, quiet_pages, served, take_picture
from page_checks import cut_words, nameless, skipped_levels, too_faint
from small_shop import friends_named, item, recent

NOBODY = "Nobody to share this with right now."


@pytest.fixture
def look(browser, client, features):
    """Open a page of a shop where ana has friends, and they have others."""
    features.recent |= {"bea": recent(1, 5, 9), "cleo": recent(1, 13, 17), "dora": recent(2, 4)}
    features.recent |= {"kai": recent(0, 4), "mia": recent(0, 12)}
    features.friends |= {
        "ana": friends_named("bea", "cleo", "kai", "mia"),
        "bea": friends_named("ana", "dora"),
        "cleo": friends_named("ana", "dora"),
        "dora": friends_named("bea", "cleo"),
    }
    with served(client.app) as url, quiet_pages(browser, url) as opened:
        yield opened


@pytest.mark.browser
def test_an_item_is_shared_with_a_friend_who_is_then_known_to_be_asked(look, features):
    from playwright.sync_api import expect

    page = look(f"/?shopper=ana&item={item(29)}")
    article = page.get_by_role("article")
    share = article.get_by_role("button", name="Share Climbing thing 29 with bea")
    expect(share).to_be_visible()
    expect(article).to_contain_text("It is to bea's taste")
    take_picture(page, "share-with")
    share.focus()
    page.keyboard.press("Enter")
    expect(article.locator(".shared")).to_have_text("Shared with bea.")
    expect(share).to_be_disabled()
    assert len(features.recent["bea"].asked_ms) == 1
    page.goto(page.url.replace(item(29), item(30)))
    expect(article.locator(".shared")).to_have_text(NOBODY)


@pytest.mark.browser
def test_people_to_know_stand_below_friends_and_become_friends(look, client):
    from playwright.sync_api import expect

    page = look("/?shopper=ana")
    people = page.locator("#people")
    expect(people).to_contain_text("You have friends in common")
    people.get_by_role("button", name="Add dora").click()
    expect(page.locator("#toast")).to_contain_text("You and dora know each other now.")
    expect(people).to_be_hidden()
    assert ("dora", "friend") in client.parts.router.live.ties_of("ana")


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_group_is_put_together_and_gets_one_list(look, scheme):
    from playwright.sync_api import expect

    page = look("/?shopper=bea", scheme=scheme)
    page.get_by_role("link", name="Shop together").click()
    expect(page.locator("#said")).to_have_text("Name two people at least.")
    page.get_by_label("Who shops together, by id").fill("dora")
    page.keyboard.press("Enter")
    cards = page.locator("#items > li")
    expect(cards).to_have_count(12)
    expect(page.locator("#said")).to_have_text("For bea and dora")
    expect(cards.first).to_contain_text("suits")
    first = cards.first.get_attribute("data-id")
    take_picture(page, f"shop-together-{scheme}")
    for check in (cut_words, nameless, skipped_levels, too_faint):
        assert check(page) == []
    page.get_by_label("Whose wishes count").select_option("least_misery")
    assert "rule=least_misery" in page.url
    page.reload()
    expect(cards).to_have_count(12)
    page.get_by_role("button", name="Remove dora").click()
    expect(cards).to_have_count(0)
    page.go_back()
    assert first


@pytest.mark.browser
def test_the_group_page_fits_a_telephone_and_speaks_the_readers_language(look):
    from playwright.sync_api import expect

    page = look("/together?user=bea&user=dora&lang=zh", width=360, height=740)
    expect(page.get_by_role("heading", level=1)).to_have_text("一起购物")
    expect(page.locator("#items > li")).to_have_count(12)
    assert fits(page)
