"""The softmax over cosines that a step learns from, in one matrix of scores and one of its size.

Written out, since composing it of torch's operations keeps five matrices of all scores, and goes
over memory for each: half of a step's time on a processor.
"""

from dataclasses import dataclass
from typing import Any, cast

import torch

_NEVER = -1e4
"""Score of an item that is no answer: its chance is 0 in single precision."""


@dataclass(frozen=True, slots=True)
class Targets:
    """What b queries have to find among n candidates."""

    row: torch.Tensor
    """Shape (t,): the target's query."""
    candidate: torch.Tensor
    """Shape (t,)."""
    weight: torch.Tensor
    """Shape (t,)."""
    known_row: torch.Tensor
    """Shape (m,): queries of candidates that are known already, and are no answer."""
    known: torch.Tensor
    """Shape (m,): these candidates."""


def cosine_softmax_loss(
    query: torch.Tensor, items: torch.Tensor, bias: torch.Tensor, targets: Targets
) -> torch.Tensor:
    """Compute the weighted mean of minus the log of targets' chances; 0 where there is no target.

    The chance of candidate i for query q is softmax_i(q . items_i / |items_i| + bias_i), over the
    candidates that q does not know. It can be differentiated once.

    Args:
        query: Shape (b, d), single precision.
        items: Shape (n, d), single precision, of any length.
        bias: Shape (n,), single precision.
        targets: What is to be found.
    """
    told = (targets.row, targets.candidate, targets.weight, targets.known_row, targets.known)
    return cast("torch.Tensor", _CosineSoftmax.apply(query, items, bias, *told))  # type: ignore[no-untyped-call]


class _CosineSoftmax(torch.autograd.Function):
    """Loss and gradients by hand; products in half precision where autocast asks for it."""

    @staticmethod
    def forward(
        ctx: Any,
        query: torch.Tensor,
        items: torch.Tensor,
        bias: torch.Tensor,
        row: torch.Tensor,
        candidate: torch.Tensor,
        weight: torch.Tensor,
        known_row: torch.Tensor,
        known: torch.Tensor,
    ) -> torch.Tensor:
        kind = query.device.type
        half = torch.is_autocast_enabled(kind)
        with torch.autocast(kind, enabled=False):
            length = items.norm(dim=1, keepdim=True).clamp_min(1e-12)
            unit = items / length
            if half:
                dtype = torch.get_autocast_dtype(kind)
                query, unit = query.to(dtype), unit.to(dtype)
                chances = (query @ unit.T).float().add_(bias)
            else:
                chances = torch.addmm(bias, query, unit.T)
            # Filled there: a number of the processor's would be waited for.
            chances.index_put_((known_row, known), chances.new_full((), _NEVER))
            found = chances[row, candidate]
            top = chances.amax(1, keepdim=True)
            chances.sub_(top).exp_()
            total = chances.sum(1, keepdim=True)
            lost = (top + total.log())[row, 0] - found
            # A step's shoppers may all have kept everything: a mean over nothing is nan.
            mean = weight / weight.sum().clamp_min(1.0)
            ctx.save_for_backward(
                query, unit, length, chances, total, row, candidate, mean, known_row, known
            )
            loss: torch.Tensor = lost @ mean
            return loss

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, of_loss: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        query, unit, length, chances, total, row, candidate, mean, known_row, known = (
            ctx.saved_tensors
        )
        mean = mean * of_loss
        of_query = mean.new_zeros(len(query)).index_add_(0, row, mean)
        # In place: nobody reads the chances after this.
        chances.mul_(of_query[:, None] / total)
        # Not by index_put_: a GPU sorts what it adds up.
        chances.view(-1).index_add_(0, row * chances.shape[1] + candidate, -mean)
        chances.index_put_((known_row, known), chances.new_zeros(()))
        of_bias = chances.sum(0)
        part = chances.to(query.dtype)
        to_query, to_unit = (part @ unit).float(), (part.T @ query).float()
        unit = unit.float()
        along = (to_unit * unit).sum(1, keepdim=True)
        to_items = to_unit.addcmul_(unit, along, value=-1.0).div_(length)
        return to_query, to_items, of_bias, None, None, None, None, None
