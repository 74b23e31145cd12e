import ast
import errno
import os
import threading
from pathlib import Path

import pytest

from coterie.files import atomic_file, atomic_folder, write_atomically


@pytest.fixture
def steps(monkeypatch):
    """What reaches the disk, in order: what is synced, by its name, and renames."""
    found = []
    fsync, replace, rename = os.fsync, Path.replace, Path.rename

    def synced(handle):
        found.append(f"sync {Path(f'/proc/self/fd/{handle}').readlink().name}")
        fsync(handle)

    def renamed(original):
        def move(self, target):
            found.append(f"rename {self.name} {Path(target).name}")
            return original(self, target)

        return move

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(Path, "replace", renamed(replace))
    monkeypatch.setattr(Path, "rename", renamed(rename))
    return found


def names(folder):
    return [path.name for path in folder.iterdir()]


def full(_handle):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_file_is_written_whole_in_the_place_of_the_old_one(tmp_path):
    target = tmp_path / "new" / "state.json"
    for content, found in (("grün", "grün".encode()), (b"\x00", b"\x00"), (memoryview(b"a"), b"a")):
        write_atomically(target, content)
        assert target.read_bytes() == found
    assert names(target.parent) == ["state.json"]


def test_content_is_on_the_disk_before_it_has_its_name_and_the_name_after(tmp_path, steps):
    write_atomically(tmp_path / "state", "new")
    beside = steps[0].removeprefix("sync ")
    assert beside.startswith(".state.")
    assert beside.endswith(".part")
    assert steps == [f"sync {beside}", f"rename {beside} state", f"sync {tmp_path.name}"]


def test_what_is_not_durable_takes_its_name_in_one_step_all_the_same(tmp_path, steps):
    write_atomically(tmp_path / "beat", "new", durable=False)
    [only] = steps
    assert only.startswith("rename .beat.")
    assert only.endswith(".part beat")


def test_a_write_that_fails_half_way_leaves_the_old_file_and_no_litter(tmp_path, monkeypatch):
    target = tmp_path / "state"
    write_atomically(target, "old")

    def break_off():
        with atomic_file(target) as file:
            file.write(b"half of the n")
            file.flush()
            assert target.read_text() == "old"
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        break_off()
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_atomically(target, "new")
    assert target.read_text() == "old"
    assert names(tmp_path) == ["state"]


def test_two_who_write_at_once_do_not_write_into_each_other(tmp_path):
    target = tmp_path / "state"
    with atomic_file(target) as first:
        first.write(b"fir")
        other = threading.Thread(target=write_atomically, args=(target, "second"))
        other.start()
        other.join()
        assert target.read_bytes() == b"second"
        first.write(b"st")
    assert target.read_bytes() == b"first"
    assert names(tmp_path) == ["state"]


def test_an_unfinished_file_lies_where_it_is_told_to(tmp_path):
    with atomic_file(tmp_path / "release" / "tensors", scratch=tmp_path) as file:
        file.write(b"all")
        assert names(tmp_path / "release") == []
    assert names(tmp_path / "release") == ["tensors"]
    assert names(tmp_path) == ["release"]


def test_files_and_folders_may_be_read_by_whom_the_umask_allows(tmp_path):
    before = os.umask(0o027)
    try:
        write_atomically(tmp_path / "file", "")
        with atomic_folder(tmp_path / "folder"):
            pass
    finally:
        os.umask(before)
    modes = [(tmp_path / name).stat().st_mode & 0o777 for name in ("file", "folder")]
    assert modes == [0o640, 0o750]


def test_a_folder_is_on_the_disk_before_it_has_its_name_and_the_name_after(tmp_path, steps):
    with atomic_folder(tmp_path / "v1") as beside:
        (beside / "tensors").write_text("all")
        assert not (tmp_path / "v1").exists()
    part = beside.name
    assert steps == [
        "sync tensors",
        f"sync {part}",
        f"rename {part} v1",
        f"sync {tmp_path.name}",
    ]
    assert names(tmp_path) == ["v1"]


def test_a_folder_that_fails_half_way_is_not_there_and_leaves_no_litter(tmp_path):
    def break_off():
        with atomic_folder(tmp_path / "v1") as beside:
            (beside / "tensors").write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        break_off()
    assert names(tmp_path) == []


def test_a_folder_that_came_meanwhile_is_left_alone(tmp_path):
    def race():
        with atomic_folder(tmp_path / "v1") as beside:
            (beside / "tensors").write_text("mine")
            write_atomically(tmp_path / "v1" / "tensors", "theirs")

    with pytest.raises(OSError, match="not empty"):
        race()
    assert (tmp_path / "v1" / "tensors").read_text() == "theirs"
    assert names(tmp_path) == ["v1"]


MAY_RENAME = {
    "coterie/files.py",
    "coterie/data/staging.py",  # swaps two folders
    "coterie/fitting/distributed.py",  # moves a damaged file aside
    "coterie/rollout/store.py",  # gives a file of the version before its new name
}


def renames(module: Path) -> bool:
    """Whether it calls ``os.replace(a, b)``, ``path.replace(b)`` or the same with rename."""
    calls = [node for node in ast.walk(ast.parse(module.read_text())) if isinstance(node, ast.Call)]
    return any(
        isinstance(call.func, ast.Attribute)
        and call.func.attr in ("replace", "rename")
        and (ast.unparse(call.func.value) == "os" or (len(call.args) == 1 and not call.keywords))
        for call in calls
    )


def test_nobody_writes_beside_and_renames_by_hand():
    root = Path(__file__).parents[1]
    packages = ("coterie", "components", "pipelines", "serving", "feature_repo", "benchmarks")
    modules = [path for name in packages for path in (root / name).rglob("*.py")]
    found = {str(path.relative_to(root)) for path in modules if renames(path)}
    assert found - MAY_RENAME == set(), "write with coterie.files.write_atomically"
