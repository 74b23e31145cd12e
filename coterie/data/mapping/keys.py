"""What a rule of a mapping may say, key by key, and how each value is read."""

import math
from collections.abc import Callable
from typing import Any, Final
from zoneinfo import ZoneInfo, available_timezones

from coterie.data.mapping.model import BAD, DROP, PRESENCES, SIGNS
from coterie.schema import EVENT_KINDS, EVENTS, TIE_KINDS, TIMESTAMP, BadRow, Table

CHOICES: Final = {"event": EVENT_KINDS, "kind": TIE_KINDS}
"""Words of ours that a column of the contract may hold."""
YES: Final = {"true": True, "yes": True, "false": False, "no": False}


def rule_keys(table: Table, name: str) -> dict[str, Callable[[Any], Any]]:
    """Give the keys that the rule of a column may have, and how their values are read.

    A value that cannot be read raises ``ValueError`` or ``LookupError``.
    """
    column = next(column for column in table.columns if column.name == name)
    kinds: dict[str, Callable[[Any], Any]] = {
        "from": texts,
        "always": str,
    }
    if table.bad_row is not BadRow.REFUSES:
        # Nothing may turn a person's no into nothing said.
        kinds |= {"empty": texts, "missing": _one_of(BAD, DROP)}
    number: dict[str, Callable[[Any], Any]] = {"decimal": str, "thousands": str, "strip": str}
    words: dict[str, Callable[[Any], Any]] = {"words": _words}
    if table.bad_row is not BadRow.REFUSES:
        words["drop"] = lambda given: tuple(word.lower() for word in texts(given))
    if name == EVENTS.key[0]:
        kinds["digest"] = texts
    if name in CHOICES or str(column.type) == "bool":
        kinds |= words | {"by_sign": _signs, "by_presence": _presences} | number
    if str(column.type) == "double":
        kinds |= number | {"scale": _scale, "absolute": lambda text: YES[text.lower()]}
        kinds["divide"] = _divisor
    if column.type == TIMESTAMP:
        kinds |= {"format": str, "zone": _zone}
    if name in ("category", "description", "text", "title"):
        kinds["separator"] = str
    if name in ("category", "brand", "title", "image_uri", "audio_uri"):
        kinds["first"] = str
    return kinds


def texts(given: Any) -> tuple[str, ...]:
    """Read one text or a list of them."""
    given = [given] if isinstance(given, str) else given or []
    if not all(isinstance(text, str) for text in given):
        raise ValueError("expected a text or a list of texts")
    return tuple(given)


def _words(given: dict[str, str]) -> dict[str, str]:
    if not all(isinstance(text, str) for text in given.values()):
        raise ValueError("expected the shop's word: ours")
    return {word.strip().lower(): ours for word, ours in given.items()}


def _signs(given: dict[str, str]) -> dict[str, str]:
    if not given or set(given) - set(SIGNS):
        raise ValueError(f"expected some of {', '.join(SIGNS)}")
    return dict(given)


def _presences(given: dict[str, str]) -> dict[str, str]:
    if not given or set(given) - set(PRESENCES):
        raise ValueError(f"expected some of {', '.join(PRESENCES)}")
    return dict(given)


def _divisor(text: str) -> float:
    divisor = float(text)
    if not 0 < divisor < math.inf:
        raise ValueError("expected a number over 0")
    return divisor


def _scale(given: Any) -> tuple[float, float]:
    low, high = (float(bound) for bound in given)
    if not low < high:
        raise ValueError("expected [lowest, highest]")
    return low, high


def _zone(text: str) -> str:
    if text not in available_timezones():
        raise ValueError("expected a zone's name, like Europe/Berlin")
    return ZoneInfo(text).key


def _one_of(*words: str) -> Callable[[Any], str]:
    def read(text: Any) -> str:
        if text not in words:
            raise ValueError(f"expected one of {', '.join(words)}")
        return str(text)

    return read
