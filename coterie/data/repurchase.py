"""When what a shopper bought may be listed again: by category, after days, or never."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from coterie.errors import BadInputError

NEVER: Final = "never"
LEARNED: Final = "learned"
REST: Final = "*"
"""Stands for all categories that are not named, and for items without one."""
MAX_DAYS: Final = 3_650.0
DAY_MS: Final = 86_400_000.0


@dataclass(frozen=True, slots=True)
class Again:
    """What may be listed again at one moment."""

    days: npt.NDArray[np.float32]
    """Days after which a wanted item may be listed again, shape (num_items,); inf: never."""
    now_ms: int
    """Time at which lists are made, milliseconds since 1970, UTC."""

    @classmethod
    def at(cls, days: npt.NDArray[np.float32], now_ms: int) -> "Again | None":
        """Fix the rule at a moment; None where nothing may ever be listed again."""
        return cls(days, now_ms) if np.isfinite(days).any() else None

    def allows(
        self, item_idx: npt.NDArray[np.int64], wanted_ms: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.bool_]:
        """Tell which entries may be listed again.

        Args:
            item_idx: Shape (n,).
            wanted_ms: When each item was last wanted, shape (n,); 0 or below where the shopper's
                last word was against it: such an item never comes back by itself.
        """
        over = wanted_ms + self.days[item_idx].astype(np.float64) * DAY_MS <= self.now_ms
        return np.asarray((wanted_ms > 0) & over)


@dataclass(frozen=True, slots=True)
class RepurchaseRule:
    """After how many days an item may be listed again, by category; the longest path counts."""

    days: Mapping[str, float | None] = field(default_factory=dict)
    """Days by category path, such as ``Pets/Food``; None: never. REST stands for all others, never
    where it is not given."""

    def __post_init__(self) -> None:
        given = self.days.items()
        object.__setattr__(self, "days", {normal_path(name): _days(name, d) for name, d in given})

    def for_items(self, categories: pa.Array | pa.ChunkedArray) -> npt.NDArray[np.float32]:
        """Look up the days of each item, shape (len(categories),); inf: never.

        >>> rule = RepurchaseRule({"Food": 30, "Food/Spices": None, "*": 365})
        >>> rule.for_items(pa.array(["Food/Tea/Green", "Foodstuff", "Food/Spices/Salt", None]))
        array([ 30., 365.,  inf, 365.], dtype=float32)

        Args:
            categories: The column of the catalogue; null where an item has none.
        """
        coded = pc.dictionary_encode(pc.fill_null(categories, ""))
        coded = coded.combine_chunks() if isinstance(coded, pa.ChunkedArray) else coded
        found = [self._of(path) for path in coded.dictionary.to_pylist()]
        days = np.array([np.inf if d is None else d for d in found], np.float32)
        of_items: npt.NDArray[np.float32] = days[coded.indices.to_numpy(zero_copy_only=False)]
        return of_items

    def changed(self, given: Mapping[str, float | None]) -> "RepurchaseRule":
        """Change the rule for some categories: what is said of one holds for all within it."""
        words = RepurchaseRule(given).days
        left = {
            name: days
            for name, days in self.days.items()
            if not any(_within(name, said) for said in words)
        }
        return RepurchaseRule({**left, **words})

    def check(self, categories: pa.Array | pa.ChunkedArray) -> None:
        """Make sure that every category is one of the shop's.

        Raises:
            BadInputError: One is not.
        """
        known = pc.unique(categories.drop_null()).to_pylist()
        for name in self.days:
            if name != REST and not any(_within(path, name) for path in known):
                tops = sorted({path.split("/")[0] for path in known})
                raise BadInputError(
                    f"repurchase names category {name!r}, which no item has: the catalogue's begin "
                    f"with {', '.join(tops[:12]) or 'none'}"
                )

    def in_words(self) -> str:
        """Write the rule in one line for people.

        >>> RepurchaseRule({"Food": 29.2, "Food/Spices": None}).in_words()
        'Listed again after it was bought: Food after 29.2 days, Food/Spices never'
        """
        said = [
            f"{'all else' if name == REST else name} "
            + (NEVER if days is None else f"after {days:g} days")
            for name, days in self.days.items()
        ]
        return f"Listed again after it was bought: {', '.join(said) or 'nothing'}"

    def _of(self, path: str) -> float | None:
        parts = normal_path(path).split("/")
        for length in range(len(parts), 0, -1):
            within = "/".join(parts[:length])
            if within and within in self.days:
                return self.days[within]
        return self.days.get(REST)


@dataclass(frozen=True, slots=True)
class RepurchaseSetting:
    """What a person wants: a rule that is learned from the data, or not, and what differs."""

    learned: bool = True
    given: Mapping[str, float | None] = field(default_factory=dict)


NOTHING_AGAIN: Final = RepurchaseSetting(learned=False)
"""What was had is not listed again."""


def read_repurchase(*given: str) -> RepurchaseSetting:
    """Parse a setting from what a person or a pipeline says; the later wins.

    >>> read_repurchase("learned", "Phones=never", "Pets/Food=14")
    RepurchaseSetting(learned=True, given={'Phones': None, 'Pets/Food': 14.0})
    >>> read_repurchase('{"Food": 30, "*": null}').learned
    False

    Args:
        given: Each ``learned``, ``never``, ``CATEGORY=DAYS``, ``CATEGORY=never``, or a JSON object
            of categories to days or null. Categories alone are all that ever comes back, unless
            ``learned`` is said as well; nothing at all is ``learned``.

    Raises:
        BadInputError: Something else is said.
    """
    words = [one.strip() for one in given if one.strip()]
    learned, days = not words, dict[str, float | None]()
    for word in words:
        if word in (LEARNED, NEVER):
            learned, days = word == LEARNED, {}
        else:
            days |= _object(word) if word.startswith("{") else _pair(word)
    return RepurchaseSetting(learned, dict(RepurchaseRule(days).days))


def _pair(word: str) -> dict[str, float | None]:
    name, equals, value = word.rpartition("=")
    if not equals or not name.strip():
        raise BadInputError(
            f"repurchase is {word!r}: expected {LEARNED}, {NEVER}, CATEGORY=DAYS (Pets/Food=14), "
            f"CATEGORY={NEVER}, or a JSON object"
        )
    if value.strip() == NEVER:
        return {name: None}
    try:
        return {name: float(value)}
    except ValueError:
        raise _no_days(name, value) from None


def _object(text: str) -> dict[str, Any]:
    try:
        content = json.loads(text)
    except ValueError as error:
        raise BadInputError(f"repurchase {text!r} is no JSON ({error})") from error
    if not isinstance(content, dict):
        raise BadInputError(f"repurchase is {text!r}: expected an object of categories to days")
    return {name: None if value == NEVER else value for name, value in content.items()}


def normal_path(name: str) -> str:
    """Strip a category path of outer slashes and of space around its steps."""
    return "/".join(part.strip() for part in name.strip().strip("/").split("/"))


def _within(path: str, category: str) -> bool:
    path = normal_path(path)
    return category == REST or path == category or path.startswith(f"{category}/")


def _days(name: str, days: object) -> float | None:
    if not normal_path(name):
        raise BadInputError(
            f"repurchase names no category before {days!r}: * stands for all others"
        )
    if days is None:
        return None
    number = not isinstance(days, bool) and isinstance(days, int | float)
    if not number or not math.isfinite(days) or not 0 <= days <= MAX_DAYS:  # type: ignore[operator, arg-type]
        raise _no_days(name, days)
    return float(days)  # type: ignore[arg-type]


def _no_days(name: str, found: object) -> BadInputError:
    return BadInputError(
        f"repurchase of {name!r} is {found!r}: expected days from 0 to {MAX_DAYS:g}, or {NEVER}"
    )
