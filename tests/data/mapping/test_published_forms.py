"""Made-up shops in published forms: looked at, taken in and learned from without a script."""

import json
from pathlib import Path

import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from benchmarks.published_forms import FORMS, make_world
from coterie.cli import main
from coterie.data.ingest import IngestConfig, ingest
from coterie.data.mapping.document import parse_mapping
from coterie.data.mapping.survey import survey, with_rules
from coterie.data.mapping.write import mapping_text

WORLD = make_world(num_users=60, num_items=64, per_user=30)
EVENTS = len(WORLD.user)
LIKED, CARTED = int((WORLD.rating >= 4).sum()), int((WORLD.rating >= 3).sum())


@pytest.fixture(scope="module")
def taken_in(tmp_path_factory):
    """What each form becomes, by its name: the mapping's text, and the clean folder."""
    home, made = tmp_path_factory.mktemp("forms"), {}

    def take(name):
        if name not in made:
            folder = home / FORMS[name].__name__
            folder.mkdir()
            FORMS[name](folder, WORLD)
            text = mapping_text(with_rules(survey(str(folder))))
            clean = f"{folder}-clean"
            ingest(str(folder), clean, IngestConfig(max_bad_share=0), mapping=parse_mapping(text))
            made[name] = text, clean
        return made[name]

    return take


def table(clean, name):
    return pq.read_table(f"{clean}/{name}.parquet")


def kinds(clean):
    counts = pc.value_counts(table(clean, "events")["event"]).to_pylist()
    return {count["values"]: count["counts"] for count in counts}


def title_of(clean, item_id):
    items = table(clean, "items")
    return items.filter(pc.equal(items["item_id"], item_id))["title"].to_pylist()


RETURNS = sum(1 for event in range(7, EVENTS, 60) if event % 5)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("MovieLens (ml-latest)", {"rating": EVENTS, "review": len(range(0, EVENTS, 40))}),
        ("MovieLens (ml-1m)", {"rating": EVENTS}),
        ("Amazon reviews (2018)", {"rating": EVENTS}),
        ("Amazon reviews (2023)", {"rating": EVENTS}),
        (
            "Online Retail",
            {"purchase": EVENTS - len(range(0, EVENTS, 5)), "return": RETURNS},
        ),
        (
            "Book-Crossing",
            {"view": len(range(0, EVENTS, 3)), "rating": EVENTS - len(range(0, EVENTS, 3))},
        ),
        ("FilmTrust", {"rating": EVENTS}),
        ("Gowalla", {"purchase": EVENTS}),
        ("Funnel log (RetailRocket)", {"view": EVENTS, "cart": CARTED, "purchase": LIKED}),
        ("Funnel log (REES46)", {"view": EVENTS, "cart": CARTED, "purchase": LIKED}),
    ],
)
def test_every_row_of_a_published_form_becomes_what_it_says(taken_in, name, expected):
    _, clean = taken_in(name)
    assert kinds(clean) == expected
    events = table(clean, "events")
    assert pc.count_distinct(events["user_id"]).as_py() == len(set(WORLD.user.tolist()))
    assert pc.count_distinct(events["item_id"]).as_py() == len(set(WORLD.item.tolist()))
    assert pc.all(table(clean, "items")["available"]).as_py()


def test_every_form_is_among_those_that_are_tried():
    assert len(FORMS) == 10


def test_words_and_letters_come_through(taken_in):
    third = int(WORLD.item.max()) // 8 * 8 + 2
    title = WORLD.title(third)
    assert title.startswith("Über")
    for name, item_id, expected in (
        ("MovieLens (ml-1m)", f"{third + 1}", f"{title} (1999)"),
        ("Amazon reviews (2018)", f"B{third:09d}", title),
        ("Online Retail", f"{20_000 + third}A", f"{title.upper()} £5"),
        ("Book-Crossing", f"{100_000_000 + third}X", f'{title}: "A Novel"'),
        ("FilmTrust", f"{third + 1}", f"{third + 1}"),
    ):
        assert title_of(taken_in(name)[1], item_id) == [expected], name


def test_what_is_told_of_items_comes_through(taken_in):
    def first(name):
        items = table(taken_in(name)[1], "items")
        return items.slice(1, 1).to_pylist()[0]

    assert first("MovieLens (ml-latest)")["category"].endswith("/Drama")
    amazon = first("Amazon reviews (2018)")
    assert (amazon["category"], amazon["price"]) == ("Home/Kitchen", 1.99)
    assert amazon["description"] == "Made for Kitchen."
    assert first("Amazon reviews (2023)")["description"] == "Made for Kitchen. Washable."
    assert first("Online Retail")["price"] == 1.85
    rees46 = first("Funnel log (REES46)")
    assert (rees46["category"], rees46["brand"]) == ("home/kitchen", "brand1")


def test_ratings_of_each_scale_lie_between_one_and_five(taken_in):
    for name, bounds in (
        ("MovieLens (ml-latest)", (1.5, 4.5)),
        ("Book-Crossing", (1 + 4 * 3 / 9, 5.0)),
        ("FilmTrust", (1.0, 5.0)),
    ):
        values = table(taken_in(name)[1], "events")["value"]
        found = pc.min_max(values).as_py()
        assert (found["min"], found["max"]) == pytest.approx(bounds), name


def test_times_come_through_whatever_their_form(taken_in):
    first = int(WORLD.time.min())
    for name, step in (
        ("MovieLens (ml-1m)", 1),
        ("Amazon reviews (2023)", 1),
        ("Gowalla", 1),
        ("Funnel log (RetailRocket)", 1),
        ("Funnel log (REES46)", 1),
    ):
        found = pc.min(table(taken_in(name)[1], "events")["ts"]).as_py()
        assert int(found.timestamp()) // step == first // step, name
    kept = WORLD.time[[event for event in range(EVENTS) if event % 5]]
    found = pc.max(table(taken_in("Online Retail")[1], "events")["ts"]).as_py()
    assert int(found.timestamp()) // 60 == int(kept.max()) // 60


def test_ties_are_those_of_the_files(taken_in):
    for name, kind in (("FilmTrust", "trust"), ("Gowalla", "friend")):
        ties = table(taken_in(name)[1], "ties")
        assert set(ties["kind"].to_pylist()) == {kind}
        both = {tuple(sorted(pair)) for pair in WORLD.friends.tolist()}
        expected = len(WORLD.friends) if kind == "trust" else 2 * len(both)
        assert ties.num_rows == expected


def test_what_there_is_none_of_is_said(taken_in):
    def report(name):
        return json.loads(Path(taken_in(name)[1], "ingest.json").read_text())

    assert report("FilmTrust")["notes"] == [
        "no times: the split is by chance, and the age of an event says nothing",
        "no file of items: they are made from the events, and all are available",
    ]
    assert "no ties" in report("Book-Crossing")["notes"][0]
    assert report("Gowalla")["notes"][0].startswith("no file of items")
    assert report("Online Retail")["dropped"] == {
        "events": {
            "without user_id": len(range(0, EVENTS, 5)) + len(range(7, EVENTS, 60)) - RETURNS
        }
    }
    assert report("Funnel log (REES46)")["dropped"] == {
        "events": {"event is one of remove_from_cart": len(range(0, EVENTS, 25))}
    }


def test_what_is_uncertain_stands_in_the_mapping_for_a_person_to_read(taken_in):
    text, _ = taken_in("Gowalla")
    assert "# ? the file does not tell what happened: taken for purchases" in text
    text, _ = taken_in("Book-Crossing")
    assert "# ? 0 is taken for interest without a rating" in text
    text, _ = taken_in("MovieLens (ml-latest)")
    assert "# not mapped: links.csv" in text


@pytest.mark.slow
@pytest.mark.parametrize("name", FORMS)
def test_three_commands_lead_from_a_published_form_to_a_release(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "export").mkdir()
    FORMS[name](tmp_path / "export", make_world(num_users=200, num_items=160, per_user=30))
    for typed in (
        "inspect export --out mapping.yaml",
        "ingest export --mapping mapping.yaml --out clean",
        "train clean --out model --epochs 8 --release-version v1",
    ):
        assert main(typed.split()) == 0, typed
    figures = json.loads((tmp_path / "model" / "challenger.json").read_text())
    assert figures["validation"]["ndcg@20"] > 1.5 * figures["popularity"]["ndcg@20"]
    assert figures["split"] == (
        "by_chance" if name in ("FilmTrust", "Book-Crossing") else "by_time"
    )
