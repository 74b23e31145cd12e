"""Items that nobody had yet: vectors by content, and how high they stand among others.

Nothing is known of who had them, so their scores are guesses, nearer to the mean than those of
known items, and without popularity's help: in a mixed list they would hardly come up. A bonus, the
same for all of them, is therefore found on validation: a tenth of the known items are scored as if
they were new (``ContentMap.as_if_new``), and the bonus is the one that finds most of these while
what is known loses next to nothing, by a bound that leaves room for the chance of who was asked.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch

from coterie.data.dataset import Ints, TrainingSet
from coterie.models.blending import popularity, some_shoppers
from coterie.models.content_map import ContentMap
from coterie.recommend.batches import Community
from coterie.recommend.linear import PREFIX, LinearPart
from coterie.recommend.recommender import Recommender
from coterie.recommend.terms import Parameters
from coterie.training.validation import Validation

BONUSES: Final = (-8.0, -4.0, -2.0, -1.0, -0.5, -0.25, 0.0, 0.1, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0)
"""In units of the scores' spread. The first leaves new items out of nearly all mixed lists."""
MAY_COST: Final = 0.008
"""Part of NDCG on known items that new ones beside them may cost, for all that chance may hide."""
_SURE: Final = 1.645
"""Standard errors over shoppers above the mean: one-sided, 95 in 100."""
_AS_IF_NEW: Final = 0.1
_PER_ITEM: Final = ("item_in", "item_out", "item_bias")

ScoredTwice = Callable[[torch.Tensor], tuple[torch.Tensor, torch.Tensor]]
"""User rows, shape (b,), to scores of all items as they are, (b, items), and to those that some of
them would have as new ones, (b, some)."""


def drawn_as_new(content: ContentMap) -> Ints:
    """Draw a tenth of the items that somebody had and whose content is known, ascending."""
    some = np.flatnonzero(content.known & content.features.any(axis=1))
    rng = np.random.default_rng(0)
    return np.sort(rng.choice(some, int(_AS_IF_NEW * len(some)), replace=False))


def find_bonus(data: TrainingSet, items: Ints, scored: ScoredTwice, unit: float) -> float:
    """Find what new items get beside their scores, in units; 0 where nothing tells.

    Args:
        data: With validation targets.
        items: Those that are treated as new.
        scored: Of validation's shoppers.
        unit: The spread of scores.
    """
    if data.validation is None or not len(items):
        return 0.0
    asks_new = np.isin(data.validation.item_idx, items)
    of_known, of_new = (
        Validation(replace(data, validation=data.validation.take(some)), torch.device("cpu"))
        for some in (~asks_new, asks_new)
    )
    column = torch.from_numpy(items)

    def each(users: torch.Tensor) -> torch.Tensor:
        scores, as_new = scored(users)
        tried = scores.float().repeat(1 + len(BONUSES), 1, 1)
        tried[0][:, column] = -torch.inf
        for place, bonus in enumerate(BONUSES, 1):
            tried[place][:, column] = as_new.float() + bonus * unit
        return tried

    known = of_known.ndcg_by_shopper(each, 1 + len(BONUSES))
    new = of_new.ndcg_of_each(each, 1 + len(BONUSES))[1:]
    if not known.size or not new:
        return 0.0
    lost = known[0] - known[1:]
    most = lost.mean(axis=1) + _SURE * lost.std(axis=1) / len(known[0]) ** 0.5
    free = [p for p, cost in enumerate(most) if cost <= known[0].mean() * MAY_COST]
    return BONUSES[max(free, key=lambda p: (round(new[p], 6), -p), default=0)]


def lift_new(
    parameters: Parameters,
    bonus: float | None,
    content: ContentMap,
    community: Community,
    data: TrainingSet,
) -> tuple[Parameters, float]:
    """Add the bonus of new items to their biases, and say what it is, in units of the spread.

    Args:
        parameters: All terms, new items filled.
        bonus: None: validation finds it.
        content: Of the items.
        community: The shoppers.
        data: What was learned from; with validation targets, where the bonus is to be found.
    """
    if not len(content.new):
        return parameters, bonus or 0.0
    made = Recommender(parameters, popularity(data))
    unit = float(made.scores(some_shoppers(community)).std())
    if bonus is None:
        items = drawn_as_new(content)
        as_new = Recommender(as_if_new(parameters, content, items), popularity(data))

        def scored(users: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            shoppers = community.shoppers(users.numpy())
            return made.scores(shoppers), as_new.scores(shoppers)[:, torch.from_numpy(items)]

        bonus = find_bonus(data, items, scored, unit)
    bias = parameters["item_bias"].clone()
    bias[torch.from_numpy(content.new)] += bonus * unit
    return parameters | {"item_bias": bias}, bonus


def fill_new(
    parameters: Parameters, linear: LinearPart | None, content: ContentMap
) -> tuple[Parameters, LinearPart | None]:
    """Give items that nobody had what content maps to them; others keep theirs to the bit.

    Args:
        parameters: What was learned, ``item_in`` and its like.
        linear: The closed form; None where it counts nothing.
        content: Of the items.
    """
    if not len(content.new):
        return parameters, linear

    def of(table: torch.Tensor) -> torch.Tensor:
        return _with_rows(table, content.new, content.of_new(_flat(table)))

    tables = {name: of(parameters[name]) for name in _PER_ITEM}
    if linear is not None:
        linear = replace(linear, own=of(linear.own), friend=of(linear.friend), out=of(linear.out))
    return parameters | tables, linear


def as_if_new(parameters: Parameters, content: ContentMap, items: Ints) -> Parameters:
    """Give some items that people had what they would be asked by, had nobody had them."""
    answers = ("item_out", "item_bias", f"{PREFIX}out")
    found = dict(parameters)
    for name in answers:
        if name in found:
            rows = content.as_if_new(_flat(found[name]), items)
            found[name] = _with_rows(found[name], items, rows)
    near, item = f"{PREFIX}near", f"{PREFIX}near_item"
    if near in found:
        theirs = np.isin(found[item].numpy(), items)
        found[near] = found[near].masked_fill(torch.from_numpy(theirs), 0.0)
    return found


def _flat(table: torch.Tensor) -> npt.NDArray[Any]:
    return table.double().numpy().reshape(len(table), -1)


def _with_rows(table: torch.Tensor, rows: Ints, values: npt.NDArray[Any]) -> torch.Tensor:
    found = table.clone()
    found[torch.from_numpy(rows)] = torch.from_numpy(values).reshape(-1, *table.shape[1:]).to(table)
    return found
