"""How well one list serves each of several friends, by what each of them takes later."""

from typing import Any, Final

import numpy as np

from benchmarks.together_world import ClosedForm, Doubles, World, alone, compared, pairs_of, rows_of
from coterie.data.dataset import Interactions, Ints, TrainingSet
from coterie.recommend.batches import Community
from coterie.schema import STRENGTHS
from coterie.together.groups import GroupRule, choose_together, satisfaction, wishes

K: Final = 20
POOL: Final = 200
LARGEST: Final = 5
MOST_GROUPS: Final = 1000
WAYS: Final = (*GroupRule, "popularity", "one_member", "each_alone")


def measure_groups(world: World) -> dict[str, Any]:
    """Choose the rule on validation by the least happy, look at test once."""
    split = world.split
    validation = _served(world.before, split.val, world.model_before)
    ours = max(GroupRule, key=lambda rule: validation[rule][:, 1].mean())
    test = _served(world.after, split.test, world.model_after)
    figures = {
        figure: compared({str(way): test[way][:, place] for way in WAYS}, str(ours))
        for place, figure in enumerate(("mean", "least", "least_wish"))
    }
    return {
        "groups": len(test[ours]),
        "chosen": str(ours),
        "validation_least": {
            str(way): round(float(validation[way][:, 1].mean()), 4) for way in WAYS
        },
        "test": figures,
    }


def groups_of(data: TrainingSet, targets: Interactions) -> list[Ints]:
    """Put friends together who had something in common, each of whom takes something later."""
    community = Community.of(data)
    takes = np.zeros(data.num_users, np.bool_)
    takes[pairs_of(targets, data.num_items) // data.num_items] = True
    common = list(STRENGTHS).index("common_items")
    found: dict[tuple[int, ...], None] = {}
    for person in np.flatnonzero(takes).tolist():
        friends = community.friends.take(np.array([person]))
        bought_alike = (friends.strengths[:, common] > 0) & takes[friends.person]
        others = friends.person[bought_alike][: LARGEST - 1].tolist()
        if others:
            found[tuple(sorted([person, *others]))] = None
    groups = list(found)
    if len(groups) > MOST_GROUPS:
        drawn = np.random.default_rng(0).choice(len(groups), MOST_GROUPS, replace=False)
        groups = [groups[place] for place in np.sort(drawn).tolist()]
    return [np.array(one, np.int64) for one in groups]


def _served(data: TrainingSet, targets: Interactions, model: ClosedForm) -> dict[str, Doubles]:
    """Make every group's list in every way.

    Returns:
        Mean and least NDCG of members, and how much the least happy have by their own order, each
        of shape (groups, 3).
    """
    community = Community.of(data)
    wanted, items = rows_of(pairs_of(targets, data.num_items), data.num_users, data.num_items)
    had = pairs_of(data.interactions, data.num_items)
    popular = np.argsort(
        -np.bincount(had % data.num_items, minlength=data.num_items), kind="stable"
    )
    found: dict[str, list[list[float]]] = {str(way): [] for way in WAYS}
    for members in groups_of(data, targets):
        scores = model.scores(alone(community, members))
        allowed = np.ones(data.num_items, np.bool_)
        allowed[community.histories.take(members).item_idx] = False
        own = np.argsort(-np.where(allowed, scores, -np.inf), axis=1, kind="stable")[:, :POOL]
        rows = np.unique(own)
        wish = wishes(scores[:, rows])
        lists = {str(rule): rows[choose_together(wish, K, rule)] for rule in GroupRule}
        lists["popularity"] = popular[allowed[popular]][:K]
        lists["one_member"] = own[0][:K]
        bounds, whole = wanted.offsets, wishes(np.where(allowed, scores, -np.inf))
        theirs = [items[bounds[one] : bounds[one + 1]] for one in members.tolist()]
        for way, listed in lists.items():
            least = float(satisfaction(whole, listed).min())
            found[way].append([*_figures([ndcg(listed, one) for one in theirs]), least])
        apart = [ndcg(line[:K], one) for line, one in zip(own, theirs, strict=True)]
        found["each_alone"].append([*_figures(apart), 1.0])
    return {way: np.array(of) for way, of in found.items()}


def _figures(values: list[float]) -> list[float]:
    return [float(np.mean(values)), float(np.min(values))]


def ndcg(listed: Ints, wanted: Ints) -> float:
    """NDCG@K of one list for one person, by what they take."""
    hits = np.isin(listed[:K], wanted)
    discount = 1.0 / np.log2(np.arange(K) + 2.0)
    return float(discount[: len(hits)][hits].sum() / discount[: min(K, len(wanted))].sum())
