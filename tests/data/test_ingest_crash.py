"""Ingest killed at planted places (SIGKILL: no clean-up runs) leaves a whole folder or none."""

import signal
import subprocess
import sys

import pytest
from shop_files import small_shop, write_shop

from coterie.data.ingest import clean_files, ingest
from coterie.data.load import load_dataset
from coterie.errors import BadInputError

KILLED_INGEST = """
import os, signal, sys
from coterie.data import ingest as module

source, out, place = sys.argv[1:]
die = lambda: os.kill(os.getpid(), signal.SIGKILL)
write, rename, digest = module._write_parts, os.rename, module._digest
renames = []

def half(parts, table, folder):
    write(parts, table, folder)
    file = folder / f"{table.name}.parquet"
    if table.name == "items" and place == "half a table":
        content = file.read_bytes()
        file.write_bytes(content[: len(content) // 2])
        die()

def counted(here, there):
    renames.append(there)
    if place == f"before rename {len(renames)}":
        die()
    rename(here, there)
    if place == f"after rename {len(renames)}":
        die()

def last(file):
    if file.name == "quarantine.parquet" and place == "before the report":
        die()
    return digest(file)

module._write_parts, os.rename, module._digest = half, counted, last
module.ingest(source, out)
"""
PLACES = {
    "half a table": "old",
    "before the report": "old",
    "before rename 1": "old",
    "after rename 1": "old",
    "after rename 2": "new",
}


def killed_at(place, source, out):
    command = [sys.executable, "-c", KILLED_INGEST, source, out, place]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == -signal.SIGKILL, done.stderr


@pytest.mark.parametrize(("place", "found"), PLACES.items())
def test_a_kill_leaves_the_old_tables_or_the_new_and_the_next_run_ends_it(tmp_path, place, found):
    out = str(tmp_path / "clean")
    shop = small_shop()
    new = write_shop(tmp_path / "new", shop)
    old = write_shop(tmp_path / "old", shop | {"events": shop["events"][:30]})
    prints = {
        "old": ingest(old, out).fingerprint,
        "new": ingest(new, str(tmp_path / "u")).fingerprint,
    }
    killed_at(place, new, out)
    assert load_dataset(out).fingerprint == prints[found]
    assert ingest(new, out).fingerprint == prints["new"]
    undisturbed = [(tmp_path / "u" / name).read_bytes() for name in clean_files()]
    assert [(tmp_path / "clean" / name).read_bytes() for name in clean_files()] == undisturbed
    left = sorted(path.name for path in tmp_path.iterdir())
    assert left == [".clean.lock", ".u.lock", "clean", "new", "old", "u"]


@pytest.mark.parametrize("place", ["half a table", "before rename 1"])
def test_a_kill_of_the_first_run_leaves_no_clean_folder(tmp_path, place):
    source, out = write_shop(tmp_path / "raw", small_shop()), str(tmp_path / "clean")
    killed_at(place, source, out)
    with pytest.raises(BadInputError, match=r"has no ingest.json"):
        load_dataset(out)
    assert ingest(source, out).fingerprint == load_dataset(out).fingerprint
