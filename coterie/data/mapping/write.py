"""A survey as ``mapping.yaml``: to be read and edited by a person."""

import json
import re
from collections.abc import Callable
from typing import Any, Final

import pyarrow as pa

from coterie.data.chunks import FileForm
from coterie.data.mapping.guess import UNKNOWN, roles_of_items
from coterie.data.mapping.look import ColumnLook
from coterie.data.mapping.rules import Rules, rule_of
from coterie.data.mapping.survey import FileLook, Survey
from coterie.schema import ITEMS

_PLAIN: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_ ./*-]*")
_WORDS: Final = frozenset({"true", "false", "yes", "no", "on", "off", "null", "none", "y", "n"})
_HEAD: Final = """\
# What the files of {folder} seem to be. Look at the lines with a question mark, edit what is wrong,
# then: coterie ingest {folder} --mapping {file} --out CLEAN
# All that can be said here is in the documentation, under "Any export".
"""


def mapping_text(found: Survey, file: str = "mapping.yaml") -> str:
    """Write a mapping that ``read_mapping`` reads; what is uncertain stands beside it.

    Args:
        found: With rules.
        file: What the mapping will be called.
    """
    lines = [_HEAD.format(folder=found.folder, file=file)]
    events = found.of("events")
    undated = [look for look in events if look.rules.undated]
    if undated:
        dated = [look.names[0] for look in events if not look.rules.undated]
        lines.append("times: none  # the split is by chance, and the age of an event says nothing")
        if dated:
            lines.append(
                f"# ? {', '.join(dated)} has times that are left out, as "
                f"{undated[0].names[0]} has none: leave one of them out to keep times"
            )
    for table in ("events", "ties", "items", "users"):
        looks = found.of(table)
        if looks:
            lines.append(f"{table}:")
            for look in looks:
                lines += _part(look, "ts" if table == "events" and undated else "")
        elif table == "events":
            lines.append("events: []  # ? no file looks like events: name one, and its columns")
        elif table == "ties":
            lines.append("ties: none  # nobody knows whom: lists draw on own history alone")
        elif table == "items":
            lines.append(_items_of_events(events))
    lines += [
        f"# not mapped: {', '.join(look.names)}: {look.guess.why}"
        for look in found.files
        if look.guess.table == UNKNOWN
    ]
    lines += [f"# not read: {why}" for why in found.unread.values()]
    return "\n".join(lines) + "\n"


def _part(look: FileLook, without: str) -> list[str]:
    names = look.names[0] if len(look.names) == 1 else list(look.names)
    lines = [f"  - file: {_value(names)}"]
    if form := _form(look.form, look.is_delimited):
        lines.append(f"    form: {_value(form)}")
    if look.rules.leave_out:
        why = look.rules.notes["leave_out"]
        lines.append(f"    leave_out: {_value(look.rules.leave_out)}  # ? {why}")
    lines.append("    columns:")
    for role, rule in look.rules.columns.items():
        if role != without:
            rule = _without(rule, look, without)
            note = look.rules.notes.get(role)
            lines.append(f"      {role}: {_value(rule)}" + (f"  # ? {note}" if note else ""))
    left = [c.name for c in look.columns if c.name not in _used(look)]
    if left:
        lines.append(f"      # not used: {', '.join(left)}")
    return lines


def _without(rule: Any, look: FileLook, role: str) -> Any:
    """Leave the column of a role out of a rule's digest."""
    column = look.guess.roles.get(role)
    if isinstance(rule, dict) and column in rule.get("digest", ()):
        return {"digest": [name for name in rule["digest"] if name != column]}
    return rule


def _used(look: FileLook) -> set[str]:
    used: set[str] = set(look.rules.leave_out)
    for rule in look.rules.columns.values():
        given = rule if isinstance(rule, dict) else {"from": rule}
        for key in ("from", "digest"):
            names = given.get(key, ())
            used |= {names} if isinstance(names, str) else set(names)
    return used


def _form(form: FileForm, is_delimited: bool) -> dict[str, Any]:
    """Describe what differs from plain CSV, or which list's entries are the rows."""
    if not is_delimited:
        return {"each": form.each} if form.each else {}
    plain, found = FileForm(), {}
    for name in ("delimiter", "encoding", "quote", "escape"):
        if getattr(form, name) != getattr(plain, name):
            found[name] = getattr(form, name)
    if not form.header:
        found |= {"header": "no", "names": list(form.names)}
    return found


def _items_of_events(events: list[FileLook]) -> str:
    """Describe what events tell of their items, by the names of their columns."""
    told: dict[str, Any] = {}
    for look in events:
        by_name = {column.name: column for column in look.columns}
        for role, name in _told_of_items(look).items():
            told.setdefault(role, rule_of(role, by_name[name], Rules(), _sampled(by_name)))
    rule = {"from": "events", **{c.name: told[c.name] for c in ITEMS.columns if c.name in told}}
    note = "made from the events, titled by their ids" if "title" not in told else "from the events"
    return f"items: {_value(rule)}  # {note}"


def _told_of_items(look: FileLook) -> dict[str, str]:
    return roles_of_items(look.columns, _used(look), look.guess.roles["item_id"])


def _sampled(columns: dict[str, ColumnLook]) -> Callable[[str], pa.Array]:
    return lambda name: columns[name].values.unique()


def _value(value: Any) -> str:
    """Write a value as YAML in one line."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_value(k)}: {_value(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_value(one) for one in value) + "]"
    text = str(value)
    if isinstance(value, int | float) or (text in ("yes", "no", "none")):
        return text
    plain = _PLAIN.fullmatch(text) and text.lower() not in _WORDS and text == text.strip()
    return text if plain else json.dumps(text, ensure_ascii=False)
