"""One list in so many is compared with what reading all vectors brings, and counted."""

import asyncio
import logging

from small_shop import make_router, people

from coterie.recommend.recommender import Recommender
from coterie.recommend.retrieval import Recall
from serving.lists.list_maker import CHECKED
from serving.telemetry.metrics import ServingMetrics


def test_a_check_is_counted_and_what_ends_codes_is_said(release, monkeypatch, caplog):
    metrics, checked = ServingMetrics(), []

    def check(self, asked, lists, allowed):
        checked.append(lists)
        return Recall(best=20, found=17, ended=True)

    monkeypatch.setattr(Recommender, "check", check)
    router = make_router(release, people(), metrics)
    with caplog.at_level(logging.WARNING):
        for _ in range(2 * CHECKED):
            asyncio.run(router.answer("ana", 5, False))
    assert len(checked) == 2
    shown = metrics.expose().decode()
    assert 'coterie_checked_items_total{found="yes"} 34.0' in shown
    assert 'coterie_checked_items_total{found="no"} 6.0' in shown
    assert caplog.text.count("all vectors are read from now on") == 2


def test_a_catalogue_that_is_read_whole_has_nothing_to_check(release):
    metrics = ServingMetrics()
    router = make_router(release, people(), metrics)
    for _ in range(CHECKED):
        asyncio.run(router.answer("ana", 5, False))
    assert 'coterie_checked_items_total{found="yes"} 0.0' in metrics.expose().decode()
