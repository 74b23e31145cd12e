"""How often the interval of revenue a session holds the truth, and cries wolf, at all looks."""

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from coterie.experiments.estimates import difference
from coterie.experiments.sessions import a_count

Floats = npt.NDArray[np.float64]
SHOPPERS, LOOKS = 6_000, 20
ALPHA: Final = 0.05
LIFTS: Final = (0.0, 0.2)


def sessions_held(num: int, seed: int) -> list[dict[str, Any]]:
    """Look twenty times at each of so many holdouts; also at sessions as if each were a shopper."""
    rng, rows = np.random.default_rng(seed), []
    for lift in LIFTS:
        truth = _truth(lift)
        held = wolf = naive = 0
        for _ in range(num):
            treated, count, spent, price = _draw(rng, SHOPPERS, lift)
            arm = treated.astype(np.int64)
            found = []
            for n in [SHOPPERS * one // LOOKS for one in range(1, LOOKS + 1)]:
                outcome = a_count(arm[:n], spent[:n], count[:n])
                found.append(difference(treated[:n], outcome).interval(ALPHA))
            held += all(low <= truth <= high for low, high in found)
            wolf += any(low > 0 or high < 0 for low, high in found)
            low, high = _usual(treated, count, spent, price)
            naive += low <= truth <= high
        rows.append(
            {
                "lift": lift,
                "experiments": num,
                "shoppers": SHOPPERS,
                "looks": LOOKS,
                "truth": truth,
                "holds the truth at all looks": held / num,
                "claims a difference": wolf / num,
                "95 % interval over sessions, looked at once, holds it": naive / num,
            }
        )
    return rows


def _draw(
    rng: np.random.Generator, num: int, lift: float
) -> tuple[npt.NDArray[np.bool_], Floats, Floats, Floats]:
    """Draw shoppers: who likes the shop comes more often, and buys more each time.

    Lists that please bring both, a tenth of the lift in visits. A session has a purchase or none.
    """
    fond = rng.lognormal(0.0, 0.9, num)
    treated = rng.random(num) < 0.5
    count = 1.0 + rng.poisson(0.8 * fond * np.where(treated, 1.0 + lift / 10, 1.0))
    chance = np.clip(0.03 * fond * np.where(treated, 1.0 + lift, 1.0), 0.0, 0.9)
    price = rng.lognormal(3.0, 0.8, num)
    spent = rng.binomial(count.astype(np.int64), chance) * price
    return treated, count, spent, price


def _usual(
    treated: npt.NDArray[np.bool_], count: Floats, spent: Floats, price: Floats
) -> tuple[float, float]:
    """Take sessions for independent draws, as a test of means would."""
    means, variances = [], []
    for rows in (~treated, treated):
        whole = count[rows].sum()
        mean = spent[rows].sum() / whole
        squares = (spent[rows] * price[rows]).sum() / whole
        variances.append((squares - mean * mean) / whole)
        means.append(mean)
    radius = 1.96 * float(np.sqrt(sum(variances)))
    return means[1] - means[0] - radius, means[1] - means[0] + radius


def _truth(lift: float) -> float:
    """Compute the difference, of very many shoppers."""
    treated, count, spent, _ = _draw(np.random.default_rng(0), 4_000_000, lift)
    if lift == 0.0:
        return 0.0
    return float(
        spent[treated].sum() / count[treated].sum() - spent[~treated].sum() / count[~treated].sum()
    )
