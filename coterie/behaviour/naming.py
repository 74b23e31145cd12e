"""Names of segments: what sets them apart from everybody, in two or three words."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from coterie.behaviour.activity import FEATURES
from coterie.behaviour.shop_log import Doubles

_WORDS: Final[dict[str, tuple[str, str]]] = {
    # More than others, less than others.
    "days_since_event": ("long away", "of late there"),
    "active_days_30": ("come often", "come rarely"),
    "purchases": ("many purchases", "few purchases"),
    "value_a_purchase": ("dear purchases", "cheap purchases"),
    "days_known": ("known long", "newcomers"),
    "sent_back_30": ("send much back", ""),
    "friends": ("many friends", "few friends"),
}
_FOND: Final = 1.25
"""How many times everybody's share of a category somebody is fond of has."""
_LEAST_SHARE: Final = 0.1
_APART: Final = 0.25
"""Standard deviations from everybody that are worth a word."""


def name_segments(
    means: Doubles,
    tastes: Doubles,
    everybody: Doubles,
    spread: Doubles,
    bought: Doubles,
    categories: Sequence[str],
) -> tuple[str, ...]:
    """Name each segment by the two ways of behaving that set it apart most, and by its taste.

    Args:
        means: Of features, shape (k, features).
        tastes: Shares of purchases by category, shape (k, categories).
        everybody: Means of all shoppers, shape (features,).
        spread: Their standard deviations.
        bought: Shares of all purchases, shape (categories,).
        categories: Their names.

    Segments whose names would be the same are numbered.
    """
    names = [
        _name(means[at], tastes[at], everybody, spread, bought, categories)
        for at in range(len(means))
    ]
    seen: dict[str, int] = {}
    found = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        found.append(name if names.count(name) == 1 else f"{name} ({seen[name]})")
    return tuple(found)


def _name(
    mean: Doubles,
    taste: Doubles,
    everybody: Doubles,
    spread: Doubles,
    bought: Doubles,
    categories: Sequence[str],
) -> str:
    apart = {}
    for name, (more, less) in _WORDS.items():
        at = FEATURES.index(name)
        distance = (mean[at] - everybody[at]) / max(spread[at], 1e-9)
        word = more if distance > 0 else less
        if word and abs(distance) >= _APART:
            apart[word] = abs(distance)
    words = sorted(apart, key=lambda word: -apart[word])[:2]
    fond = np.where(taste >= _LEAST_SHARE, taste / np.maximum(bought, 1e-9), 0.0)
    if len(categories) > 1 and fond.max(initial=0.0) >= _FOND:
        words.append(f"fond of {categories[int(fond.argmax())]}")
    return ", ".join(words) or "as most"
