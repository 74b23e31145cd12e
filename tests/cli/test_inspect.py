"""``coterie inspect`` and what follows from it, as a person types it."""

import pytest

from benchmarks.published_forms import book_crossing, make_world
from coterie.cli import main


@pytest.fixture
def export(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "160")
    (tmp_path / "export").mkdir()
    book_crossing(tmp_path / "export", make_world(num_users=40, num_items=64, per_user=20))
    return tmp_path


def test_what_each_file_seems_to_be_is_shown_with_what_to_look_at(export, capsys):
    assert main(["inspect", "export"]) == 0
    told = capsys.readouterr().out
    for part in (
        "BX-Book-Ratings.csv: events",
        "│ User-ID     │ user_id     │ whole number │",
        "BX-Books.csv: items",
        "BX-Users.csv: unknown",
        "look at this: BX-Book-Ratings.csv: event: 0 is taken for interest without a rating",
        "look at this: no file tells who knows whom",
        "coterie ingest export --mapping mapping.yaml --out FOLDER",
    ):
        assert part in told, part


def test_a_mapping_that_a_person_edited_is_not_written_over(export, capsys):
    assert main(["inspect", "export"]) == 0
    (export / "mapping.yaml").write_text("mine")
    assert main(["inspect", "export"]) == 2
    assert "mapping.yaml is there, perhaps edited" in capsys.readouterr().err
    assert (export / "mapping.yaml").read_text() == "mine"
    assert main(["inspect", "export", "--force"]) == 0
    assert "events:" in (export / "mapping.yaml").read_text()


def test_ingest_says_what_the_mapping_left_out_and_what_there_is_none_of(export, capsys):
    assert main(["inspect", "export"]) == 0
    text = (export / "mapping.yaml").read_text()
    signs = "by_sign: {zero: view, positive: rating}"
    assert signs in text
    words = 'words: {"4": rating, "6": rating, "8": rating, "10": rating}, drop: ["0"]'
    (export / "mapping.yaml").write_text(text.replace(signs, words))
    capsys.readouterr()
    assert main(["ingest", "export", "--mapping", "mapping.yaml", "--out", "clean"]) == 0
    told = capsys.readouterr().out
    assert "rows of events left out, as the mapping says: event is one of 0" in told
    assert "no ties: every list draws on its shopper's own history alone" in told
    assert "no times: the split is by chance" in told
    assert "not read: BX-Users.csv (named in no part of the mapping)" in told


@pytest.mark.parametrize(
    ("typed", "why"),
    [
        ("ingest export --mapping nowhere.yaml --out clean", "coterie inspect FOLDER writes"),
        ("ingest export --mapping m.yaml --dataset ciao --out clean", "leave one out"),
        ("inspect nowhere", "no folder of this machine"),
    ],
)
def test_what_cannot_be_done_is_one_line(export, capsys, typed, why):
    assert main(typed.split()) == 2
    told = capsys.readouterr().err
    assert why in told
    assert len(told.splitlines()) == 1
