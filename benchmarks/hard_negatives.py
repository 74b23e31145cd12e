"""Adversaries in the learned half's loss, as ``thin_histories`` measures them.

The softmax there is over all items, or over thousands where a shop has more, so no negative is
drawn that could be a harder one. What an adversary can do is to weigh negatives, or to move
vectors. ``HardenedTrainee`` does either:

- ``reweighted``: each shopper's negatives get the weights that raise the loss most within a bound
  on their divergence from equal ones, which are exp(beta score) (Robinson et al., 2021,
  arXiv:2010.04592; AdvInfoNCE, Zhang et al., 2023, learns them by steps). Items that are to be
  found, or known, keep theirs.
- ``perturbed``: items' vectors are moved by a share of their length in the direction in which the
  loss grows fastest, and the loss there is added (APR, He et al., 2018, arXiv:1808.03908).
"""

from typing import Any

import torch
from torch.nn import functional as F  # noqa: N812 - torch's own convention

from coterie.data.dataset import TrainingSet
from coterie.models.masked_batch import MaskedBatch
from coterie.models.social import SocialModel
from coterie.models.social_config import SocialConfig
from coterie.models.social_trainee import SocialTrainee
from coterie.training.cosine_softmax import Targets
from coterie.training.loop import run_epochs

_NEVER = -1e4


class HardenedTrainee(SocialTrainee):
    """The learned half, with an adversary of strength ``reweighted`` or ``perturbed``."""

    def __init__(
        self,
        config: SocialConfig,
        data: TrainingSet,
        device: torch.device,
        reweighted: float = 0.0,
        perturbed: float = 0.0,
    ):
        super().__init__(config, data, device)
        self._reweighted, self._perturbed = reweighted, perturbed

    def forward(self, batch: tuple[MaskedBatch, ...]) -> torch.Tensor:
        """See ``SocialTrainee.forward``."""
        item_in, item_out, bias = self._tables()
        loss = self._mean_loss(batch, item_in, item_out, bias)
        if not self._perturbed:
            return loss
        heads, tables = len(item_in), [*item_in, *item_out]
        # Of their own: the loss overwrites what it kept when its gradient is computed.
        still = [table.detach().requires_grad_() for table in tables]
        there = self._mean_loss(batch, still[:heads], still[heads:], bias.detach())
        moved = [
            table + self._perturbed * at.detach().norm(dim=1, keepdim=True) * F.normalize(slope)
            for table, at, slope in zip(
                tables, still, torch.autograd.grad(there, still), strict=True
            )
        ]
        return (loss + self._mean_loss(batch, moved[:heads], moved[heads:], bias)) / 2

    def _mean_loss(
        self,
        batch: tuple[MaskedBatch, ...],
        item_in: list[torch.Tensor],
        item_out: list[torch.Tensor],
        bias: torch.Tensor,
    ) -> torch.Tensor:
        losses = [self._loss(*one, bias) for one in zip(batch, item_in, item_out, strict=True)]
        return torch.stack(losses).mean()

    def _loss(
        self,
        batch: MaskedBatch,
        item_in: torch.Tensor,
        item_out: torch.Tensor,
        bias: torch.Tensor,
    ) -> torch.Tensor:
        if not self._reweighted:
            return super()._loss(batch, item_in, item_out, bias)
        b = batch.people.num_shoppers
        encoded = self.encoder(item_in, batch.people, batch.keep)
        state = self.encoder.states(
            encoded.sums[:b], encoded.total[:b], encoded.friends, encoded.tie_total
        )
        if batch.sample is not None:
            item_out = item_out.index_select(0, batch.sample.items)
            bias = bias.index_select(0, batch.sample.items) - batch.sample.log_odds
        query = self.config.inverse_temperature * F.normalize(state, dim=1)
        scores = torch.addmm(bias, query, F.normalize(item_out, dim=1).T)
        return reweighted_loss(scores, batch.targets, self._reweighted)


def reweighted_loss(scores: torch.Tensor, targets: Targets, beta: float) -> torch.Tensor:
    """Compute the softmax loss of targets, negatives weighed by exp(beta score), mean 1 a shopper.

    Args:
        scores: Of all candidates, shape (b, n); weights are no part of their gradient.
        targets: What is to be found, and what is known.
        beta: 0 is the plain softmax.
    """
    scores = scores.index_put((targets.known_row, targets.known), scores.new_full((), _NEVER))
    with torch.no_grad():
        harder = beta * scores
        harder[targets.known_row, targets.known] = -torch.inf
        harder[targets.row, targets.candidate] = -torch.inf
        count = harder.isfinite().sum(1, keepdim=True).clamp_min(1)
        weight = harder.log_softmax(1) + count.log()
        weight = torch.where(harder.isfinite(), weight, 0.0)
    total = (scores + weight).logsumexp(1)
    lost = total[targets.row] - scores[targets.row, targets.candidate]
    return lost @ (targets.weight / targets.weight.sum().clamp_min(1.0))


def fit_hardened(config: SocialConfig, data: TrainingSet, **strengths: Any) -> SocialModel:
    """Fit ``social`` with an adversary in its learned half."""
    model = SocialModel(config)
    trainee = HardenedTrainee(config, data, torch.device("cpu"), **strengths)
    model.history = run_epochs(trainee, config.loop)
    model.adopt(trainee, data)
    return model
