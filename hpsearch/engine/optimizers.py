"""The rules of a step, on lists of stacked tensors, each in place and in torch.optim's own form.

Notation
    w, g      weights and their gradient, lists of tensors of many members' weights
    m, v      a rule's state, whatever it names between g and the star: such lists too, zero at the start
    c         what belongs to the members (see `Coefficients`); its lists are shaped like w
    t         the number of this step, from 1
    lr        a member's learning rate times what the schedule makes of it now

Sources: Polyak 1964; Sutskever et al. 2013; Duchi, Hazan & Singer 2011; Tieleman & Hinton 2012; Kingma & Ba 2015.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

Tensors = list[Tensor]


@dataclass(frozen=True, slots=True)
class Coefficients:
    """Members that step together share the betas, eps and schedule; the rest is each one's own.

    `scale` is the schedule's factor on `lr` at this step; `decay` is what adamw takes off the weights; `rate` is
    the one learning rate of all, where they have but one.
    """

    lr: Tensors
    momentum: Tensors
    decay: Tensors
    beta1: float
    beta2: float
    eps: float
    rate: float | None = None
    scale: float = 1.0


def states(rule: Callable[..., None]) -> int:
    """How many tensors of state a rule keeps per weight: its parameters but for w, g, c and t."""
    return len(inspect.signature(rule).parameters) - 4


def sgd(w: Tensors, g: Tensors, *, c: Coefficients, t: int) -> None:
    """w <- w - lr g."""
    torch._foreach_addcmul_(w, g, c.lr, value=-c.scale)


def momentum(w: Tensors, g: Tensors, v: Tensors, *, c: Coefficients, t: int) -> None:
    """v <- mu v + g; w <- w - lr v."""
    torch._foreach_mul_(v, c.momentum)
    torch._foreach_add_(v, g)
    torch._foreach_addcmul_(w, v, c.lr, value=-c.scale)


def nesterov(w: Tensors, g: Tensors, v: Tensors, *, c: Coefficients, t: int) -> None:
    """v <- mu v + g; w <- w - lr (g + mu v)."""
    torch._foreach_mul_(v, c.momentum)
    torch._foreach_add_(v, g)
    ahead = torch._foreach_addcmul(g, v, c.momentum)
    torch._foreach_addcmul_(w, ahead, c.lr, value=-c.scale)


def adagrad(w: Tensors, g: Tensors, v: Tensors, *, c: Coefficients, t: int) -> None:
    """v <- v + g^2; w <- w - lr g / (sqrt(v) + eps)."""
    torch._foreach_addcmul_(v, g, g)
    _divided_step(w, g, v, c)


def rmsprop(w: Tensors, g: Tensors, v: Tensors, *, c: Coefficients, t: int) -> None:
    """v <- beta2 v + (1 - beta2) g^2; w <- w - lr g / (sqrt(v) + eps)."""
    torch._foreach_mul_(v, c.beta2)
    torch._foreach_addcmul_(v, g, g, value=1.0 - c.beta2)
    _divided_step(w, g, v, c)


def _divided_step(w: Tensors, g: Tensors, v: Tensors, c: Coefficients) -> None:
    root = torch._foreach_sqrt(v)
    torch._foreach_add_(root, c.eps)
    step = torch._foreach_div(g, root)
    torch._foreach_addcmul_(w, step, c.lr, value=-c.scale)


def adam(w: Tensors, g: Tensors, m: Tensors, v: Tensors, *, c: Coefficients, t: int) -> None:
    """m <- beta1 m + (1 - beta1) g; v as in rmsprop; w <- w - lr m^ / (sqrt(v^) + eps), ^ for bias-corrected."""
    # torch's one-pass kernel; where rates differ on a step that begins at 0, to be scaled by each member's own
    moved = [torch.zeros_like(part) for part in w] if c.rate is None else w
    lr = 1.0 if c.rate is None else c.rate * c.scale
    counts = [torch.full((), t, dtype=torch.float32, device=w[0].device)] * len(w)
    torch._fused_adam_(
        moved, g, m, v, [], counts, lr=lr, beta1=c.beta1, beta2=c.beta2,
        weight_decay=0.0, eps=c.eps, amsgrad=False, maximize=False,
    )  # fmt: skip
    if c.rate is None:
        torch._foreach_addcmul_(w, moved, c.lr, value=c.scale)


def adamw(w: Tensors, g: Tensors, m: Tensors, v: Tensors, *, c: Coefficients, t: int) -> None:
    """w <- w - lr decay w, then adam's step: the penalty does not pass through the means (Loshchilov & Hutter 2019)."""
    shrink = torch._foreach_mul(c.lr, c.decay)
    torch._foreach_addcmul_(w, w, shrink, value=-c.scale)
    adam(w, g, m, v, c=c, t=t)
