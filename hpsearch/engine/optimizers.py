"""The rules of a step, on lists of stacked tensors, in place and in torch.optim's own form.

Notation
    w, g      weights and their gradient: lists of tensors that hold many members' weights
    m, v      a rule's state, zero at the start: lists like w. A rule has as many of them as it has
              parameters between g and the star
    c         coefficients of the members (see `Coefficients`), among them lists shaped like w
    t         the number of this step, from 1
    lr        a member's learning rate times the schedule's factor at this step
    mu        a member's momentum

Sources: Polyak 1964; Sutskever et al. 2013; Duchi, Hazan & Singer 2011; Tieleman & Hinton 2012;
Kingma & Ba 2015.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

Tensors = list[Tensor]
Rule = Callable[..., None]
"""Takes a step: `rule(w, g, *state, c=c, t=t)`."""


@dataclass(frozen=True, slots=True)
class Coefficients:
    """What a rule needs to know of members that step together.

    They share the betas, eps and the schedule; the rest belongs to each member.

    Attributes:
        lr: learning rates.
        momentum: the shares of the last step that are kept.
        decay: what adamw takes off the weights, as a share of them for each unit of the rate.
        rate: the learning rate that all members have, where they have but one.
        scale: the schedule's factor on the learning rates at this step.
    """

    lr: Tensors
    momentum: Tensors
    decay: Tensors
    beta1: float
    beta2: float
    eps: float
    rate: float | None = None
    scale: float = 1.0


def states(rule: Rule) -> int:
    """Return how many numbers of state a rule keeps for each weight.

    They are its parameters but for w, g, c and t.
    """
    return len(inspect.signature(rule).parameters) - 4


def sgd(w: Tensors, g: Tensors, *, c: Coefficients, t: int) -> None:
    """Step down the gradient: w <- w - lr g."""
    torch._foreach_addcmul_(w, g, c.lr, value=-c.scale)


def momentum(w: Tensors, g: Tensors, v: Tensors, *, c: Coefficients, t: int) -> None:
    """Step with momentum: v <- mu v + g; w <- w - lr v."""
    torch._foreach_mul_(v, c.momentum)
    torch._foreach_add_(v, g)
    torch._foreach_addcmul_(w, v, c.lr, value=-c.scale)


def nesterov(w: Tensors, g: Tensors, v: Tensors, *, c: Coefficients, t: int) -> None:
    """Step with momentum that looks ahead: v <- mu v + g; w <- w - lr (g + mu v)."""
    torch._foreach_mul_(v, c.momentum)
    torch._foreach_add_(v, g)
    ahead = torch._foreach_addcmul(g, v, c.momentum)
    torch._foreach_addcmul_(w, ahead, c.lr, value=-c.scale)


def adagrad(w: Tensors, g: Tensors, v: Tensors, *, c: Coefficients, t: int) -> None:
    """Step by what was seen so far: v <- v + g^2; w <- w - lr g / (sqrt(v) + eps)."""
    torch._foreach_addcmul_(v, g, g)
    _divided_step(w, g, v, c)


def rmsprop(w: Tensors, g: Tensors, v: Tensors, *, c: Coefficients, t: int) -> None:
    """Step by a running mean of squares: w <- w - lr g / (sqrt(v) + eps).

    v <- beta2 v + (1 - beta2) g^2.
    """
    torch._foreach_mul_(v, c.beta2)
    torch._foreach_addcmul_(v, g, g, value=1.0 - c.beta2)
    _divided_step(w, g, v, c)


def _divided_step(w: Tensors, g: Tensors, v: Tensors, c: Coefficients) -> None:
    root = torch._foreach_sqrt(v)
    torch._foreach_add_(root, c.eps)
    step = torch._foreach_div(g, root)
    torch._foreach_addcmul_(w, step, c.lr, value=-c.scale)


def adam(w: Tensors, g: Tensors, m: Tensors, v: Tensors, *, c: Coefficients, t: int) -> None:
    """Step by running means, corrected for their bias: w <- w - lr m^ / (sqrt(v^) + eps).

    m <- beta1 m + (1 - beta1) g and v as in rmsprop; m^ = m / (1 - beta1^t) and
    v^ = v / (1 - beta2^t) make up for their start at zero.
    """
    # torch's kernel reads and writes everything once, but knows a single learning rate. Where rates
    # differ it moves zeros, at a rate of 1, and each member's step is then scaled by its own rate.
    moved = [torch.zeros_like(part) for part in w] if c.rate is None else w
    lr = 1.0 if c.rate is None else c.rate * c.scale
    # the kernel counts steps in a tensor for each weight; here all have taken the same number
    counts = [torch.full((), t, dtype=torch.float32, device=w[0].device)] * len(w)
    torch._fused_adam_(
        moved, g, m, v, [], counts, lr=lr, beta1=c.beta1, beta2=c.beta2,
        weight_decay=0.0, eps=c.eps, amsgrad=False, maximize=False,
    )  # fmt: skip
    if c.rate is None:
        torch._foreach_addcmul_(w, moved, c.lr, value=c.scale)


def adamw(w: Tensors, g: Tensors, m: Tensors, v: Tensors, *, c: Coefficients, t: int) -> None:
    """Shrink the weights, w <- w - lr decay w, and take adam's step (Loshchilov & Hutter 2019).

    The penalty does not pass through the running means.
    """
    shrink = torch._foreach_mul(c.lr, c.decay)
    torch._foreach_addcmul_(w, w, shrink, value=-c.scale)
    adam(w, g, m, v, c=c, t=t)
