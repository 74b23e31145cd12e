"""One shopper's circle, in a real browser: by mouse, by keys, in both themes and languages."""

import pytest
from browsing import fits, quiet_pages, served, take_picture
from page_checks import cut_words, focus, nameless, skipped_levels, too_faint
from small_shop import friends_named
from test_storefront_languages import SAID, foreign

FIRST = ("bea", "cleo", "dora", "emil")
SECOND = ("fay", "gus")
CROWD = tuple(f"friend-{num:02}" for num in range(44))


@pytest.fixture
def circled(features):
    """Two groups who know each other, one friend alone, and one who may not be named."""
    all_of = (*FIRST, *SECOND, "solo", "shy")
    features.friends |= {
        "ana": friends_named(*all_of, named=(True,) * 7 + (False,)),
        **{one: friends_named("ana", *FIRST) for one in FIRST},
        **{one: friends_named("ana", *SECOND) for one in SECOND},
        "solo": friends_named("ana"),
        "shy": friends_named("ana", *FIRST),
    }
    return features


@pytest.fixture
def look(browser, client, circled):
    with served(client.app) as url, quiet_pages(browser, url) as opened:

        def opens(path, **how):
            page = opened(path, **how)
            page.locator("#groups li").first.wait_for()
            return page

        yield opens


def settled(page):
    """Everybody stands where they will: what moves them has ended."""
    page.evaluate("Promise.allSettled(document.getAnimations().map((one) => one.finished))")
    return page


def spots(page):
    """Where friends stand in the picture, by name."""
    return page.evaluate(
        """Object.fromEntries([...document.querySelectorAll("button.node")].map((one) => {
          const box = one.querySelector(".face").getBoundingClientRect();
          return [one.innerText.trim().split("\\n").at(-1), [box.x, box.y, box.right, box.bottom]];
        }))"""
    )


def lines(page, what):
    return page.locator(f"#picture line.{what}").count()


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_circle_shows_who_knows_whom_and_the_list_says_the_same(look, scheme):
    from playwright.sync_api import expect

    page = look("/circle?shopper=ana", scheme=scheme)
    settled(page)
    take_picture(page, f"circle-{scheme}")
    assert set(spots(page)) == {*FIRST, *SECOND, "solo"}
    assert (lines(page, "mine"), lines(page, "theirs")) == (7, 7)
    expect(page.locator("#groups h2")).to_have_text(
        [
            "Group 1: they know each other",
            "Group 2: they know each other",
            "They know none of the others",
        ]
    )
    expect(page.locator("#groups ul").nth(1)).to_contain_text("gus")
    page.get_by_role("button", name="fay knows 1 friend of yours").click()
    about = page.locator("#about")
    expect(about).to_contain_text("Knows gus.")
    expect(about).to_contain_text("You two know some of the same people")
    assert lines(page, "near") == 2
    take_picture(page, f"circle-chosen-{scheme}")
    for check in (cut_words, nameless, skipped_levels, too_faint):
        assert check(page) == []
    assert "shy" not in page.content()
    about.get_by_role("link", name="Shop together with fay").click()
    expect(page.locator("#said")).to_have_text("For ana and fay")


@pytest.mark.browser
def test_arrows_go_to_whom_they_point_at_and_escape_lets_go(look):
    from playwright.sync_api import expect

    page = settled(look("/circle?shopper=ana"))
    page.locator("#most").focus()
    page.keyboard.press("Tab")
    assert focus(page)["ring"]
    picture = page.locator("button.node:focus")
    expect(picture).to_contain_text("bea")
    moved = {
        "ArrowRight": (0, 1),
        "ArrowDown": (1, 1),
        "ArrowLeft": (0, -1),
        "ArrowUp": (1, -1),
    }
    at = spots(page)
    for key, (axis, way) in moved.items():
        before = picture.inner_text().split()[-1]
        ahead = [one for one in at if way * (at[one][axis] - at[before][axis]) > 2]
        page.keyboard.press(key)
        after = picture.inner_text().split()[-1]
        assert after in (ahead or [before]), key
        expect(page.locator("#about h2")).to_contain_text(after)
    page.keyboard.press("End")
    expect(picture).to_contain_text("solo")
    expect(page.locator("#about")).to_contain_text("Knows none of your other friends")
    page.keyboard.press("Tab")
    expect(page.locator("#about a")).to_be_focused()
    page.keyboard.press("Shift+Tab")
    expect(picture).to_contain_text("solo")
    page.keyboard.press("Escape")
    expect(page.locator("#about")).to_contain_text("Choose a friend")
    expect(page.locator("button.node[aria-pressed=true]")).to_have_count(0)


@pytest.mark.browser
def test_the_largest_circle_fits_a_telephone_and_no_face_lies_on_another(look, circled):
    every = tuple(CROWD)
    circled.friends["ana"] = friends_named(*every)
    circled.friends |= {
        one: friends_named("ana", *every[place - place % 4 : place - place % 4 + 4])
        for place, one in enumerate(every)
    }
    page = look("/circle?shopper=ana&lang=zh", width=360, height=740)
    page.get_by_label("最多显示的好友数").select_option("50")
    page.locator("button.node").nth(43).wait_for()
    settled(page)
    take_picture(page, "circle-narrow-zh")
    assert fits(page)
    assert foreign(page.evaluate(SAID), "zh") - {"friend"} <= {name[-2:] for name in CROWD}
    faces = list(spots(page).values())
    assert len(faces) == 44
    over = [
        (one, other)
        for place, one in enumerate(faces)
        for other in faces[:place]
        if one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
    ]
    assert over == []


@pytest.mark.browser
def test_nothing_moves_for_who_asks_for_that_and_the_storefront_leads_there(
    browser, client, circled
):
    from playwright.sync_api import expect

    with served(client.app) as url:
        page = browser.new_page(reduced_motion="reduce")
        page.goto(f"{url}/?shopper=ana")
        link = page.get_by_role("link", name="See your circle")
        expect(link).to_have_attribute("href", "/circle?shopper=ana")
        link.click()
        page.locator("button.node").first.wait_for()
        assert page.evaluate("document.getAnimations().length") == 0
        page.goto(f"{url}/circle?shopper=stranger")
        expect(page.locator("#said")).to_have_text("Nobody yet.")
        expect(page.locator("#parts")).to_be_hidden()
        page.goto(f"{url}/circle")
        expect(page.locator("#said")).to_have_text("Choose a shopper on the storefront first.")
        page.close()


@pytest.mark.browser
@pytest.mark.parametrize("width", [375, 1280])
def test_names_are_whole_where_few_stand_in_the_picture(look, features, width):
    long = ("shopper-1179", "shopper-0777", "shopper-1473")
    features.friends |= {"ana": friends_named(*long), **{one: friends_named(*long) for one in long}}
    page = settled(look("/circle?shopper=ana", width=width))
    names = page.locator("button.node .name")
    assert names.count() == 3
    assert not [one for one in names.all() if one.evaluate("s => s.scrollWidth > s.clientWidth")]
    picture = page.locator("#picture").bounding_box()
    for one in names.all():
        box = one.bounding_box()
        assert picture["x"] <= box["x"]
        assert box["x"] + box["width"] <= picture["x"] + picture["width"]
