"""The network step: clean tables in, columns, figures and a page out."""

import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from kfp.dsl import HTML, Dataset

from components.network import network
from coterie.cli import main
from coterie.data.ingest import ingest
from coterie.errors import BadInputError
from coterie.workflow.network import analyse_network, read_network_settings
from tests.tiny_shop import write_raw

QUICK = ("resolutions=[0.5,1]", "seeds=2", "shuffles=5", "runs=20", "picture=60", "coupons=5")


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    return write_raw(tmp_path_factory.mktemp("network") / "raw")


@pytest.fixture(scope="module")
def clean(raw):
    ingest(str(raw), str(raw.parent / "clean"))
    return str(raw.parent / "clean")


@pytest.fixture(scope="module")
def made(clean, tmp_path_factory):
    out = tmp_path_factory.mktemp("made") / "network"
    heard = []
    settings = read_network_settings(*QUICK)
    figures = analyse_network(clean, str(out), settings, lambda *said: heard.append(said))
    return out, figures, heard


def test_people_and_ties_have_columns(made, clean):
    out, figures, heard = made
    people, ties = (pq.read_table(out / f"{name}.parquet") for name in ("people", "ties"))
    assert people.num_rows == figures["size"]["people"] == 150
    assert people["user_id"].to_pylist() == sorted(people["user_id"].to_pylist())
    assert ties.num_rows == figures["size"]["ties"] == pc.sum(people["following"]).as_py()
    assert pc.sum(people["pagerank"]).as_py() == pytest.approx(1.0)
    assert pc.sum(people["bridges"]).as_py() == 2 * figures["bridges"]
    assert people["community"].equals(people["community_1"])
    assert sorted(people["seed_rank"].drop_null().to_pylist()) == [1, 2, 3, 4, 5]
    share = figures["influence"]["share_caused"]
    caused = pc.sum(people["caused"]).as_py() / figures["influence"]["adoptions"]
    assert (
        caused
        == pytest.approx(share)
        == pytest.approx(pc.sum(ties["caused"]).as_py() / figures["influence"]["adoptions"])
    )
    dates = {name for name, _, _ in heard}
    assert "network: communities at resolution 0.5" in dates
    assert heard[-1][1] == heard[-1][2]


def test_figures_are_json_and_the_page_names_nobody(made):
    out, figures, _ = made
    assert json.loads((out / "network.json").read_text()) == figures
    page = (out / "network.html").read_text()
    assert "shopper-" not in page
    for key in ("picture", "communities", "structure", "influence", "growth"):
        assert f'<section id="{key}"' in page


def test_the_same_shop_gives_the_same_files(made, clean, tmp_path):
    out, _, _ = made
    analyse_network(clean, str(tmp_path), read_network_settings(*QUICK))
    for name in ("network.json", "people.parquet", "ties.parquet"):
        assert (tmp_path / name).read_bytes() == (out / name).read_bytes(), name


def written(raw, folder, **changed):
    folder.mkdir()
    for name in ("events", "ties", "items", "users"):
        table = changed.get(name, pq.read_table(raw / f"{name}.parquet"))
        pq.write_table(table, folder / f"{name}.parquet")
    ingest(str(folder), str(folder / "clean"))
    return str(folder / "clean")


def test_events_without_times_leave_influence_out(raw, tmp_path):
    events = pq.read_table(raw / "events.parquet")
    at = events.schema.get_field_index("ts")
    same = pa.chunked_array([pa.repeat(events["ts"][0], len(events))])
    clean = written(raw, tmp_path / "undated", events=events.set_column(at, "ts", same))
    figures = analyse_network(clean, str(tmp_path / "out"), read_network_settings(*QUICK))
    assert "who came first" in figures["influence"]["left_out"]
    assert "Not estimated" in (tmp_path / "out" / "network.html").read_text()
    people = pq.read_table(tmp_path / "out" / "people.parquet")
    assert people["caused"].null_count == len(people)


def test_what_became_of_invitations_is_on_the_page(raw, tmp_path, capsys):
    events = pq.read_table(raw / "events.parquet").slice(0, 200)
    first, last = events["ts"][0], events["ts"][-1]
    ids = sorted(set(events["user_id"].to_pylist()))
    asked, others = events.slice(0, 20).to_pylist(), []
    for place, row in enumerate(asked):
        row |= {"event": "share", "ts": first.as_py(), "event_id": f"share-{place}"}
        row |= {"user_id": "shopper-who-asks", "invited_user_id": ids[place]}
        row |= {"referrer_user_id": None, "value": None, "text": None}
        others.append(row | {"event_id": f"then-{place}", "user_id": ids[place]})
        others[-1] |= {"event": "purchase", "invited_user_id": None, "ts": last.as_py()}
    new = pa.Table.from_pylist([*asked, *others], schema=events.schema)
    clean = written(raw, tmp_path / "asked", events=pa.concat_tables([events, new]))
    settings = [*QUICK, "influence=false", "invitation_days=0.001"]
    out = tmp_path / "out"
    assert main(["network", clean, "--out", str(out), "--config", *settings]) == 0
    told = json.loads((out / "network.json").read_text())["invitations"]
    invited = told["whole"]["invited"]
    assert 20 >= invited == told["whole"]["people"] > 10
    assert sum(one["invited"] for one in told["categories"]) == invited
    page = (out / "network.html").read_text()
    assert '<section id="invitations"' in page
    assert "shopper-" not in page
    assert f"{invited} invitations" in " ".join(capsys.readouterr().out.split())


def test_a_shop_without_ties_is_told_so_in_one_line(raw, tmp_path, capsys):
    ties = pq.read_table(raw / "ties.parquet")
    clean = written(raw, tmp_path / "alone", ties=ties.slice(0, 0))
    assert main(["network", clean, "--out", str(tmp_path / "out")]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "needs ties of two people" in said
    assert not (tmp_path / "out").exists()


def test_the_command_says_what_stands_out(clean, tmp_path, capsys):
    settings = [*QUICK, "influence=false"]
    assert main(["network", clean, "--out", str(tmp_path / "n"), "--config", *settings]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "150 people" in said
    assert "resolution 0.5: " in said
    assert (tmp_path / "n" / "network.html").is_file()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("seeds=0", "seeds is 1 or more"),
        ("resolutions=[0]", "over 0"),
        ("resolutions=[]", "over 0"),
        ("eps=0.7", "eps is over 0"),
        ("runs=1", "runs is 2"),
        ("invitation_days=-1", "invitation_days is 0 to 365"),
        ("colour=3", "no field 'colour'"),
        ('resolutions=["a"]', "resolutions"),
        ("method=walktrap", "one of louvain, leiden"),
    ],
)
def test_settings_that_make_no_sense_are_refused(given, said):
    with pytest.raises(BadInputError, match=said):
        read_network_settings(given)


def drawn_of(page):
    held = page.split('id="network-data" type="application/json">')[1]
    return json.loads(held.split("</script>")[0])


def test_the_picture_is_told_who_stands_where_and_is_reached_when(made):
    out, _, _ = made
    told = drawn_of((out / "network.html").read_text())
    assert {len(told[name]) for name in ("x", "y", "size", "colour", "community", "core")} == {60}
    assert np.abs([told["x"], told["y"]]).max() <= 1.2
    assert np.max(told["pairs"]) < 60
    assert told["reached"][0] == 5, "the slider begins with those who were chosen"
    everybody = [one for wave in told["waves"] for one in wave]
    assert len(set(everybody)) == len(everybody) <= 60


@pytest.mark.browser
def test_the_picture_is_drawn_and_the_slider_moves(made):
    out, _, _ = made
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("no browser that knows WebGL here: apt-get install chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        browser = play.chromium.launch(
            executable_path=program, args=["--no-sandbox", "--enable-unsafe-swiftshader"]
        )
        page = browser.new_page()
        problems = []
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("console", lambda said: problems.append(said.text) if said.type == "error" else 0)
        page.goto((out / "network.html").as_uri())
        page.wait_for_selector("#network-canvas[data-drawn=yes]", timeout=60_000)
        page.fill("#network-wave", "1")
        assert page.text_content("#network-about") == "5 people were given it."
        assert problems == []


class Artifacts:
    """What Kubeflow hands to a step."""

    def __init__(self, folder):
        folder.mkdir()
        self.columns = Dataset(uri=str(folder / "columns"))
        self.page = HTML(uri=str(folder / "page.html"))

    def run(self, clean, asked):
        network.python_func(
            clean=Dataset(uri=clean),
            columns=self.columns,
            page=self.page,
            network=asked,
            read_ms=0,
            offline="",
            version="v1",
            status="",
        )
        return Path(self.columns.path), Path(self.page.path).read_text()


def test_the_component_leaves_columns_and_the_page(clean, tmp_path):
    given = Artifacts(tmp_path / "run")
    asked = '{"influence": false, "seeds": 1, "picture": 10, "resolutions": [1]}'
    columns, page = given.run(clean, asked)
    assert pq.read_table(columns / "people.parquet").num_rows == 150
    assert '<section id="communities"' in page
    assert given.columns.metadata["people"] == 150


def test_the_component_looks_at_nothing_that_was_not_asked_for(tmp_path):
    columns, page = Artifacts(tmp_path / "run").run("nowhere", " ")
    assert list(columns.iterdir()) == []
    assert "No network was asked for" in page
