"""The operations page, in a real browser, on rollouts that a controller went through."""

import re
import time

import pytest
from browsing import fits, quiet_pages, served, take_picture
from fastapi.testclient import TestClient
from page_checks import cut_words, nameless, skipped_levels, too_faint
from rollout_shop import NEW, OLD, TOKEN, Shop, make_app, make_controller
from waiting import PATIENCE_S

from coterie.rollout.commands import Command, Verb
from coterie.rollout.decide import MetricsStatus
from coterie.rollout.figures import ComparedFigure
from coterie.rollout.plan import SIGNALS, Plan
from coterie.rollout.state import Phase
from coterie.rollout.store import FileRolloutStore

PLAN = Plan(step_s=120, bake_s=300, min_samples=400, deadline_s=3600, cooldown_s=600)
PATIENCE_MS = PATIENCE_S * 1000
FILES = ("/operations", "/static/operations.js", "/static/operations.css")


@pytest.fixture
def rollout_store(tmp_path):
    return FileRolloutStore(tmp_path / "rollouts")


def roll(rollout_store, shop, until, looks=400):
    """Start, and look until it is so; the clock ends at about now."""
    controller = make_controller(rollout_store, shop)
    command = Command("c1", Verb.START, "ana@shop.example", "better on validation", NEW, PLAN)
    rollout_store.command(command)
    for _ in range(looks):
        controller.turn()
        state, _ = rollout_store.read()
        if until(state):
            return controller
    raise AssertionError(f"ended in {state.phase}")


@pytest.fixture
def look(browser, rollout_store):
    """Open the page; it may say nothing in the console, and ask no other host."""
    with served(make_app(rollout_store)) as url, quiet_pages(browser, url) as opened:

        def opens(scheme="light", width=1280, height=900):
            page = opened("/operations", scheme, width, height)
            page.get_by_text("Live", exact=True).wait_for()
            return page

        yield opens


def picture(page, name):
    take_picture(page, f"operations-{name}")


@pytest.mark.browser
def test_before_any_rollout_it_says_who_answers_and_how_to_begin(rollout_store, look):
    from playwright.sync_api import expect

    make_controller(rollout_store, Shop())
    page = look()
    expect(page.get_by_role("heading", level=1)).to_have_text("No rollout")
    expect(page.locator(".arm.stable")).to_contain_text("v7")
    expect(page.locator(".arm.canary")).to_contain_text("None is loaded")
    expect(page.locator("#story")).to_contain_text("coterie rollout start")
    expect(page.locator("#signals-part")).to_be_hidden()
    picture(page, "idle")


@pytest.mark.browser
def test_a_step_lights_its_stop_and_every_signal_has_a_chart(rollout_store, look):
    from playwright.sync_api import expect

    shop = Shop(begins=time.time() - 600)
    controller = roll(
        rollout_store, shop, lambda s: s.step == 2 and s.step_samples.get("canary", 0) > 1500
    )
    page = look()
    expect(page.get_by_role("heading", level=1)).to_have_text("Step 3 of 5 at 10 %")
    expect(page.locator(".stop[aria-current=step]")).to_have_text("10 %")
    assert page.locator(".stop.done").all_inner_texts()[-1].endswith("5 %")
    expect(page.locator(".arm.canary")).to_contain_text("v8")
    expect(page.locator(".arm.canary .share")).to_have_text("10 %")
    expect(page.locator(".arm.stable .share")).to_have_text("90 %")
    assert page.locator(".signal").count() == len(SIGNALS)
    expect(page.locator(".signal svg.chart path.canary")).to_have_count(len(SIGNALS))
    for path in page.locator(".chart path.canary, .chart path.stable").all():
        assert len(re.findall("L", path.get_attribute("d"))) > 3
    expect(page.locator("#story li").last).to_contain_text("better on validation (a person)")
    picture(page, "step")
    dark = look("dark")
    dark.locator(".signal svg.chart").first.wait_for()
    picture(dark, "step-dark")
    phone = look(width=390, height=844)
    phone.locator(".signal svg.chart").first.wait_for()
    for one in (page, dark, phone):
        assert fits(one)
        faults = [*too_faint(one), *nameless(one), *skipped_levels(one), *cut_words(one)]
        assert faults == []
    picture(phone, "step-phone")
    weight = page.locator(".arm.canary .share")
    while rollout_store.read()[0].step == 2:
        controller.turn()
    expect(weight).to_have_text("25 %", timeout=PATIENCE_MS)


@pytest.mark.browser
def test_a_rollback_shows_where_why_and_the_quarantine(rollout_store, look):
    from playwright.sync_api import expect

    shop = Shop(begins=time.time() - 400)
    controller = roll(rollout_store, shop, lambda s: s.step == 1)
    shop.rates["failures"] = 0.05
    for _ in range(60):
        controller.turn()
        if rollout_store.read()[0].phase is Phase.ROLLED_BACK:
            break
    page = look()
    expect(page.get_by_role("heading", level=1)).to_have_text("Rolled back")
    expect(page.locator(".stop.stopped")).to_have_text(re.compile("5 %"))
    expect(page.locator("#quarantine li")).to_contain_text("v8")
    expect(page.locator("#quarantine li")).to_contain_text("failures: ")
    expect(page.locator(".signal.bad h3")).to_have_text("Failures")
    expect(page.locator("#story li.back").first).to_contain_text("Rolled back")
    picture(page, "rolled-back")
    picture(look("dark", 390, 844), "rolled-back-phone-dark")


TOO_FAR = (
    ComparedFigure("items_lost", 0.01, examples=("i-0017",)),
    ComparedFigure("available", 0.99, 0.95, 0.94),
    ComparedFigure(
        "titles_changed", 1.0, examples=("Ceramic pour-over set → ?", "Chalk bag → ?", "Trowel → ?")
    ),
    ComparedFigure("zero_prices", 1.0, 0.0, 1.0, ("i-0001", "i-0002", "i-0003")),
    ComparedFigure("size_ratio", 1.02, 5206.0, 5310.0),
    ComparedFigure("friends_share", None, 0.0, 0.0),
)


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_what_preflight_refused_shows_which_limits_it_exceeds(rollout_store, look, scheme, width):
    from playwright.sync_api import expect

    shop = Shop(begins=time.time() - 60)
    shop.figures = TOO_FAR
    roll(rollout_store, shop, lambda s: s.phase is Phase.ROLLED_BACK)
    page = look(scheme, width)
    expect(page.locator("#compared-said")).to_have_text("v8 held against v7 before it ran")
    rows = page.locator("#exceeded tbody tr")
    expect(rows).to_have_count(2)
    expect(rows.first).to_contain_text("Titles changed")
    expect(rows.first).to_contain_text("100 %≤ 30 %over its limit: Ceramic pour-over set → ?")
    expect(page.locator("#within summary")).to_have_text("4 figures within their limits")
    expect(page.locator("#within table")).to_be_hidden()
    page.locator("#within summary").click()
    expect(page.locator("#within tr.unknown")).to_contain_text("cannot be told")
    expect(page.locator("#within")).to_contain_text("5,206" if width > 640 else "1.02")
    assert fits(page)
    assert too_faint(page) == []
    assert nameless(page) == []
    assert cut_words(page) == []
    picture(page, f"preflight-{scheme}-{width}")


@pytest.mark.browser
def test_a_rollout_that_was_compared_with_nothing_shows_no_figures(rollout_store, look):
    from playwright.sync_api import expect

    roll(rollout_store, Shop(begins=time.time() - 60), lambda s: s.phase is Phase.SHADOW)
    page = look()
    expect(page.locator("#signals-part")).to_be_visible()
    expect(page.locator("#compared-part")).to_be_hidden()


@pytest.mark.browser
def test_holds_and_freezes_are_said(rollout_store, look):
    from playwright.sync_api import expect

    shop = Shop(begins=time.time() - 400)
    controller = roll(rollout_store, shop, lambda s: s.step == 1)
    shop.source = MetricsStatus.DOWN
    controller.turn()
    page = look()
    expect(page.get_by_role("heading", level=1)).to_have_text("Without data in step 2 of 5 at 5 %")
    expect(page.locator("#next")).to_contain_text("held at 5 %")
    picture(page, "held")
    rollout_store.command(Command("c2", Verb.FREEZE, "ana", "audit"))
    controller.turn()
    expect(page.locator("#frozen")).to_have_text("Frozen: audit", timeout=PATIENCE_MS)


@pytest.mark.browser
def test_a_promoted_release_is_all_green(rollout_store, look):
    from playwright.sync_api import expect

    shop = Shop(begins=time.time() - 1500)
    roll(rollout_store, shop, lambda s: s.phase is Phase.PROMOTED)
    page = look()
    expect(page.get_by_role("heading", level=1)).to_have_text("Promoted")
    expect(page.locator(".arm.stable")).to_contain_text("v8")
    expect(page.locator(".stop.done")).to_have_count(8)
    picture(page, "promoted")


@pytest.mark.browser
def test_an_app_that_is_gone_is_said_to_be_gone(rollout_store, browser):
    from playwright.sync_api import expect

    make_controller(rollout_store, Shop())
    page = browser.new_page()
    with served(make_app(rollout_store)) as url:
        page.goto(f"{url}/operations")
        page.get_by_text("Live", exact=True).wait_for()
    expect(page.locator("#live")).to_contain_text("No answer for", timeout=PATIENCE_MS)
    expect(page.locator(".arm.stable")).to_contain_text("v7")
    page.close()


@pytest.fixture
def client(rollout_store):
    make_controller(rollout_store, Shop())
    return TestClient(make_app(rollout_store))


def test_the_page_needs_no_other_host_and_keeps_to_its_policy(client):
    for path in FILES:
        answer = client.get(path)
        assert answer.status_code == 200
        found = re.findall(r"(?:https?:)?//[a-z][\w.-]+\.[a-z]+", answer.text)
        assert set(found) <= {"http://www.w3.org"}, path
    text = client.get("/operations").text
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\bstyle=|\bon\w+=", text)


def test_the_page_and_the_storefront_link_to_each_other(client):
    assert 'href="/"' in client.get("/operations").text
    assert 'href="/operations"' in client.get("/static/index.html").text


def test_the_page_knows_every_phase(client):
    script = client.get("/static/operations.js").text
    block = re.search(r"const PHASES = \{(.*?)\};", script, re.S).group(1)
    assert set(re.findall(r"(\w+): \"", block)) == {str(phase) for phase in Phase}
    assert OLD[:12] in client.get("/v1/rollouts").text


def test_each_app_of_a_process_tells_of_its_own_rollout(tmp_path, client):
    """They share their routes."""
    other_store = FileRolloutStore(tmp_path / "other")
    roll(other_store, Shop(begins=time.time() - 60), lambda s: s.phase is Phase.SHADOW)
    other = TestClient(make_app(other_store))
    for one, phase in ((other, Phase.SHADOW), (client, Phase.IDLE), (other, Phase.SHADOW)):
        told = one.get("/v1/rollouts").json()
        admins = one.get("/v1/admin/rollouts", headers={"Authorization": f"Bearer {TOKEN}"}).json()
        assert (told["status"]["phase"], admins["phase"]) == (phase, phase)
