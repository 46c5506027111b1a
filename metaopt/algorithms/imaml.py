"""iMAML: the meta-gradient at the solution of a proximal inner problem, whatever way led there.

A task's weights are θ*(φ) = argmin_θ L(θ; support) + λ/2 ‖θ − φ‖², found by gradient descent.  By
the implicit function theorem dθ*/dφ = (I + H/λ)⁻¹, H the Hessian of the support loss at θ*, so the
meta-gradient (I + H/λ)⁻¹ ∇L(θ*; query) needs that point alone: no graph of the inner loop is kept,
and memory does not grow with its steps.

Reference:
    Rajeswaran, Finn, Kakade & Levine (2019), arXiv:1909.04630, Lemma 1, Algorithms 1 and 2.
    Their code takes its steps on L(θ; support) and one along the proximal term, and solves
    with damping, ((1 + 1) I + H/(λ + 10)) g = ∇L; here both are as in the paper, and a task that
    curves down too much is met in `conjugate_gradients`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from metaopt.algorithms.gradients import gradient_of, gradient_through
from metaopt.algorithms.inner import InnerState, along, for_tasks, select
from metaopt.algorithms.learner import Learner
from metaopt.algorithms.loops import repeat, turns
from metaopt.models.base import Layout, Params
from metaopt.tasks.base import Episodes, Examples

LEAST_CURVATURE = 0.1
"""Of I + H/λ along a direction, for that to count.

Where a task's loss curves down by more than 0.9 λ, its proximal problem has no minimum there, or
hardly one, and the theorem says nothing.
"""


def anchor_of(name: str) -> str:
    """What the φ of a weight is called in θ; no name of a module's parameter has a slash."""
    return f"anchor/{name}"


@dataclass(frozen=True)
class Anchored(Learner):
    """A learner whose θ carries the φ that it is drawn to."""

    def begin(self, phi: Params, support: Examples, tasks: int) -> Params:
        """Return the weights and their anchors.  See `Learner`."""
        theta = for_tasks(phi, tasks)
        return theta | {anchor_of(name): theta[name] for name in self.adapted}


def proximal_step(
    learner: Learner,
    theta: Params,
    support: Examples,
    *,
    numbers: Mapping[str, Tensor],
    state: InnerState | None = None,
    step: int = 0,
) -> tuple[Params, InnerState | None]:
    """Return θ − α (∇L(θ; support) + λ (θ − φ)); no graph is kept.

    Args:
        theta: Weights and anchors, leading axes (H, T).
        support: Examples of each task, for all lanes (T, …) or for each (H, T, …).
        numbers: Lane numbers (H, 1) by name; α is `inner_lr`, λ is `proximal`.
        state: None.
        step: Which one it is, from 0; all are alike here.
    """
    moving = {name: theta[name].detach().requires_grad_() for name in learner.adapted}
    gradient = gradient_of(learner.inner_loss(theta | moving, support), moving)
    with torch.no_grad():
        drawn = {
            name: torch.addcmul(
                g, along(numbers["proximal"], g), theta[name] - theta[anchor_of(name)]
            )
            for name, g in gradient.items()
        }
        return learner.update(theta, drawn, numbers["inner_lr"], state)


def meta_gradient(
    learner: Learner,
    phi: Tensor,
    episodes: Episodes,
    *,
    inner_lr: Tensor,
    inner_steps: Tensor,
    proximal: Tensor,
    step_cap: int,
    cg_steps: int,
) -> tuple[Tensor, Tensor]:
    """Each lane's meta-gradient and meta-loss, averaged over its tasks.

    g = (1/T) Σ_τ (I + H_τ/λ)⁻¹ ∇L(θ_τ; query_τ), each product by as many steps of conjugate
    gradients.  Weights ψ that inner steps leave alone have the gradient
    ∂L(θ; query)/∂ψ − ∂/∂ψ ⟨∇_θ L(θ; support), v⟩ with v = (H + λI)⁻¹ ∇L(θ; query).

    Args:
        phi: Meta-parameters (H, P).
        episodes: Leading axes (H, T).
        inner_lr, inner_steps, proximal: α, K and λ of each lane (H,).
        step_cap: Largest K.
        cg_steps: Products with the Hessian.

    Returns:
        Gradient (H, P) and loss (H,), detached.
    """
    support, query = episodes
    start = {n: p.requires_grad_() for n, p in learner.layout.unflatten(phi.detach()).items()}
    begun = learner.begin(start, support, query.y.shape[1])
    numbers = {"inner_lr": inner_lr[:, None], "proximal": proximal[:, None]}
    theta = _solved(learner, begun, support, numbers, inner_steps[:, None], step_cap)
    end = {n: theta[n].detach().requires_grad_() for n in learner.model.shapes}
    loss = learner.loss(end, query).mean(-1)
    direct = gradient_of(loss, end)
    curvature = _Curvature(learner, end, support)
    strength = proximal[:, None, None]
    by_anchor = conjugate_gradients(
        lambda x: x + curvature.times(x) / strength, curvature.layout.flatten(direct), cg_steps
    )
    gradient = {anchor_of(n): g for n, g in curvature.layout.unflatten(by_anchor).items()}
    mixed = curvature.mixed(by_anchor / strength)
    gradient |= {name: direct[name] - part for name, part in mixed.items()}
    return learner.layout.flatten(gradient_through(begun, start, gradient)), loss.detach()


def conjugate_gradients(times: Callable[[Tensor], Tensor], b: Tensor, steps: int) -> Tensor:
    """Return x after at most so many steps from 0 towards A x = b, for each b (*B, P).

    Where A is not positive definite, or hardly, a step divides by next to nothing: its length is
    noise, in float32 of any size.  So each b has what it had reached before its first direction p
    with p·Ap ≤ `LEAST_CURVATURE` p·p, and if that is b itself, x = b, as of A = I.  Residuals are
    kept at right angles to earlier ones, which rounding ends after a few steps otherwise.

    Args:
        times: x -> A x, A symmetric, one for each of B.
        steps: Products with A; P of them solve it but for rounding.  Each keeps a residual.

    Reference:
        Hestenes & Stiefel (1952), Journal of Research of the National Bureau of Standards 49,
        section 3; stopped as by Steihaug (1983), SIAM Journal on Numerical Analysis 20(3).
    """
    x, residual, direction = torch.zeros_like(b), b, b
    square = _dot(residual, residual)
    going = torch.ones_like(square, dtype=torch.bool)
    earlier: list[Tensor] = []
    for step in range(steps):
        product = times(direction)
        curvature = _dot(direction, product)
        # Once the residual is 0 nothing is left to do, and 0/0 would be no number.
        going = going & (curvature > LEAST_CURVATURE * _dot(direction, direction))
        length = torch.where(going, square / curvature, 0.0 if step else 1.0)
        x = x + length * direction
        earlier.append(residual * torch.where(square > 0, square.rsqrt(), 0.0))
        residual = residual - length * product
        for one in earlier:
            residual = residual - _dot(one, residual) * one
        before, square = square, _dot(residual, residual)
        direction = residual + torch.where(before > 0, square / before, 0.0) * direction
    return x


def _dot(a: Tensor, b: Tensor) -> Tensor:
    return (a * b).sum(-1, keepdim=True)


class _Curvature:
    """Second derivatives of the support loss at weights that require gradients."""

    def __init__(self, learner: Learner, theta: Params, support: Examples) -> None:
        names = learner.adapted
        self.layout = Layout({name: learner.model.shapes[name] for name in names})
        self._moving = {name: theta[name] for name in names}
        self._still = {name: p for name, p in theta.items() if name not in names}
        loss = learner.inner_loss(theta, support)
        self._gradient = gradient_of(loss, self._moving, create_graph=True)

    def times(self, x: Tensor) -> Tensor:
        """Return H x for x (H, T, P), P of the weights that inner steps move."""
        return self.layout.flatten(self._derivative(x, self._moving))

    def mixed(self, x: Tensor) -> Params:
        """The gradient of ⟨∇L, x⟩ by each of the other weights."""
        return self._derivative(x, self._still) if self._still else {}

    def _derivative(self, x: Tensor, by: Params) -> Params:
        along_x = self.layout.unflatten(x)
        curved = [name for name, g in self._gradient.items() if g.requires_grad]
        if not curved:  # a loss that is linear in all of them
            return {name: torch.zeros_like(p) for name, p in by.items()}
        gradient = {name: along_x[name] for name in curved}
        return gradient_through(self._gradient, by, gradient, retain_graph=True)


class _Constants(NamedTuple):
    still: Params
    support: Examples
    numbers: Mapping[str, Tensor]
    inner_steps: Tensor


def _solved(
    learner: Learner,
    begun: Params,
    support: Examples,
    numbers: Mapping[str, Tensor],
    inner_steps: Tensor,
    step_cap: int,
) -> Params:
    """The weights after each lane's own number of proximal steps."""
    theta = {name: p.detach() for name, p in begun.items()}
    moving = {name: theta.pop(name) for name in learner.adapted}

    def step(i: Tensor, moving: Params, constants: _Constants) -> Params:
        moved, _ = proximal_step(
            learner, constants.still | moving, constants.support, numbers=constants.numbers
        )
        return select(i < constants.inner_steps, {name: moved[name] for name in moving}, moving)

    constants = _Constants(theta, support, numbers, inner_steps)
    times = turns(inner_steps, step_cap)
    return theta | repeat(step, moving, constants, times, support.y.device)
