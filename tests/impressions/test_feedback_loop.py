"""Whether lists narrow, as a shop's own log tells it, and the page that says so."""

import json
import re

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from held_shop import HELD, NOW_MS, held_shop

from coterie.cli.main import main
from coterie.experiments.store import ExperimentStore
from coterie.impressions.loop import WEEK_MS, loop_figures
from coterie.impressions.table import ShownList, impressions_table

ITEMS, WEEKS = 60, 4
START_MS = NOW_MS - WEEKS * WEEK_MS


def shop(narrower, shoppers=150, lists=2):
    """Each week's lists lean more to the same few items by ``narrower``; the first is bought."""
    rng, shown, bought = np.random.default_rng(5), [], []
    for week in range(WEEKS):
        odds = np.arange(1, ITEMS + 1) ** -(0.5 + narrower * week)
        for n in range(shoppers * lists):
            some = rng.choice(ITEMS, 5, replace=False, p=odds / odds.sum())
            at = START_MS + week * WEEK_MS + n * 60_000
            names = tuple(f"i{one}" for one in some)
            about = f"l{week}-{n}", f"u{n % shoppers}", at, "home", f"v{week // 2}"
            shown.append(ShownList(*about, "", "", "", names, (1.0,) * 5))
            bought.append({"user_id": about[1], "item_id": names[0], "ts": at, "event": "purchase"})
    # So that the last week is whole.
    end = START_MS + WEEKS * WEEK_MS
    shown.append(ShownList("end", "u0", end, "home", "v2", "", "", "", ("i0",), (1.0,)))
    events = pa.Table.from_pylist(bought)
    times = events["ts"].cast(pa.timestamp("ms", "UTC"))
    return impressions_table(shown), events.set_column(2, "ts", times)


def test_lists_that_narrow_are_told_from_lists_that_do_not():
    same, narrow = (loop_figures(*shop(by)) for by in (0.0, 0.15))
    assert [len(told["weeks"]) for told in (same, narrow)] == [WEEKS, WEEKS]
    for kind in ("shown", "bought"):
        assert same["change"][kind]["low"] < 1 < same["change"][kind]["high"]
        assert narrow["change"][kind]["low"] > 1
    alike = [week["shown"]["alike"] for week in narrow["weeks"]]
    assert alike == sorted(alike, reverse=True)
    popular = [week["shown"]["popular"] for week in narrow["weeks"]]
    assert popular[0] is None, "nothing was bought before the first week"
    assert popular[1:] == sorted(popular[1:])
    assert [one["name"] for one in narrow["releases"]] == ["v0", "v1", "v2"]
    first, second, last = (one["shown"] for one in narrow["releases"])
    assert first["alike"] > second["alike"]
    assert last == {"shoppers": 1, "overlap": None, "alike": None, "popular": None}


def test_overlap_is_what_two_shoppers_have_in_common_however_much_is_logged():
    told = {n: loop_figures(*shop(0.0, lists=n))["weeks"][0]["shown"] for n in (1, 3)}
    assert told[1]["overlap"] == pytest.approx(told[3]["overlap"], rel=0.1)
    impressions, _ = shop(0.0, lists=1)
    rows = impressions.to_pandas().query("list_id.str.startswith('l0-')", engine="python")
    sets = [set(one) for _, one in rows.groupby("user_id")["item_id"]]
    pairs = [len(a & b) / 25 for n, a in enumerate(sets) for b in sets[:n]]
    assert told[1]["overlap"] == pytest.approx(np.mean(pairs))


def test_too_short_a_log_says_nothing_of_change():
    impressions, events = shop(0.0)
    few = loop_figures(impressions.slice(0, 500), events)
    assert few["weeks"] == []
    assert few["change"] == {"shown": None, "bought": None}


def test_the_report_has_the_holdout_and_the_loop_and_names_nobody(tmp_path, capsys):
    source, out = str(tmp_path / "events"), tmp_path / "earned.html"
    held, (shown, bought) = held_shop(), shop(0.15)
    for name, tables in (("impressions", (held[0], shown)), ("events", (held[1], bought))):
        folder = tmp_path / "events" / name
        folder.mkdir(parents=True)
        whole = pa.concat_tables(tables, promote_options="permissive")
        if name == "events":
            ids = pa.array([f"e{n}" for n in range(whole.num_rows)])
            whole = whole.drop_columns("event_id").append_column("event_id", ids)
        pq.write_table(whole, folder / "part.parquet")
    ExperimentStore(f"{source}/experiments").add(HELD)
    assert main(["experiment", "report", "--source", source, "--out", str(out)]) == 0
    assert "The report of 1 holdout is in" in capsys.readouterr().out
    html = out.read_text()
    text = html[: html.index('<script id="figures"')]
    for said in ("Against the holdout worth", "revenue a session", "of these, brought by friends"):
        assert said in text
    assert "They do: lists of two shoppers had" in text
    figures = json.loads(re.search(r'<script id="figures"[^>]*>(.*?)</script>', html, re.S)[1])
    names = {trace["name"] for one in figures.values() for trace in one["data"] if "name" in trace}
    assert names == {"shown", "bought"}
    assert not re.search(r"\bu[0-9]+\b", text)
    assert '"u1"' not in json.dumps(figures)
