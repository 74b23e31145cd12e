"""The loss written out by hand is the loss composed of torch's operations, and so are gradients."""

from dataclasses import replace

import pytest
import torch
from torch.nn import functional as F  # noqa: N812 - torch's own convention

from coterie.training.cosine_softmax import Targets, cosine_softmax_loss

B, N, D = 7, 40, 16
Tensors = tuple[torch.Tensor, torch.Tensor, torch.Tensor]


def inputs(seed: int, num_targets: int = 30) -> tuple[Tensors, Targets]:
    drawn = torch.Generator().manual_seed(seed)

    def some(*shape: int) -> torch.Tensor:
        made = torch.randn(*shape, generator=drawn, dtype=torch.float64)
        return made.requires_grad_()

    def rows(high: int, num: int) -> torch.Tensor:
        return torch.randint(0, high, (num,), generator=drawn)

    # Targets come twice, and some are known as well: then they are no answer, and teach nothing.
    targets = Targets(
        rows(B, num_targets),
        rows(N, num_targets),
        torch.rand(num_targets, generator=drawn, dtype=torch.float64),
        rows(B, 50),
        rows(N, 50),
    )
    return (some(B, D), some(N, D), some(N)), targets


def composed(
    query: torch.Tensor, items: torch.Tensor, bias: torch.Tensor, targets: Targets
) -> torch.Tensor:
    scores = torch.addmm(bias, query, F.normalize(items, dim=1).T)
    never = scores.new_full((), -1e4)
    scores = scores.index_put((targets.known_row, targets.known), never)
    chances = F.log_softmax(scores, dim=1)[targets.row, targets.candidate]
    return -(chances @ targets.weight) / targets.weight.sum().clamp_min(1.0)


@pytest.mark.parametrize("seed", range(5))
def test_loss_and_gradients_are_those_of_the_operations_it_is_made_of(seed: int) -> None:
    tensors, targets = inputs(seed)
    if seed == 0:  # weights that add up to less than one are no mean of their own
        targets = replace(targets, weight=targets.weight * 0.01)
    losses, gradients = [], []
    for loss_of in (composed, cosine_softmax_loss):
        loss = loss_of(*tensors, targets)
        losses.append(loss.detach())
        gradients.append(torch.autograd.grad(3.0 * loss, tensors))
    torch.testing.assert_close(losses[1], losses[0])
    for ours, theirs in zip(gradients[1], gradients[0], strict=True):
        torch.testing.assert_close(ours, theirs)


def test_a_step_in_which_nothing_was_hidden_teaches_nothing() -> None:
    tensors, targets = inputs(0, num_targets=0)
    loss = cosine_softmax_loss(*tensors, targets)
    assert loss == 0
    assert all((part == 0).all() for part in torch.autograd.grad(loss, tensors))


def test_an_item_of_length_zero_has_finite_gradients() -> None:
    (query, _, bias), targets = inputs(0)
    items = torch.zeros(N, D, dtype=torch.float64, requires_grad=True)
    loss = cosine_softmax_loss(query, items, bias, targets)
    assert all(part.isfinite().all() for part in torch.autograd.grad(loss, (query, items, bias)))


def test_half_precision_is_close_and_its_gradients_are_single() -> None:
    tensors, targets = inputs(0)
    query, items, bias = (tensor.detach().float().requires_grad_() for tensor in tensors)
    in_single = replace(targets, weight=targets.weight.float())
    exact = torch.autograd.grad(composed(*tensors, targets), tensors)
    with torch.autocast("cpu", torch.bfloat16):
        loss = cosine_softmax_loss(query, items, bias, in_single)
    found = torch.autograd.grad(loss, (query, items, bias))
    assert [part.dtype for part in found] == [torch.float32] * 3
    for ours, theirs in zip(found, exact, strict=True):
        assert (ours - theirs).norm() < 0.02 * theirs.norm()


def test_going_back_twice_is_an_error_not_a_wrong_gradient() -> None:
    tensors, targets = inputs(0)
    loss = cosine_softmax_loss(*tensors, targets)
    torch.autograd.grad(loss, tensors, retain_graph=True)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        torch.autograd.grad(loss, tensors)
