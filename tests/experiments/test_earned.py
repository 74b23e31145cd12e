"""What a holdout says that recommendations earned, where the truth is planted."""

from collections import Counter

import numpy as np
import pyarrow as pa
import pytest
from prometheus_client import CollectorRegistry

from coterie import metric_names
from coterie.experiments.definition import HOLDOUT, Experiment, ExperimentArm
from coterie.experiments.earned import DISCOVERIES, SESSION, earned
from coterie.impressions.table import ShownList, impressions_table
from coterie.schema import EVENTS, EventKind
from serving.telemetry.instruments import LogMetrics

NOW_MS, MINUTE_MS, DAY_MS = 1_780_000_000_000, 60_000, 86_400_000
ARMS = ExperimentArm("popular", popular=True), ExperimentArm("recommended")
HELD = Experiment("worth", ARMS, layer=HOLDOUT, share=1.0, started_ms=NOW_MS)
SHOPPERS = 600


@pytest.fixture(scope="module")
def told():
    """Who has recommendations comes twice and buys, of what friends had to a quarter, a thing that
    is new to them; one in four another one, and half what they viewed before. Who is held out comes
    three times, and one in three buys what they viewed before."""
    rng, lists, events = np.random.default_rng(3), [], []

    def buy(n, item, at, value, list_id=None, kind=EventKind.PURCHASE):
        row = {"event_id": f"e{len(events)}", "user_id": f"u{n}", "item_id": item, "ts": at}
        events.append({**row, "event": str(kind), "value": value, "list_id": list_id})

    for n in range(SHOPPERS):
        arm, begins = ARMS[n % 2].name, NOW_MS + n * MINUTE_MS
        buy(n, "known", begins - DAY_MS, None, kind=EventKind.VIEW)
        for visit in range(2 if n % 2 else 3):
            for page in range(2):  # ten minutes apart: one session
                at = begins + visit * DAY_MS + page * 10 * MINUTE_MS
                items, friends = ("new", f"other-{page}"), (0.25, 0.0)
                lists.append(
                    ShownList(
                        f"l{n}-{visit}-{page}", f"u{n}", at, "home", "v1", "", "worth", arm, items,
                        (1.0, 1.0), by_friends=friends,
                    )
                )  # fmt: skip
        if n % 2:
            buy(n, "new", begins + MINUTE_MS, 30.0, f"l{n}-0-0")
            if rng.random() < 0.5:
                buy(n, "known", begins + 5 * MINUTE_MS, 10.0)
            if n % 8 == 1:
                buy(n, "other-0", begins + 6 * MINUTE_MS, 2.0)
        elif rng.random() < 1 / 3:
            buy(n, "known", begins + MINUTE_MS, 9.0)
        buy(n, "new", begins + 20 * DAY_MS, 99.0)  # after the window: nobody's
    table = pa.table({name: [e[name] for e in events] for name in events[0]})
    times = table["ts"].cast(pa.timestamp("ms", "UTC")).cast(EVENTS.arrow.field("ts").type)
    table = table.set_column(table.column_names.index("ts"), "ts", times)
    return earned(HELD, impressions_table(lists), table, NOW_MS + 12 * DAY_MS)


@pytest.mark.parametrize(
    ("figure", "base", "more"),
    [
        ("purchase_rate", 1 / 3, 2 / 3),
        ("revenue", 3.0, 32.5),
        (SESSION, 1.0, 16.75),
        (DISCOVERIES, 0.0, 1.25),
    ],
)
def test_what_is_more_than_the_holdouts_is_told_with_an_interval(told, figure, base, more):
    one = told["metrics"][figure]
    assert one["base"] == pytest.approx(base, abs=0.3 * max(base, 0.1))
    assert one["difference"] == pytest.approx(more, rel=0.1)
    assert 0 < one["low"] < more < one["high"]
    whole = 600 if figure == SESSION else 300
    assert one["whole_difference"] == pytest.approx(one["difference"] * whole)


def test_where_purchases_came_from_is_told_as_shares(told):
    assert told["sessions"] == 600
    shares = told["shares"]
    assert shares["from_lists"]["value"] == pytest.approx(5 / 7, abs=0.05)
    assert shares["from_lists"]["low"] < 5 / 7 < shares["from_lists"]["high"]
    assert shares["by_friends"]["value"] == pytest.approx(0.2)
    assert shares["by_friends"]["low"] < 0.2 < shares["by_friends"]["high"]
    assert shares["discovered"]["value"] == 1.0
    assert Counter(one["of"] for one in shares.values())[375] == 2


def test_the_same_numbers_are_exported_and_go_with_the_holdout(told):
    registry = CollectorRegistry()
    metrics = LogMetrics(registry).earned

    def value(figure, bound):
        labels = {"experiment": "worth", "figure": figure, "bound": bound}
        return registry.get_sample_value(metric_names.EARNED, labels)

    metrics.show({"worth": told})
    session = told["metrics"][SESSION]
    assert value(SESSION, "value") == session["difference"]
    assert value(SESSION, "low") == session["low"]
    assert value("by_friends", "value") == pytest.approx(0.2)
    metrics.show({})
    assert value(SESSION, "value") is None
