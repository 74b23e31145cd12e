"""Why a graph network lists an item: estimates, which are no exact parts of a score.

Attention is no share of a score. Integrated gradients (Sundararajan et al., 2017,
arXiv:1703.01365) follow the score from where no item tells anything to what the items of the
shopper and of friends do tell; what each adds on the way is its contribution. In the limit of many
steps they add up to the difference, so what is missing, the gap, is told with them. Leaving one
item out after the other asks otherwise, and is the check: how alike both order the items.
"""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional as F  # noqa: N812 - torch's own convention

from coterie.data.dataset import Ints
from coterie.errors import BadInputError
from coterie.models.gatv2 import AttentionNetwork
from coterie.models.neighbour_trees import HAD, NeighbourGraph, NeighbourTrees

Bools = npt.NDArray[np.bool_]
Doubles = npt.NDArray[np.float64]
STEPS = 32
"""Gradients of an estimate."""


@dataclass(frozen=True, slots=True)
class ReasonEstimate:
    """What n items seem to add to the score of one, for one shopper. No ``Contribution``: those
    are exact, and are what answers hold."""

    item_idx: Ints
    """Items of the shopper's and of friends' histories, shape (n,)."""
    person: Ints
    """The friend who had each, a row of users; -1: the shopper, or further away; shape (n,)."""
    own: Bools
    """Whether the shopper had it, shape (n,)."""
    contribution: Doubles
    """Shape (n,)."""
    score: float
    """What the model gives the item."""
    nothing: float
    """What it would give where no item tells anything."""

    @property
    def gap(self) -> float:
        """What of the score no contribution tells: 0 in the limit of many steps."""
        return self.score - self.nothing - float(self.contribution.sum())

    @property
    def relative_gap(self) -> float:
        """The gap as a share of what contributions should add up to, 0 where that is nothing."""
        whole = abs(self.score - self.nothing)
        return abs(self.gap) / whole if whole > 1e-9 else 0.0


class Explained:
    """One shopper's tree, and the score of one item as a function of what its items tell."""

    def __init__(self, network: AttentionNetwork, graph: NeighbourGraph, user: int, item: int):
        self._network, self._item = network, item
        fan_out = network.list_fan_out()
        users = torch.tensor([user])
        own = graph.own_items(users, fan_out.own, None)
        self.trees = graph.trees(users, own, network.config.hops, fan_out, None)
        friends, there = graph.friends(users, fan_out.friends, None)
        self._friends = torch.where(there[0], friends[0], -1)
        with torch.no_grad():
            self.told = F.embedding(self.trees.item, network.items_in())
            self._found = network.items_out()[item]
            self._bias = network.item_bias[item]

    @property
    def rows(self) -> torch.Tensor:
        """Rows of the tree that hold an item which tells somebody something, shape (n,)."""
        edges = torch.cat(self.trees.edges[HAD], dim=1)
        return edges[0][edges[1] > 0]

    def score(self, told: torch.Tensor, trees: NeighbourTrees | None = None) -> torch.Tensor:
        """Score the item from what the items of the tree tell, a scalar."""
        state = F.normalize(self._network(trees or self.trees, told), dim=1)[0]
        return self._network.config.inverse_temperature * (state @ self._found) + self._bias

    def without(self, *rows: int) -> NeighbourTrees:
        """Take items out of the tree: they tell nobody."""
        gone = torch.tensor(rows)
        cut = tuple(
            torch.stack([edges[0], edges[1].where(~torch.isin(edges[0], gone), 0)])
            for edges in self.trees.edges[HAD]
        )
        return replace(self.trees, edges={**self.trees.edges, HAD: cut})

    def owners(self, rows: torch.Tensor) -> tuple[Ints, Bools]:
        """Tell which friend had the item of each row (-1: none), and whether the shopper had."""
        edges = torch.cat(self.trees.edges[HAD], dim=1)
        told = torch.zeros(len(self.trees.item), dtype=torch.long)
        told[edges[0]] = edges[1]
        # Row 0 of shoppers is nobody, row 1 whom the tree is about; friends stand first behind.
        friend = torch.full((1 + sum(self.trees.shopper_sizes),), -1)
        if self._network.config.hops > 1:
            friend[2 : 2 + len(self._friends)] = self._friends
        return friend[told[rows]].numpy(), (told[rows] == 1).numpy()


def estimate(
    network: AttentionNetwork, graph: NeighbourGraph, user: int, item: int, steps: int = STEPS
) -> ReasonEstimate:
    """Estimate what items of a shopper and of friends add to one item's score.

    Args:
        network: Fitted.
        graph: What is known of everybody.
        user: Row of the shopper.
        item: Row of the item that is scored.
        steps: Gradients: more leave a smaller gap, and take longer.

    Raises:
        BadInputError: ``steps`` is below 1.
    """
    if steps < 1:
        raise BadInputError(f"an estimate needs a step or more, got {steps}")
    shown = Explained(network, graph, user, item)
    total = torch.zeros_like(shown.told)
    for step in range(steps):
        told = (shown.told * ((step + 0.5) / steps)).requires_grad_()
        total += torch.autograd.grad(shown.score(told), told)[0]
    rows = shown.rows
    person, own = shown.owners(rows)
    with torch.no_grad():
        score, nothing = (float(shown.score(t)) for t in (shown.told, 0 * shown.told))
    contribution = (total * shown.told).sum(1)[rows].double().numpy() / steps
    return ReasonEstimate(shown.trees.item[rows].numpy(), person, own, contribution, score, nothing)


@torch.no_grad()
def left_out(network: AttentionNetwork, graph: NeighbourGraph, user: int, item: int) -> Doubles:
    """Measure how much a score falls without each item of ``estimate``, in its order, shape (n,).

    Exact answers to another question: what is left shares the attention anew, so they do not add
    up. A pass each; estimates take as many as they have steps.
    """
    shown = Explained(network, graph, user, item)
    whole = float(shown.score(shown.told))
    return np.array(
        [whole - float(shown.score(shown.told, shown.without(int(row)))) for row in shown.rows]
    )
