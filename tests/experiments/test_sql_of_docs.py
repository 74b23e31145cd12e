"""The queries of docs/experiments.md run, and say what was planted."""

import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from coterie.experiments.analysis import result
from coterie.experiments.definition import HOLDOUT, Experiment, ExperimentArm, Guardrail
from coterie.experiments.earned import earned
from coterie.experiments.outcomes import read_experiment, read_exported_events
from coterie.impressions.table import ShownList, impressions_table, read_impressions
from coterie.schema import EventKind
from coterie.workflow.impressions import FILE, join_impressions
from serving.events.event import Event
from serving.ingestion.exporter import as_table

PAGE = Path(__file__).parents[2] / "docs" / "experiments.md"
NOW_MS = int(datetime(2026, 5, 4, tzinfo=UTC).timestamp() * 1000)
DAY_MS = 86_400_000


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    """Of 400 shoppers each has one list; those of arm b buy its first item twice as often."""
    folder = tmp_path_factory.mktemp("analysed") / "shop"
    lists, events = [], []
    for n in range(400):
        arm, at = "ab"[n % 2], NOW_MS + n * 1000
        one = ShownList(
            f"l{n}", f"u{n}", at, "home", "v1", "", "may", arm, ("pan", "lamp"), (0.5, 1.0), 0, 5.0
        )
        lists.append(one)
        if n % 10 < (2 if arm == "a" else 4) or n % 10 == 3:
            told = ("pan", EventKind.PURCHASE, at + 1000, 10.0)
            events.append(
                Event(f"e{n}", one.user_id, *told[:3], value=told[3], list_id=one.list_id)
            )
    for name, table in (("impressions", impressions_table(lists)), ("events", as_table(events))):
        (folder / name).mkdir(parents=True)
        pq.write_table(table, folder / name / "a.parquet")
    return folder


def test_the_queries_of_the_page_run(shop):
    duckdb = pytest.importorskip("duckdb", reason="pip install coterie[analysis]")
    first, second = re.findall(r"```sql\n(.+?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    places = duckdb.sql(first.replace("'shop/", f"'{shop}/")).fetchall()
    assert [(place, lists) for place, lists, _ in places] == [(0, 400), (1, 400)]
    assert [round(share, 3) for _, _, share in places] == [0.3, 0.0]
    arms = duckdb.sql(second.replace("'shop/", f"'{shop}/")).fetchall()
    assert [(a, n, round(r, 2), round(m, 2)) for a, n, r, m in arms] == [
        ("a", 200, 0.2, 2.0),
        ("b", 200, 0.4, 4.0),
    ]


def test_the_result_is_of_the_same_numbers(shop):
    tried = Experiment(
        "may",
        (ExperimentArm("a"), ExperimentArm("b", rules="x")),
        guardrails=tuple(Guardrail),
        started_ms=NOW_MS,
        share=1.0,
    )
    later = read_experiment(str(shop), tried, NOW_MS + 8 * DAY_MS)
    found = result(tried, later, NOW_MS + 8 * DAY_MS)
    assert [round(arm["mean"], 2) for arm in found["arms"]] == [0.2, 0.4]
    [effect] = found["comparisons"]
    assert effect["difference"] == pytest.approx(0.2)
    assert 0 < effect["low"] < 0.2 < effect["high"]
    assert not any(one["breached"] for one in found["guardrails"])
    # Whose window is not over counts in no outcome, and is drawn all the same.
    early = read_experiment(str(shop), tried, NOW_MS + 7 * DAY_MS + 99_500)
    assert len(early.shoppers.arm) == 100
    assert early.drawn.tolist() == [200, 200]


def test_what_a_holdout_says_that_lists_earned(shop):
    arms = ExperimentArm("a", popular=True), ExperimentArm("b")
    held = Experiment("may", arms, layer=HOLDOUT, started_ms=NOW_MS, share=1.0)
    impressions, events = read_impressions(str(shop)), read_exported_events(str(shop))
    told = earned(held, impressions, events, NOW_MS + 8 * DAY_MS)
    revenue = told["metrics"]["revenue"]
    assert revenue["base"] == pytest.approx(2.0)
    assert revenue["low"] < revenue["difference"]
    assert revenue["difference"] == pytest.approx(2.0)
    assert revenue["whole_difference"] == pytest.approx(400.0)
    assert (told["purchases"], told["sessions"]) == (80, 200)
    for share in ("from_lists", "discovered"):
        assert (told["shares"][share]["value"], told["shares"][share]["of"]) == (1.0, 80)
    assert told["shares"]["by_friends"]["of"] == 0, "nobody asked for reasons"
    assert earned(replace(held, layer="main"), impressions, events, NOW_MS) is None


def test_the_component_writes_what_followed_beside_what_was_shown(shop, tmp_path):
    assert join_impressions(str(shop), str(tmp_path / "out"), 300.0) == 800
    joined = pq.read_table(tmp_path / "out" / FILE)
    assert sum(joined["purchased"].to_pylist()) == 120
    assert sum(joined["revenue"].to_pylist()) == 1200.0
