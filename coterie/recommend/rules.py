"""Rules of a shop for its lists, as an operator writes them: pins, boosts, caps, variety, age."""

import hashlib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, Literal

import yaml  # type: ignore[import-untyped]

from coterie.data.ids import normal_id
from coterie.errors import BadInputError

MAX_BYTES: Final = 256 * 1024
MAX_RULES: Final = 100
MAX_DEPTH: Final = 20
"""Levels of YAML, one in another; what is taken needs five."""
MAX_NAMED: Final = 200
"""Items, categories or brands of one rule."""
MAX_POSITION: Final = 100
MAX_BY: Final = 10.0
SURFACES: Final = ("home", "product", "cart")


class Label(StrEnum):
    """What a shopper is told of an item that a rule lifted."""

    SPONSORED = "sponsored"
    SHOP = "shop"


@dataclass(frozen=True, slots=True)
class Selection:
    """Which items a rule is about: those that any of these words names."""

    items: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    """Paths, with all that is below them."""
    brands: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Pin:
    """Items that stand at a position, the first one, and at those that follow it."""

    items: tuple[str, ...]
    position: int = 1
    label: Label = Label.SHOP


@dataclass(frozen=True, slots=True)
class Lift:
    """Items whose scores are raised (boost), or lowered (bury, ``by`` below 0)."""

    selection: Selection
    by: float
    """In standard deviations of the best scores of whoever asks."""
    label: Label = Label.SHOP


@dataclass(frozen=True, slots=True)
class Cap:
    """How many items of one brand, or category, stand among so many positions."""

    number: int
    of: Literal["brand", "category"]
    within: int = 20


@dataclass(frozen=True, slots=True)
class Diversity:
    """Maximal marginal relevance: what is like items above it loses up to ``weight``."""

    weight: float
    """In standard deviations, as ``Lift.by``, for what is the same as an item above."""


@dataclass(frozen=True, slots=True)
class Freshness:
    """What entered the shop lately gains ``by``, and half of it after each ``days``."""

    by: float
    days: float


@dataclass(frozen=True, slots=True)
class Explore:
    """Whose lists show one item to learn of it, and which items may be that one."""

    share: float
    """Of shoppers, each day others; 0: nothing is explored on these surfaces."""
    rare: int = 0
    """Lists below which an item that the release knows counts as rarely shown, and is explored as
    new ones are; 0: new ones alone are."""
    selection: Selection = Selection()
    """What may be explored; empty: everything."""


Rule = Pin | Lift | Cap | Diversity | Freshness | Explore


@dataclass(frozen=True, slots=True)
class ListRules:
    """All rules of a file; equal where their digests are."""

    by_surface: Mapping[str, tuple[Rule, ...]] = field(default_factory=dict, compare=False)
    digest: str = ""

    def at(self, surface: str) -> tuple[Rule, ...]:
        """List the rules of a place in the shop that order lists, in the file's order."""
        rules = self.by_surface.get(surface, ())
        return tuple(rule for rule in rules if not isinstance(rule, Explore))

    def explore(self, surface: str) -> Explore | None:
        """Give what is said of exploring in a place of the shop; None: nothing, settings hold."""
        rules = self.by_surface.get(surface, ())
        return next((rule for rule in rules if isinstance(rule, Explore)), None)


NO_RULES: Final = ListRules()


def read_rules(text: str, name: str) -> ListRules:
    """Read and check a whole file of rules.

    Args:
        text: YAML, ``rules: [...]``; an empty file has none.
        name: Of the file, for errors.

    Raises:
        BadInputError: The first thing that does not fit: where, what was expected, what to do.
    """
    if len(text.encode()) > MAX_BYTES:
        raise BadInputError(f"{name} has over {MAX_BYTES} bytes, expected fewer: shorten it")
    content = _parsed(text, name)
    content = {} if content is None else content
    if not isinstance(content, dict) or set(content) - {"rules"}:
        raise BadInputError(f"{name} holds {_shown(content)}, expected `rules:` and a list alone")
    listed = content.get("rules") or []
    if not isinstance(listed, list) or len(listed) > MAX_RULES:
        raise BadInputError(f"{name}: `rules` is not a list of at most {MAX_RULES} rules")
    found: dict[str, list[Rule]] = {surface: [] for surface in SURFACES}
    for number, given in enumerate(listed, 1):
        rule, surfaces = _rule(given, f"{name}, rule {number}")
        for surface in surfaces:
            found[surface].append(rule)
    _check_together(found, name)
    digest = hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
    return ListRules({surface: tuple(rules) for surface, rules in found.items()}, digest)


def read_rules_file(path: str) -> ListRules:
    """Read and check a file of rules.

    Raises:
        BadInputError: It is not there, or does not fit.
    """
    try:
        with Path(path).open("rb") as file:
            content = file.read(MAX_BYTES + 1)
        text = content.decode()
    except OSError as error:
        why = os.strerror(error.errno or 0)
        raise BadInputError(f"cannot read the rules in {path}: {why}; see COTERIE_RULES") from error
    except UnicodeDecodeError as error:
        raise BadInputError(f"{path} is no UTF-8: save it as that") from error
    return read_rules(text, path)


class _StrictLoader(yaml.SafeLoader):  # type: ignore[misc]
    """YAML without aliases, which can make a small file huge, without keys that stand twice, and
    of few levels."""

    depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        """Refuse an alias, and what is nested too deep, before the rest of it is read."""
        problem = ""
        if self.check_event(yaml.AliasEvent):
            problem = "an alias, which is not taken"
        elif self.depth >= MAX_DEPTH:
            problem = f"nested over {MAX_DEPTH} levels deep: no rule needs as many"
        if problem:
            mark = self.peek_event().start_mark
            raise yaml.MarkedYAMLError(problem=problem, problem_mark=mark)
        self.depth += 1
        try:
            return super().compose_node(parent, index)
        finally:
            self.depth -= 1

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        """Refuse a key that stands twice."""
        made: dict[Any, Any] = super().construct_mapping(node, deep)
        if len(made) < len(node.value):
            mark = node.start_mark
            raise yaml.MarkedYAMLError(problem="a key stands twice", problem_mark=mark)
        return made


def _parsed(text: str, name: str) -> Any:
    try:
        return yaml.load(text, _StrictLoader)  # noqa: S506 - a SafeLoader
    except (yaml.YAMLError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark else ""
        why = getattr(error, "problem", None) or type(error).__name__
        raise BadInputError(f"{name}{where} is no YAML that is taken: {why}") from error


def _rule(given: Any, where: str) -> tuple[Rule, tuple[str, ...]]:
    if not isinstance(given, dict) or given.get("rule") not in [*_KINDS]:
        raise BadInputError(
            f"{where} is {_shown(given)}, expected `rule:` with one of {', '.join(_KINDS)}"
        )
    kind = given["rule"]
    known, make = _KINDS[kind]
    where = f"{where} ({kind})"
    for name in given:
        if name not in {"rule", "surfaces", *known}:
            raise BadInputError(
                f"{where} has `{_shown(name)}`, expected are {', '.join([*known, 'surfaces'])}"
            )
    values = {
        name: known[name](given[name], f"{where}: `{name}`") for name in known if name in given
    }
    surfaces: tuple[str, ...] = SURFACES
    if "surfaces" in given:
        surfaces = _words(given["surfaces"], f"{where}: `surfaces`")
        if set(surfaces) - set(SURFACES):
            raise BadInputError(f"{where}: `surfaces` are not among {', '.join(SURFACES)}")
    return make(where, **values), surfaces


def _pin(where: str, **values: Any) -> Rule:
    if "items" not in values:
        raise BadInputError(f"{where} has no `items`: name the ids to pin")
    pin = Pin(**values)
    if pin.position + len(pin.items) - 1 > MAX_POSITION:
        raise BadInputError(f"{where} goes beyond position {MAX_POSITION}: pin fewer items")
    return pin


def _lift(sign: float) -> Callable[..., Rule]:
    def make(where: str, by: float | None = None, label: Label = Label.SHOP, **said: Any) -> Rule:
        if by is None or not said:
            raise BadInputError(
                f"{where} needs `by`, and `items`, `category` or `brand` to say which items"
            )
        chosen = Selection(said.get("items", ()), said.get("category", ()), said.get("brand", ()))
        return Lift(chosen, sign * by, label)

    return make


def _explore(where: str, share: float | None = None, rare: int = 0, **said: Any) -> Rule:
    if share is None:
        raise BadInputError(f"{where} has no `share`: say it, 0 to explore nothing there")
    chosen = Selection(said.get("items", ()), said.get("category", ()), said.get("brand", ()))
    return Explore(share, rare, chosen)


def _needs(kind: type[Rule], *names: str) -> Callable[..., Rule]:
    def make(where: str, **values: Any) -> Rule:
        missing = [name for name in names if name not in values]
        if missing:
            raise BadInputError(f"{where} has no `{missing[0]}`: say it")
        return kind(**values)

    return make


def _number(least: float, most: float) -> Callable[[Any, str], float]:
    def read(given: Any, where: str) -> float:
        # A bool is a number for Python, and not a number (nan) is none for anybody.
        if isinstance(given, bool) or not isinstance(given, int | float):
            raise BadInputError(f"{where} is {_shown(given)}, expected a number")
        if not least <= given <= most:
            raise BadInputError(f"{where} is {given:g}, expected {least:g} to {most:g}")
        return float(given)

    return read


def _whole(least: int, most: int) -> Callable[[Any, str], int]:
    def read(given: Any, where: str) -> int:
        if isinstance(given, bool) or not isinstance(given, int) or not least <= given <= most:
            raise BadInputError(
                f"{where} is {_shown(given)}, expected a whole number from {least} to {most}"
            )
        return given

    return read


def _one_of(*words: str) -> Callable[[Any, str], str]:
    def read(given: Any, where: str) -> str:
        if given not in words:
            raise BadInputError(f"{where} is {_shown(given)}, expected {' or '.join(words)}")
        return str(given)

    return read


def _label(given: Any, where: str) -> Label:
    return Label(_one_of(*Label)(given, where))


def _words(given: Any, where: str) -> tuple[str, ...]:
    """Read one word, or a list of them; a number stands for its digits."""
    words = given if isinstance(given, list) else [given]
    if not 0 < len(words) <= MAX_NAMED:
        raise BadInputError(f"{where} names {len(words)}, expected 1 to {MAX_NAMED}")
    for word in words:
        if isinstance(word, bool) or not isinstance(word, str | int) or not str(word).strip():
            raise BadInputError(f"{where} holds {_shown(word)}, expected text: quote it")
    return tuple(str(word) for word in words)


def _ids(given: Any, where: str) -> tuple[str, ...]:
    try:
        found = tuple(normal_id(word) for word in _words(given, where))
    except ValueError as error:
        raise BadInputError(f"{where} holds what is no id: {error}") from error
    if len(set(found)) < len(found):
        raise BadInputError(f"{where} names an id twice: leave one out")
    return found


def _check_together(found: Mapping[str, list[Rule]], name: str) -> None:
    """Refuse pins that want one position, or one item at two, and what may stand once only."""
    for surface, rules in found.items():
        for kind in (Diversity, Freshness, Explore):
            if sum(isinstance(rule, kind) for rule in rules) > 1:
                raise BadInputError(
                    f"{name} has {kind.__name__.lower()} twice for {surface}: leave one out"
                )
        pins = [rule for rule in rules if isinstance(rule, Pin)]
        places = [pin.position + step for pin in pins for step in range(len(pin.items))]
        items = [item for pin in pins for item in pin.items]
        if len(set(places)) < len(places) or len(set(items)) < len(items):
            raise BadInputError(
                f"{name} pins two items to one position, or one to two, for {surface}: "
                "give each item one position of its own"
            )


def _shown(given: Any) -> str:
    return repr(given)[:60]


_SELECTED: Final = {"items": _ids, "category": _words, "brand": _words}
_KINDS: Final[dict[str, tuple[dict[str, Callable[[Any, str], Any]], Callable[..., Rule]]]] = {
    "pin": ({"items": _ids, "position": _whole(1, MAX_POSITION), "label": _label}, _pin),
    "boost": ({**_SELECTED, "by": _number(0, MAX_BY), "label": _label}, _lift(1.0)),
    "bury": ({**_SELECTED, "by": _number(0, MAX_BY)}, _lift(-1.0)),
    "at_most": (
        {
            "number": _whole(1, 100),
            "of": _one_of("brand", "category"),
            "within": _whole(1, 100),
        },
        _needs(Cap, "number", "of"),
    ),
    "diversity": ({"weight": _number(0, MAX_BY)}, _needs(Diversity, "weight")),
    "freshness": (
        {"by": _number(0, MAX_BY), "days": _number(0.01, 3650)},
        _needs(Freshness, "by", "days"),
    ),
    "explore": ({**_SELECTED, "share": _number(0, 1), "rare": _whole(0, 1_000_000)}, _explore),
}
