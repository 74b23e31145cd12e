"""Folders that are whole or not there: written beside, then swapped in."""

import fcntl
import shutil
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from coterie.data.stores import is_local, open_store, reaching
from coterie.errors import BadInputError, UnavailableError
from coterie.files import sync, sync_folder


@contextmanager
def staged(out: str, names: Collection[str], last: str) -> Iterator[Path]:
    """Yield an empty local folder; when the block ends well, its files replace those of ``out``.

    Locally the folder is swapped in by renames: a crash leaves the old one, the new one, or
    (between the two renames) the old one under another name, where ``settled`` finds it. On a
    store, ``last`` is removed first and written last: without it the folder is half-written.

    Args:
        out: A folder, local or of a store.
        names: All that a folder of this kind may hold; others are somebody's, and not deleted.
        last: The name without which a folder does not count.

    Raises:
        BadInputError: ``out`` is a file or holds other things.
        UnavailableError: Another process writes to ``out``, or the store does not answer.
    """
    fs, folder = open_store(out)
    if not is_local(fs):
        with TemporaryDirectory(prefix="coterie-") as near:
            yield Path(near)
            _upload(fs, folder, Path(near), last)
        return
    place = Path(folder)
    place.parent.mkdir(parents=True, exist_ok=True)
    with _locked(place):
        _recover(place)
        _refuse_foreign(place, names)
        staging = _beside(place, "staging")
        shutil.rmtree(staging, ignore_errors=True)
        staging.mkdir()
        try:
            yield staging
            sync_folder(staging)
            _swap(staging, place)
        finally:
            shutil.rmtree(staging, ignore_errors=True)


def settled(path: str) -> str:
    """Where the last whole folder lies, should a swap have been cut off between its two renames."""
    fs, folder = open_store(path)
    if is_local(fs):
        previous = _beside(Path(folder), "previous")
        if not Path(folder).exists() and previous.exists():
            return str(previous)
    return path


def _beside(place: Path, what: str) -> Path:
    return place.with_name(f".{place.name}.{what}")


@contextmanager
def _locked(place: Path) -> Iterator[None]:
    with _beside(place, "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UnavailableError(f"another process is writing {place}: wait for it") from error
        yield


def _recover(place: Path) -> None:
    """End a swap that a crash cut off."""
    previous = _beside(place, "previous")
    if previous.exists() and not place.exists():
        previous.rename(place)
    shutil.rmtree(previous, ignore_errors=True)


def _refuse_foreign(place: Path, names: Collection[str]) -> None:
    if place.exists() and not place.is_dir():
        raise BadInputError(f"{place} is a file: name a folder")
    foreign = (
        sorted(p.name for p in place.glob("*") if p.name not in names) if place.exists() else []
    )
    if foreign:
        raise BadInputError(
            f"{place} holds {foreign[0]}, which would be lost: name an empty or a new folder"
        )


def _swap(staging: Path, place: Path) -> None:
    previous = _beside(place, "previous")
    if place.exists():
        place.rename(previous)
    staging.rename(place)
    sync(place.parent)
    shutil.rmtree(previous, ignore_errors=True)


def _upload(fs: Any, folder: str, near: Path, last: str) -> None:
    files = sorted(near.iterdir(), key=lambda file: (file.name == last, file.name))
    with reaching(folder):
        if fs.exists(f"{folder}/{last}"):
            fs.rm_file(f"{folder}/{last}")
        fs.makedirs(folder, exist_ok=True)
        for file in files:
            fs.put_file(str(file), f"{folder}/{file.name}")
