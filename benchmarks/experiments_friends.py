"""Experiments on shoppers who talk: what the usual estimate misses, and what communities mend."""

import json
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from coterie.data.dataset import Ties
from coterie.data.simulate.assortment import make_assortment
from coterie.data.simulate.config import ShopConfig
from coterie.data.simulate.diffusion import Diffusion
from coterie.data.simulate.people import Acquaintance, People, make_people, make_ties
from coterie.data.simulate.visits import BOUGHT, CAUSES, Cause, Visits
from coterie.experiments.estimates import difference
from coterie.network.communities import find_communities
from coterie.network.partitions import CommunityMethod
from coterie.network.people import Network

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
SHOPPERS: Final = 6_000
DAYS: Final = 28
BASE, LIFT = 0.008, 0.4
"""Chance that a shopper of average activity buys by a list in a day, and what the better arm adds
to it."""
SWAYED: Final = (0.0, 0.01, 0.03)
"""Chance that word of a friend's purchase makes an average listener buy."""
TRUTHS: Final = 60
"""Worlds all on one arm, by which the truth is known."""


@dataclass(frozen=True, slots=True)
class World:
    """A simulated shop's people, their ties, and the communities that Leiden finds in these."""

    people: People
    ties: Acquaintance
    community: Ints


def make_world(seed: int) -> World:
    """Make people and ties as the simulator does, and find communities."""
    config = ShopConfig(num_users=SHOPPERS, num_items=200, late_users=0.0, seed=seed)
    rngs = [np.random.default_rng(one) for one in np.random.SeedSequence(seed).spawn(3)]
    people = make_people(config, make_assortment(config, rngs[0]), rngs[1])
    ties = make_ties(config, people, rngs[2])
    kind = np.zeros(len(ties.src), np.int8)
    known = Ties(ties.src, ties.dst, kind, np.ones(len(ties.src), np.float32), ties.since)
    network = Network.of(known, SHOPPERS)
    found = find_communities(network, 4.0, 1, method=CommunityMethod.LEIDEN)
    return World(people, ties, found.label)


def live(world: World, treated: Bools, swayed: float, rng: np.random.Generator) -> Bools:
    """Let shoppers buy by their lists, and by word of friends; say who bought anything."""
    diffusion = Diffusion(world.ties, SHOPPERS)
    people, bought = world.people, np.zeros(SHOPPERS, np.bool_)
    chance = np.clip(BASE * people.activity * np.where(treated, 1.0 + LIFT, 1.0), 0.0, 1.0)
    for day in range(DAYS):
        heard = diffusion.due(day)
        listens = heard.closeness * people.openness[heard.user] * 2.0
        moved = heard.user[rng.random(len(heard.user)) < np.clip(swayed * listens, 0.0, 1.0)]
        buyers = np.concatenate([np.flatnonzero(rng.random(SHOPPERS) < chance), moved])
        bought[buyers] = True
        diffusion.spread(_purchases(buyers), 0, day, rng)
    return bought


def _purchases(buyers: Ints) -> Visits:
    none, num = np.full(len(buyers), -1), len(buyers)
    cause = np.full(num, CAUSES.index(Cause.TASTE), np.int8)
    reach = np.full(num, BOUGHT, np.int8)
    zero = np.zeros(num, np.int64)
    return Visits(buyers, zero, zero, cause, none, none, reach, np.zeros(num, np.bool_))


def truth(world: World, swayed: float, seed: int) -> tuple[float, float]:
    """Measure what all on the second arm buy more than all on the first, and its error."""
    found = []
    for number in range(TRUTHS):
        rates = [
            live(
                world, np.full(SHOPPERS, arm), swayed, np.random.default_rng([seed, number])
            ).mean()
            for arm in (True, False)
        ]
        found.append(rates[0] - rates[1])
    return float(np.mean(found)), float(np.std(found) / np.sqrt(TRUTHS))


def friends(num: int, seed: int) -> list[dict[str, Any]]:
    """Run experiments of both kinds in worlds with more and more talk."""
    world, rows = make_world(seed), []
    for swayed in SWAYED:
        known, error = truth(world, swayed, seed)
        ways = {
            "shoppers drawn one by one": [
                _once(world, swayed, None, [seed, 1, n]) for n in range(num)
            ],
            "communities drawn, errors of shoppers": [],
            "communities drawn, errors of communities": [],
        }
        for n in range(num):
            naive, robust = _by_community(world, swayed, [seed, 2, n])
            ways["communities drawn, errors of shoppers"].append(naive)
            ways["communities drawn, errors of communities"].append(robust)
        told = {name: _judged(found, known) for name, found in ways.items()}
        rows.append(
            {
                "swayed": swayed,
                "truth": known,
                "error of the truth": error,
                "experiments": num,
                "shoppers": SHOPPERS,
                "communities": int(world.community.max()) + 1,
                **told,
            }
        )
    return rows


def _once(world: World, swayed: float, _: None, seed: list[int]) -> Any:
    rng = np.random.default_rng(seed)
    treated = rng.random(SHOPPERS) < 0.5
    return difference(treated, live(world, treated, swayed, rng).astype(np.float64))


def _by_community(world: World, swayed: float, seed: list[int]) -> tuple[Any, Any]:
    rng = np.random.default_rng(seed)
    treated = (rng.random(int(world.community.max()) + 1) < 0.5)[world.community]
    bought = live(world, treated, swayed, rng).astype(np.float64)
    return difference(treated, bought), difference(treated, bought, world.community)


def _judged(found: list[Any], known: float) -> dict[str, float]:
    estimates = np.array([one.difference for one in found])
    usual = [one.fixed(0.05) for one in found]
    valid = [one.interval(0.05) for one in found]
    return {
        "mean estimate": float(estimates.mean()),
        "off by, share of the truth": float(estimates.mean() / known - 1.0),
        "95 % interval of one look covers": float(np.mean([a <= known <= b for a, b in usual])),
        "interval of all looks covers": float(np.mean([a <= known <= b for a, b in valid])),
        "mean half width of one look": float(np.mean([(b - a) / 2 for a, b in usual])),
    }


if __name__ == "__main__":
    print(json.dumps(friends(20, 11), indent=1))
