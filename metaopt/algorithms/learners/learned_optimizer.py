"""Learning to learn by gradient descent by gradient descent: the optimizer itself is learned.

    g_t = ∇f(θ_t)      (step, memory) = m(g_t, memory; ω)      θ_{t+1} = θ_t + scale · step

m is a small network that all weights share (`metaopt.algorithms.learners.coordinatewise`).  Its
weights ω are part of φ, its memory part of θ.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from metaopt import seeding
from metaopt.algorithms.gradients import gradient_of
from metaopt.algorithms.inner import InnerState, along, for_tasks, select
from metaopt.algorithms.learner import Learner
from metaopt.algorithms.learners.coordinatewise import CoordinateWise, Lstm
from metaopt.algorithms.learners.networks import joined
from metaopt.algorithms.loops import repeat, turns
from metaopt.errors import InvalidModel
from metaopt.models.base import Layout, Params
from metaopt.models.lifted import Lifted
from metaopt.tasks.base import Episodes, Examples

_START = 9_400_001  # salt: of weights that a task begins with


@dataclass(frozen=True)
class LearnedOptimizer(Learner):
    """φ = ω and, if it is learned, the model's initial weights; θ = weights, ω and m's memory.

    Args:
        network: m.
        learned_start: Whether the weights that tasks start from are learned.  Else each task starts
            from fresh ones, a function of its support set and of nothing else: they are drawn by a
            key made of it, so an evaluation and a winner's file draw the same.

    Raises:
        InvalidModel: fresh weights for each task are asked for of a `torch.nn.Module`, which is
            made anew for each draw.
    Reference:
        Andrychowicz et al. (2016), arXiv:1606.04474.
    """

    network: CoordinateWise = Lstm()
    learned_start: bool = True

    def __post_init__(self) -> None:
        """Refuse models of which no weights can be drawn for each task."""
        if not self.learned_start and isinstance(self.model, Lifted):
            raise InvalidModel(
                f"model {self.model.name} is a torch.nn.Module, made anew for each draw of its "
                "weights: only a learned start is possible"
            )

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The weights to start from, where they are learned, then ω."""
        return joined(self.model.shapes if self.learned_start else {}, self.network.shapes)

    def init(self, keys: Tensor, dtype: torch.dtype) -> Params:
        """Return a fresh φ for keys (*B,)."""
        start = self.model.init(keys, dtype) if self.learned_start else {}
        return start | self.network.init(keys, dtype)

    def begin(self, phi: Params, support: Examples, tasks: int) -> Params:
        """Return the weights of each task, ω, and a memory of zeros, all (H, T, …)."""
        omega = for_tasks({name: phi[name] for name in self.network.shapes}, tasks)
        first = next(iter(omega.values()))
        if self.learned_start:
            weights = for_tasks({name: phi[name] for name in self.model.shapes}, tasks)
        else:
            weights = self._drawn(support, first)
        lead, count = first.shape[:2], self._moved.total
        memory = {
            name: first.new_zeros(*lead, count, width)
            for name, width in self.network.memory.items()
        }
        return weights | omega | memory

    def _drawn(self, support: Examples, like: Tensor) -> Params:
        keys = seeding.fold_in(keys_of(support, len(self.model.input_shape)), _START)
        drawn = self.model.init(keys, like.dtype)
        lead = like.shape[:2]
        return {name: p.expand(*lead, *self.model.shapes[name]) for name, p in drawn.items()}

    @property
    def _moved(self) -> Layout:
        """Where each weight that moves lies among m's coordinates."""
        return Layout({name: self.model.shapes[name] for name in self.adapted})

    def updated(
        self, theta: Params, support: Examples, scale: Tensor, *, second_order: bool = False
    ) -> Params:
        """Return θ after one step of the learned optimizer.

        Args:
            theta: As `begin` returns it, leading axes (H, T).
            support: Of each task, for all lanes (T, …) or for each (H, T, …).
            scale: Factor of m's outputs (H, 1).
            second_order: Whether g_t is differentiated too; else it is a constant.
        """
        layout = self._moved
        with torch.enable_grad():
            moving = {name: theta[name] for name in self.adapted}
            if not second_order:
                moving = {name: p.detach().requires_grad_() for name, p in moving.items()}
            loss = self.loss(theta | moving, support)
            gradient = gradient_of(loss, moving, create_graph=second_order)
        step, memory = self.network.apply(theta, layout.flatten(gradient))
        steps = layout.unflatten(along(scale, step) * step)
        return theta | {name: theta[name] + p for name, p in steps.items()} | memory


def keys_of(support: Examples, input_axes: int) -> Tensor:
    """A key of each support set (*B,): of its numbers, in whatever order its examples are."""
    x, y = support.x.flatten(-input_axes), support.y
    rows = torch.cat([x.double(), (y if y.dim() == x.dim() else y[..., None]).double()], dim=-1)
    bits = (rows + 0.0).view(torch.int64)  # so that −0 is 0
    place = torch.arange(bits.shape[-1], device=bits.device)
    examples = seeding.fold_in(seeding.fold_in(bits, place).sum(-1), 0)
    return seeding.fold_in(examples.sum(-1), 0)


def judged_step(
    learner: LearnedOptimizer,
    theta: Params,
    support: Examples,
    *,
    numbers: Mapping[str, Tensor],
    state: InnerState | None,
    step: int = 0,
) -> tuple[Params, InnerState | None]:
    """A step of the adaptation that is judged: see `metaopt.algorithms.inner_step`."""
    with torch.no_grad():
        return learner.updated(theta, support, numbers["update_scale"]), state


class _Constants(NamedTuple):
    omega: Params
    episodes: Episodes
    inner_steps: Tensor
    scale: Tensor


class _Piece(NamedTuple):
    weights: Params
    memory: Params
    gradient: Params
    loss: Tensor


def meta_gradient(
    learner: LearnedOptimizer,
    phi: Tensor,
    episodes: Episodes,
    *,
    scale: Tensor,
    inner_steps: Tensor,
    step_cap: int,
    unroll: int,
    second_order: bool = False,
    on_support: bool = False,
) -> tuple[Tensor, Tensor]:
    """Each lane's gradient and loss of the whole course, averaged over its tasks.

    L(φ) = (1/T) Σ_τ (1/K) Σ_{t=1..K} f_τ(θ_t), where back-propagation is cut before every
    `unroll`-th step: weights and memory are constants there.  So what is learned to start from has
    the gradient of the first `unroll` steps alone, and memory does not grow with K.

    The paper takes an outer step after each piece, here their gradients are added up and there is
    one for all K steps; and its f is what the inner steps minimise, which `on_support` gives.

    Args:
        phi: Meta-parameters (H, P).
        episodes: Leading axes (H, T).
        scale, inner_steps: Factor of m's outputs and K of each lane (H,).
        step_cap: Largest K.
        unroll: Most steps that are differentiated through together.
        second_order: See `LearnedOptimizer.updated`.
        on_support: Whether f is the loss on the support examples, or on the query examples.

    Returns:
        Gradient (H, P) and loss (H,), detached.
    Reference:
        Andrychowicz et al. (2016), arXiv:1606.04474, equation 3 with equal weights, figure 2 (no
        gradient through g_t), section 3 (truncation).
    """
    start = learner.layout.unflatten(phi.detach())
    tasks, length = episodes.support.y.shape[1], min(unroll, step_cap)
    theta = learner.begin(start, episodes.support, tasks)

    def piece(i: Tensor, before: _Piece, constants: _Constants) -> _Piece:
        omega, weights = _leaves(constants.omega), _leaves(before.weights)
        support, query = constants.episodes
        steps = constants.inner_steps[:, None]
        theta = weights | for_tasks(omega, tasks) | before.memory
        total = torch.zeros_like(before.loss)[:, None]
        for number in range(length):
            active = i * length + number < steps
            moved = learner.updated(
                theta, support, constants.scale[:, None], second_order=second_order
            )
            theta = select(active, moved, theta)
            loss = learner.loss(theta, support if on_support else query)
            total = total + torch.where(active, loss, torch.zeros_like(loss))
        mean = total.mean(1) / constants.inner_steps
        by = gradient_of(mean, omega | weights)
        first = {
            name: torch.where(i == 0, by[name].sum(1), torch.zeros_like(before.gradient[name]))
            for name in weights
            if name in before.gradient
        }
        own = {name: by[name] for name in omega} | first
        return _Piece(
            {name: theta[name].detach() for name in weights},
            {name: theta[name].detach() for name in before.memory},
            {name: sofar + own[name] for name, sofar in before.gradient.items()},
            before.loss + mean.detach(),
        )

    # Of its own memory: a compiled loop takes no two views of one tensor.
    omega = {name: start[name].clone() for name in learner.network.shapes}
    constants = _Constants(omega, episodes, inner_steps, scale)
    begin = _Piece(
        {name: theta[name] for name in learner.model.shapes},
        {name: theta[name] for name in learner.network.memory},
        {name: torch.zeros_like(p) for name, p in start.items()},
        phi.new_zeros(phi.shape[0]),
    )
    pieces = (turns(inner_steps, step_cap) + length - 1) // length
    end = repeat(piece, begin, constants, pieces, phi.device)
    return learner.layout.flatten(end.gradient), end.loss


def _leaves(params: Params) -> Params:
    return {name: p.detach().requires_grad_() for name, p in params.items()}
