"""Which files of a folder belong to which table of the contract, by their names."""

import re
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import PurePosixPath
from typing import Any, Final

from coterie.data.formats import FORMATS, form_of
from coterie.data.stores import reaching
from coterie.errors import BadInputError
from coterie.schema import TABLES

_NAMED_ALIKE = 0.8
"""A file this like a table's name is meant to be one."""
_TEXTS: Final = ("parquet", "csv", "jsonl", "ndjson", "json", "tsv", "txt")
HIDDEN: Final = "hidden: names that begin with . or _ are a tool's own"


@dataclass(frozen=True, slots=True)
class PassedOver:
    """A file that was found and not read."""

    file: str
    reason: str


def find_tables(
    fs: Any, folder: str, path: str
) -> tuple[dict[str, list[str]], list[PassedOver], list[str]]:
    """Find the files of each table, those that are passed over, and what is wrong with names."""
    found: dict[str, list[str]] = {name: [] for name in TABLES}
    passed_over: list[PassedOver] = []
    problems: list[str] = []
    with reaching(path):
        try:
            entries = sorted(fs.ls(folder, detail=True), key=lambda entry: str(entry["name"]))
        except (FileNotFoundError, NotADirectoryError) as error:
            raise BadInputError(f"{path} is no folder: name the one with the tables") from error
        for entry in entries:
            name = PurePosixPath(entry["name"]).name
            if entry["type"] == "directory" and name.lower() in TABLES:
                parts = sorted(fs.find(entry["name"]))
                names = [part[len(folder) :].lstrip("/") for part in parts]
                _sort_out(name.lower(), name, names, found, passed_over, problems)
            elif entry["type"] == "directory":
                passed_over.append(PassedOver(f"{name}/", _no_table()))
            else:
                _sort_out_file(name, found, passed_over, problems)
    for table, names in found.items():
        # A file of the table's own name is read before the folder beside it.
        names.sort(key=lambda name: ("/" in name, name))
        single = [name for name in names if "/" not in name]
        if len(single) > 1:
            problems.append(f"{path} has {table} more than once: {', '.join(single)}: leave one")
    return found, passed_over, problems


def _sort_out_file(
    name: str,
    found: dict[str, list[str]],
    passed_over: list[PassedOver],
    problems: list[str],
) -> None:
    """Judge a file beside the tables' folders."""
    if name.startswith((".", "_")):
        passed_over.append(PassedOver(name, HIDDEN))
        return
    stem = name.lower().split(".", 1)[0]
    if stem in TABLES and _is_read(name, top=True):
        found[stem].append(name)
        return
    meant = _meant(name)
    if meant is None:
        passed_over.append(PassedOver(name, _no_table()))
    elif stem in TABLES:
        problems.append(
            f"{name} is not of a form that is read: expected {meant}.{{{','.join(FORMATS)}}}, text "
            "perhaps with .gz or .zst"
        )
    else:
        problems.append(
            f"{name} looks like a part of {meant}, but is not named so: move it into a folder "
            f"{meant}/, call it {meant}.csv (or .parquet, .jsonl), or take it out of the folder"
        )


def _no_table() -> str:
    return f"no table of the contract: expected {', '.join(TABLES)}"


def _sort_out(
    table: str,
    folder: str,
    names: list[str],
    found: dict[str, list[str]],
    passed_over: list[PassedOver],
    problems: list[str],
) -> None:
    """Judge the files of a table's folder, at any depth."""
    if any("/_delta_log/" in name for name in names):
        problems.append(f"{folder}/ is a Delta table, with rows that were deleted: export it")
        return
    for name in names:
        if any(part.startswith((".", "_")) for part in name.split("/")[1:]):
            passed_over.append(PassedOver(name, HIDDEN))
        elif _is_read(name):
            found[table].append(name)
        else:
            problems.append(
                f"{name} is not of a form that is read: expected {', '.join(FORMATS)}, text "
                "perhaps with .gz or .zst; take it out of the folder if it is no part of the table"
            )
    if not found[table] and not problems:
        problems.append(f"folder {folder}/ has no {', '.join(FORMATS)}")


def _is_read(name: str, top: bool = False) -> bool:
    kind, compression = form_of(name)
    suffixes = [suffix.lower().lstrip(".") for suffix in PurePosixPath(name).suffixes]
    ends = suffixes[:-1] if compression else suffixes
    # events.2024.csv is a part of events: it belongs into the folder.
    return (
        kind is not None and ends[-1:] != [] and ends[-1] in FORMATS and (not top or len(ends) == 1)
    )


def _meant(name: str) -> str | None:
    """Guess by its name the table that a file is likely to be a part of."""
    stem = re.match(r"[a-z]*", name.lower())
    word = stem[0] if stem else ""
    whole = name.lower().split(".", 1)[0]
    if not any(
        f".{end}" in name.lower() for end in (*_TEXTS, "xls", "zip", "db", "bz2", "avro", "orc")
    ):
        return None
    close = get_close_matches(word, list(TABLES), n=1, cutoff=_NAMED_ALIKE)
    close = close or get_close_matches(whole, list(TABLES), n=1, cutoff=_NAMED_ALIKE)
    return close[0] if close else None
