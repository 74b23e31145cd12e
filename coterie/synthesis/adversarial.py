"""People drawn by a generator that learned against critics: of people, of ties and of baskets.

The generator begins as the Gaussian copula and bends what that draws. Of what it draws ties and
baskets are made as the whole model makes them, and three critics compare with the real shop: one
sees a person in numbers, one the two people of a tie, one what somebody has. A Wasserstein loss
with gradient penalty (Gulrajani et al., 2017, arXiv:1704.00028); what is kept is the mean of the
generator over its last steps.
"""

import copy
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import torch
from torch import nn

from coterie.data.dataset import Ints
from coterie.synthesis.baskets import Baskets
from coterie.synthesis.samplers import GaussianCopula, RealPeople
from coterie.synthesis.source import Doubles
from coterie.synthesis.traits import COLUMN_KNOTS, ColumnQuantiles, Traits

WIDTH: Final = 128
BATCH: Final = 256
"""People whom critics see at once."""
ASKED: Final = 64
"""Of them, whose baskets they see."""
MOST_ITEMS: Final = 1_000
"""Items of which these baskets are, the most wanted."""
SKETCH: Final = 64
"""Numbers that tell of a basket, by random projection."""
PENALTY: Final = 10.0
RATE: Final = 5e-4
FASTER: Final = 3.0
"""How much faster critics learn than the generator (Heusel et al., 2017, arXiv:1706.08500)."""
KEPT: Final = 0.98
"""Of the kept generator, a step."""
_BLOCK: Final = 20_000


@dataclass(frozen=True, slots=True)
class AdversarialPeople:
    """Draws people by the copula, and bends them as the generator learned to."""

    copula: GaussianCopula
    bend: nn.Module

    def draw(self, group: Ints, rng: np.random.Generator) -> Doubles:
        """Draw a person of each community."""
        found = np.empty((len(group), len(self.copula.root)))
        for at in range(0, len(group), _BLOCK):
            rows = slice(at, at + _BLOCK)
            with torch.no_grad():
                found[rows] = _bent(self.bend, self._begin(group[rows], rng)).double().numpy()
        return found

    def _begin(self, group: Ints, rng: np.random.Generator) -> torch.Tensor:
        drawn = self.copula.draw(group, rng)
        noise = rng.standard_normal(drawn.shape)
        return _tensor(np.concatenate([drawn, noise, self.copula.means[group]], axis=1))


def learn_adversarial(people: RealPeople, rng: np.random.Generator) -> AdversarialPeople:
    """Train the generator for ``people.steps`` steps; the same random numbers, the same people."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(rng.integers(2**31)))
        game = _Game(people, rng)
        for _ in range(people.steps):
            game.step()
    return AdversarialPeople(game.copula, game.kept)


class _Game:
    """Generator and critics, and what they see."""

    def __init__(self, people: RealPeople, rng: np.random.Generator):
        columns = people.scores.shape[1]
        self._people, self._rng = people, rng
        self.copula = GaussianCopula.learn(people)
        self._bend = _network(3 * columns, columns)
        for one in self._bend[-1].parameters():
            nn.init.zeros_(one)
        self.kept = copy.deepcopy(self._bend)
        self._scores = _tensor(people.scores)
        self._baskets = _Sketches(people.baskets, people.columns, people.tastes, rng)
        self._real_baskets = self._baskets.of(people.had)
        self._critics = nn.ModuleDict({"people": _network(columns, 1)})
        self._critics["baskets"] = _network(SKETCH, 1)
        if len(people.src):
            self._critics["ties"] = _network(3 * columns, 1)
        self._fast = torch.optim.Adam(self._bend.parameters(), RATE, (0.5, 0.9))
        self._judge = torch.optim.Adam(self._critics.parameters(), FASTER * RATE, (0.5, 0.9))

    def step(self) -> None:
        """Let the critics learn, then the generator."""
        with torch.no_grad():
            made = self._made()
        real = self._real(made)
        lost = sum(
            (_told(self._critics[name], real[name], made[name]) for name in made), torch.zeros(())
        )
        self._judge.zero_grad()
        lost.backward()  # type: ignore[no-untyped-call]
        self._judge.step()
        lost = -sum(
            (self._critics[name](seen).mean() for name, seen in self._made().items()),
            torch.zeros(()),
        )
        self._fast.zero_grad()
        lost.backward()
        self._fast.step()
        with torch.no_grad():
            for kept, now in zip(self.kept.parameters(), self._bend.parameters(), strict=True):
                kept.lerp_(now, 1 - KEPT)

    def _made(self) -> dict[str, torch.Tensor]:
        """Draw people, tie them, and fill their baskets, as critics see it."""
        people, rng = self._people, self._rng
        group = people.group[rng.integers(0, len(people.group), BATCH)]
        begin = AdversarialPeople(self.copula, self._bend)._begin(group, rng)
        scores = _bent(self._bend, begin)
        traits = Traits.from_table(people.columns.values(scores.detach().double().numpy()), group)
        seen = {
            "people": scores,
            "baskets": self._baskets.drawn(scores[:ASKED], traits, rng),
        }
        if "ties" in self._critics:
            src, dst = people.acquaintances.draw_pairs(traits, rng)
            some = rng.permutation(len(src))[:BATCH]
            if len(some):
                seen["ties"] = _side_by_side(scores[src[some]], scores[dst[some]])
        return seen

    def _real(self, like: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Take as many real ones of each sort."""
        people, rng = self._people, self._rng
        some = {name: rng.integers(0, self._num(name), len(one)) for name, one in like.items()}
        seen = {
            "people": self._scores[some["people"]],
            "baskets": self._real_baskets[some["baskets"]],
        }
        if "ties" in like:
            src, dst = people.src[some["ties"]], people.dst[some["ties"]]
            seen["ties"] = _side_by_side(self._scores[src], self._scores[dst])
        return seen

    def _num(self, name: str) -> int:
        return len(self._people.src) if name == "ties" else len(self._scores)


class _Sketches:
    """Baskets in few numbers, through which the generator can learn."""

    def __init__(
        self, baskets: Baskets, columns: ColumnQuantiles, tastes: int, rng: np.random.Generator
    ):
        self._some = np.sort(np.argsort(-baskets.wanted, kind="stable")[:MOST_ITEMS])
        wanted, beside = baskets.wanted[self._some], baskets.beside[self._some]
        self._mass = float(wanted.sum())
        self._model = replace(
            baskets,
            loadings=baskets.loadings[self._some],
            wanted=wanted / max(self._mass, 1e-12),
            beside=beside / max(float(beside.sum()), 1e-12),
        )
        self._tastes = tastes
        self._loadings, self._share = _tensor(self._model.loadings), _tensor(self._model.wanted)
        self._weight = _tensor(wanted / np.maximum(wanted + beside, 1e-12))
        self._sketch = _tensor(rng.standard_normal((len(self._some), SKETCH)))
        self._knots = _tensor(columns.knots[:, :tastes])

    def of(self, had: Any) -> torch.Tensor:
        """Sketch baskets, ``scipy.sparse``, (people, items); each is scaled to length 1."""
        had = had[:, self._some]
        count = np.maximum(np.asarray(had.sum(axis=1)).reshape(-1, 1), 1.0)
        return _tensor((had @ self._sketch.double().numpy()) / np.sqrt(count))

    def drawn(self, scores: torch.Tensor, traits: Traits, rng: np.random.Generator) -> torch.Tensor:
        """Draw baskets: what is had is drawn, and how that changes is told by its chances."""
        num = np.rint(self._mass * traits.counts[: len(scores), 0]).astype(np.int64)
        person, item, _ = self._model.draw(traits.taste[: len(scores)], (num, 0 * num), rng)
        had = torch.zeros(len(scores), len(self._share))
        had[person, item] = 1.0
        taste = _interpolated(self._knots, scores[:, : self._tastes])
        fit = (taste @ self._loadings.T).clamp_min(0.0) ** self._model.sharpness * self._weight
        popular = self._model.popular
        chance = (1 - popular) * fit / fit.sum(dim=1, keepdim=True).clamp_min(1e-20)
        count = had.sum(dim=1, keepdim=True)
        soft = (count * (chance + popular * self._share)).clamp(max=1.0)
        through = had + soft - soft.detach()
        return (through @ self._sketch) / count.clamp_min(1.0).sqrt()


def _interpolated(knots: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
    """Turn normal scores into values, as ``ColumnQuantiles.values`` does, shape of ``scores``."""
    at = _tensor(COLUMN_KNOTS)
    place = torch.special.ndtr(scores).clamp(float(at[0]), float(at[-1]))
    above = torch.searchsorted(at, place.detach().contiguous()).clamp(1, len(at) - 1)
    low, high = knots.gather(0, above - 1), knots.gather(0, above)
    found: torch.Tensor = low + (high - low) * (place - at[above - 1]) / (at[above] - at[above - 1])
    return found


def _side_by_side(one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    return torch.cat([one, other, one * other], dim=1)


def _bent(bend: nn.Module, begin: torch.Tensor) -> torch.Tensor:
    turned: torch.Tensor = bend(begin)
    return begin[:, : turned.shape[1]] + turned


def _told(
    critic: Callable[[torch.Tensor], torch.Tensor], real: torch.Tensor, made: torch.Tensor
) -> torch.Tensor:
    """Compute a critic's loss: how little it tells them apart, and how steep it is."""
    share = torch.rand(len(real), 1)
    between = (share * real + (1 - share) * made).requires_grad_()
    (slope,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
    steep: torch.Tensor = (slope.norm(dim=1) - 1.0).square().mean()
    apart: torch.Tensor = critic(made).mean() - critic(real).mean()
    return apart + PENALTY * steep


def _network(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(inputs, WIDTH),
        nn.LeakyReLU(0.2),
        nn.Linear(WIDTH, WIDTH),
        nn.LeakyReLU(0.2),
        nn.Linear(WIDTH, outputs),
    )


def _tensor(array: Any) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(array, dtype=np.float32))
