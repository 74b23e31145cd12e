"""On whom a shopper's list draws: one rule, for serving, for training and for what is measured."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from coterie.data.ragged import Ints, Ragged
from coterie.errors import BadInputError

if TYPE_CHECKING:  # settings of serving are read before anything large is loaded
    import pyarrow as pa

Bools = npt.NDArray[np.bool_]

LIST_MIN_PEOPLE: Final = "COTERIE_LIST_MIN_PEOPLE"
REASON_MIN_PEOPLE: Final = "COTERIE_REASON_MIN_PEOPLE"
REASON_ONE_SIDED: Final = "COTERIE_REASON_ONE_SIDED"
VARIABLES: Final = (LIST_MIN_PEOPLE, REASON_MIN_PEOPLE, REASON_ONE_SIDED)
"""Variables of serving that decide whom lists draw on; who measures lists reads them as well."""
_FLAGS: Final = dict.fromkeys(("1", "true", "yes", "on"), True) | dict.fromkeys(
    ("0", "false", "no", "off"), False
)


@dataclass(frozen=True, slots=True)
class CircleRule:
    """Which friends lists draw on; what an operator may set."""

    min_people: int = 3
    """Lists draw on friends who may not be named where a shopper has so many of them with a
    history: of fewer, a list would tell what each of them did."""
    one_sided: bool = True
    """Whether lists draw on people who do not follow the shopper in turn."""

    def __post_init__(self) -> None:
        if type(self.min_people) is not int or self.min_people < 1:
            raise BadInputError(
                f"lists draw on friends who are not named from {self.min_people!r} of them on: "
                "expected a whole number, at least 1"
            )
        if type(self.one_sided) is not bool:
            raise BadInputError(
                f"whether lists draw on one-sided ties is {self.one_sided!r}: expected true or "
                "false"
            )

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> "CircleRule":
        """Read the variables that serving has, as it reads them.

        >>> CircleRule.read({"COTERIE_REASON_MIN_PEOPLE": "5", "COTERIE_LIST_MIN_PEOPLE": "0"})
        CircleRule(min_people=5, one_sided=True)

        Raises:
            BadInputError: A value does not fit.
        """
        told = _count(environment, REASON_MIN_PEOPLE, cls().min_people)
        one_sided = environment.get(REASON_ONE_SIDED, "1").strip().lower()
        if one_sided not in _FLAGS:
            raise BadInputError(f"{REASON_ONE_SIDED} is {one_sided!r}: expected 1 or 0")
        return cls(_count(environment, LIST_MIN_PEOPLE, 0) or told, _FLAGS[one_sided])

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "CircleRule":
        """Read back ``as_json``; before anything was written down, figures were of all friends."""
        return cls(**content) if content else EVERYBODY

    def as_json(self) -> dict[str, Any]:
        """Give the rule as plain values."""
        return asdict(self)

    def in_words(self) -> str:
        """Write the rule in one line for people.

        >>> CircleRule(3, False).in_words()
        'Lists draw on friends who may not be named from 3 of them on, and on no one-sided ties'
        """
        if self == EVERYBODY:
            return "Lists draw on all friends"
        unnamed = f"Lists draw on friends who may not be named from {self.min_people} of them on"
        return unnamed if self.one_sided else f"{unnamed}, and on no one-sided ties"

    def unnamed(self, named: Bools, mutual: Bools, has_history: Bools) -> Bools:
        """Tell which friends could be drawn on but not named, shape (friends,)."""
        return np.asarray((mutual | self.one_sided) & ~named & has_history)

    def drawn_on(self, rows: Ragged, named: Bools, mutual: Bools, has_history: Bools) -> Bools:
        """Tell which friends the lists of n shoppers draw on, shape (friends,).

        Args:
            rows: Whose friends they are.
            named: Whether each may be named.
            mutual: Whether each follows the shopper in turn.
            has_history: Whether each did anything that a list can draw on.
        """
        if self == EVERYBODY:
            return np.ones(len(named), np.bool_)
        asks = self.unnamed(named, mutual, has_history)
        enough = np.bincount(rows.row[asks], minlength=len(rows)) >= self.min_people
        return np.asarray((mutual | named | self.one_sided) & (named | enough[rows.row]))


AS_SERVED: Final = CircleRule()
"""Whom served lists draw on where nothing is set."""
EVERYBODY: Final = CircleRule(min_people=1)
"""Lists draw on all friends, as those of published figures do."""


@dataclass(frozen=True, slots=True)
class Circle:
    """The rule, and what it has to know of a shop's users."""

    rule: CircleRule
    may_be_named: Bools
    """Shape (users,)."""

    @classmethod
    def of(cls, rule: CircleRule, people: "pa.Table") -> "Circle":
        """Take what people said, ``schema.USERS``, row i of user i; who said nothing agrees."""
        said = people["may_be_named"].combine_chunks().fill_null(True)
        return cls(rule, np.asarray(said.to_numpy(zero_copy_only=False), dtype=np.bool_))

    def leaves_out(self, src: Ints, dst: Ints) -> bool:
        """Tell whether it could leave out anybody at all, whatever people did.

        Args:
            src: Whose ties there are, by row, shape (ties,).
            dst: Whom they follow, likewise.
        """
        num = len(self.may_be_named)
        mutual = np.isin(dst * num + src, src * num + dst)
        return self.rule != EVERYBODY and not (self.may_be_named.all() and mutual.all())


def _count(environment: Mapping[str, str], variable: str, default: int) -> int:
    text = environment.get(variable, str(default)).strip()
    if not text.isdecimal() or not len(text) < 5:
        raise BadInputError(f"{variable} is {text!r}: expected a whole number up to 1000")
    return int(text)
