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


def conv4(weights: Weights, x: Tensor, pooling: str = "stride", count: int | None = None) -> Tensor:
    """Return outputs (N, C) for images (N, channels, H, W); batch norm written by hand.

    Its statistics are those of the first `count` images, or of all.
    """
    for i in range(4):
        stride = 2 if pooling == "stride" else 1
        x = F.conv2d(x, weights[f"conv{i}"], stride=stride, padding=1)
        mean = x[:count].mean((0, 2, 3), keepdim=True)
        variance = ((x[:count] - mean) ** 2).mean((0, 2, 3), keepdim=True)
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
    apply,
    weights: Weights,
    tasks,
    *,
    inner_lr,
    steps,
    first_order,
    frozen=(),
    loss=loss,
    begin=lambda weights, x, y: weights,
):
    """Return the meta-gradient by an explicit loop over tasks, as (dict of gradients, loss).

    Args:
        begin: (weights, x_s, y_s) -> those with which a task begins.
    """
    weights = {k: v.detach().requires_grad_() for k, v in weights.items()}
    total = torch.zeros((), dtype=torch.float64)
    for (x_s, y_s), (x_q, y_q) in tasks:
        # Tensors of their own: an inner step is by partial derivatives.
        fast = {k: v.clone() for k, v in begin(weights, x_s, y_s).items()}
        for _ in range(steps):
            inner = loss(apply(fast, x_s), y_s)
            names = [k for k in fast if k not in frozen]
            grads = torch.autograd.grad(
                inner, [fast[k] for k in names], create_graph=not first_order
            )
            fast |= {k: fast[k] - inner_lr * g for k, g in zip(names, grads, strict=True)}
        total = total + loss(apply(fast, x_q), y_q)
    total = total / len(tasks)
    grads = torch.autograd.grad(total, list(weights.values()), materialize_grads=True)
    return dict(zip(weights, grads, strict=True)), total.detach()


def protonet(support: Tensor, y: Tensor, query: Tensor, classes: int) -> Tensor:
    """Return logits (Q, C) from embeddings: minus square distances to the means of the classes."""
    centres = [support[y == k].mean(0) for k in range(classes)]
    return torch.stack([-((query - centre) ** 2).sum(1) for centre in centres], dim=1)


def matching(support: Tensor, y: Tensor, query: Tensor, classes: int, scale: Tensor) -> Tensor:
    """Return the logarithm of the attention that each class gets (Q, C)."""
    shares = []
    for q in query:
        cosines = torch.stack([q @ s / (q.norm() * s.norm()) for s in support])
        attention = torch.exp(scale * cosines) / torch.exp(scale * cosines).sum()
        shares.append(torch.stack([attention[y == k].sum() for k in range(classes)]))
    return torch.stack(shares).log()


def ridge(support: Tensor, y: Tensor, query: Tensor, penalty: Tensor) -> Tensor:
    """Return predictions (Q, C) of ridge regression with an intercept, by the normal equations."""
    x, x_q = (torch.cat([part, torch.ones(len(part), 1)], 1) for part in (support, query))
    square = x.T @ x + penalty * torch.eye(x.shape[1], dtype=x.dtype)
    return x_q @ torch.linalg.inv(square) @ x.T @ y


def answers_gradient(answers, weights: Weights, tasks, *, loss=loss):
    """Return the gradient of the query loss of answers without a loop, task by task, and the loss.

    Args:
        answers: (weights, x_s, y_s, x_q) -> outputs (Q, C).
    """
    weights = {k: v.detach().requires_grad_() for k, v in weights.items()}
    total = sum(
        loss(answers(weights, x_s, y_s, x_q), y_q) for (x_s, y_s), (x_q, y_q) in tasks
    ) / len(tasks)
    grads = torch.autograd.grad(total, list(weights.values()), materialize_grads=True)
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


def fine_tuned(loss_of, weights: Weights, *, steps: int, lr: float, optimizer: str) -> Weights:
    """Return weights after steps of SGD, or of Adam with β1 = 0, along the gradient of a loss.

    Args:
        loss_of: (weights) -> loss, 0-d.
    """
    memory = {name: torch.zeros_like(p) for name, p in weights.items()}
    for step in range(1, steps + 1):
        leaves = {name: p.detach().requires_grad_() for name, p in weights.items()}
        gradients = torch.autograd.grad(loss_of(leaves), list(leaves.values()))
        weights = {}
        for (name, p), g in zip(leaves.items(), gradients, strict=True):
            memory[name] = 0.999 * memory[name] + 0.001 * g * g
            if optimizer == "adam":
                g = g * (1 - 0.999**step) ** 0.5 / (memory[name].sqrt() + 1e-8)
            weights[name] = p.detach() - lr * g
    return weights


def cavia_gradient(
    apply, weights: Weights, tasks, *, context, inner_lr, steps, first_order, loss=loss
):
    """Return the meta-gradient and the loss; inputs get `context` constant channels."""
    weights = {k: v.detach().requires_grad_() for k, v in weights.items()}

    def outputs(c, x):
        beside = torch.ones_like(x[:, :1]) * c.reshape(1, -1, *(1,) * (x.dim() - 2))
        return apply(weights, torch.cat([x, beside], dim=1))

    total = torch.zeros((), dtype=torch.float64)
    for (x_s, y_s), (x_q, y_q) in tasks:
        c = torch.zeros(context, dtype=torch.float64, requires_grad=True)
        for _ in range(steps):
            inner = loss(outputs(c, x_s), y_s)
            (g,) = torch.autograd.grad(inner, [c], create_graph=not first_order)
            c = c - inner_lr * g
        total = total + loss(outputs(c, x_q), y_q)
    total = total / len(tasks)
    grads = torch.autograd.grad(total, list(weights.values()))
    return dict(zip(weights, grads, strict=True)), total.detach()


def maml_plus_plus_gradient(
    apply, weights: Weights, rates: Weights, norms: Weights, tasks, *, steps, loss_weights,
    first_order, inner_lr, frozen=(), loss=loss,
):  # fmt: skip
    """Return the gradients by weights, rates and norms, as three dicts, and the loss.

    `rates` have a number for each step, `norms` a row; both use their last beyond it.  Without
    rates α is `inner_lr`.
    """
    weights, rates, norms = (
        {k: v.detach().requires_grad_() for k, v in part.items()}
        for part in (weights, rates, norms)
    )
    total = torch.zeros((), dtype=torch.float64)
    for (x_s, y_s), (x_q, y_q) in tasks:
        fast = dict(weights)
        names = [k for k in fast if k not in frozen]
        for i in range(steps):
            of_step = {k: rows[min(i, len(rows) - 1)] for k, rows in norms.items()}
            inner = loss(apply({**fast, **of_step}, x_s), y_s)
            grads = torch.autograd.grad(
                inner, [fast[k] for k in names], create_graph=not first_order
            )
            for k, g in zip(names, grads, strict=True):
                rate = rates[k][min(i, len(rates[k]) - 1)] if rates else inner_lr
                fast[k] = fast[k] - rate * g
            total = total + loss_weights[i] * loss(apply({**fast, **of_step}, x_q), y_q)
    total = total / len(tasks)
    leaves = [*weights.values(), *rates.values(), *norms.values()]
    grads = iter(torch.autograd.grad(total, leaves, materialize_grads=True))
    return *({k: next(grads) for k in part} for part in (weights, rates, norms)), total.detach()


def meta_sgd_gradient(apply, weights: Weights, rates: Weights, tasks, *, steps, loss=loss):
    """Return the gradients by weights and by rates, as two dicts, and the loss.

    Algorithm 1 of Meta-SGD; weights without a rate stay.
    """
    weights = {k: v.detach().requires_grad_() for k, v in weights.items()}
    rates = {k: v.detach().requires_grad_() for k, v in rates.items()}
    total = torch.zeros((), dtype=torch.float64)
    for (x_s, y_s), (x_q, y_q) in tasks:
        fast = dict(weights)
        for _ in range(steps):
            inner = loss(apply(fast, x_s), y_s)
            grads = torch.autograd.grad(inner, [fast[k] for k in rates], create_graph=True)
            fast |= {k: fast[k] - rates[k] * g for k, g in zip(rates, grads, strict=True)}
        total = total + loss(apply(fast, x_q), y_q)
    total = total / len(tasks)
    grads = torch.autograd.grad(total, [*weights.values(), *rates.values()], allow_unused=True)
    grads = [torch.zeros_like(p) if g is None else g
             for p, g in zip([*weights.values(), *rates.values()], grads, strict=True)]  # fmt: skip
    return (
        dict(zip(weights, grads, strict=False)),
        dict(zip(rates, grads[len(weights) :], strict=True)),
        total.detach(),
    )


def imaml_gradient(
    apply, weights: Weights, tasks, *, inner_lr, steps, proximal, frozen=(), loss=loss
):
    """Return the meta-gradient at the end of proximal steps, by dense solves, and the loss.

    (I + H/λ)⁻¹ ∇L by the whole Hessian H; of frozen weights ψ the total derivative of the query
    loss where ∇_θ L(θ, ψ) + λ(θ − φ) = 0 stays so.
    """
    names = [k for k in weights if k not in frozen]
    shapes = [weights[k].shape for k in names]
    total = {k: torch.zeros_like(v) for k, v in weights.items()}
    losses = []

    def whole(flat):
        parts = flat.split([shape.numel() for shape in shapes])
        return {k: p.reshape(shape) for k, p, shape in zip(names, parts, shapes, strict=True)}

    for (x_s, y_s), (x_q, y_q) in tasks:
        anchor = torch.cat([weights[k].flatten() for k in names])
        theta = anchor.clone()
        psi = {k: weights[k].detach().clone().requires_grad_() for k in frozen}

        def support_loss(flat, x=x_s, y=y_s, psi=psi):
            return loss(apply({**psi, **whole(flat)}, x), y)

        for _ in range(steps):
            theta = theta.detach().requires_grad_()
            (g,) = torch.autograd.grad(support_loss(theta), theta)
            theta = theta - inner_lr * (g + proximal * (theta - anchor))
        theta = theta.detach().requires_grad_()
        query = loss(apply({**psi, **whole(theta)}, x_q), y_q)
        by_theta, *by_psi = torch.autograd.grad(query, [theta, *psi.values()])
        hessian = torch.autograd.functional.hessian(support_loss, theta.detach(), vectorize=True)
        one = torch.eye(len(anchor), dtype=anchor.dtype)
        solved = torch.linalg.solve(one + hessian / proximal, by_theta)
        for k, g in whole(solved).items():
            total[k] += g / len(tasks)
        if psi:
            (g,) = torch.autograd.grad(support_loss(theta), theta, create_graph=True)
            mixed = torch.autograd.grad(g @ (solved / proximal), list(psi.values()))
            for k, direct, part in zip(psi, by_psi, mixed, strict=True):
                total[k] += (direct - part) / len(tasks)
        losses.append(query.detach())
    return total, torch.stack(losses).mean()


def unrolled_proximal_gradient(
    apply, weights: Weights, tasks, *, inner_lr, steps, proximal, loss=loss
):
    """Return the gradient of the query loss through all proximal steps."""
    weights = {k: v.detach().requires_grad_() for k, v in weights.items()}
    total = torch.zeros((), dtype=torch.float64)
    for (x_s, y_s), (x_q, y_q) in tasks:
        fast = dict(weights)
        for _ in range(steps):
            inner = loss(apply(fast, x_s), y_s)
            grads = torch.autograd.grad(inner, list(fast.values()), create_graph=True)
            fast = {
                k: fast[k] - inner_lr * (g + proximal * (fast[k] - weights[k]))
                for k, g in zip(fast, grads, strict=True)
            }
        total = total + loss(apply(fast, x_q), y_q)
    grads = torch.autograd.grad(total / len(tasks), list(weights.values()))
    return dict(zip(weights, grads, strict=True))


def network(weights: Weights, name: str, x: Tensor) -> Tensor:
    """Return outputs of the layers `NAME.w0`, `NAME.b0`, … with ReLUs between them."""
    own = {k.removeprefix(f"{name}."): v for k, v in weights.items() if k.startswith(f"{name}.")}
    return mlp(own, x)


def encoded(weights: Weights, name: str, x: Tensor, y: Tensor, classes: int) -> Tensor:
    """Return the mean of a network's outputs for examples x (S, D) with their targets."""
    y = F.one_hot(y, classes).to(x.dtype) if y.dtype == torch.int64 else y
    rows = [network(weights, name, torch.cat(pair)[None])[0] for pair in zip(x, y, strict=True)]
    return sum(rows) / len(rows)


def cnp(weights: Weights, embed, x_s: Tensor, y_s: Tensor, x_q: Tensor, classes: int) -> Tensor:
    """Return what the decoder says of support and query examples together (S + Q, …)."""
    embedded = embed(weights, torch.cat([x_s, x_q]))
    r = encoded(weights, "cnp.encoder", embedded[: len(x_s)], y_s, classes)
    return torch.stack([network(weights, "cnp.decoder", torch.cat([e, r])) for e in embedded])


def cnp_loss(outputs: Tensor, y: Tensor) -> Tensor:
    """Return the cross-entropy, or the mean surprise of numbers under N(μ, σ²)."""
    if y.dtype == torch.int64:
        return F.cross_entropy(outputs, y)
    mean, raw = outputs.tensor_split(2, dim=1)
    deviation = 0.1 + 0.9 * torch.log1p(raw.exp())
    return -torch.distributions.Normal(mean, deviation).log_prob(y).mean()


def relational_start(weights: Weights, x: Tensor, y: Tensor, names, classes, by_channel) -> Weights:
    """Return the model's weights `names`, modulated by attention of the task to anchors."""
    q = encoded(weights, "relation.encoder", x.flatten(1), y, classes)
    keys, values = weights["relation.keys"], weights["relation.values"]
    likeness = torch.softmax(torch.stack([k @ q for k in keys]) / len(q) ** 0.5, dim=0)
    z = sum(a * v for a, v in zip(likeness, values, strict=True))
    numbers = network(weights, "relation.modulator", torch.cat([q, z])[None])[0]
    scales, shifts = numbers.tensor_split(2)
    start, at = {}, 0
    for name in names:
        p = weights[name]
        axis = 0 if p.dim() == 4 else p.dim() - 1
        count = p.shape[axis] if by_channel else 1
        shape = [count if i == axis else 1 for i in range(p.dim())]
        scale, shift = (n[at : at + count].reshape(shape) for n in (scales, shifts))
        start[name] = p + p * scale + shift
        at += count
    return start


def lstm_step(weights: Weights, memory, gradient: Tensor):
    """Return one tensor's step by a 2-layer LSTM of each entry, and the memory after it."""
    size = torch.log(gradient.abs() + torch.finfo(gradient.dtype).eps) / 5
    sign = torch.clamp(gradient * torch.e**5, -1, 1)
    x = torch.stack([torch.clamp(size, min=-1), sign], -1).reshape(-1, 2)
    after = []
    for i, (h, c) in enumerate(memory):
        gates = torch.cat([x, h], 1) @ weights[f"optimizer.w{i}"] + weights[f"optimizer.b{i}"]
        enter, new, forget, leave = gates.tensor_split(4, dim=1)
        c = torch.sigmoid(forget + 1) * c + torch.sigmoid(enter) * torch.tanh(new)
        x = torch.sigmoid(leave) * torch.tanh(c)
        after.append((x, c))
    return (x @ weights["optimizer.w"] + weights["optimizer.b"]).reshape(gradient.shape), after


def learned_optimizer_gradient(
    apply, weights: Weights, names, tasks, *, scale, steps, unroll, second_order, on_support=False,
    start=None, hidden=3, frozen=(), loss=loss,
):  # fmt: skip
    """Return the gradient by all weights, and the loss: mean over tasks and steps of f(θ_t).

    Back-propagation is cut before every `unroll`-th step.  `start` gives a task's first weights
    where they are not among `weights`.
    """
    weights = {k: v.detach().requires_grad_() for k, v in weights.items()}
    gradient = {k: torch.zeros_like(v) for k, v in weights.items()}
    whole = 0.0
    for (x_s, y_s), (x_q, y_q) in tasks:
        if start is None:
            fast = {k: weights[k] for k in names}
        else:
            fast = {k: v.clone().requires_grad_() for k, v in start(x_s, y_s).items()}
        moved = [k for k in names if k not in frozen]
        memory = {
            k: [(fast[k].new_zeros(fast[k].numel(), hidden),) * 2 for _ in range(2)] for k in moved
        }
        for first in range(0, steps, unroll):
            total = torch.zeros((), dtype=torch.float64)
            for _ in range(first, min(first + unroll, steps)):
                grads = torch.autograd.grad(
                    loss(apply(fast, x_s), y_s), [fast[k] for k in moved], create_graph=True
                )
                fast = dict(fast)
                for k, g in zip(moved, grads, strict=True):
                    step, memory[k] = lstm_step(
                        weights, memory[k], g if second_order else g.detach()
                    )
                    fast[k] = fast[k] + scale * step
                total = total + loss(
                    apply(fast, x_s if on_support else x_q), y_s if on_support else y_q
                )
            found = torch.autograd.grad(total, list(weights.values()), materialize_grads=True)
            for k, g in zip(weights, found, strict=True):
                gradient[k] += g / steps / len(tasks)
            whole += float(total.detach()) / steps / len(tasks)
            fast = {k: v.detach().requires_grad_() for k, v in fast.items()}
            memory = {k: [(h.detach(), c.detach()) for h, c in m] for k, m in memory.items()}
    return gradient, whole
