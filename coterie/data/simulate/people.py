"""The people of a simulated shop, and who gets to know whom."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse

from coterie.data.dataset import Floats, Ints
from coterie.data.simulate.assortment import Assortment, unit
from coterie.data.simulate.config import ShopConfig

Draws = npt.NDArray[np.float64]
_LIKENESS = 5.0
"""How much more often alike people meet: exp(5 * cosine) among a few chance meetings."""


@dataclass(frozen=True, slots=True)
class People:
    """Shoppers as columns of shape (num_users,); times are days after the shop's first day."""

    community: Ints
    taste: Floats
    """Taste on the first day, shape (num_users, TASTE_DIM), length 1."""
    activity: Floats
    """How often each shopper comes; the mean is 1."""
    sociability: Floats
    arrives: Floats
    openness: Floats
    """How easily friends move each shopper, 0 to 1."""


@dataclass(frozen=True, slots=True)
class Acquaintance:
    """Directed ties as columns of shape (m,), follower to followee, ordered so."""

    src: Ints
    dst: Ints
    follow: npt.NDArray[np.bool_]
    """One-sided; the others are friendships and stand here both ways."""
    closeness: Floats
    """How much the followee's doings reach the follower; about 1."""
    since: Floats


def make_people(config: ShopConfig, assortment: Assortment, rng: np.random.Generator) -> People:
    """Make shoppers in communities of unequal size, each with a taste near their community's."""
    n, groups = config.num_users, config.communities
    sizes = np.arange(1, groups + 1) ** -0.5
    community = rng.choice(groups, n, p=sizes / sizes.sum())
    second = rng.choice(groups, n, p=sizes / sizes.sum())
    # A community cares for a few shelves: so do its members.
    shelves = assortment.shelf_vector[rng.integers(0, len(assortment.shelf_vector), (groups, 3))]
    centre = unit(shelves.sum(axis=1) + 0.4 * unit(rng.normal(size=shelves[:, 0].shape)))
    own = unit(rng.normal(size=(n, centre.shape[1])))
    mixed = rng.uniform(0.0, 0.5, (n, 1))
    taste = unit((1 - mixed) * centre[community] + mixed * centre[second] + 0.5 * own)
    late = rng.random(n) < config.late_users
    arrives = np.where(late, rng.uniform(0, 0.95 * config.days, n), -1.0)
    activity = rng.lognormal(0, 0.8, n)
    return People(
        community=community,
        taste=taste,
        activity=(activity / activity.mean()).astype(np.float32),
        sociability=rng.lognormal(0, 0.7, n).astype(np.float32),
        arrives=arrives.astype(np.float32),
        openness=rng.beta(2, 2, n).astype(np.float32),
    )


def make_ties(config: ShopConfig, people: People, rng: np.random.Generator) -> Acquaintance:
    """Tie people by likeness first, then to friends of friends in three rounds."""
    n = config.num_users
    # A friendship is two directed ties, a following one: 0.7 * 2 + 0.3 ties a pair.
    wanted = int(n * config.num_friends / 1.7)
    pairs = _meet(int(0.6 * wanted), people, rng)
    for _ in range(3):
        missing = max(wanted - len(pairs), 0) // 3 + 1
        pairs = np.unique(np.concatenate([pairs, _introduce(missing, pairs, people, rng)]))
    low, high = pairs // n, pairs % n
    return _tie(config, low, high, people, rng)


def _meet(wanted: int, people: People, rng: np.random.Generator) -> Ints:
    """Draw pairs that chance brings together and likeness keeps, as low * num_users + high."""
    n = len(people.community)
    who = draw(people.sociability, wanted, rng)
    chances = 6
    near = rng.random((wanted, chances)) < 0.8
    met = np.where(
        near,
        _draw_in_community(people, who, chances, rng),
        draw(people.sociability, wanted * chances, rng).reshape(wanted, chances),
    )
    return _as_pairs(who, _keep_alike(who, met, people, rng), n)


def _introduce(wanted: int, pairs: Ints, people: People, rng: np.random.Generator) -> Ints:
    """Choose pairs of people with a common friend, the alike ones first."""
    n = len(people.community)
    if len(pairs) == 0:
        return pairs
    ends = np.concatenate([pairs // n, pairs % n]), np.concatenate([pairs % n, pairs // n])
    known = sparse.csr_matrix((np.ones(len(ends[0]), np.int8), ends), shape=(n, n))
    degree = np.diff(known.indptr)
    who = draw(people.sociability * (degree > 0), wanted, rng)
    between = _neighbour(known, np.repeat(who, 4), rng)
    met = _neighbour(known, between, rng).reshape(wanted, 4)
    return _as_pairs(who, _keep_alike(who, met, people, rng), n)


def _keep_alike(who: Ints, met: Ints, people: People, rng: np.random.Generator) -> Ints:
    """Keep one of each row's meetings, alike people preferred, shape (len(who),)."""
    alike = np.einsum("nd,nmd->nm", people.taste[who], people.taste[met])
    liked = np.argmax(_LIKENESS * alike + rng.gumbel(size=met.shape), axis=1)
    kept: Ints = met[np.arange(len(who)), liked]
    return kept


def _draw_in_community(people: People, who: Ints, chances: int, rng: np.random.Generator) -> Ints:
    """Draw members of each one's own community, shape (len(who), chances)."""
    order = np.argsort(people.community, kind="stable")
    sizes = np.bincount(people.community)
    starts = np.cumsum(sizes) - sizes
    group = people.community[who][:, None]
    index = starts[group] + (rng.random((len(who), chances)) * sizes[group]).astype(np.int64)
    members: Ints = order[index]
    return members


def _neighbour(known: "sparse.csr_matrix[np.int8]", who: Ints, rng: np.random.Generator) -> Ints:
    """Draw a random neighbour of each, who has at least one."""
    degree = np.diff(known.indptr)[who]
    index = known.indptr[who] + (rng.random(len(who)) * degree).astype(np.int64)
    return known.indices[index].astype(np.int64)


def _as_pairs(left: Ints, right: Ints, n: int) -> Ints:
    """Encode distinct unordered pairs as low * n + high; nobody with themselves."""
    other = left != right
    low, high = np.minimum(left, right)[other], np.maximum(left, right)[other]
    return np.unique(low.astype(np.int64) * n + high)


def _tie(
    config: ShopConfig, low: Ints, high: Ints, people: People, rng: np.random.Generator
) -> Acquaintance:
    """Make directed ties of pairs: 7 in 10 friendships; a following goes to the better known."""
    m = len(low)
    follow = rng.random(m) < 0.3
    upward = people.sociability[low] < people.sociability[high]
    src, dst = np.where(upward, low, high), np.where(upward, high, low)
    alike = (people.taste[low] * people.taste[high]).sum(axis=1)
    closeness = rng.lognormal(0, 0.5, m) * np.exp(0.5 * alike)
    since = _since(config, np.maximum(people.arrives[low], people.arrives[high]), rng)
    back = ~follow
    tie = Acquaintance(
        src=np.concatenate([src, dst[back]]),
        dst=np.concatenate([dst, src[back]]),
        follow=np.concatenate([follow, follow[back]]),
        closeness=np.concatenate([closeness, closeness[back]]).astype(np.float32),
        since=np.concatenate([since, since[back]]).astype(np.float32),
    )
    kept = np.flatnonzero(tie.since < config.days)
    kept = kept[np.lexsort((tie.dst[kept], tie.src[kept]))]
    return Acquaintance(
        tie.src[kept], tie.dst[kept], tie.follow[kept], tie.closeness[kept], tie.since[kept]
    )


def _since(config: ShopConfig, both_here: Floats, rng: np.random.Generator) -> Draws:
    """Draw when ties form: most of the old hands' before the first day, newcomers' as they come."""
    m, days = len(both_here), config.days
    old = both_here < 0
    before = rng.random(m) < 0.75
    first = np.where(before, -rng.uniform(0, 4 * days, m), rng.uniform(0, days, m))
    return np.where(old, first, both_here + rng.exponential(0.05 * days, m))


def draw(weight: npt.NDArray[np.floating], count: int, rng: np.random.Generator) -> Ints:
    """Draw rows in proportion to ``weight``, with replacement, shape (count,)."""
    cumulative = np.cumsum(weight, dtype=np.float64)
    index = np.searchsorted(cumulative, rng.random(count) * cumulative[-1], side="right")
    rows: Ints = np.minimum(index, len(weight) - 1).astype(np.int64)
    return rows
