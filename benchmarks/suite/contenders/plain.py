"""The plain loop of each algorithm of the family: a task at a time, dicts of weights, autograd.

What somebody writes who needs one of them: the rule of the paper in torch's own operations, no
`vmap`, no lanes.  φ has metaopt's names and layout, matrices (in, out), so that the gradients can
be compared; `tests.reference` has the same rules in another form, for float64.

A rule gives the loss of one task, which is differentiated to φ (`LOSSES`), a task's share of the
meta-gradient itself (`GRADIENTS`), or, where nothing is adapted, the loss of all tasks as one batch
(`POOLED`).
"""

from collections.abc import Callable, Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.suite.works import Work

Weights = dict[str, Tensor]
Task = tuple[Tensor, Tensor, Tensor, Tensor]
"""x and y of the support set, then of the query set."""


def mlp(weights: Weights, x: Tensor) -> Tensor:
    """Fully connected layers w0, b0, w1, … with ReLUs between them."""
    layers = len(weights) // 2
    for i in range(layers):
        x = torch.addmm(weights[f"b{i}"], x, weights[f"w{i}"])
        if i < layers - 1:
            x = F.relu(x)
    return x


def conv4_features(weights: Weights, x: Tensor) -> Tensor:
    """Four strided convolutions with batch norm and ReLU, flattened."""
    for i in range(4):
        x = F.conv2d(x, weights[f"conv{i}"], stride=2, padding=1)
        x = F.relu(F.batch_norm(x, None, None, weights[f"gamma{i}"], weights[f"beta{i}"], True))
    return x.flatten(1)


def apply(weights: Weights, x: Tensor) -> Tensor:
    """Outputs (N, C); the kind of network is seen from the weights."""
    if "conv0" in weights:
        return torch.addmm(weights["b"], conv4_features(weights, x), weights["w"])
    return mlp(weights, x)


def loss(outputs: Tensor, y: Tensor) -> Tensor:
    """Mean cross-entropy of classes, else mean squared error."""
    return F.cross_entropy(outputs, y) if y.dtype == torch.int64 else F.mse_loss(outputs, y)


def part(phi: Weights, network: str) -> Weights:
    """The weights of a network, `NETWORK.w0`, …, without its name."""
    return {n.removeprefix(f"{network}."): p for n, p in phi.items() if n.startswith(f"{network}.")}


def own(phi: Weights) -> Weights:
    """The model's weights, without what an algorithm has beside them."""
    return {name: p for name, p in phi.items() if "/" not in name and "." not in name}


def steps(
    work: Work, theta: Weights, x: Tensor, y: Tensor, moved: list[str], of: Callable = apply
) -> Iterator[Weights]:
    """Weights after each inner step of gradient descent on `moved`."""
    for _ in range(work.steps):
        gradient = torch.autograd.grad(
            loss(of(theta, x), y), [theta[n] for n in moved], create_graph=not work.first_order
        )
        theta = dict(theta)
        for name, g in zip(moved, gradient, strict=True):
            theta[name] = theta[name] - work.inner_lr * g
        yield theta


def adapted(work: Work, theta: Weights, task: Task, moved: list[str]) -> Tensor:
    """The query loss after MAML's inner steps of some of the weights."""
    x_s, y_s, x_q, y_q = task
    *_, end = steps(work, theta, x_s, y_s, moved)
    return loss(apply(end, x_q), y_q)


def anil(work: Work, phi: Weights, task: Task) -> Tensor:
    """Inner steps of the last layer, on features that are computed once."""
    x_s, y_s, x_q, y_q = task
    last = len(phi) // 2 - 1
    body = {n: p for n, p in phi.items() if int(n[1:]) < last}
    known, asked = (F.relu(mlp(body, x)) for x in (x_s, x_q))
    head = {"w0": phi[f"w{last}"], "b0": phi[f"b{last}"]}
    *_, end = steps(work, head, known, y_s, ["w0", "b0"])
    return loss(apply(end, asked), y_q)


def boil(work: Work, phi: Weights, task: Task) -> Tensor:
    """Inner steps of all layers but the last."""
    return adapted(work, phi, task, list(phi)[:-2])


def cavia(work: Work, phi: Weights, task: Task) -> Tensor:
    """Inner steps of a context that stands beside the inputs."""
    x_s, y_s, x_q, y_q = task

    def of(theta: Weights, x: Tensor) -> Tensor:
        context = theta["context"].expand(len(x), -1)
        return mlp({n: p for n, p in theta.items() if n != "context"}, torch.cat([x, context], 1))

    zeros = torch.zeros(int(work.params["context"]), requires_grad=True)
    *_, end = steps(work, {**phi, "context": zeros}, x_s, y_s, ["context"], of)
    return loss(of(end, x_q), y_q)


def meta_sgd(work: Work, phi: Weights, task: Task) -> Tensor:
    """Inner steps with a learned rate for each weight."""
    return _moved_by(work, phi, task, lambda name, g, _: phi[f"rate/{name}"] * g)


def meta_curvature(work: Work, phi: Weights, task: Task) -> Tensor:
    """Inner steps along gradients that learned matrices have transformed."""

    def curved(name: str, g: Tensor, _: int) -> Tensor:
        first = phi[f"curvature0/{name}"]
        g = first * g if g.dim() == 1 else first @ g @ phi[f"curvature1/{name}"].T
        return work.inner_lr * g

    return _moved_by(work, phi, task, curved)


def maml_plus_plus(work: Work, phi: Weights, task: Task) -> Tensor:
    """The mean of the query losses after each inner step, with a rate for each tensor and step.

    All steps count alike, as at the beginning of training.
    """

    def rated(name: str, g: Tensor, step: int) -> Tensor:
        return phi[f"rates/{name}"][step] * g

    return _moved_by(work, phi, task, rated, each=True)


def _moved_by(
    work: Work, phi: Weights, task: Task, step_of: Callable, *, each: bool = False
) -> Tensor:
    """The query loss after θ ← θ − step_of(name, ∇L, step), or the mean of those after each."""
    x_s, y_s, x_q, y_q = task
    theta, losses = own(phi), []
    for i in range(work.steps):
        gradient = torch.autograd.grad(
            loss(apply(theta, x_s), y_s), list(theta.values()), create_graph=True
        )
        theta = {
            name: p - step_of(name, g, i)
            for (name, p), g in zip(theta.items(), gradient, strict=True)
        }
        if each or i == work.steps - 1:
            losses.append(loss(apply(theta, x_q), y_q))
    return torch.stack(losses).mean()


def cnp(work: Work, phi: Weights, task: Task) -> Tensor:
    """The surprise at support and query numbers, decoded from the mean of the encoded support."""
    x_s, y_s, x_q, y_q = task
    embedded = mlp(own(phi), torch.cat([x_s, x_q]))
    r = mlp(part(phi, "cnp.encoder"), torch.cat([embedded[: len(x_s)], y_s], 1)).mean(0)
    pairs = torch.cat([embedded, r.expand(len(embedded), -1)], 1)
    mean, free = mlp(part(phi, "cnp.decoder"), pairs).chunk(2, dim=1)
    deviation = 0.1 + 0.9 * F.softplus(free)
    return -torch.distributions.Normal(mean, deviation).log_prob(torch.cat([y_s, y_q])).mean()


def r2d2(work: Work, phi: Weights, task: Task) -> Tensor:
    """Ridge regression of the support set's numbers on their embeddings, by Woodbury's identity."""
    x_s, y_s, x_q, y_q = task
    embedded = mlp(own(phi), torch.cat([x_s, x_q]))
    embedded = torch.cat([embedded, torch.ones(len(embedded), 1)], 1)
    known, asked = embedded[: len(x_s)], embedded[len(x_s) :]
    square = known @ known.T + phi["ridge.log_lambda"].exp() * torch.eye(len(known))
    predicted = asked @ known.T @ torch.linalg.solve(square, y_s)
    return loss(phi["ridge.scale"] * predicted + phi["ridge.bias"], y_q)


def relational(work: Work, phi: Weights, task: Task) -> Tensor:
    """MAML from weights that attention to learned anchor tasks has scaled and shifted."""
    x_s, y_s, *_ = task
    q = mlp(part(phi, "relation.encoder"), torch.cat([x_s, y_s], 1)).mean(0)
    likeness = torch.softmax(phi["relation.keys"] @ q / len(q) ** 0.5, 0)
    z = likeness @ phi["relation.values"]
    numbers = mlp(part(phi, "relation.modulator"), torch.cat([q, z])[None])[0]
    weights = own(phi)
    channels = [p.shape[-1] for p in weights.values()]
    scales, shifts = (half.split(channels) for half in numbers.chunk(2))
    theta = {
        name: p * (1 + scale) + shift
        for (name, p), scale, shift in zip(weights.items(), scales, shifts, strict=True)
    }
    return adapted(work, theta, task, list(theta))


def learned_optimizer(work: Work, phi: Weights, task: Task) -> Tensor:
    """The mean query loss over the steps of an LSTM that reads each weight's gradient."""
    x_s, y_s, x_q, y_q = task
    theta, losses = own(phi), []
    lstm, hidden = part(phi, "optimizer"), int(work.params["hidden"])
    count = sum(p.numel() for p in theta.values())
    memory = [(torch.zeros(count, hidden), torch.zeros(count, hidden)) for _ in range(2)]
    for _ in range(work.steps):
        leaves = {name: p.detach().requires_grad_() for name, p in theta.items()}
        gradient = torch.autograd.grad(loss(apply(leaves, x_s), y_s), list(leaves.values()))
        step, memory = _lstm(lstm, torch.cat([g.flatten() for g in gradient]), memory)
        moves = (work.params["update_scale"] * step).split([p.numel() for p in theta.values()])
        theta = {
            n: p + move.reshape(p.shape) for (n, p), move in zip(theta.items(), moves, strict=True)
        }
        losses.append(loss(apply(theta, x_q), y_q))
    return torch.stack(losses).mean()


def _lstm(weights: Weights, gradient: Tensor, memory: list) -> tuple[Tensor, list]:
    """Steps (P,) for gradients (P,), and the memory of each layer after them."""
    epsilon = torch.finfo(gradient.dtype).eps
    size = (torch.log(gradient.abs() + epsilon) / 5).clamp(min=-1)
    x = torch.stack([size, (gradient * torch.e**5).clamp(-1, 1)], 1)
    after = []
    for i, (h, c) in enumerate(memory):
        gates = torch.addmm(weights[f"b{i}"], torch.cat([x, h], 1), weights[f"w{i}"])
        enter, new, forget, leave = gates.chunk(4, dim=1)
        c = torch.sigmoid(forget + 1) * c + torch.sigmoid(enter) * torch.tanh(new)
        x = torch.sigmoid(leave) * torch.tanh(c)
        after.append((x, c))
    return torch.addmm(weights["b"], x, weights["w"])[:, 0], after


def protonet(work: Work, phi: Weights, task: Task) -> Tensor:
    """Minus square distances to the means of the classes are the logits."""
    x_s, y_s, x_q, y_q = task
    known, asked = apply(phi, torch.cat([x_s, x_q])).split([len(x_s), len(x_q)])
    centres = torch.stack([known[y_s == k].mean(0) for k in range(work.tasks["n_way"])])
    return loss(-(asked[:, None] - centres).square().sum(-1), y_q)


def matching(work: Work, phi: Weights, task: Task) -> Tensor:
    """The attention of a query example to the support examples, by class."""
    x_s, y_s, x_q, y_q = task
    known, asked = apply(own(phi), torch.cat([x_s, x_q])).split([len(x_s), len(x_q)])
    scores = phi["matching.log_scale"].exp() * F.normalize(asked) @ F.normalize(known).T
    shares = torch.softmax(scores, 1) @ F.one_hot(y_s, work.tasks["n_way"]).to(scores.dtype)
    return F.nll_loss(shares.log(), y_q)


def proto_maml(work: Work, phi: Weights, task: Task) -> Tensor:
    """MAML's steps that begin with the head that prototypes are."""
    x_s, y_s, _, _ = task
    features = conv4_features(phi, x_s)
    centres = torch.stack([features[y_s == k].mean(0) for k in range(work.tasks["n_way"])])
    theta = {**phi, "w": 2 * centres.T, "b": -centres.square().sum(1)}
    # Tensors of their own: inner steps are by partial derivatives.
    theta = {name: p.clone() for name, p in theta.items()}
    return adapted(work, theta, task, list(theta))


def imaml(work: Work, phi: Weights, task: Task) -> list[Tensor]:
    """(I + H/λ)⁻¹ of the query gradient after proximal steps, by conjugate gradients."""
    x_s, y_s, x_q, y_q = task
    strength, anchors = float(work.params["proximal"]), [p.detach() for p in phi.values()]
    theta = anchors
    for _ in range(work.steps):
        leaves = [p.detach().requires_grad_() for p in theta]
        named = dict(zip(phi, leaves, strict=True))
        gradient = torch.autograd.grad(loss(apply(named, x_s), y_s), leaves)
        theta = [
            p.detach() - work.inner_lr * (g + strength * (p.detach() - a))
            for p, g, a in zip(leaves, gradient, anchors, strict=True)
        ]
    end = [p.requires_grad_() for p in theta]
    named = dict(zip(phi, end, strict=True))
    right = torch.autograd.grad(loss(apply(named, x_q), y_q), end)
    gradient = torch.autograd.grad(loss(apply(named, x_s), y_s), end, create_graph=True)

    def times(v: Tensor) -> Tensor:
        parts = [
            piece.reshape(p.shape)
            for piece, p in zip(v.split([p.numel() for p in end]), end, strict=True)
        ]
        product = torch.autograd.grad(gradient, end, parts, retain_graph=True)
        return v + _flat(product) / strength

    x, residual = torch.zeros(sum(p.numel() for p in end)), _flat(right)
    direction, square = residual, residual @ residual
    for _ in range(int(work.params["cg_steps"])):
        product = times(direction)
        length = square / (direction @ product)
        x, residual = x + length * direction, residual - length * product
        before, square = square, residual @ residual
        direction = residual + square / before * direction
    return [g.reshape(p.shape) for g, p in zip(x.split([p.numel() for p in end]), end, strict=True)]


def _flat(tensors: tuple[Tensor, ...]) -> Tensor:
    return torch.cat([t.flatten() for t in tensors])


def foml(work: Work, phi: Weights, x: Tensor, y: Tensor, order: Tensor) -> list[Tensor]:
    """Minus what the last of a task's own training steps has moved."""
    theta = [p.detach() for p in phi.values()]
    for rows in order:
        before = [p.requires_grad_() for p in theta]
        named = dict(zip(phi, before, strict=True))
        gradient = torch.autograd.grad(loss(apply(named, x[rows]), y[rows]), before)
        theta = [p.detach() - work.inner_lr * g for p, g in zip(before, gradient, strict=True)]
    return [(b - p).detach() for b, p in zip(before, theta, strict=True)]


def pretrain(work: Work, phi: Weights, tasks: Task) -> Tensor:
    """All examples of the tasks (T, …) as one batch."""
    x_s, y_s, x_q, y_q = tasks
    x, y = (torch.cat(parts, 1).flatten(0, 1) for parts in ((x_s, x_q), (y_s, y_q)))
    return loss(apply(own(phi), x), y)


LOSSES: dict[str, Callable[[Work, Weights, Task], Tensor]] = {
    rule.__name__: rule
    for rule in (
        anil, boil, cavia, meta_sgd, meta_curvature, maml_plus_plus, cnp, r2d2, relational,
        learned_optimizer, protonet, matching, proto_maml,
    )
}  # fmt: skip
GRADIENTS: dict[str, Callable[..., list[Tensor]]] = {"imaml": imaml, "foml": foml}
POOLED: dict[str, Callable[[Work, Weights, Task], Tensor]] = {"pretrain": pretrain}
