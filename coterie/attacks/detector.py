"""Finds fake accounts by what it learned on fakes of its own, put into the shop's own data.

Nobody labels fakes for a shop, so the detector makes some, measures how they differ from the
shop's accounts (Burke et al., 2006, doi:10.1145/1150402.1150465, learn from labelled fakes), and
ranks all accounts. One odd account proves nothing. An attack needs many that share an item, so
that those are suspects alone who own an item of which more owners are odd than chance explains
(target item analysis: Zhou et al., 2016, doi:10.1016/j.neucom.2015.11.105).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.stats import binom, rankdata

from coterie.attacks.account_traits import account_traits
from coterie.attacks.fakes import FakeTies, FakeTimes, add_fakes
from coterie.attacks.profiles import FILLERS, Shop, make_profiles
from coterie.data.dataset import Ints, TrainingSet
from coterie.data.polarity import liked
from coterie.errors import BadInputError
from coterie.graph.interactions import interaction_matrix

Doubles = npt.NDArray[np.float64]

_SHARES = (0.01, 0.02, 0.04)
_TIES = (0, 3, 6, 12, 24)
_FOLLOWED = (6, 12, 24)
_RINGS = (0, 0, 3, 6)
_FOLDS = 2
_PASSES = 2
_TOGETHER = 4.0
"""Deviations from chance, from which on an item's owners are odd together."""


@dataclass(frozen=True, slots=True)
class DetectorConfig:
    """What the detector practises on, and how sure it has to be."""

    rounds: int = 2
    """Attacks of each kind that it practises on: the first of a rush, the next spread over time."""
    odd_share: float = 0.1
    """Share of all accounts that are odd, the highest by score."""
    alarms: float = 0.01
    """Chance that an item of a shop without fakes has too many odd owners, over all items, were
    odd accounts to choose like others."""
    fewest: int = 4
    """Odd owners that an item has, at least, before any of them is a suspect."""
    odd_owners: float = 0.3
    """Share of an item's owners who are odd, at least: some tastes are odd, and no attack."""
    seed: int = 0
    """Of all draws."""

    def __post_init__(self) -> None:
        if self.rounds < 1 or self.fewest < 1:
            raise BadInputError(f"rounds and fewest start at 1, found {self}")
        shares = (self.odd_share, self.alarms, self.odd_owners)
        if not 0 < min(shares) <= max(shares) < 1:
            raise BadInputError(f"odd_share, alarms and odd_owners are in (0, 1), found {self}")


@dataclass(frozen=True, slots=True)
class Suspects:
    """Accounts that look made to push items."""

    score: Doubles
    """How odd each account is, 0 to 1, shape (users,)."""
    user_idx: Ints
    """Suspects, the highest score first."""
    item_idx: Ints
    """The item for which each is one: that with the least chance."""
    pushed: Ints
    """Items with too many odd owners, the least likely first."""
    odd_owners: Ints
    """How many each of these has."""
    owners: Ints
    """Of how many."""
    log_chance: Doubles
    """Logarithm of the chance of so many, likewise."""


def find_suspects(data: TrainingSet, config: DetectorConfig = DetectorConfig()) -> Suspects:
    """Rank accounts and find those that push an item together.

    Args:
        data: A shop's events and ties.
        config: How.

    Raises:
        BadInputError: Nobody had anything.
    """
    had = _had(data)
    score = _score(data, Shop.of(had), config)
    active = np.diff(had.indptr) > 0
    odd = active & (score >= np.quantile(score[active], 1 - config.odd_share))
    owners = np.asarray(had.sum(axis=0), np.int64).ravel()
    odd_owners = np.asarray(had[odd].sum(axis=0), np.int64).ravel()
    # Of events, not of accounts: odd ones may have longer profiles.
    share = float(odd_owners.sum() / max(owners.sum(), 1))
    chance = np.asarray(binom.logsf(odd_owners - 1, owners, share))
    sure = np.log(config.alarms / max(int((owners > 0).sum()), 1))
    many = np.maximum(config.fewest, config.odd_owners * owners)
    pushed = np.flatnonzero((chance < sure) & (odd_owners >= many))
    pushed = pushed[np.argsort(chance[pushed], kind="stable")]
    theirs = had[odd][:, pushed].tocoo()
    user, rank = np.flatnonzero(odd)[theirs.row], theirs.col.astype(np.int64)
    order = np.lexsort((rank, user))
    user, first = np.unique(user[order], return_index=True)
    best = np.argsort(-score[user], kind="stable")
    return Suspects(
        score,
        user[best],
        pushed[rank[order][first]][best],
        pushed,
        odd_owners[pushed],
        owners[pushed],
        chance[pushed],
    )


def _had(data: TrainingSet) -> Any:
    events = data.interactions.take(liked(data.interactions))
    if not len(events):
        raise BadInputError("nobody had anything: there is nothing to tell fake accounts by")
    return interaction_matrix(events, data.num_users, data.num_items, binary=True).tocsr()


def _score(data: TrainingSet, shop: Shop, config: DetectorConfig) -> Doubles:
    """Score each account by models that never saw it, shape (users,)."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    rng, num = np.random.default_rng(config.seed), data.num_users
    fakes, shoppers, who = _practise(data, shop, config, rng)
    real, fold = account_traits(data), rng.integers(0, _FOLDS, num)
    most = round(config.odd_share * num)
    active = np.diff(shop.had.indptr) > 0
    trusted, found = np.ones(num, np.bool_), np.zeros(num)
    # Fakes that are there already pass for shoppers at first, and so hide one another: whoever is
    # odd teaches no more, nor who owns an item whose owners are a little odd, but nearly all.
    for _ in range(_PASSES):
        for part in range(_FOLDS):
            seen = shoppers[(fold[who] != part) & trusted[who]]
            x = np.concatenate([seen, fakes])
            y = np.repeat([0, 1], [len(seen), len(fakes)])
            model = HistGradientBoostingClassifier(
                max_iter=60, max_depth=4, class_weight="balanced", random_state=config.seed
            )
            found[fold == part] = model.fit(x, y).predict_proba(real[fold == part])[:, 1]
        trusted = found < np.quantile(found[active], 1 - config.odd_share)
        trusted[_odd_together(shop, found, active, config.fewest, most)] = False
    return found


def _odd_together(
    shop: Shop, score: Doubles, active: npt.NDArray[np.bool_], fewest: int, most: int
) -> Ints:
    """Find owners of items whose owners rank too high together: rank sums, the highest first, until
    ``most`` accounts are reached."""
    rank = np.zeros(len(score))
    rank[active] = rankdata(score[active]) / np.count_nonzero(active) - 0.5
    owners = np.maximum(shop.popularity, fewest)
    deviation = (shop.had.T @ rank) / np.sqrt(owners / 12)
    best = np.argsort(-deviation, kind="stable")
    best = best[(deviation[best] > _TOGETHER) & (shop.popularity[best] >= fewest)]
    best = best[np.cumsum(shop.popularity[best]) <= most]
    return np.unique(shop.had[:, best].tocoo().row)


def _practise(
    data: TrainingSet, shop: Shop, config: DetectorConfig, rng: np.random.Generator
) -> tuple[Doubles, Doubles, Ints]:
    """Attack the shop; give traits of fakes and of some shoppers beside them, and their rows."""
    num, wanted = data.num_users, np.flatnonzero(shop.popularity > 0)
    active = np.flatnonzero(np.diff(shop.had.indptr) > 0)
    attacks = [(kind, turn, True) for turn in range(config.rounds) for kind in FILLERS]
    # Nobody has to follow a fake for training to learn from it.
    attacks += [(kind, turn, False) for kind, turn, _ in attacks]
    made, seen, rows = [], [], []
    for kind, turn, accepted in attacks:
        count = max(5, round(float(rng.choice(_SHARES)) * num))
        profiles = make_profiles(shop, int(rng.choice(wanted)), count, FILLERS[kind], rng)
        met = int(rng.choice(_TIES if accepted else _FOLLOWED))
        ties = FakeTies(met, float(accepted), int(rng.choice(_RINGS)))
        times = FakeTimes(None if turn % 2 else 7.0)
        attacked, fakes = add_fakes(data, profiles, ties, times, rng)
        traits = account_traits(attacked)
        some = rng.choice(active, max(1, 4 * len(active) // len(attacks)))
        made.append(traits[fakes])
        seen.append(traits[some])
        rows.append(some)
    return np.concatenate(made), np.concatenate(seen), np.concatenate(rows)
