"""Items that nobody had yet: a tenth of the items kept out of training, and asked for."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from benchmarks.content_sets import ContentSet
from benchmarks.content_table import HAD_THEY_BEEN_KNOWN
from coterie.data.dataset import Ints, TrainingSet
from coterie.data.hidden import hidden_pairs
from coterie.models.content import ContentConfig, ContentModel
from coterie.models.engagement import engagement

SHARE: Final = 0.1
DRAWS: Final = 3
Floats = npt.NDArray[Any]


def measure_cold(
    found: ContentSet, config: ContentConfig, kinds: tuple[str, ...]
) -> dict[str, Any]:
    """Measure lists of cold items alone, and mixed ones; means over draws of the cold items.

    What cold items get beside their scores in mixed lists is found on validation.

    Returns:
        By row, recall and NDCG of cold targets among cold items, ``had they been known`` by a model
        that learned from what people did with them; under ``mixed`` (cold items by
        their neighbours alone) and ``mixed, mapped`` NDCG of known targets with cold items in the
        catalogue and without, and of cold targets in mixed lists.
    """
    given = dict(zip(config.parts, config.weights or (), strict=True))
    given |= {kind: given.get(kind, 0.0) for kind in kinds}
    placed = replace(config, parts=tuple(given), weights=tuple(given.values()), map_new=True)
    model = _fitted(placed, replace(found.validation.fit, validation=None), None)
    model.place_new(found.validation.serve or found.validation.fit)
    placed = model.chosen_config()
    task = found.test
    known = _fitted(replace(placed, map_new=False), task.fit, task.serve or task.fit)
    draws = [_draw(found, placed, kinds, seed, known) for seed in range(DRAWS)]
    means = {
        row: {f: round(float(np.mean([d[row][f] for d in draws])), 5) for f in draws[0][row]}
        for row in draws[0]
    }
    means["mixed, mapped"]["bonus"] = placed.new_item_bonus or 0.0
    return means


def _draw(
    found: ContentSet,
    config: ContentConfig,
    kinds: tuple[str, ...],
    seed: int,
    known: ContentModel | None = None,
) -> dict[str, dict[str, float]]:
    task, n = found.test, found.test.fit.num_items
    rng = np.random.default_rng(seed)
    cold = np.zeros(n, bool)
    cold[rng.choice(n, int(SHARE * n), replace=False)] = True
    fit = _without(task.fit, cold)
    served = fit if task.serve is None else _without(task.serve, cold)
    asked_cold = task.held_out.take(cold[task.held_out.item_idx])
    asked_known = task.held_out.take(~cold[task.held_out.item_idx])
    # What a shopper had of the cold items is hidden, too: no target can be among it, so it would
    # only stand before what they want next.
    seen = task.serve or task.fit
    hidden = hidden_pairs(seen.interactions, n, seen.again)
    whole = _fitted(config, fit, served)
    rows: dict[str, dict[str, float]] = {}

    def among(scores: Callable[[Ints], Floats]) -> dict[str, float]:
        return _figures(scores, asked_cold, hidden, found.k, ~cold)

    whole.maps_new = False
    for row, rule in _rules(found, fit, served, rng, whole).items():
        rows[row] = among(rule)
    weights = whole.weights
    for name, parts in {**{k: (k,) for k in kinds}, "all kinds": kinds}.items():
        whole.weights = {part: weights[part] or 0.1 for part in parts}
        rows[name] = among(whole.scores)
    whole.weights = weights
    nothing = np.zeros(n, bool)
    without = _figures(whole.scores, asked_known, hidden, found.k, cold)["ndcg"]
    for row, mapped in (("mixed", False), ("mixed, mapped", True)):
        whole.maps_new = mapped
        with_cold = _figures(whole.scores, asked_known, hidden, found.k, nothing)["ndcg"]
        found_cold = _figures(whole.scores, asked_cold, hidden, found.k, nothing)["ndcg"]
        rows[row] = {
            "known_with_cold": with_cold,
            "known_without_cold": without,
            "cold": found_cold,
        }
    rows["all, mapped"] = among(whole.scores)
    if known is not None:
        rows[HAD_THEY_BEEN_KNOWN] = among(known.scores)
    return rows


def _fitted(config: ContentConfig, fit: TrainingSet, served: TrainingSet | None) -> ContentModel:
    model = ContentModel(config)
    model.fit(replace(fit, validation=None))
    if served is not None:
        model.serve(served)
    return model


def _without(data: TrainingSet, cold: npt.NDArray[np.bool_]) -> TrainingSet:
    kept = ~cold[data.interactions.item_idx]
    return replace(data, interactions=data.interactions.take(kept), validation=None)


def _rules(
    found: ContentSet,
    fit: TrainingSet,
    served: TrainingSet,
    rng: np.random.Generator,
    whole: ContentModel,
) -> dict[str, Callable[[Ints], Floats]]:
    """Make the rules that need no content but a category: chance, its popularity, one's liking, and
    the mean score of its known items."""
    n = fit.num_items
    rules: dict[str, Callable[[Ints], Floats]] = {
        "random": lambda users: rng.random((len(users), n)).astype(np.float32)
    }
    if found.category is None:
        return rules
    code = np.unique(found.category, return_inverse=True)[1]
    groups = np.zeros((n, code.max() + 1), np.float32)
    groups[np.arange(n), code] = 1.0
    popular = np.asarray(engagement(fit).sum(axis=0)).ravel() @ groups
    had = engagement(served)
    tie = rng.random(n) * 1e-3  # items of one category are equals: none is first by its row
    rules["popular category"] = lambda users: np.tile(popular[code] + tie, (len(users), 1))
    rules["own categories"] = lambda users: (
        (had[users] @ groups)[:, code] + 0.1 * (popular / popular.max())[code] + tie
    )
    known = groups * (np.asarray(engagement(fit).sum(axis=0)).ravel() > 0)[:, None]
    mean = known / np.maximum(known.sum(axis=0), 1.0)
    rules["category mean"] = lambda users: (whole.scores(users) @ mean)[:, code] + tie
    return rules


def _figures(
    scores: Callable[[Ints], Floats],
    asked: Any,
    hidden: Ints,
    k: int,
    never: npt.NDArray[np.bool_],
) -> dict[str, float]:
    """Recall and NDCG at k over shoppers with a target, items of ``never`` left out."""
    n = len(never)
    wanted = np.setdiff1d(np.unique(asked.user_idx * n + asked.item_idx), hidden)
    users = np.unique(wanted // n)
    recall, ndcg = [], []
    gains = 1.0 / np.log2(np.arange(2, k + 2))
    for start in range(0, len(users), 512):
        some = users[start : start + 512]
        given = np.array(scores(some), np.float32)
        given[:, never] = -np.inf
        for pairs, value in ((hidden, None), (wanted, True)):
            mine = pairs[np.isin(pairs // n, some)]
            row, item = np.searchsorted(some, mine // n), mine % n
            if value is None:
                given[row, item] = -np.inf
            else:
                hits = np.zeros(given.shape, bool)
                hits[row, item] = True
        top = np.argsort(-given, axis=1, kind="stable")[:, :k]
        hit = np.take_along_axis(hits, top, axis=1)
        counts = hits.sum(axis=1)
        recall.append(hit.sum(axis=1) / counts)
        ndcg.append((hit * gains).sum(axis=1) / np.cumsum(gains)[np.minimum(counts, k) - 1])
    return {
        "recall": float(np.concatenate(recall).mean()),
        "ndcg": float(np.concatenate(ndcg).mean()),
    }
