"""Where lists go: parts of bounded size in a folder or under a URL, all of them or none."""

import json
import re
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from coterie.all_lists.lists import LISTS
from coterie.data.staging import staged
from coterie.data.stores import answering, is_local, open_store, reaching
from coterie.errors import BadInputError

MANIFEST: Final = "lists.json"
"""Written last: what the lists are, and which files they are in."""
_PART: Final = re.compile(r"lists-\d{5,}\.parquet")


def part_name(number: int) -> str:
    """Name a part.

    >>> part_name(7)
    'lists-00007.parquet'
    """
    return f"lists-{number:05d}.parquet"


@contextmanager
def new_lists(out: str) -> Iterator[str]:
    """Yield a folder or URL to write parts and manifest to; they then replace what ``out`` holds.

    On this machine the folder is swapped in by a rename. On a store parts lie under a name that
    readers of Parquet folders pass over until all are there, then get their own; the manifest goes
    first and comes last.

    Raises:
        BadInputError: ``out`` is a file, or holds other things than lists.
        UnavailableError: Another process writes there, or the store does not answer.
    """
    fs, folder = open_store(out)
    if is_local(fs):
        here = Path(folder)
        ours = [p.name for p in here.glob("*") if _PART.fullmatch(p.name)] if here.is_dir() else []
        with staged(out, {MANIFEST, *ours}, MANIFEST) as staging:
            yield str(staging)
        return
    _refuse_foreign(fs, folder, out)
    beside = f"_writing-{secrets.token_hex(4)}"
    try:
        yield f"{out.rstrip('/')}/{beside}"
        _take_places(fs, folder, beside, out)
    finally:
        with answering(f"cannot clean up {out}"):
            if fs.exists(f"{folder}/{beside}"):
                fs.rm(f"{folder}/{beside}", recursive=True)


@dataclass(slots=True)
class PartWriter:
    """Writes one part, table after table."""

    folder: str
    number: int

    @contextmanager
    def open(self) -> Iterator[Any]:
        """Yield a ``pyarrow.parquet.ParquetWriter``.

        Raises:
            UnavailableError: The disk or store refused.
        """
        fs, folder = open_store(self.folder)
        path = f"{folder}/{part_name(self.number)}"
        with (
            reaching(self.folder),
            fs.open(path, "wb") as file,
            pq.ParquetWriter(file, LISTS, compression="zstd") as writer,
        ):
            yield writer


def write_manifest(folder: str, content: Mapping[str, Any]) -> None:
    """Write what lists are, beside them."""
    fs, place = open_store(folder)
    with reaching(folder), fs.open(f"{place}/{MANIFEST}", "wb") as file:
        file.write((json.dumps(content, indent=2) + "\n").encode())


def read_lists(out: str) -> pa.Table:
    """Read all lists of a folder or URL, in the order of shoppers.

    Raises:
        BadInputError: There are none, or they are half-written.
        UnavailableError: The store does not answer.
    """
    fs, folder = open_store(out)
    try:
        with reaching(out):
            names = json.loads(fs.cat_file(f"{folder}/{MANIFEST}"))["files"]
            tables = []
            for name in names:
                with fs.open(f"{folder}/{name}", "rb") as file:
                    tables.append(pq.read_table(file, schema=LISTS))
    except (FileNotFoundError, NotADirectoryError) as error:
        raise BadInputError(f"{out} holds no lists: make them with recommend --all") from error
    return pa.concat_tables(tables)


def _names(fs: Any, folder: str, out: str) -> list[str]:
    with reaching(out):
        fs.invalidate_cache()
        if not fs.exists(folder):
            return []
        return [PurePosixPath(name).name for name in fs.ls(folder, detail=False)]


def _refuse_foreign(fs: Any, folder: str, out: str) -> None:
    foreign = sorted(
        name
        for name in _names(fs, folder, out)
        if name and name != MANIFEST and not _PART.fullmatch(name) and name[0] not in "._"
    )
    if foreign:
        raise BadInputError(
            f"{out} holds {foreign[0]}, which is no list: name an empty or a new folder"
        )


def _take_places(fs: Any, folder: str, beside: str, out: str) -> None:
    """Move new files to where readers look, and remove those of before."""
    new = sorted(_names(fs, f"{folder}/{beside}", out), key=lambda name: (name == MANIFEST, name))
    with reaching(out):
        for name in _names(fs, folder, out):
            if name == MANIFEST or (_PART.fullmatch(name) and name not in new):
                fs.rm_file(f"{folder}/{name}")
        for name in new:
            fs.mv(f"{folder}/{beside}/{name}", f"{folder}/{name}")
        fs.invalidate_cache()
