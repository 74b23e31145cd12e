"""From what a model wrote to a value of a JSON schema, or to why it is none."""

import json
from collections.abc import Mapping
from typing import Any, Final, NoReturn

from coterie.errors import BadInputError

MAX_ANSWER: Final = 40_000
"""Characters of an answer that are looked at."""
_FENCE: Final = "```"


def read_form(text: str, form: Mapping[str, Any]) -> dict[str, Any]:
    """Read an answer: one JSON object of a form, and nothing beside it but a fence around it.

    Args:
        text: What a model wrote.
        form: JSON schema without references.

    Raises:
        BadInputError: It is something else; the error says what, and does not repeat it.
    """
    if len(text) > MAX_ANSWER:
        raise BadInputError(f"an answer of {len(text)} characters: expected at most {MAX_ANSWER}")
    try:
        value = json.loads(_without_fence(text), object_pairs_hook=_once, parse_constant=_no_number)
    except RecursionError as error:
        raise BadInputError("the answer is nested too deeply") from error
    except BadInputError:
        raise
    except ValueError as error:
        raise BadInputError("the answer is no JSON") from error
    from jsonschema import Draft202012Validator

    wrong = next(Draft202012Validator(dict(form)).iter_errors(value), None)
    if wrong is not None:
        # Without the value, which may be anybody's words.
        where = "".join(f"[{part!r}]" for part in wrong.absolute_path) or "the whole"
        raise BadInputError(f"the answer does not fit the form: {where} fails {wrong.validator}")
    if not isinstance(value, dict):
        raise BadInputError("the answer is no JSON object")
    return value


def _without_fence(text: str) -> str:
    """Give what stands between two fences; a text without them as it is.

    No pattern: one that tries all ends takes minutes of an answer that is nothing but lines.
    """
    begun, ended = text.strip().removeprefix(_FENCE), text.strip().endswith(_FENCE)
    kind, line, rest = begun.partition("\n")
    if not (ended and line and len(begun) < len(text.strip()) and kind.strip() in ("", "json")):
        return text
    return rest.removesuffix(_FENCE)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise BadInputError("the answer says a field twice")
    return found


def _no_number(name: str) -> NoReturn:
    raise BadInputError(f"the answer holds {name}, which is no number of JSON")
