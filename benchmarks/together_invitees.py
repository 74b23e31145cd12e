"""Who among somebody's friends takes an item that they had? By several ways of ranking friends."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from scipy.optimize import minimize

from benchmarks.together_world import ClosedForm, Doubles, World, compared, pairs_of
from coterie.data.dataset import Interactions, Ints, TrainingSet
from coterie.data.ragged import Ragged
from coterie.network.node2vec import embed
from coterie.network.people import Network
from coterie.recommend.batches import Community
from coterie.together.invitees import (
    AskedFriends,
    AskingRule,
    InviteWeights,
    as_shoppers,
    fits,
    log_odds,
    sample_of,
    wants,
)

WAYS: Final = (
    "chance",
    "friend_popularity",
    "tie_strength",
    "node2vec",
    "item_score",
    "fit",
    "shipped",
    "both",
)
METRICS: Final = ("auc", "recall@1", "recall@3")
SHARES: Final = (0.0, 0.1, 0.25, 0.5, 1.0)
"""Of the weights beside the item's score."""
_MOST_ITEMS: Final = 400
"""Items of one person that are asked for."""


@dataclass(frozen=True)
class Asked:
    """n friends of q questions, all of a question together."""

    rows: Ragged
    """The friends of each question."""
    person: Ints
    """Who asks, shape (q,)."""
    took: Doubles
    """1 where the friend took the item, shape (n,)."""
    features: dict[str, Doubles]
    """Of each friend, shape (n,) or (n, f)."""


def measure_invitees(world: World) -> dict[str, Any]:
    """Choose weights on validation, look at test once."""
    split = world.split
    validation = _questions(world.before, split.val, world.model_before)
    weights = _chosen(validation)
    test = _questions(world.after, split.test, world.model_after)
    scores = _scores(test, weights)
    figures: dict[str, Any] = {}
    for place, metric in enumerate(METRICS):
        values = {way: _by_person(test, scores[way])[:, place] for way in WAYS}
        figures[metric] = compared(values, "both")
    chosen = _scores(validation, weights)
    below = test.features["fit"] < AskingRule().least_fit
    return {
        "questions": len(test.rows),
        "people": len(np.unique(test.person)),
        "friends_a_question": round(float(test.rows.counts.mean()), 2),
        "weights": {
            "want": round(weights.want, 3),
            "history": round(weights.history, 3),
            "strengths": [round(w, 3) for w in weights.strengths],
        },
        "validation_auc": {
            w: round(float(_by_person(validation, chosen[w])[:, 0].mean()), 4) for w in WAYS
        },
        # Whom the least fit leaves out: of those who took the item, and of all.
        "left_out": [round(float(below[test.took > 0].mean()), 4), round(float(below.mean()), 4)],
        "test": figures,
    }


def _questions(data: TrainingSet, targets: Interactions, model: ClosedForm) -> Asked:
    """Ask for every person and item of theirs that some friend, and not all, takes later."""
    community = Community.of(data)
    had, taken = pairs_of(data.interactions, data.num_items), pairs_of(targets, data.num_items)
    bounds = np.searchsorted(had, np.arange(data.num_users + 1) * data.num_items)
    active = np.bincount(had // data.num_items, minlength=data.num_users).astype(np.float64)
    others = sample_of(np.ones(data.num_items, np.bool_))
    near = _vectors(data)
    parts = list(_of_people(data, community, (had, bounds, taken), active, others, model, near))
    counts, person, took, features = (list(of) for of in zip(*parts, strict=True))
    names = features[0].keys()
    return Asked(
        Ragged.of(np.concatenate(counts)),
        np.concatenate(person),
        np.concatenate(took),
        {name: np.concatenate([one[name] for one in features]) for name in names},
    )


def _vectors(data: TrainingSet) -> Doubles:
    """Learn everybody's vector of length 1 by node2vec, of ties alone, shape (users, size)."""
    vector = embed(Network.of(data.ties, data.num_users)).astype(np.float64)
    return np.asarray(vector / np.maximum(np.linalg.norm(vector, axis=1, keepdims=True), 1e-12))


def _of_people(
    data: TrainingSet,
    community: Community,
    pairs: tuple[Ints, Ints, Ints],
    active: Doubles,
    others: Ints,
    model: ClosedForm,
    near: Doubles,
) -> Iterator[tuple[Ints, Ints, Doubles, dict[str, Doubles]]]:
    had, bounds, taken = pairs
    for person in range(data.num_users):
        friends = community.friends.take(np.array([person]))
        who = friends.person.astype(np.int64)
        items = had[bounds[person] : bounds[person + 1]] % data.num_items
        if len(who) < 2 or not len(items):
            continue
        key = who[None] * data.num_items + items[:, None]
        free, took = ~np.isin(key, had), np.isin(key, taken)
        took &= free
        asks = np.flatnonzero(took.any(axis=1) & (free & ~took).any(axis=1))[:_MOST_ITEMS]
        if not len(asks):
            continue
        histories = community.histories.take(np.append(person, who))
        every = model.scores(as_shoppers(histories, friends.strengths))
        scores = every[:, np.concatenate([items[asks], others])]
        apart = scores[:, len(asks) :]
        lost = ~every.any(axis=1)
        of_each = [np.column_stack([scores[:, n], apart]) for n in range(len(asks))]
        fit = np.stack([fits(one, lost) for one in of_each])
        want = np.stack([wants(one, lost) for one in of_each])
        kept = free[asks]
        many = len(asks)
        strengths = np.broadcast_to(friends.strengths, (many, *friends.strengths.shape))[kept]
        yield (
            kept.sum(axis=1),
            np.full(many, person),
            took[asks][kept].astype(np.float64),
            {
                "fit": fit[kept],
                "want": want[kept],
                "score": scores[:, :many].T[kept],
                "strengths": strengths.astype(np.float64),
                "active": np.broadcast_to(active[who], kept.shape)[kept],
                "near": np.broadcast_to(near[who] @ near[person], kept.shape)[kept],
            },
        )


def _scores(asked: Asked, weights: InviteWeights) -> dict[str, Doubles]:
    of, nobody = asked.features, np.zeros(len(asked.took), np.int64)
    history = of["active"].astype(np.int64)
    friends = AskedFriends(of["want"], history, of["strengths"].astype(np.float32), nobody)
    return {
        "chance": np.random.default_rng(0).random(len(asked.took)),
        "friend_popularity": of["active"],
        "tie_strength": of["strengths"].sum(axis=1),
        "node2vec": of["near"],
        "item_score": of["score"],
        "fit": of["fit"],
        "shipped": log_odds(friends),
        "both": log_odds(friends, weights),
    }


def _chosen(asked: Asked) -> InviteWeights:
    """Choose how much of what likelihood says of histories and ties counts, by AUC."""
    learned = _learned(asked)
    return max(
        (_less(learned, share) for share in SHARES),
        key=lambda weights: _by_person(asked, _scores(asked, weights)["both"])[:, 0].mean(),
    )


def _less(weights: InviteWeights, share: float) -> InviteWeights:
    return InviteWeights(
        weights.want, weights.history * share, tuple(one * share for one in weights.strengths)
    )


def _learned(asked: Asked) -> InviteWeights:
    """Fit weights by the likelihood of who took the item, among all who were there."""
    of = asked.features
    x = np.column_stack([of["want"], np.log1p(of["active"]), of["strengths"]])
    row, took = asked.rows.row, asked.took
    starts = asked.rows.offsets[:-1]
    share = took / np.add.reduceat(took, starts)[row]

    def loss(w: Doubles) -> tuple[float, Doubles]:
        score = x @ w
        score -= np.maximum.reduceat(score, starts)[row]
        odds = np.exp(score)
        total = np.add.reduceat(odds, starts)
        guess = odds / total[row]
        value = float((np.log(total).sum() - share @ score) / len(starts) + 0.001 * (w @ w))
        return value, x.T @ (guess - share) / len(starts) + 0.002 * w

    found = minimize(loss, np.zeros(x.shape[1]), jac=True, method="L-BFGS-B").x
    return InviteWeights(float(found[0]), float(found[1]), tuple(map(float, found[2:])))


def _by_person(asked: Asked, score: Doubles) -> Doubles:
    """Average AUC and recalls of each person's questions, shape (people, metrics)."""
    offsets = asked.rows.offsets
    found = np.empty((len(asked.rows), len(METRICS)))
    jitter = np.random.default_rng(1).random(len(score))  # ties fall by chance
    for row in range(len(asked.rows)):
        part = slice(int(offsets[row]), int(offsets[row + 1]))
        order = np.lexsort((jitter[part], -score[part]))
        took = asked.took[part][order]
        ahead = np.cumsum(1 - took)
        all_took, rest = took.sum(), (1 - took).sum()
        auc = 1 - (took * ahead).sum() / (all_took * rest)
        found[row] = auc, took[:1].sum() / all_took, took[:3].sum() / all_took
    people, index = np.unique(asked.person, return_inverse=True)
    sums = np.zeros((len(people), len(METRICS)))
    np.add.at(sums, index, found)
    return sums / np.bincount(index)[:, None]
