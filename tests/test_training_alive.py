"""Bytes that are alive at once, counted by hand; tensors of float32 have four a number."""

import torch

from training.alive import Alive


def test_the_peak_is_told_by_the_stage_that_made_what_is_alive_then() -> None:
    with Alive([]) as alive:
        alive.stage = "kept"
        kept = torch.zeros(100)
        alive.stage = "passing"
        # Both of 50 numbers are there while the second is made; the sum is one number.
        total = (torch.zeros(50) + 1).sum()
        alive.stage = "later"
        small = torch.zeros(10)
    assert alive.most == {"kept": 400, "passing": 400}
    assert len(kept) + len(small) + int(total) == 160


def test_a_view_and_what_was_there_before_take_nothing() -> None:
    before = torch.zeros(100)
    with Alive([before]) as alive:
        alive.stage = "only"
        rows = [before.view(10, 10).t(), before.add_(1)]
        made = torch.zeros(5)
        rows.append(made[1:])
    assert alive.most == {"only": 20}
    assert len(rows) == 3


def test_what_a_backward_pass_needs_is_alive_until_then() -> None:
    weight = torch.ones(100, requires_grad=True)
    with Alive([weight]) as alive:
        alive.stage = "forward"
        loss = weight.exp().sum()
        assert alive.most == {"forward": 404}
        alive.stage = "backward"
        loss.backward()
        assert weight.grad is not None
        alive.belongs(weight.grad, "gradients")
        alive.stage = "after"
        last = torch.zeros(200)
    # What `exp` gave is gone; the loss, and the gradient that it began with, are four bytes each.
    assert alive.most["gradients"] == 400
    assert alive.most["after"] == 800
    assert sum(alive.most.values()) <= 400 + 800 + 4 + 4
    assert len(last) == 200
