"""``mapping.yaml`` as a mapping: every fault in it is named, all at once."""

from collections.abc import Callable, Iterable
from difflib import get_close_matches
from typing import Any, Final, NoReturn

import yaml  # type: ignore[import-untyped]

from coterie.data.chunks import FileForm
from coterie.data.mapping.keys import CHOICES, YES, rule_keys, texts
from coterie.data.mapping.model import ANY, ColumnRule, FileMapping, Mapping
from coterie.data.stores import open_store, reaching
from coterie.errors import BadInputError
from coterie.schema import EVENTS, ITEMS, TABLES, BadRow, Table

NONE: Final = "none"
MAX_BYTES: Final = 1 << 20
"""Of a mapping; one of a hundred files takes some ten thousand."""
MAX_DEPTH: Final = 20
"""Levels of a mapping, one in another; what is taken needs seven."""
MAX_NODES: Final = 100_000
"""Words, lists and mappings in it, those that an alias stands for counted each time."""


class _Loader(yaml.BaseLoader):  # type: ignore[misc]
    """All scalars stay text: ``yes``, ``1`` and ``2010-12-01`` are words of a shop."""

    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self._depth = 0
        self._sizes: dict[int, int] = {}

    def compose_node(self, parent: Any, index: Any) -> Any:
        """Refuse what is nested too deep before the rest of it is read, and aliases by which a few
        lines stand for millions; YAML itself refuses those that stand for themselves."""
        mark = self.peek_event().start_mark
        self._depth += 1
        if self._depth > MAX_DEPTH:
            _refuse_node(f"nested over {MAX_DEPTH} levels deep, which no mapping is", mark)
        node = super().compose_node(parent, index)
        self._depth -= 1
        if id(node) not in self._sizes:  # else it was composed before: this is an alias
            parts = [] if isinstance(node.value, str) else _parts_of(node)
            self._sizes[id(node)] = 1 + sum(self._sizes[id(part)] for part in parts)
        if self._sizes[id(node)] > MAX_NODES:
            _refuse_node(f"over {MAX_NODES:,} words and lists, those of aliases each time", mark)
        return node


def _parts_of(node: Any) -> list[Any]:
    if isinstance(node, yaml.SequenceNode):
        return list(node.value)
    return [part for pair in node.value for part in pair]


def _refuse_node(why: str, mark: Any) -> NoReturn:
    raise yaml.composer.ComposerError(None, None, why, mark)


def _pairs(loader: _Loader, node: yaml.MappingNode) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in loader.construct_pairs(node, deep=True):
        if not isinstance(key, str) or key in found:
            raise yaml.constructor.ConstructorError(
                None, None, f"{key!r} stands here more than once", node.start_mark
            )
        found[key] = value
    return found


_Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _pairs)


def read_mapping(file: str) -> Mapping:
    """Read a mapping.

    Raises:
        UnavailableError: Its store does not answer.
        BadInputError: There is none, or something in it is not understood: all of it in one error.
    """
    fs, path = open_store(file)
    try:
        with reaching(file):
            text = fs.cat_file(path).decode("utf-8-sig")
    except (FileNotFoundError, IsADirectoryError, UnicodeDecodeError) as error:
        raise BadInputError(
            f"{file} cannot be read ({error}): coterie inspect FOLDER writes a mapping"
        ) from error
    return parse_mapping(text, file)


def parse_mapping(text: str, name: str = "mapping.yaml") -> Mapping:
    """Parse the text of a mapping; see ``read_mapping``."""
    if len(text) > MAX_BYTES:
        raise BadInputError(
            f"{name} has {len(text):,} characters, expected up to {MAX_BYTES:,}: is it a mapping?"
        )
    try:
        content = yaml.load(text, _Loader)  # noqa: S506 (builds nothing but text)
    except yaml.YAMLError as error:
        raise BadInputError(
            f"{name} is no YAML: {error}; what begins with a mark, such as *.csv, stands in quotes"
        ) from error
    faults: list[str] = []
    mapping = _mapping(content, faults)
    if faults or mapping is None:
        refuse(faults, name)
    assert mapping is not None
    return mapping


def refuse(faults: list[str], name: str) -> None:
    """Raise one error for all that is wrong.

    Raises:
        BadInputError: There is something.
    """
    if len(faults) == 1:
        raise BadInputError(f"{name}: {faults[0]}")
    if faults:
        numbered = "; ".join(f"{number}. {fault}" for number, fault in enumerate(faults, 1))
        raise BadInputError(f"{name} has {len(faults)} faults: {numbered}")


def _mapping(content: Any, faults: list[str]) -> Mapping | None:
    if not isinstance(content, dict):
        faults.append("expected events:, ties:, items: with their files below")
        return None
    _refuse_unknown(content, ("times", *TABLES), "", faults)
    times = content.get("times", "given")
    if times not in ("given", NONE):
        faults.append(f"times is {times!r}: expected given, or none where the files tell no times")
    found: dict[str, Any] = {}
    for table in TABLES.values():
        if table is ITEMS and isinstance(content.get("items"), dict):
            found["items_of_events"] = _items_of_events(content["items"], faults)
        else:
            found[table.name] = _parts(table, content, times != NONE, faults)
    known = {name: found.pop(name) for name in [*found] if name in Mapping.__dataclass_fields__}
    return Mapping(**known, times=times != NONE, others=found)


def _parts(table: Table, content: dict[str, Any], times: bool, faults: list[str]) -> Any:
    given = content.get(table.name)
    if given == NONE and not table.needed:
        return ()
    if given is None and table.optional:
        return ()
    if not isinstance(given, list) or not given:
        faults.append(f"{table.name}: {_HOW.get(table.name, _HOW['users'])}")
        return ()
    return tuple(
        _part(table, part, f"{table.name}[{number}]", times, faults)
        for number, part in enumerate(given, 1)
    )


_HOW: Final = {
    "events": "expected a list of files with their columns, as in `- file: orders.csv`, then "
    "`columns: {user_id: ..., item_id: ..., ...}`: each row names a person and an item (of tables "
    "that only together do, make one first, by a join)",
    "ties": "expected a list of files with their columns; `ties: none` where nobody knows whom, "
    "and every list draws on its shopper's own history alone",
    "items": "expected a list of files with their columns; `items: {from: events}` where there is "
    "no file of them",
    "users": "expected a list of files with their columns, or none",
}


def _part(table: Table, given: Any, where: str, times: bool, faults: list[str]) -> FileMapping:
    if not isinstance(given, dict):
        faults.append(f"{where}: expected file: and columns:")
        return FileMapping((), FileForm(), {})
    _refuse_unknown(given, ("file", "form", "columns", "leave_out"), where, faults)
    files = texts(given.get("file"))
    if not files:
        faults.append(f"{where}: expected file: with a name in the folder, or a pattern like *.csv")
    form = _form(given.get("form", {}), f"{where}.form", faults)
    columns = _columns(table, given.get("columns"), where, times, faults)
    return FileMapping(files, form, columns, _leave_out(table, given, where, faults))


def _leave_out(
    table: Table, given: dict[str, Any], where: str, faults: list[str]
) -> dict[str, tuple[str, ...]]:
    """Read which rows a part leaves out, by words of columns."""
    said = given.get("leave_out", {})
    if not isinstance(said, dict):
        faults.append(f"{where}.leave_out: expected a column and words in it: {{Status: [failed]}}")
        return {}
    if said and table.bad_row is BadRow.REFUSES:
        faults.append(f"{where}.leave_out: no row of {table.name} may be left out")
    found: dict[str, tuple[str, ...]] = {}
    for column, words in said.items():
        try:
            found[column] = tuple(word.strip().lower() for word in texts(words))
        except ValueError as error:
            faults.append(f"{where}.leave_out.{column}: {error}, or `{ANY}`")
    return found


def _form(given: Any, where: str, faults: list[str]) -> FileForm:
    kinds: dict[str, Callable[[Any], Any]] = {
        "delimiter": str,
        "encoding": _encoding,
        "header": lambda text: YES[text.lower()],
        "names": texts,
        "quote": str,
        "escape": str,
        "each": str,
    }
    values = _fields(given, kinds, where, faults)
    form = FileForm(**values)
    if not form.header and not form.names:
        faults.append(f"{where}: without a header the columns need names: [user, item, ...]")
    return form


def _encoding(text: str) -> str:
    "".encode(text)
    return text


def _columns(
    table: Table, given: Any, where: str, times: bool, faults: list[str]
) -> dict[str, ColumnRule]:
    if not isinstance(given, dict):
        faults.append(f"{where}: expected columns: with {', '.join(table.required)}")
        return {}
    known = [column.name for column in table.columns]
    _refuse_unknown(given, known, f"{where}.columns", faults)
    undated = table is EVENTS and not times
    if undated and "ts" in given:
        faults.append(f"{where}.columns: ts is given, but times is none: leave one of them out")
    needed = [name for name in table.required if not (undated and name == "ts")]
    if lacking := [name for name in needed if name not in given]:
        more = "; `times: none` at the top where there are none" if "ts" in lacking else ""
        faults.append(f"{where}.columns: {', '.join(lacking)} is not given{more}")
    return {
        name: _rule(table, name, rule, f"{where}.columns.{name}", faults)
        for name, rule in given.items()
        if name in known
    }


def _items_of_events(given: dict[str, Any], faults: list[str]) -> dict[str, ColumnRule]:
    known = [column.name for column in ITEMS.columns if column.name != "item_id"]
    if given.get("from") != EVENTS.name:
        faults.append("items: expected `from: events`, or a list of files")
    _refuse_unknown(given, ["from", *known], "items", faults)
    return {
        name: _rule(ITEMS, name, rule, f"items.{name}", faults)
        for name, rule in given.items()
        if name in known
    }


def _rule(table: Table, name: str, given: Any, where: str, faults: list[str]) -> ColumnRule:
    if isinstance(given, str | list):
        given = {"from": given}
    kinds = rule_keys(table, name)
    values = _fields(given, kinds, where, faults)
    columns, always = values.pop("from", ()), values.pop("always", None)
    if sum((bool(columns), always is not None, bool(values.get("digest")))) != 1:
        faults.append(f"{where}: expected a column's name, or one of from, always, digest")
    if values.get("drop") and not values.get("words"):
        faults.append(f"{where}: drop needs words beside it: which rows stay?")
    if choices := CHOICES.get(name):
        tables = (values.get(key, {}) for key in ("words", "by_sign", "by_presence"))
        ours = [word for table in tables for word in table.values()]
        faults += [
            f"{where}: {word!r} is none of {', '.join(choices)}{_near(word, choices)}"
            for word in ([*ours, always] if always is not None else ours)
            if word not in choices
        ]
    return ColumnRule(columns=columns, always=always, **values)


def _fields(
    given: Any, kinds: dict[str, Callable[[Any], Any]], where: str, faults: list[str]
) -> dict[str, Any]:
    """Read what some keys say; those that are unknown or cannot be read are faults."""
    if not isinstance(given, dict):
        faults.append(f"{where}: expected some of {', '.join(kinds)}")
        return {}
    _refuse_unknown(given, kinds, where, faults)
    values: dict[str, Any] = {}
    for key, value in given.items():
        if key in kinds:
            try:
                values[key] = kinds[key](value)
            except (KeyError, ValueError, TypeError, AttributeError, LookupError) as error:
                faults.append(f"{where}.{key} is {value!r}: {_expected(error)}")
    return values


def _expected(error: Exception) -> str:
    return str(error) if type(error) is ValueError else "that is none that is known"


def _refuse_unknown(given: Any, known: Iterable[str], where: str, faults: list[str]) -> None:
    known = list(known)
    for key in given:
        if key not in known:
            found = f"{where}: {key!r}" if where else repr(key)
            faults.append(
                f"{found} is unknown, expected some of {', '.join(known)}{_near(key, known)}"
            )


def _near(word: str, known: Iterable[str]) -> str:
    close = get_close_matches(word.lower(), list(known), n=1, cutoff=0.6)
    return f" (did you mean {close[0]}?)" if close else ""
