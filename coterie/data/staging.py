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
    target = Path(folder)
    target.parent.mkdir(parents=True, exist_ok=True)
    with _locked(target):
        _recover(target)
        _refuse_foreign(target, names)
        staging = _beside(target, "staging")
        shutil.rmtree(staging, ignore_errors=True)
        staging.mkdir()
        try:
            yield staging
            sync_folder(staging)
            _swap(staging, target)
        finally:
            shutil.rmtree(staging, ignore_errors=True)


def settled(path: str) -> str:
    """Find the last whole folder, should a swap have been cut off between its two renames."""
    fs, folder = open_store(path)
    if is_local(fs):
        previous = _beside(Path(folder), "previous")
        if not Path(folder).exists() and previous.exists():
            return str(previous)
    return path


def _beside(target: Path, what: str) -> Path:
    return target.with_name(f".{target.name}.{what}")


@contextmanager
def _locked(target: Path) -> Iterator[None]:
    with _beside(target, "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UnavailableError(f"another process is writing {target}: wait for it") from error
        yield


def _recover(target: Path) -> None:
    """End a swap that a crash cut off."""
    previous = _beside(target, "previous")
    if previous.exists() and not target.exists():
        previous.rename(target)
    shutil.rmtree(previous, ignore_errors=True)


def _refuse_foreign(target: Path, names: Collection[str]) -> None:
    if target.exists() and not target.is_dir():
        raise BadInputError(f"{target} is a file: name a folder")
    foreign = (
        sorted(p.name for p in target.glob("*") if p.name not in names) if target.exists() else []
    )
    if foreign:
        raise BadInputError(
            f"{target} holds {foreign[0]}, which would be lost: name an empty or a new folder"
        )


def _swap(staging: Path, target: Path) -> None:
    previous = _beside(target, "previous")
    if target.exists():
        target.rename(previous)
    staging.rename(target)
    sync(target.parent)
    shutil.rmtree(previous, ignore_errors=True)


def _upload(fs: Any, folder: str, near: Path, last: str) -> None:
    files = sorted(near.iterdir(), key=lambda file: (file.name == last, file.name))
    with reaching(folder):
        if fs.exists(f"{folder}/{last}"):
            fs.rm_file(f"{folder}/{last}")
        fs.makedirs(folder, exist_ok=True)
        for file in files:
            fs.put_file(str(file), f"{folder}/{file.name}")
