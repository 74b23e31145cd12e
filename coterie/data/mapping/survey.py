"""A folder looked at: what each file seems to be, and a mapping to begin with."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from coterie.data.chunks import FileForm
from coterie.data.formats import DELIMITED, KINDS, columns_of, form_of, lists_of, read_chunks
from coterie.data.mapping.guess import UNKNOWN, Guess, candidates, guess
from coterie.data.mapping.look import EMPTY, SAMPLE_ROWS, ColumnLook, distinct_values, look_at
from coterie.data.mapping.rules import MAX_WORDS, Rules, rules_of
from coterie.data.mapping.sniff import sniff
from coterie.data.mapping.words import COLUMNS, plain_name
from coterie.errors import BadInputError
from coterie.progress import Progress, silent

_ROLE_NAMES: Final = {
    "user_id": "user",
    "item_id": "item",
    "value": "rating",
    "ts": "time",
    "src_user_id": "user",
    "dst_user_id": "friend",
    "title": "title",
    "category": "category",
}
"""What columns without a header are called in the mapping."""


@dataclass(frozen=True, slots=True)
class FileLook:
    """One file, or several of one form, looked at."""

    names: tuple[str, ...]
    """Names of the files within the folder."""
    form: FileForm
    is_delimited: bool
    columns: tuple[ColumnLook, ...]
    rows: int
    """Number of rows that were looked at."""
    guess: Guess
    rules: Rules
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Survey:
    """A folder looked at."""

    folder: str
    files: tuple[FileLook, ...]
    unread: dict[str, str] = field(default_factory=dict)
    """Files that are no tables, and why."""
    problems: tuple[str, ...] = ()
    """Problems of the folder as a whole."""

    def of(self, table: str) -> list[FileLook]:
        """List the files that seem to be one table."""
        return [look for look in self.files if look.guess.table == table]


def survey(folder: str, progress: Progress = silent) -> Survey:
    """Look at every file of a folder; what cannot be read is told, and the rest goes on.

    Args:
        folder: On this machine.
        progress: Called file by file.

    Raises:
        BadInputError: There is no such folder, or no table in it.
    """
    home = Path(folder)
    if not home.is_dir():
        raise BadInputError(f"{folder} is no folder of this machine: copy the export here first")
    paths = [path for path in sorted(home.rglob("*")) if path.is_file()]
    looks: list[FileLook] = []
    unread: dict[str, str] = {}
    for step, path in enumerate(paths):
        name = path.relative_to(home).as_posix()
        progress(f"look at {name}", step, len(paths))
        if any(part.startswith((".", "_")) for part in name.split("/")):
            continue
        try:
            found = _look(path, name, looks)
        except BadInputError as error:
            unread[name] = str(error)
        else:
            looks += [found] if found else []
    progress("inspect", len(paths), len(paths))
    looks = _with_ids_that_meet(looks)
    if not looks:
        told = "; ".join(unread.values()) or "it is empty"
        raise BadInputError(f"{folder} holds no table: {told}")
    return Survey(folder, tuple(looks), unread, tuple(_of_folder(looks)))


def _look(path: Path, name: str, looks: list[FileLook]) -> FileLook | None:
    """Look at a file; None where it goes with one that was looked at before."""
    kind, _ = form_of(name)
    if kind is None:
        raise BadInputError(f"{name} is of no form that is read ({', '.join(KINDS)})")
    if path.stat().st_size == 0:
        raise BadInputError(f"{name} is empty")
    form = sniff(path, name).form if kind == DELIMITED else FileForm()
    columns = columns_of(path, name, form)
    for index, other in enumerate(looks):
        as_other = replace(form, each=other.form.each)
        named = columns
        if kind != DELIMITED and any("." in look.name for look in other.columns):
            named = columns_of(path, name, as_other, leaves=True)
        if _goes_with(other, name, as_other, named):
            looks[index] = replace(other, names=(*other.names, name))
            return None
    looked, rows, guessed = _guessed(path, name, form, columns)
    if guessed.table == UNKNOWN and kind != DELIMITED:
        for inner in (FileForm(), *(FileForm(each=one) for one in lists_of(path, name))):
            leaves = columns_of(path, name, inner, leaves=True)
            nested = _guessed(path, name, inner, leaves) if leaves != columns else None
            if nested and nested[2].table != UNKNOWN:
                form, (looked, rows, guessed) = inner, nested
                break
    if not form.header:
        form, looked, guessed = _named(form, looked, guessed)
    return FileLook(
        (name,), form, kind == DELIMITED, looked, rows, guessed, Rules(), _of_columns(looked)
    )


def _guessed(
    path: Path, name: str, form: FileForm, columns: list[str]
) -> tuple[tuple[ColumnLook, ...], int, Guess]:
    found, rows = _sample(path, name, form, columns)
    looked = tuple(look_at(column, values) for column, values in found.items())
    return looked, rows, guess(name, looked, form.header)


def _with_ids_that_meet(looks: list[FileLook]) -> list[FileLook]:
    """Take for the id of an item the column that holds what events name, of all that may be it."""
    met = _ids(looks, "events", "item_id")
    found = []
    for look in looks:
        if met and look.guess.table == "items":
            shares = {
                column.name: len(met & set(column.values.unique().to_pylist())) / len(met)
                for column in candidates(look.guess, look.columns)
            }
            taken, best = look.guess.roles["item_id"], max(shares, key=lambda c: shares[c])
            if shares[best] > max(0.1, 2 * shares.get(taken, 0.0)):
                said = f"item_id: {best} holds the ids that events name, and {taken} does not"
                roles = look.guess.roles | {"item_id": best}
                look = replace(
                    look,
                    guess=replace(look.guess, roles=roles),
                    problems=(*look.problems, said),
                )
        found.append(look)
    return found


def _goes_with(other: FileLook, name: str, form: FileForm, columns: list[str]) -> bool:
    """Tell whether two files are of one table: the same columns, in the same folder."""
    return (
        form.header
        and Path(other.names[0]).parent == Path(name).parent
        and form == other.form
        and columns == [look.name for look in other.columns]
    )


def _sample(
    path: Path, name: str, form: FileForm, columns: list[str]
) -> tuple[dict[str, pa.Array], int]:
    """Read the first rows of a file but those that are not as wide as the header."""
    wanted = columns if form.each or any("." in column for column in columns) else None
    for chunk in read_chunks(path, name, form, wanted):
        if len(chunk) and not chunk.fields:
            nothing = pa.nulls(len(chunk), pa.string())
            found = {c: chunk.columns.get(c, nothing)[:SAMPLE_ROWS] for c in columns}
            return found, min(len(chunk), SAMPLE_ROWS)
    raise BadInputError(f"{name} has no rows")


def _named(
    form: FileForm, looks: tuple[ColumnLook, ...], found: Guess
) -> tuple[FileForm, tuple[ColumnLook, ...], Guess]:
    """Call columns that no header names by what they seem to be."""
    names = {column: _ROLE_NAMES[role] for role, column in found.roles.items()}
    renamed = tuple(replace(look, name=names.get(look.name, look.name)) for look in looks)
    roles = {role: names[column] for role, column in found.roles.items()}
    return (
        replace(form, names=tuple(look.name for look in renamed)),
        renamed,
        replace(found, roles=roles),
    )


def with_rules(found: Survey) -> Survey:
    """Add the rules of a mapping, for which some columns are read to their end."""
    return replace(found, files=tuple(_with_rules(found.folder, look) for look in found.files))


def _with_rules(folder: str, look: FileLook) -> FileLook:
    if look.guess.table == UNKNOWN:
        return look
    rules = rules_of(look.names[0], look.guess, look.columns, _whole(folder, look))
    said = tuple(f"{role}: {note}" for role, note in rules.notes.items())
    return replace(look, rules=rules, problems=(*look.problems, *said))


def _whole(folder: str, look: FileLook) -> Callable[[str], pa.Array]:
    files = [Path(folder, name) for name in look.names]
    return lambda column: distinct_values(files, look.form, column, MAX_WORDS * 100)


def _of_columns(looks: tuple[ColumnLook, ...]) -> tuple[str, ...]:
    """List what is odd about columns, whatever they are."""
    empty = [look.name for look in looks if look.type == EMPTY]
    if not empty:
        return ()
    return (f"{', '.join(empty)} {'is' if len(empty) == 1 else 'are'} empty",)


def _of_folder(looks: list[FileLook]) -> list[str]:
    """List what a folder lacks, and tables that speak of other people or items."""
    tables = {look.guess.table for look in looks}
    said = []
    if "events" not in tables:
        said.append("no file looks like events: one with a person and an item in each row")
        said += _to_join(looks)
    if "ties" not in tables:
        said.append("no file tells who knows whom: lists draw on own history alone (ties: none)")
    if "items" not in tables:
        said.append("no file describes items: they are made from events")
    said += _strangers(looks, "ties", "src_user_id", "user_id", "people")
    said += _strangers(looks, "items", "item_id", "item_id", "items")
    said += _strangers(looks, "users", "user_id", "user_id", "people")
    return said


def _to_join(looks: list[FileLook]) -> list[str]:
    """Say which tables would make events together: one names people, the other items, by a key."""
    people, items = _naming(looks, "user_id"), _naming(looks, "item_id")
    for lines in items:
        for orders in people:
            stem = plain_name(Path(orders.names[0]).name.split(".")[0]).removesuffix("s")
            for column in lines.columns:
                if stem and plain_name(column.name) == f"{stem}id":
                    return [
                        f"{lines.names[0]} names items and {orders.names[0]} people: join them by "
                        f"{column.name} into one file first, where the database is or with any tool"
                    ]
    return []


def _naming(looks: list[FileLook], role: str) -> list[FileLook]:
    known = (plain_name(role), *COLUMNS["events"][role])
    return [
        look for look in looks if any(plain_name(column.name) in known for column in look.columns)
    ]


def _strangers(looks: list[FileLook], table: str, theirs: str, ours: str, what: str) -> list[str]:
    met = _ids(looks, "events", ours)
    others = _ids(looks, table, theirs)
    if len(met) < 50 or len(others) < 50 or met & others:
        return []
    return [
        f"none of the first {what} of {table} is among those of events, e.g. {min(others)!r} and "
        f"{min(met)!r}: are the ids of one kind?"
    ]


def _ids(looks: list[FileLook], table: str, role: str) -> set[Any]:
    return {
        value
        for look in looks
        if look.guess.table == table and role in look.guess.roles
        for column in look.columns
        if column.name == look.guess.roles[role]
        for value in column.values.unique().to_pylist()
    }
