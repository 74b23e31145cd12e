"""Past weeks, foreseen: nothing of a week, or after it, is known beforehand."""

import json

import numpy as np
import pytest
from tiny_shop import write_clean

from coterie.data.circle import AS_SERVED
from coterie.data.load import load_dataset
from coterie.data.splits import WEEK_MS, by_weeks
from coterie.errors import BadInputError
from coterie.evaluation.backtest import means, render
from coterie.workflow.backtest import backtest


@pytest.fixture(scope="module")
def clean(tmp_path_factory):
    return str(write_clean(tmp_path_factory.mktemp("shop")))


@pytest.fixture(scope="module")
def weeks(clean, tmp_path_factory):
    out = tmp_path_factory.mktemp("backtest")
    heard = []
    found = backtest(
        clean,
        str(out),
        3,
        ("popularity", "social"),
        {"loop.max_epochs": 3, "embedding_size": 16},
        lambda *told: heard.append(told),
    )
    assert heard[-1] == ("foreseeing weeks", 6, 6)
    return found, json.loads((out / "backtest.json").read_text())


def test_weeks_follow_each_other_up_to_the_last_event(clean):
    dataset = load_dataset(clean)
    found = by_weeks(dataset, 3)
    last = int(dataset.events.ts_ms.max())
    assert [start for start, _ in found] == [last + 1 - n * WEEK_MS for n in (3, 2, 1)]
    for start, split in found:
        seen = split.for_test()
        assert seen.interactions.ts_ms.max() < start
        assert split.train.ts_ms.max() < start - WEEK_MS
        assert split.ties.since_ms.max() < start - WEEK_MS
        assert start <= split.test.ts_ms.min()
        assert split.test.ts_ms.max() < start + WEEK_MS
        pairs = split.test.user_idx * split.num_items + split.test.item_idx
        assert len(np.unique(pairs)) == len(pairs), "a shopper's first liking alone"


def test_too_long_ago_is_left_out(clean):
    dataset = load_dataset(clean)
    first = dataset.events.ts_ms.min()
    found = by_weeks(dataset, 200)
    assert 1 < len(found) < 200
    assert all(start - WEEK_MS > first for start, _ in found)


@pytest.mark.parametrize("weeks", [0, -1])
def test_a_number_of_weeks_is_asked_for(clean, weeks):
    with pytest.raises(BadInputError, match="expected 1 or more"):
        by_weeks(load_dataset(clean), weeks)


def test_every_model_is_measured_in_every_week(weeks):
    found, kept = weeks
    assert [list(week.comparison.models) for week in found] == [["popularity", "social"]] * 3
    assert [one["start_ms"] for one in kept] == [week.start_ms for week in found]
    over = means(found, "recall@20")
    assert set(over) == {"popularity", "social"}
    assert all(0 < value < 1 for value in over.values())
    assert [week.comparison.circle for week in found] == [AS_SERVED.as_json()] * 3


def test_the_report_has_a_plot_and_a_row_a_week(weeks):
    found, _ = weeks
    html = render(found)
    assert html.count('data-figure="') == 2
    assert AS_SERVED.in_words() in html
    for week in found:
        assert f'<th scope="row">{week.day}</th>' in html
    figures = json.loads(
        html.partition('<script id="figures" type="application/json">')[2].partition("</script>")[0]
    )
    traces = figures["plot-0"]["data"]
    assert [trace["x"] for trace in traces] == [[week.day for week in found]] * 2


def test_an_unknown_model_is_refused(clean, tmp_path):
    with pytest.raises(BadInputError, match="no model"):
        backtest(clean, str(tmp_path), 1, ("best",))
