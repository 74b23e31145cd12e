"""Folders with a catalogue's vectors, here or on a store: taken from, and replaced as a whole."""

import json
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Final

from coterie.content.encoders import EncoderChoice
from coterie.content.vectors import kinds_in
from coterie.data.staging import settled, staged
from coterie.data.stores import is_local, open_store, reaching
from coterie.errors import BadInputError

CONTENT_REPORT: Final = "content.json"
"""Written last: a folder without it is half-written."""
_OURS: Final = re.compile(
    r"content\.json|(quarantine|descriptions|described|searched)\.parquet"
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


@contextmanager
def near_content(place: str) -> Iterator[Path]:
    """Yield a local folder with a catalogue's vectors, fetched where they lie on a store.

    Raises:
        BadInputError: There are no vectors.
        UnavailableError: The store does not answer.
    """
    fs, folder = open_store(settled(place))
    if is_local(fs):
        yield _filled(Path(folder), place)
        return
    with earlier_content(place) as near:
        yield _filled(near, place)


def content_of_step(folder: str) -> str:
    """Name what a step was given as ``FitSettings.content`` takes it: empty where it is empty.

    The content step leaves an empty folder where no encoder is chosen, and some stores know no
    empty folders.
    """
    return folder if kinds_in(folder) else ""


def encoder_choices(folder: Path) -> dict[str, EncoderChoice]:
    """Read which encoders were chosen, by kind; a folder that does not say names none.

    Raises:
        BadInputError: What it says is damaged.
    """
    file = folder / CONTENT_REPORT
    if not file.is_file():
        return {}
    try:
        told = {
            kind: one.get("choice") or {} for kind, one in json.loads(file.read_bytes()).items()
        }
        return {kind: EncoderChoice(**choice) for kind, choice in told.items()}
    except (ValueError, TypeError, AttributeError) as error:
        raise BadInputError(f"{file} is damaged ({error}): run the content step again") from error


def _filled(folder: Path, place: str) -> Path:
    if not kinds_in(folder):
        raise BadInputError(f"{place} holds no vectors of items: run the content step first")
    return folder


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
