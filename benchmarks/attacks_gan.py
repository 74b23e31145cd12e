"""Profiles made by a small generative adversarial network, which learned what shoppers had.

The generator gives each item a logit from noise; a profile is its largest after Gumbel noise, as
long as a shopper's. A Wasserstein loss with gradient penalty (Gulrajani et al., 2017,
arXiv:1704.00028), over soft profiles, for fake accounts as in Christakopoulou and Banerjee (2019,
doi:10.1145/3298689.3347031).
"""

from typing import Any, Final

import numpy as np
import torch
from torch import nn

from coterie.attacks.profiles import Shop
from coterie.data.dataset import Ints

NOISE: Final = 32
HIDDEN: Final = 128
FEWEST: Final = 2
"""Items that fewer had are not learned."""


class ProfileGAN:
    """Draws fillers like ``profiles.FILLERS`` do, from what it learned."""

    def __init__(self, shop: Shop, steps: int = 300, seed: int = 0):
        self.items = np.flatnonzero(shop.popularity >= FEWEST)
        rows = shop.had[np.diff(shop.had.indptr) > 1][:, self.items]
        self._rng = torch.Generator().manual_seed(seed)
        self._generator = self._learn(rows, steps)

    def __call__(self, shop: Shop, target: int, count: int, rng: np.random.Generator) -> Ints:  # noqa: ARG002
        """Draw one profile; see ``profiles.Fillers``."""
        with torch.no_grad():
            logits = self._generator(torch.randn(1, NOISE, generator=self._rng))[0].numpy()
        noisy = logits + rng.gumbel(size=len(logits))
        noisy[self.items == target] = -np.inf
        return self.items[np.argsort(-noisy, kind="stable")[:count]]

    def _learn(self, rows: Any, steps: int) -> nn.Module:
        num = len(self.items)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(int(torch.randint(2**31, (1,), generator=self._rng)))
            generator = nn.Sequential(nn.Linear(NOISE, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, num))
            critic = nn.Sequential(nn.Linear(num, HIDDEN), nn.LeakyReLU(0.2), nn.Linear(HIDDEN, 1))
            share = np.asarray(rows.mean(axis=0)).ravel()
            with torch.no_grad():
                generator[2].bias.copy_(torch.from_numpy(np.log(share + 1e-4)).float())
            fast = torch.optim.Adam(generator.parameters(), 1e-3, (0.5, 0.9))
            judge = torch.optim.Adam(critic.parameters(), 1e-3, (0.5, 0.9))
            for step in range(steps):
                real = self._real(rows)
                made = _soft(generator(torch.randn(len(real), NOISE)), real)
                loss = critic(made.detach()).mean() - critic(real).mean()
                loss = loss + 10.0 * _penalty(critic, real, made.detach())
                judge.zero_grad()
                loss.backward()
                judge.step()
                if step % 3 == 2:
                    fast.zero_grad()
                    (-critic(made).mean()).backward()
                    fast.step()
        return generator

    def _real(self, rows: Any, size: int = 64) -> torch.Tensor:
        drawn = torch.randint(rows.shape[0], (size,), generator=self._rng).numpy()
        return torch.from_numpy(rows[drawn].toarray()).float()


def _soft(logits: torch.Tensor, real: torch.Tensor) -> torch.Tensor:
    """Relax a draw without replacement of as many items as real profiles have."""
    gumbel = -torch.log(-torch.log(torch.rand_like(logits).clamp(1e-6, 1 - 1e-6)))
    length = real.sum(dim=1, keepdim=True).clamp_min(1.0)
    return torch.clamp(length * torch.softmax((logits + gumbel) / 0.5, dim=1), max=1.0)


def _penalty(critic: nn.Module, real: torch.Tensor, made: torch.Tensor) -> torch.Tensor:
    share = torch.rand(len(real), 1)
    between = (share * real + (1 - share) * made).requires_grad_()
    slope = torch.autograd.grad(critic(between).sum(), between, create_graph=True)[0]
    return ((slope.norm(dim=1) - 1.0) ** 2).mean()
