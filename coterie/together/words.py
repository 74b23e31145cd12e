"""What is said of friends, groups and people who are suggested: nothing that they did themselves.

Of an invited friend it is said what lies between them and who shares, which both know. Of a group
it is never said whom something does not please.
"""

from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from coterie.languages.texts import Texts, marked, marked_plural
from coterie.schema import STRENGTHS

Kind = Literal["taste", "tie", "all", "most", "turn", "friends"]
Doubles = npt.NDArray[np.float64]

MUCH: Final = 1.0
"""Standard deviations from which on something is much to somebody's taste."""
FEWEST_COUNTED: Final = 3
"""Common friends from which on their number is told: of fewer it would tell who they are."""

TASTE: Final = marked("It is to {friend}'s taste")
PASSED_ON: Final = marked("You two have passed things on to each other")
SAME_PEOPLE: Final = marked("You two know some of the same people")
SAME_ITEMS: Final = marked("You two have liked the same things")
CLOSE: Final = marked("You two know each other")
SUITS_ALL: Final = marked("It suits all of you")
SUITS_MOST: Final = marked("It suits most of you")
A_TURN: Final = marked("It suits some of you most")
IN_COMMON: Final = marked_plural(
    "You have {num} friend in common", "You have {num} friends in common"
)
SOME_IN_COMMON: Final = marked("You have friends in common")
ALIKE: Final = marked("You like the same kinds of things")

_OF_TIES: Final = (
    ("shares", PASSED_ON),
    ("common_neighbours", SAME_PEOPLE),
    ("common_items", SAME_ITEMS),
)


def reasons_to_invite(
    friend: str, fit: float, strengths: npt.NDArray[np.float32], texts: Texts
) -> list[tuple[Kind, str]]:
    """Say why a friend is worth asking: kinds, and sentences.

    Args:
        friend: Who may be named.
        fit: As ``invitees.fits`` gives it.
        strengths: Of the tie, by ``schema.STRENGTHS``, shape (len(schema.STRENGTHS),).
        texts: Of the reader's language.
    """
    told: list[tuple[Kind, str]] = []
    if fit >= MUCH:
        told.append(("taste", texts.say(TASTE, friend=friend)))
    return told + _of_tie(strengths, texts) or [("tie", texts.say(CLOSE))]


def reasons_of_tie(strengths: npt.NDArray[np.float32], texts: Texts) -> list[tuple[Kind, str]]:
    """Say what lies between two friends: kinds, and sentences; both know it.

    Args:
        strengths: Of the tie, by ``schema.STRENGTHS``, shape (len(schema.STRENGTHS),).
        texts: Of the reader's language.
    """
    return _of_tie(strengths, texts) or [("tie", texts.say(CLOSE))]


def _of_tie(strengths: npt.NDArray[np.float32], texts: Texts) -> list[tuple[Kind, str]]:
    values = dict(zip(STRENGTHS, strengths.tolist(), strict=True))
    return [("tie", texts.say(text)) for name, text in _OF_TIES if values[name] > 0]


def reason_for_group(wish: Doubles, usual: Doubles, texts: Texts) -> tuple[Kind, str]:
    """Say why an item is in a group's list: a kind, and a sentence.

    Args:
        wish: How much each member wants it, shape (members,).
        usual: How much each wants an item of their own list at least, shape (members,).
        texts: Of the reader's language.
    """
    pleased = float((wish >= usual).mean())
    if pleased == 1.0:
        return "all", texts.say(SUITS_ALL)
    if pleased > 0.5:
        return "most", texts.say(SUITS_MOST)
    return "turn", texts.say(A_TURN)


def reasons_to_meet(
    common: int, taste: float, alike: float, texts: Texts
) -> list[tuple[Kind, str]]:
    """Say why a person is suggested: kinds, and sentences; who the common friends are is not told.

    Args:
        common: Friends in common.
        taste: Cosine of both tastes.
        alike: From which cosine on it is told.
        texts: Of the reader's language.
    """
    text = texts.count(IN_COMMON, common) if common >= FEWEST_COUNTED else texts.say(SOME_IN_COMMON)
    told: list[tuple[Kind, str]] = [("friends", text)]
    return [*told, ("taste", texts.say(ALIKE))] if taste >= alike else told
