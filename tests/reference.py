"""An independent implementation: one task at a time, plain layers, plain autograd.

Nothing of `metaopt` is used, so that agreement means something.  Weights are dicts of tensors
without leading axes; names as in `metaopt.models`.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

Weights = dict[str, Tensor]


def mlp(weights: Weights, x: Tensor, activation: str = "relu") -> Tensor:
    """Return outputs (N, C)."""
    layers = len(weights) // 2
    for i in range(layers):
        x = F.linear(x, weights[f"w{i}"].T, weights[f"b{i}"])
        if i < layers - 1:
            x = F.relu(x) if activation == "relu" else torch.tanh(x)
    return x


def conv4(weights: Weights, x: Tensor, pooling: str = "stride") -> Tensor:
    """Return outputs (N, C) for images (N, channels, H, W); batch norm written by hand."""
    for i in range(4):
        stride = 2 if pooling == "stride" else 1
        x = F.conv2d(x, weights[f"conv{i}"], stride=stride, padding=1)
        mean = x.mean((0, 2, 3), keepdim=True)
        variance = ((x - mean) ** 2).mean((0, 2, 3), keepdim=True)
        x = (x - mean) / (variance + 1e-5) ** 0.5
        x = x * weights[f"gamma{i}"][None, :, None, None] + weights[f"beta{i}"][None, :, None, None]
        x = F.relu(x)
        if pooling == "max":
            x = F.max_pool2d(x, 2)
    return x.flatten(1) @ weights["w"] + weights["b"]


def loss(outputs: Tensor, y: Tensor) -> Tensor:
    """Return mean cross-entropy for class indices, else mean squared error."""
    if y.dtype == torch.int64:
        return F.cross_entropy(outputs, y)
    return F.mse_loss(outputs, y)


def maml_gradient(
    apply, weights: Weights, tasks, *, inner_lr, steps, first_order, frozen=(), loss=loss
):
    """Return the meta-gradient by an explicit loop over tasks, as (dict of gradients, loss)."""
    weights = {k: v.detach().requires_grad_() for k, v in weights.items()}
    total = torch.zeros((), dtype=torch.float64)
    for (x_s, y_s), (x_q, y_q) in tasks:
        fast = dict(weights)
        for _ in range(steps):
            inner = loss(apply(fast, x_s), y_s)
            names = [k for k in fast if k not in frozen]
            grads = torch.autograd.grad(
                inner, [fast[k] for k in names], create_graph=not first_order
            )
            fast |= {k: fast[k] - inner_lr * g for k, g in zip(names, grads, strict=True)}
        total = total + loss(apply(fast, x_q), y_q)
    total = total / len(tasks)
    grads = torch.autograd.grad(total, list(weights.values()))
    return dict(zip(weights, grads, strict=True)), total.detach()


def reptile_average(apply, weights: Weights, tasks, *, inner_lr, optimizer, memory=None, loss=loss):
    """Return the mean of the adapted weights; each task is a list of mini-batches (x, y).

    With optimizer "adam": β1 = 0, β2 = 0.999; `memory` = (v by name, count) is where every task
    starts, and the mean of v over tasks is returned with the weights.
    """
    ends, memories = [], []
    for batches in tasks:
        fast = {k: v.detach().clone() for k, v in weights.items()}
        v, count = ({k: t.clone() for k, t in memory[0].items()}, memory[1]) if memory else ({}, 0)
        for x, y in batches:
            fast = {k: t.detach().requires_grad_() for k, t in fast.items()}
            grads = torch.autograd.grad(loss(apply(fast, x), y), list(fast.values()))
            count += 1
            for (k, t), g in zip(list(fast.items()), grads, strict=True):
                step = g
                if optimizer == "adam":
                    v[k] = 0.999 * v[k] + 0.001 * g**2
                    step = g * (1 - 0.999**count) ** 0.5 / (v[k] ** 0.5 + 1e-8)
                fast[k] = (t - inner_lr * step).detach()
        ends.append(fast)
        memories.append(v)
    mean = {k: torch.stack([e[k] for e in ends]).mean(0) for k in weights}
    v_mean = {k: torch.stack([m[k] for m in memories]).mean(0) for k in memories[0]}
    return mean, (v_mean, count)
