"""How a canary differs from what is live, before anybody sees it: figures, and their limits."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from coterie.errors import BadInputError

ALL: Final = "all"
"""Stands for every figure where a person overrides limits."""
SHOWN_EXAMPLES: Final = 3


@dataclass(frozen=True, slots=True)
class FigureLimit:
    """A figure of two releases, with the limit that holds unless a plan says otherwise."""

    about: str
    """In words, for the page and the audit log."""
    limit: float
    at_most: bool = True
    """Whether the limit is the most that is harmless, or the least."""
    is_factor: bool = False
    """Whether it is a number of times, limited from 1 on; a share from 0 to 1 otherwise."""
    of_numbers: bool = False
    """Whether what is told of each release alone is a number, not a share."""


FIGURES: Final[dict[str, FigureLimit]] = {
    "live_unread": FigureLimit("live releases that cannot be read, to compare with", 0.0),
    "items_lost": FigureLimit("items of the live release that are gone", 0.25),
    "items_gained": FigureLimit("items that are new, for each live one", 0.5, of_numbers=True),
    "newest_lost": FigureLimit("of the tenth of items that entered last, those gone", 0.3),
    "available": FigureLimit("share of items in stock, against live's", 0.7, at_most=False),
    "had_available": FigureLimit(
        "share in stock of what people had, against live's", 0.7, at_most=False
    ),
    "restocked": FigureLimit("items that were out of stock and are in stock", 0.15),
    "history_known": FigureLimit("of what people had, what it knows", 0.8, at_most=False),
    "popularity_kept": FigureLimit(
        "rank correlation with live of how many people had each item", 0.3, at_most=False
    ),
    "popular_lost": FigureLimit("of live's most popular items, those that no longer are", 0.5),
    "category_had": FigureLimit(
        "times larger, the part of all that people had, of the category that gained most",
        4.0,
        is_factor=True,
    ),
    "blank_titles": FigureLimit("titles without a letter or digit, beyond live's", 0.02),
    "garbled_titles": FigureLimit("titles read in a wrong encoding, beyond live's", 0.02),
    "titles_changed": FigureLimit("items that have another title", 0.3),
    "titles_shared": FigureLimit("items whose title another item has too, beyond live's", 0.05),
    "titles_traded": FigureLimit("items that took the title that another one had", 0.05),
    "descriptions_changed": FigureLimit("items that have another description", 0.5),
    "prices_missing": FigureLimit("items without a price, beyond live's", 0.2),
    "zero_prices": FigureLimit("prices of 0 or less, beyond live's", 0.02),
    "price_ratio": FigureLimit(
        "times up or down, of the median item's price", 2.0, is_factor=True, of_numbers=True
    ),
    "prices_far_off": FigureLimit("prices that went up or down over three times", 0.05),
    "brands_changed": FigureLimit("items that are of another brand", 0.3),
    "pictures_lost": FigureLimit("items that had a picture and have none", 0.2),
    "categories_lost": FigureLimit(
        "live's categories that no item is in any more", 0.25, of_numbers=True
    ),
    "categories_changed": FigureLimit("items that are in another category", 0.3),
    "categories_swapped": FigureLimit(
        "items that took a category over which its own left", 0.02, of_numbers=True
    ),
    "category_available": FigureLimit(
        "of what the category that lost most had in stock, what still is",
        0.2,
        at_most=False,
        of_numbers=True,
    ),
    "category_price": FigureLimit(
        "times up or down, of the median price of the category that changed most",
        4.0,
        is_factor=True,
        of_numbers=True,
    ),
    "content_lost": FigureLimit(
        "kinds of item vectors that live has and it lacks", 0.0, of_numbers=True
    ),
    "content_agrees": FigureLimit(
        "correlation with live of which items are alike by their vectors", 0.1, at_most=False
    ),
    "size_ratio": FigureLimit(
        "times larger, in bytes of memory for each item", 1.5, is_factor=True, of_numbers=True
    ),
    "types_changed": FigureLimit("tensors whose numbers are of another type", 0.0),
    "again_sooner": FigureLimit("items that come back in half the time once had", 0.3),
    "older_than_live": FigureLimit("whether it was made before what is live", 0.0),
    "learned_earlier": FigureLimit(
        "whether the events that it was trained on end over a week before live's", 0.0
    ),
    "vectors_shared": FigureLimit("items with the vectors of another, beyond live's", 0.05),
    "learned_elsewhere": FigureLimit(
        "items that are like other ones than they were, by what was learned", 0.05
    ),
    "roles_traded": FigureLimit(
        "items that weigh in one part of scores as they did in another, of own histories and "
        "friends', or of asking and answering",
        0.3,
    ),
    "kinds_agree": FigureLimit(
        "correlation with live of how much each kind of event counts", 0.3, at_most=False
    ),
    "items_unlearned": FigureLimit("items with vectors of zeros, beyond live's", 0.1),
    "lists_made": FigureLimit("of live's lists, those that it makes as long", 0.95, at_most=False),
    "friends_share": FigureLimit(
        "share of friends in scores of lists, against live's", 0.5, at_most=False
    ),
    "lists_agree": FigureLimit("items of live's lists that its own have too", 0.1, at_most=False),
    "items_shown": FigureLimit(
        "different items in all lists together, against live's",
        0.25,
        at_most=False,
        of_numbers=True,
    ),
    "new_listed": FigureLimit("places in lists of items that live lacks", 0.3),
    "score_parts": FigureLimit(
        "share of scores of the term of which least is left, against live's", 0.02, at_most=False
    ),
    "category_listed": FigureLimit(
        "places in lists of the category that lost most, against live's",
        0.1,
        at_most=False,
        of_numbers=True,
    ),
}
"""All that a plan may name. Lists are those of some made-up shoppers with friends."""


@dataclass(frozen=True, slots=True)
class ComparedFigure:
    """One figure of a live release and a canary."""

    name: str
    """One of FIGURES."""
    value: float | None
    """What its limit is held against; None: it cannot be told."""
    live: float | None = None
    """Of the live release alone, where there is such a number."""
    canary: float | None = None
    examples: tuple[str, ...] = ()
    """Some of what it counts, in a few words each."""


@dataclass(frozen=True, slots=True)
class PreflightComparison:
    """The figures of a canary and of what was live when it was started."""

    live: str
    """Digest."""
    canary: str
    """Digest."""
    figures: tuple[ComparedFigure, ...]

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "PreflightComparison":
        """Read it back from ``asdict``; figures of a later version are left out."""
        figures = tuple(
            ComparedFigure(
                one["name"], one["value"], one["live"], one["canary"], tuple(one["examples"])
            )
            for one in content["figures"]
            if one["name"] in FIGURES
        )
        return cls(content["live"], content["canary"], figures)


@dataclass(frozen=True, slots=True)
class JudgedFigure:
    """A figure, held against its limit."""

    name: str
    about: str
    value: float | None
    live: float | None
    canary: float | None
    limit: float
    at_most: bool
    is_factor: bool
    of_numbers: bool
    verdict: Literal["good", "bad", "overridden", "unknown"]
    examples: tuple[str, ...]

    @property
    def said(self) -> str:
        """Say value and limit: ``titles_changed 100 % (at most 30 %)``."""
        bound = "at most" if self.at_most else "at least"
        found = "unknown" if self.value is None else in_words(self.value, self.is_factor)
        return f"{self.name} {found} ({bound} {in_words(self.limit, self.is_factor)})"


def in_words(value: float, is_factor: bool) -> str:
    """Write a figure as people read it: ``12 %``, or ``1.5 times``."""
    return f"{value:.3g} times" if is_factor else f"{100 * value:.3g} %"


def judge_figures(
    figures: Iterable[ComparedFigure], limits: Mapping[str, float], override: Collection[str] = ()
) -> tuple[JudgedFigure, ...]:
    """Hold figures against limits.

    Args:
        figures: In any order, as they are told.
        limits: By name.
        override: Names of figures that a person lets pass, or ``all``.
    """
    return tuple(_judged(one, limits[one.name], override) for one in figures)


def _judged(one: ComparedFigure, limit: float, override: Collection[str]) -> JudgedFigure:
    rule = FIGURES[one.name]
    verdict: Literal["good", "bad", "overridden", "unknown"] = "unknown"
    if one.value is not None:
        within = one.value <= limit if rule.at_most else one.value >= limit
        passes = one.name in override or ALL in override
        verdict = "good" if within else "overridden" if passes else "bad"
    return JudgedFigure(
        one.name,
        rule.about,
        one.value,
        one.live,
        one.canary,
        limit,
        rule.at_most,
        rule.is_factor,
        rule.of_numbers,
        verdict,
        one.examples,
    )


def refusal(judged: Iterable[JudgedFigure]) -> str:
    """Say which limits are broken, and what to do; empty: none is."""
    bad = [one for one in judged if one.verdict == "bad"]
    if not bad:
        return ""
    names = " ".join(one.name for one in bad)
    told = "; ".join(_with_examples(one) for one in bad)
    return (
        f"{told}: see what changed with coterie release diff, make the release anew, or start it "
        f"with --override {names} and a reason"
    )


def _with_examples(one: JudgedFigure) -> str:
    some = ", ".join(one.examples)
    return f"{one.said}, {one.about}" + (f", such as {some}" if some else "")


def usual_limits() -> tuple[tuple[str, float], ...]:
    """List all figures with the limits that hold unless a plan says otherwise."""
    return tuple((name, one.limit) for name, one in FIGURES.items())


def check_limits(limits: Mapping[str, float], override: Collection[str]) -> None:
    """Refuse limits and overrides that no figure can have.

    Raises:
        BadInputError: A name is unknown, or a limit is out of its range.
    """
    unknown = [name for name in limits if name not in FIGURES]
    unknown += [name for name in override if name not in FIGURES and name != ALL]
    if unknown:
        raise BadInputError(
            f"preflight has no figure {', '.join(unknown)}: known are {', '.join(FIGURES)}"
        )
    for name, limit in limits.items():
        least, most = (1.0, 1000.0) if FIGURES[name].is_factor else (0.0, 1.0)
        # A share of new items may be over all that there were.
        most = 100.0 if name == "items_gained" else most
        if not least <= limit <= most:
            raise BadInputError(
                f"limit of {name} is {limit}: expected a number from {least:g} to {most:g}"
            )
