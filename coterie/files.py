"""Files and folders that appear whole or not at all, and are still there after a power cut.

What is written goes beside its target first, is brought to the disk, and takes its name by a
rename, which the file system does in one step. Readers find the old content or the new one, never
half of it. Names beside begin with a dot and end with ``.part``, which nothing reads.
"""

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

Content = bytes | bytearray | memoryview


def write_atomically(
    path: str | Path,
    content: str | Content,
    *,
    durable: bool = True,
    scratch: str | Path | None = None,
) -> None:
    """Write a whole file in one step, in the place of whatever has its name.

    Args:
        path: Of the file; its folder is made.
        content: All of it; text is written as UTF-8.
        durable: Whether it must outlast a power cut. False saves two waits for the disk, and is for
            what is written again within seconds anyway.
        scratch: A folder of the same disk for the unfinished file, where the target's own folder
            may hold nothing else; the target's folder if None.

    Raises:
        OSError: The disk refused. Nothing lies beside the target, and what has its name is whole.
    """
    with atomic_file(path, durable=durable, scratch=scratch) as file:
        file.write(content.encode() if isinstance(content, str) else content)


@contextmanager
def atomic_file(
    path: str | Path, *, durable: bool = True, scratch: str | Path | None = None
) -> Iterator[IO[bytes]]:
    """Open a file that takes its name when the block ends well, and is gone when it does not.

    It is for what a library writes, or what is too large to have in hand; it takes what
    :func:`write_atomically` takes.

    Raises:
        OSError: The disk refused. Nothing lies beside the target, and what has its name is whole.
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    beside = _name_beside(target, scratch)
    try:
        with beside.open("xb") as file:
            yield file
            file.flush()
            if durable:
                os.fsync(file.fileno())
        beside.replace(target)
    except BaseException:
        # A half would stay for ever, on a disk that may be full already.
        beside.unlink(missing_ok=True)
        raise
    if durable:
        sync(target.parent)


@contextmanager
def atomic_folder(path: str | Path) -> Iterator[Path]:
    """Yield a new folder that takes its name when the block ends well, and is gone if not.

    Args:
        path: Of the folder; a folder with anything in it that has the name then is left alone.

    Raises:
        OSError: The disk refused, or the name is taken; nothing lies beside it.
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    beside = _name_beside(target, None)
    try:
        beside.mkdir()
        yield beside
        sync_folder(beside)
        beside.rename(target)
    except BaseException:
        shutil.rmtree(beside, ignore_errors=True)
        raise
    sync(target.parent)


def sync_folder(folder: Path) -> None:
    """Wait until the files of a flat folder, and their names, are on the disk."""
    for path in [*folder.iterdir(), folder]:
        sync(path)


def sync(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _name_beside(target: Path, scratch: str | Path | None) -> Path:
    # Of its own for each writer: two that shared a name would write into each other's file.
    folder = target.parent if scratch is None else Path(scratch)
    return folder / f".{target.name}.{secrets.token_hex(4)}.part"
