"""Trees of neighbours, drawn from the graph of shoppers, items and ties: what a graph network sees.

PyTorch Geometric's ``NeighborLoader`` needs compiled libraries (pyg-lib or torch-sparse), and makes
batches whose shapes change. Here a node has a bounded number of neighbours, each draw is a few
operations on whole arrays, and shapes stay, so that nothing waits for a GPU.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import scipy.sparse as sp
import torch

EdgeType = tuple[str, str, str]
"""Kind of the nodes that tell, what they are to the others, kind of the nodes that are told."""
HAD: Final[EdgeType] = ("item", "had", "shopper")
TIE: Final[EdgeType] = ("shopper", "tie", "shopper")
HAD_BY: Final[EdgeType] = ("shopper", "had_by", "item")


class NeighbourLists:
    """The neighbours of every node, in an order of their own that chance chose once."""

    def __init__(self, graph: sp.csr_matrix, seed: int, device: torch.device):
        row = np.repeat(np.arange(graph.shape[0]), np.diff(graph.indptr))
        order = np.lexsort((np.random.default_rng(seed).random(len(row)), row))
        # One more, so that there is one where nobody has a neighbour.
        neighbour = np.append(graph.indices[order], 0).astype(np.int64)
        self._neighbour = torch.from_numpy(neighbour).to(device)
        self._start = torch.from_numpy(graph.indptr[:-1].astype(np.int64)).to(device)
        self._count = torch.from_numpy(np.diff(graph.indptr).astype(np.int64)).to(device)

    def draw(
        self, nodes: torch.Tensor, most: int, chance: torch.Generator | None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Draw up to ``most`` different neighbours of each node.

        Args:
            nodes: Shape (n,).
            most: Neighbours of a node; who has no more gets all of them.
            chance: On the device; None takes the first ones, the same every time.

        Returns:
            Neighbours, and whether there is one, both of shape (n, most).
        """
        count, place = self._count[nodes], torch.arange(most, device=nodes.device)
        begin = torch.zeros_like(count)
        if chance is not None:
            share = torch.rand(len(nodes), generator=chance, device=nodes.device)
            begin = (share * count).long()
        entry = self._start[nodes][:, None] + (begin[:, None] + place) % count.clamp_min(1)[:, None]
        return self._neighbour[entry], place < count[:, None]


@dataclass(frozen=True, slots=True)
class FanOut:
    """How many neighbours a node of a tree has at most."""

    own: int
    """Items of the shopper whom a tree is about."""
    friends: int
    """Friends of that shopper; others have a quarter, rounded up."""
    items: int
    """Items of anybody else."""
    buyers: int
    """Shoppers of an item."""


@dataclass(frozen=True, slots=True)
class NeighbourTrees:
    """One tree a shopper, level by level: row 0 of both kinds of nodes is nobody, and is told what
    there is not."""

    item: torch.Tensor
    """Items in the order of levels, shape (1 + sum(item_sizes),)."""
    shopper_sizes: tuple[int, ...]
    """Shoppers of each level; those of the first are whom the trees are about."""
    item_sizes: tuple[int, ...]
    edges: Mapping[EdgeType, tuple[torch.Tensor, ...]]
    """For each level whose nodes are told something: rows that tell and are told, shape (2, n)."""


class NeighbourGraph:
    """Who had what, and who knows whom, to draw trees from."""

    def __init__(self, had: sp.csr_matrix, ties: sp.csr_matrix, seed: int, device: torch.device):
        self._had = NeighbourLists(had, seed, device)
        self._had_by = NeighbourLists(sp.csr_matrix(had.T), seed + 1, device)
        self._ties = NeighbourLists(ties, seed + 2, device)

    def own_items(
        self, users: torch.Tensor, most: int, chance: torch.Generator | None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Draw items of shoppers, and whether there is one, both of shape (len(users), most)."""
        return self._had.draw(users, most, chance)

    def friends(
        self, users: torch.Tensor, most: int, chance: torch.Generator | None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Draw friends, as trees do, and whether there is one, both of shape (len(users), most)."""
        return self._ties.draw(users, most, chance)

    def trees(
        self,
        users: torch.Tensor,
        own: tuple[torch.Tensor, torch.Tensor],
        hops: int,
        fan_out: FanOut,
        chance: torch.Generator | None,
    ) -> NeighbourTrees:
        """Grow a tree about each shopper.

        Args:
            users: Shape (b,); in no tree anybody is told what their own shopper had.
            own: Their items, and which of them are known, both of shape (b, fan_out.own).
            hops: Levels below the first. The last are items, which need nobody to tell of them.
            fan_out: How many neighbours a node has.
            chance: See ``NeighbourLists.draw``.
        """
        growing = _Growing(users)
        for level in range(hops):
            people, goods = growing.shoppers, growing.items
            growing.descend()
            items = own if level == 0 else self._had.draw(people.node, fan_out.items, chance)
            growing.add_items(people, *items)
            if level + 2 > hops:
                continue
            most = fan_out.friends if level == 0 else -(-fan_out.friends // 4)
            growing.add_shoppers(TIE, people, *self._ties.draw(people.node, most, chance))
            drawn = self._had_by.draw(goods.node, fan_out.buyers, chance)
            growing.add_shoppers(HAD_BY, goods, *drawn)
        return growing.done()


@dataclass(frozen=True, slots=True)
class _Level:
    """Nodes of a kind in one level, shape (n,) each."""

    node: torch.Tensor
    row: torch.Tensor
    """Where they stand among all of their kind."""
    root: torch.Tensor
    """Whom their tree is about."""
    there: torch.Tensor
    """Whether there is such a node."""


class _Growing:
    """Trees while they grow."""

    def __init__(self, users: torch.Tensor):
        self._roots, nothing = users, users[:0]
        every = torch.ones_like(users, dtype=torch.bool)
        rows = torch.arange(1, len(users) + 1, device=users.device)
        self.shoppers = _Level(users, rows, users, every)
        self.items = _Level(nothing, nothing, nothing, every[:0])
        self._item = [torch.zeros_like(users[:1])]
        self._sizes = {"shopper": [len(users)], "item": [0]}
        self._edges: dict[EdgeType, list[torch.Tensor]] = {HAD: [], TIE: [], HAD_BY: []}

    def descend(self) -> None:
        """Begin a level, with nobody and nothing in it."""
        nothing, nobody = self._roots[:0], self.items.there[:0]
        self.shoppers = self.items = _Level(nothing, nothing, nothing, nobody)
        for sizes in self._sizes.values():
            sizes.append(0)

    def add_items(self, parents: _Level, node: torch.Tensor, there: torch.Tensor) -> None:
        """Add items that tell of shoppers."""
        self.items = self._joined(self.items, "item", self._below(HAD, parents, node, there))
        self._item.append(self.items.node)

    def add_shoppers(
        self, edge: EdgeType, parents: _Level, node: torch.Tensor, there: torch.Tensor
    ) -> None:
        """Add shoppers who tell of items or of other shoppers."""
        there = there & (node != parents.root[:, None])
        below = self._below(edge, parents, node, there)
        self.shoppers = self._joined(self.shoppers, "shopper", below)

    def _below(
        self, edge: EdgeType, parents: _Level, node: torch.Tensor, there: torch.Tensor
    ) -> _Level:
        most = node.shape[1]
        there = (there & parents.there[:, None]).flatten()
        begin = 1 + sum(self._sizes[edge[0]])
        row = torch.arange(begin, begin + len(there), device=node.device)
        told = torch.where(there, parents.row.repeat_interleave(most), 0)
        self._edges[edge].append(torch.stack([row, told]))
        return _Level(node.flatten(), row, parents.root.repeat_interleave(most), there)

    def _joined(self, first: _Level, kind: str, second: _Level) -> _Level:
        self._sizes[kind][-1] += len(second.node)
        return _Level(
            torch.cat([first.node, second.node]),
            torch.cat([first.row, second.row]),
            torch.cat([first.root, second.root]),
            torch.cat([first.there, second.there]),
        )

    def done(self) -> NeighbourTrees:
        """Give the trees."""
        return NeighbourTrees(
            torch.cat(self._item),
            tuple(self._sizes["shopper"]),
            tuple(self._sizes["item"]),
            {edge: tuple(levels) for edge, levels in self._edges.items()},
        )
