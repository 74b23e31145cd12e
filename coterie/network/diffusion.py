"""Who moves whom in a shop, how sure that is, and from whom things would spread furthest."""

from dataclasses import dataclass

import numpy as np

from coterie.data.dataset import Dataset, Ints
from coterie.errors import BadInputError
from coterie.network.adoptions import Adoptions, Exposures, arrivals, expose
from coterie.network.homophily import MatchedPairs, ShuffleTest, match_pairs, shuffle_times
from coterie.network.influence import Influence, credit_distribution, estimate
from coterie.network.linear_threshold import LinearThreshold, fit_linear_threshold
from coterie.network.maximise import Seeds, choose_seeds
from coterie.network.people import Doubles
from coterie.network.settings import NetworkSettings
from coterie.network.spread import Cascade, expected_spread
from coterie.network.study import NetworkStructure, top_categories


@dataclass(frozen=True, slots=True)
class Diffused:
    """What was found of influence."""

    adoptions: Adoptions
    exposures: Exposures
    influence: Influence
    threshold: LinearThreshold
    credit: Doubles
    """Of each tie, with no background: see ``influence.credit_distribution``."""
    shuffled: ShuffleTest
    matched: MatchedPairs
    cascade: Cascade
    """By who moves whom, with the chances found."""
    seeds: Seeds | None


def find_diffusion(
    dataset: Dataset, built: NetworkStructure, settings: NetworkSettings
) -> Diffused | str:
    """Estimate influence and choose people; a sentence where that cannot be done.

    Args:
        dataset: Its events.
        built: Its network.
        settings: How thoroughly.
    """
    network = built.network
    try:
        adoptions = Adoptions.of(dataset.events)
    except BadInputError as error:
        return str(error)
    exposures = expose(network, adoptions)
    if not len(exposures):
        return "influence needs adoptions by people whom others follow: there are none"
    came_ms = arrivals(dataset.events, network.num_people)
    influence = estimate(network, adoptions, exposures, top_categories(dataset), came_ms)
    cascade = Cascade.of(
        network.ties.dst_idx, network.ties.src_idx, influence.probability, network.num_people
    )
    wanted = min(settings.coupons, network.num_people)
    return Diffused(
        adoptions=adoptions,
        exposures=exposures,
        influence=influence,
        threshold=fit_linear_threshold(network, adoptions, exposures, influence),
        credit=credit_distribution(network, adoptions, exposures),
        shuffled=shuffle_times(network, adoptions, exposures, came_ms, settings.shuffles),
        matched=match_pairs(network, adoptions, exposures, influence.background),
        cascade=cascade,
        seeds=choose_seeds(cascade, wanted, settings.eps) if wanted else None,
    )


def compare_seeds(
    built: NetworkStructure, found: Diffused, settings: NetworkSettings
) -> dict[str, dict[str, float]]:
    """Simulate how far things spread from people chosen in several ways, as many each."""
    if found.seeds is None:
        return {}
    k, network = len(found.seeds.people), built.network
    followers = np.bincount(network.ties.dst_idx, minlength=network.num_people)
    ways: dict[str, Ints] = {
        "imm": found.seeds.people,
        "followers": top(followers, k),
        "pagerank": top(built.pagerank, k),
        "influence": top(found.influence.given(network), k),
        "random": np.random.default_rng(0).choice(network.num_people, k, replace=False),
    }
    spread = {}
    for way, people in ways.items():
        mean, error = expected_spread(found.cascade, people, settings.runs)
        spread[way] = {"people": mean, "standard_error": error}
    return spread


def top(values: "Doubles | Ints", k: int) -> Ints:
    """Take the k largest, the lower row first of equal ones."""
    return np.lexsort((np.arange(len(values)), -values.astype(np.float64)))[:k]
