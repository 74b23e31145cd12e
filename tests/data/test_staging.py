import pytest

from coterie.data.staging import settled, staged
from coterie.errors import BadInputError


def write(out, text):
    with staged(str(out), ("a", "last"), last="last") as folder:
        (folder / "a").write_text(text)
        (folder / "last").write_text(text)


def test_a_folder_is_replaced_as_a_whole(tmp_path):
    write(tmp_path / "out", "old")
    with staged(str(tmp_path / "out"), ("a", "last"), last="last") as folder:
        (folder / "last").write_text("new")
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["last"]


def test_an_error_leaves_what_was_there(tmp_path):
    write(tmp_path / "out", "old")
    with pytest.raises(RuntimeError), staged(str(tmp_path / "out"), ("a", "last"), last="last"):
        raise RuntimeError
    assert (tmp_path / "out" / "a").read_text() == "old"
    assert sorted(p.name for p in tmp_path.iterdir()) == [".out.lock", "out"]


def test_a_run_that_fails_after_a_crash_between_the_renames_brings_the_old_folder_back(tmp_path):
    out = tmp_path / "out"
    write(out, "old")
    out.rename(tmp_path / ".out.previous")
    assert settled(str(out)) == str(tmp_path / ".out.previous")
    with pytest.raises(RuntimeError), staged(str(out), ("a", "last"), last="last"):
        raise RuntimeError
    assert (out / "a").read_text() == "old"
    assert settled(str(out)) == str(out)


def test_a_file_in_the_place_of_a_folder_is_refused(tmp_path):
    (tmp_path / "out").write_text("mine")
    with pytest.raises(BadInputError, match="is a file: name a folder"):
        write(tmp_path / "out", "new")
    assert (tmp_path / "out").read_text() == "mine"
