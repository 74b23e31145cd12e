"""A config's fields as people and pipelines give them: nested, or by dotted name."""

import json
import re
from collections.abc import Mapping
from typing import Any, Final

from coterie.data.stores import open_store, reaching
from coterie.errors import BadInputError

_ASSIGNMENT: Final = re.compile(r"([A-Za-z_][\w.]*)=(.*)", re.DOTALL)


def flatten(content: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Flatten nested values to dotted names, as ``change`` takes them.

    >>> flatten({"embedding_size": 8, "loop": {"lr": 0.1}})
    {'embedding_size': 8, 'loop.lr': 0.1}
    """
    flat: dict[str, Any] = {}
    for name, value in content.items():
        if isinstance(value, Mapping):
            flat |= flatten(value, f"{prefix}{name}.")
        else:
            flat[f"{prefix}{name}"] = value
    return flat


def nest(flat: Mapping[str, Any]) -> dict[str, Any]:
    """Nest values of dotted names: the opposite of :func:`flatten`.

    >>> nest({"embedding_size": 8, "loop.lr": 0.1})
    {'embedding_size': 8, 'loop': {'lr': 0.1}}
    """
    nested: dict[str, Any] = {}
    for name, value in flat.items():
        *outer, last = name.split(".")
        inner = nested
        for part in outer:
            inner = inner.setdefault(part, {})
        inner[last] = value
    return nested


def read_config(*given: str) -> dict[str, Any]:
    """Read a config's fields by dotted name, as people or pipelines give them; the later wins.

    >>> read_config('{"embedding_size": 8, "loop": {"lr": 0.1}}', "embedding_size=16")
    {'embedding_size': 16, 'loop.lr': 0.1}

    Args:
        given: Each a JSON object, one field as ``name=value``, or the path or URL of a JSON file
            such as ``coterie tune`` leaves.

    Raises:
        BadInputError: A file is not there, or holds something else.
        UnavailableError: A store does not answer.
    """
    flat: dict[str, Any] = {}
    for one in given:
        assigned = _ASSIGNMENT.fullmatch(one)
        if assigned:
            flat[assigned[1]] = _value(assigned[2])
        else:
            flat |= flatten(_object(one if one.lstrip().startswith("{") else _text(one), one))
    return flat


def _value(text: str) -> Any:
    """Read a number, true or false as JSON has them; any other text as it is."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def _text(path: str) -> str:
    fs, within = open_store(path)
    with reaching(path):
        if not fs.isfile(within):
            raise BadInputError(
                f"{path!r} is no file: expected one of JSON, a JSON object, or NAME=VALUE"
            )
        content: bytes = fs.cat_file(within)
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise BadInputError(f"{path} is no text: expected a JSON object") from error


def _object(text: str, source: str) -> dict[str, Any]:
    try:
        content = json.loads(text)
    except ValueError as error:
        raise BadInputError(f"{source} is no JSON ({error})") from error
    if not isinstance(content, dict):
        raise BadInputError(f"{source} holds {content!r}: expected an object of fields")
    return content
