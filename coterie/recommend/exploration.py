"""Which item a place shows to learn of it: drawn by what is known, with a chance that is exact."""

from typing import Final

import numpy as np
import numpy.typing as npt

Doubles = npt.NDArray[np.float64]

DRAWS: Final = 32
"""Thompson draws of one choice."""
UNIFORM: Final = 0.01
"""Share of a choice that goes to all items alike: each has a chance that is known and not 0."""
LISTS_OF_A_SCORE: Final = 20.0
"""Lists that a score counts as: its own uncertainty, against which clicks are weighed."""
CANDIDATES: Final = 50
"""Items that are chosen from: those that score best of what may be explored."""
FLATTEST: Final = 0.05
"""Least part of the usual click rate that a score promises."""


def promised(score: Doubles, at: float | Doubles, spread: float | Doubles, usual: float) -> Doubles:
    """Say how often items would be clicked as far as their scores know.

    An item that scores what stands at the place anyway is clicked as often as usual; each
    ``spread`` below it e times more rarely.

    Args:
        score: Shape (..., n).
        at: Score of what stands there anyway, a number or of shape (..., 1).
        spread: Standard deviation of the scores around there, likewise.
        usual: Share of lists of which something was clicked at the place.
    """
    below = (at - score) / np.maximum(spread, 1e-9)
    return np.asarray(np.clip(usual * np.exp(-below), usual * FLATTEST, 2 * usual))


def chances(
    shown: Doubles, clicked: Doubles, promise: Doubles, rng: np.random.Generator
) -> Doubles:
    """Say with which chance each item is chosen: how often it wins draws of its click rate.

    A rate is drawn from the Beta distribution of what the score promises, as ``LISTS_OF_A_SCORE``
    lists would, and of what was counted since.

    Args:
        shown: Shape (..., n): lists that showed each of n items.
        clicked: Shape (..., n): those of them that were clicked for it.
        promise: Shape (..., n), in (0, 1); 0 for an item that cannot be chosen.
        rng: Of the choice.

    Returns:
        Shape (..., n), sums to 1, 0 for none that can be chosen. The chance is of these draws, so
        it is exact.
    """
    could = promise > 0
    won = 1e-6 + LISTS_OF_A_SCORE * promise + clicked
    lost = 1e-6 + LISTS_OF_A_SCORE * (1 - promise) + np.maximum(shown - clicked, 0)
    rates = np.where(could, rng.beta(won, lost, (DRAWS, *won.shape)), -1.0)
    best = rates.argmax(axis=-1)[..., None] == np.arange(won.shape[-1])
    uniform = could / np.maximum(could.sum(axis=-1, keepdims=True), 1)
    return np.asarray(np.where(could, (1 - UNIFORM) * best.mean(axis=0) + UNIFORM * uniform, 0.0))


def choose(chance: Doubles, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """Choose one of n items by its chance, shape (..., n); gives shape (...)."""
    total = chance.cumsum(axis=-1)
    drawn = rng.random(chance.shape[:-1])[..., None] * total[..., -1:]
    return np.asarray((total <= drawn).sum(axis=-1).clip(max=chance.shape[-1] - 1), np.int64)
