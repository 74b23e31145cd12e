"""The page of experiments, in a real browser, on a holdout whose effect is planted."""

import pytest
from browsing import fits, quiet_pages, served, take_picture
from fastapi import FastAPI
from fastapi.staticfiles import StaticFiles
from held_shop import DAY_MS, HELD, NOW_MS, held_shop
from page_checks import cut_words, nameless, skipped_levels, too_faint
from rollout_shop import TOKEN

from coterie.access.scopes import Scope
from coterie.experiments.judging import judge
from coterie.experiments.store import ExperimentStore
from serving.api import experiments
from serving.api.auth import Guard
from serving.api.key_ring import KeyRing
from serving.api.middleware import TelemetryMiddleware
from serving.api.operations import STATIC
from serving.api.problems import answer_with_problems
from serving.ingestion.people_door import door_of
from serving.settings import Settings
from serving.telemetry.logs import Pseudonyms
from serving.telemetry.metrics import ServingMetrics


@pytest.fixture(scope="module")
def app(tmp_path_factory):
    app, store = FastAPI(), ExperimentStore(str(tmp_path_factory.mktemp("shop")))
    store.add(HELD)
    store.note_result(HELD.name, judge(HELD, *held_shop(), NOW_MS + 12 * DAY_MS, None))
    app.state.experiments = store
    app.state.guard = Guard(KeyRing(tokens={"admin_token": TOKEN}), frozenset({Scope.LISTS}))
    app.state.door = door_of(Settings(release="unused"))
    answer_with_problems(app)
    app.router.routes.extend(experiments.pages.routes)
    app.mount("/static", StaticFiles(directory=STATIC), name="static")
    return TelemetryMiddleware(app, ServingMetrics(), Pseudonyms("0123456789abcdef"))


@pytest.mark.browser
def test_the_page_says_what_recommendations_earned_with_intervals(browser, app):
    from playwright.sync_api import expect

    with served(app) as url, quiet_pages(browser, url) as opened:
        wide, phone = opened("/experiments"), opened("/experiments", "dark", 390, 844)
        for name, page in (("wide", wide), ("phone-dark", phone)):
            page.get_by_text("Live", exact=True).wait_for()
            part = page.locator("section.earned")
            expect(part.get_by_role("heading")).to_have_text("What recommendations earned")
            rows = part.locator("table").first.locator("tbody tr")
            expect(rows).to_have_count(5)
            expect(rows.locator("svg.effect.better")).to_have_count(5)
            told = part.locator("table").last.locator("tbody tr").all_inner_texts()
            shares = [float(one.split("\t")[1].removesuffix(" %")) for one in told]
            assert shares == pytest.approx([100 * 5 / 7, 20.0, 100.0], abs=2)
            faults = [*too_faint(page), *nameless(page), *skipped_levels(page), *cut_words(page)]
            assert faults == []
            assert fits(page)
            take_picture(page, f"experiments-earned-{name}")
        session = wide.get_by_role("row", name="Revenue a session").locator("td")
        base, more, _, interval, whole = session.all_inner_texts()[1:]
        low, high = (float(one) for one in interval.split(" to "))
        assert low < 16.75 < high
        assert float(base) + float(more) == pytest.approx(17.75, rel=0.1)
        assert float(whole.split(" to ")[0]) == pytest.approx(600 * low, rel=0.02)
