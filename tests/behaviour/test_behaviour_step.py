"""The behaviour step: clean tables in, columns, forecasts, figures and a page out."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from kfp.dsl import HTML, Dataset

from components.behaviour import behaviour
from coterie.behaviour.columns import forecast_table
from coterie.behaviour.demand import Demand
from coterie.behaviour.forecast import Forecast
from coterie.behaviour.shop_log import ShopLog
from coterie.cli import main
from coterie.data.ingest import ingest
from coterie.data.load import load_dataset
from coterie.errors import BadInputError
from coterie.evaluation.behaviour_report import write_behaviour_report
from coterie.workflow.behaviour import analyse_behaviour, read_behaviour_settings
from tests.tiny_shop import CONFIG, write_raw

QUICK = ("most_segments=4", "refits=2", "moments=2", "items=5", "weeks=2", "windows=6")
CHANCES = ("buys_7d", "buys_30d", "leaves_30d")


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    # Enough that some twenty people buy within each week.
    shop = replace(CONFIG, num_events=9_000)
    return write_raw(tmp_path_factory.mktemp("behaviour") / "raw", shop)


@pytest.fixture(scope="module")
def clean(raw):
    ingest(str(raw), str(raw.parent / "clean"))
    return str(raw.parent / "clean")


@pytest.fixture(scope="module")
def made(clean, tmp_path_factory):
    out = tmp_path_factory.mktemp("made") / "behaviour"
    heard = []
    settings = read_behaviour_settings(*QUICK)
    figures = analyse_behaviour(clean, str(out), settings, lambda *said: heard.append(said))
    return out, figures, heard


def test_everybody_known_has_a_segment_and_chances(made):
    out, figures, heard = made
    people = pq.read_table(out / "people.parquet")
    assert people.num_rows == 150
    assert people["user_id"].to_pylist() == sorted(people["user_id"].to_pylist())
    sized = [one["shoppers"] for one in figures["segments"]["chosen"]]
    assert sum(sized) == figures["size"]["shoppers"] == 150 - people["segment"].null_count
    assert sized == sorted(sized, reverse=True)
    names = {one["name"] for one in figures["segments"]["chosen"]}
    assert names == set(people["segment_name"].drop_null().to_pylist())
    for name in CHANCES:
        if "left_out" not in figures["foreseen"][name]:
            low, high = pc.min_max(people[name]).as_py().values()
            assert 0 <= low < high <= 1, name
    assert "chances" in figures["foreseen"]["buys_7d"]
    assert heard[-1][1] == heard[-1][2]


def test_forecasts_of_items_add_up_to_those_of_everything(made):
    out, _, _ = made
    rows = pq.read_table(out / "forecast.parquet").to_pandas()
    sums = rows.groupby(["week_begins", "level"])["expected"].sum().unstack()
    assert len(sums) == 2
    for _, week in sums.iterrows():
        assert week["items"] == pytest.approx(week["everything"])
        assert week["categories"] == pytest.approx(week["everything"])
    assert (rows["low"] <= rows["high"]).all()
    inside = rows[rows["level"] == "items"].groupby("category")["expected"].sum()
    whole = rows[rows["level"] == "categories"].groupby("category")["expected"].sum()
    assert inside.to_dict() == pytest.approx(whole.to_dict())


def test_figures_are_json_and_the_page_names_nobody(made):
    out, figures, _ = made
    assert json.loads((out / "behaviour.json").read_text()) == figures
    page = (out / "behaviour.html").read_text()
    assert "shopper-" not in page
    for key in ("segments", "moves", "foreseen", "demand"):
        assert f'<section id="{key}"' in page
    assert "The band is to hold 80% of weeks; it is made of 6 backtests" in page


def test_without_an_interval_the_page_says_why(made, tmp_path):
    _, figures, _ = made
    demand = figures["demand"] | {"no_interval": "six backtests are needed"}
    demand["series"] = [one | {"low": None, "high": None} for one in demand["series"]]
    write_behaviour_report(figures | {"demand": demand}, tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    assert "No band is drawn: six backtests are needed." in page
    assert "no interval" in page


def test_columns_of_an_interval_that_there_is_not_are_empty(clean):
    dataset = load_dataset(clean)
    demand = Demand.of(ShopLog.of(dataset), 5)
    weeks, none = np.ones((len(demand.days), 2)), np.full((len(demand.days), 2), np.nan)
    columns = forecast_table(dataset, Forecast(demand, weeks, none, none, (), 2, "too few"))
    assert columns["low"].null_count == columns["high"].null_count == columns.num_rows
    assert columns["expected"].null_count == 0


def test_events_without_times_are_told_so_in_one_line(raw, tmp_path, capsys):
    folder = tmp_path / "undated"
    folder.mkdir()
    for name in ("events", "ties", "items", "users"):
        table = pq.read_table(raw / f"{name}.parquet")
        if name == "events":
            at = table.schema.get_field_index("ts")
            same = pa.chunked_array([pa.repeat(table["ts"][0], len(table))])
            table = table.set_column(at, "ts", same)
        pq.write_table(table, folder / f"{name}.parquet")
    ingest(str(folder), str(folder / "clean"))
    assert main(["behaviour", str(folder / "clean"), "--out", str(tmp_path / "out")]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "needs events with times" in said
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("most_segments=1", "most_segments is 2 or more"),
        ("windows=1", "windows is 2 or more"),
        ("coverage=1.0", "coverage is over 0"),
        ("colour=3", "no field 'colour'"),
    ],
)
def test_settings_that_make_no_sense_are_refused(given, said):
    with pytest.raises(BadInputError, match=said):
        read_behaviour_settings(given)


def run_component(folder, clean, asked):
    folder.mkdir()
    columns, page = Dataset(uri=str(folder / "columns")), HTML(uri=str(folder / "page.html"))
    behaviour.python_func(
        clean=Dataset(uri=clean),
        columns=columns,
        page=page,
        behaviour=asked,
        read_ms=0,
        offline="",
        version="v1",
        status="",
    )
    return columns, Path(page.path).read_text()


def test_the_component_leaves_the_same_files_and_the_page(made, clean, tmp_path):
    asked = json.dumps({name: int(value) for name, value in (one.split("=") for one in QUICK)})
    columns, page = run_component(tmp_path / "run", clean, asked)
    for name in ("behaviour.json", "people.parquet", "forecast.parquet", "activity.parquet"):
        assert (Path(columns.path) / name).read_bytes() == (made[0] / name).read_bytes(), name
    assert '<section id="segments"' in page
    assert columns.metadata["shoppers"] > 0


def test_the_component_looks_at_nothing_that_was_not_asked_for(tmp_path):
    columns, page = run_component(tmp_path / "run", "nowhere", " ")
    assert list(Path(columns.path).iterdir()) == []
    assert "Nothing was asked" in page


def test_the_command_says_what_stands_out(made, monkeypatch, capsys):
    asked = []

    def analyse(clean, out, settings, progress):
        asked.append((clean, out, settings.weeks))
        return made[1]

    monkeypatch.setattr("coterie.workflow.behaviour.analyse_behaviour", analyse)
    assert main(["behaviour", "here", "--out", "there", "--config", "weeks=2"]) == 0
    assert asked == [("here", "there", 2)]
    said = " ".join(capsys.readouterr().out.split())
    assert made[1]["segments"]["chosen"][0]["name"] in said
    assert "buys_7d: AUC 0." in said
    assert "next week" in said
