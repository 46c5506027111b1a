"""MAML++: inner steps that each have rates and norms of their own, and losses after each."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from metaopt.algorithms.gradients import gradient_of
from metaopt.algorithms.inner import InnerState, along, select
from metaopt.algorithms.learner import Learner
from metaopt.errors import InvalidModel
from metaopt.models.base import Params
from metaopt.tasks.base import Episodes, Examples

LEAST = 0.03
"""Share of 1/K below which the weight of a loss before the last does not fall."""


@dataclass(frozen=True)
class PerStep(Learner):
    """MAML whose inner step number j has rates, and γ and β of batch norm, of its own.

        θ_{j+1, l} = θ_{j, l} − α_{j, l} ∇_{θ_l} L(θ_j; support)     for each parameter tensor l

    φ holds α (LSLR) and γ, β (BNWB) in tables of `rows` steps, so its shape does not depend on how
    many steps a trial takes; steps beyond a table use its last row.  The outer step learns all of
    them.  Such γ and β are not moved by inner steps; after step j queries are answered with those
    of step j, before the first with those of the first.  Batch norm takes the statistics of the
    batch at all steps, as the authors' code does at test, too: it collects statistics for each
    step and never uses them.

    Args:
        rows: Of the tables.
        rates: Whether α is learned; else it is the trial's `inner_lr` for all.
        own_norms: Whether γ and β have a row for each step.
    Reference:
        Antoniou, Edwards & Storkey (2019), arXiv:1810.09502, section 4; tables, and what is moved,
        by its code (AntreasAntoniou/HowToTrainYourMAMLPytorch, `inner_loop_optimizers.py`,
        `meta_neural_network_architectures.py`).
    """

    rows: int = 1
    rates: bool = True
    own_norms: bool = False

    def checked(self) -> Self:
        """The learner itself.

        Raises:
            InvalidModel: it has no batch norm that could have rows, or a weight has the name of a
                table.
        """
        if self.own_norms and not self._norms:
            raise InvalidModel(
                "norm = per_step needs a model with batch norm, as conv4 or resnet12: take "
                "norm = shared"
            )
        tables = {_rates(name) for name in self.adapted} | {_rows(name) for name in self._norms}
        if taken := sorted(tables & self.model.shapes.keys()):
            raise InvalidModel(f"weight {taken[0]} of the model has a name of a table: rename it")
        return self

    @property
    def _norms(self) -> tuple[str, ...]:
        return getattr(self.model, "norms", ()) if self.own_norms else ()

    @property
    def adapted(self) -> tuple[str, ...]:
        """As the model has it, but γ and β that have rows."""
        return tuple(name for name in super().adapted if name not in self._norms)

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The model's, those of the norms with an axis of rows, and (rows,) of each tensor's α."""
        shapes = {
            _rows(name) if name in self._norms else name: shape
            if name not in self._norms
            else (self.rows, *shape)
            for name, shape in self.model.shapes.items()
        }
        return shapes | {_rates(name): (self.rows,) for name in self.adapted if self.rates}

    def init(self, keys: Tensor, dtype: torch.dtype) -> Params:
        """Return the model's weights, the same γ and β at all steps, and rates of 1."""
        params = self.model.init(keys, dtype)
        lead = keys.shape
        for name in self._norms:
            whole = params.pop(name)[..., None, :]
            params[_rows(name)] = whole.expand(*lead, *self.shapes[_rows(name)])
        if self.rates:
            ones = torch.ones(*lead, self.rows, dtype=dtype, device=keys.device)
            params |= {_rates(name): ones for name in self.adapted}
        return params

    def fresh(self, keys: Tensor, dtype: torch.dtype, numbers: Mapping[str, Tensor]) -> Params:
        """Return `init` with rates of the trial's `inner_lr`."""
        params = self.init(keys, dtype)
        if self.rates:
            rate = numbers["inner_lr"][..., None]
            params |= {_rates(name): rate * params[_rates(name)] for name in self.adapted}
        return params

    def begin(self, phi: Params, support: Examples, tasks: int) -> Params:
        """Return φ for each task, with γ and β of the first step."""
        return self.at_step(super().begin(phi, support, tasks), 0)

    def at_step(self, theta: Params, step: int) -> Params:
        """θ with γ and β of a step, from 0."""
        row = min(step, self.rows - 1)
        return theta | {name: theta[_rows(name)][..., row, :] for name in self._norms}

    def outputs(self, theta: Params, x: Tensor, reference: int | None = None) -> Tensor:
        """The model's outputs (*B, N, C); φ itself answers as before the first step."""
        whole = theta if all(name in theta for name in self._norms) else self.at_step(theta, 0)
        return super().outputs(whole, x, reference)

    def moved(
        self, theta: Params, support: Examples, step: int, inner_lr: Tensor, *, second_order: bool
    ) -> Params:
        """Return θ after a step, to be differentiated to θ and its rates.

        Args:
            theta: With leading axes (H, T).
            step: Which one it is, from 0.
            inner_lr: (H, 1), of trials whose rates are not learned.
            second_order: Whether ∇L is differentiated too, or taken as a constant.
        """
        theta, names = self.at_step(theta, step), self.adapted
        row = min(step, self.rows - 1)
        at = theta if second_order else _leaves(theta)
        loss = self.inner_loss(at, support).sum()
        found = torch.autograd.grad(loss, [at[n] for n in names], create_graph=second_order)
        after = {}
        for name, g in zip(names, found, strict=True):
            rate = theta[_rates(name)][..., row] if self.rates else inner_lr
            after[name] = torch.addcmul(theta[name], along(rate, g), g, value=-1)
        return theta | after


def inner_step(
    learner: PerStep,
    theta: Params,
    support: Examples,
    *,
    numbers: Mapping[str, Tensor],
    state: InnerState | None,
    step: int,
) -> tuple[Params, InnerState | None]:
    """A step of an adaptation that is judged: see `metaopt.algorithms.algorithm.Algorithm`."""
    after = learner.moved(_leaves(theta), support, step, numbers["inner_lr"], second_order=False)
    return {name: p.detach() for name, p in after.items()}, state


def meta_gradient(
    learner: PerStep,
    phi: Tensor,
    episodes: Episodes,
    *,
    inner_lr: Tensor,
    inner_steps: Tensor,
    step_cap: int,
    first_order: bool = False,
    weights: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Each lane's meta-gradient and meta-loss, averaged over its tasks.

    g = ∇_φ (1/T) Σ_τ Σ_i v_i L(θ_i; query_τ) over the steps i = 1 … K, or L(θ_K; query_τ) alone.
    In first order the inner gradients are constants; rates are learned in either.

    Args:
        phi: Meta-parameters (H, P).
        episodes: Leading axes (H, T).
        inner_lr, inner_steps: α, where it is not learned, and K of each lane (H,).
        step_cap: Largest K.
        first_order: Drop the second derivatives.
        weights: v (H, step_cap), 0 beyond K (`loss_weights`); None for the last loss alone.

    Returns:
        Gradient (H, P) and loss (H,), detached.
    Reference:
        Antoniou, Edwards & Storkey (2019), arXiv:1810.09502, section 4: multi-step loss (MSL).
    """
    start = _leaves(learner.layout.unflatten(phi))
    support, query = episodes
    theta = learner.begin(start, support, query.y.shape[1])
    losses = []
    for number in range(step_cap):
        moved = learner.moved(
            theta, support, number, inner_lr[:, None], second_order=not first_order
        )
        theta = select(number < inner_steps[:, None], moved, theta)
        if weights is not None or number == step_cap - 1:
            losses.append(learner.loss(theta, query).mean(-1))
    each = torch.stack(losses, dim=-1)
    loss = (each if weights is None else weights * each).sum(-1)
    return learner.layout.flatten(gradient_of(loss, start)), loss.detach()


def loss_weights(
    age: Tensor, horizon: Tensor, share: Tensor, inner_steps: Tensor, step_cap: int
) -> Tensor:
    """The weights v (H, step_cap) of the losses after each inner step; they sum to 1.

    With p = age / (share · horizon):  v_i = max(1 − p, 0.03) / K for i < K and the rest for v_K,
    while p < 1; then v_K = 1 alone.  The authors' code has p by epochs.

    Args:
        age: Meta-iterations trained (H,).
        horizon: Of the whole trial (H,).
        share: Of it, during which all losses count (H,); 0 is never.
        inner_steps: K (H,).
        step_cap: Largest K.
    """
    progress = (age.to(share.dtype) / (share * horizon.to(share.dtype)))[:, None]
    count = inner_steps[:, None]
    number = torch.arange(1, step_cap + 1, device=age.device)
    early = (1 - progress).clamp(min=LEAST) / count
    last = 1 - (count - 1) * early
    alone = torch.where(number == count, torch.ones_like(last), 0.0)
    all_steps = torch.where(number < count, early, alone * last)
    return torch.where(progress < 1, all_steps, alone)


def _leaves(params: Params) -> Params:
    return {name: p.detach().requires_grad_() for name, p in params.items()}


def _rates(name: str) -> str:
    return f"rates/{name}"


def _rows(name: str) -> str:
    return f"steps/{name}"
