"""Folders with a catalogue's vectors, here or on a store: taken from, and replaced as a whole."""

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Final

from coterie.data.staging import settled, staged
from coterie.data.stores import is_local, open_store, reaching

CONTENT_REPORT: Final = "content.json"
"""Written last: a folder without it is half-written."""
_OURS: Final = re.compile(
    r"content\.json|quarantine\.parquet"
    r"|[a-z][a-z0-9_]*(\.vectors\.json|\.keys\.parquet|-[0-9a-f]{16}\.safetensors)"
)


@contextmanager
def earlier_content(keep: str) -> Iterator[Path]:
    """Yield a local folder with what was kept before; an empty one where nothing was.

    Raises:
        UnavailableError: The store does not answer.
    """
    with TemporaryDirectory(prefix="coterie-kept-") as near:
        if keep:
            fs, _ = open_store(keep)
            for name in _names(settled(keep)):
                with reaching(keep):
                    fs.get_file(f"{open_store(settled(keep))[1]}/{name}", f"{near}/{name}")
        yield Path(near)


def content_folder(made: Path, out: str, report: str) -> None:
    """Put what was made in the place of what was there, with a report, which comes last.

    Raises:
        BadInputError: ``out`` is a file, or holds other things.
        UnavailableError: Another process writes to ``out``, or the store does not answer.
    """
    before = _names(out)
    with staged(out, {*before, CONTENT_REPORT}, last=CONTENT_REPORT) as folder:
        for file in made.iterdir():
            shutil.copyfile(file, folder / file.name)
        (folder / CONTENT_REPORT).write_text(report + "\n")
    fs, place = open_store(out)
    if not is_local(fs):
        # A local folder is swapped; on a store the files of other digests would pile up.
        now = {CONTENT_REPORT, *(file.name for file in made.iterdir())}
        with reaching(out):
            for name in set(before) - now:
                fs.rm_file(f"{place}/{name}")


def _names(folder: str) -> list[str]:
    """List what of a folder is ours."""
    fs, place = open_store(folder)
    try:
        with reaching(folder):
            fs.invalidate_cache()
            found = [PurePosixPath(str(one)).name for one in fs.ls(place, detail=False)]
    except (FileNotFoundError, NotADirectoryError):
        return []
    return [name for name in found if _OURS.fullmatch(name)]
