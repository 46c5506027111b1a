"""Policy gradients: the loss and the returns of a model that acts, for tasks that are acted in.

    θ, ε ──rollout──▶ states ──┬─ rewards ─▶ returns                    (what is scored)
       no gradient             └─ advantages ─▶ surrogate ─▶ ∇, ∇²      (what is trained)

The policy is a = μ_θ(s) + σ ε with μ the model and ε the noise in the examples, so what a policy
does is a function of its weights and the task's key, and lanes are what they are alone.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from metaopt.models.base import Params
from metaopt.tasks.base import Examples, Interactive

Act = Callable[[Params, Tensor], Tensor]
"""(θ, observations (*B, M, …)) -> the mean of the actions (*B, M, A)."""

RIDGE, SMALL = 1e-5, 1e-8  # of the baseline and of the advantages' deviation, as in rllab


def returns(act: Act, theta: Params, environment: Interactive, examples: Examples) -> Tensor:
    """The sum of the rewards of each trajectory (*B, N), undiscounted."""
    states = rollout(act, theta, environment, examples)
    return environment.rewards(states, examples)[0].sum(-1)


def surrogate(act: Act, theta: Params, environment: Interactive, examples: Examples) -> Tensor:
    """The loss (*B,) whose gradient is minus the policy gradient of θ, on trajectories of θ's own.

        L(θ) = −(1/M) Σ_{n, t} π_θ(a_nt | s_nt) / ⊥π_θ(a_nt | s_nt) · Â_nt

    over the M steps before their trajectories end, where ⊥, states, actions and advantages are
    constants.  ∇L is REINFORCE with a baseline (a score function: nothing is differentiated through
    the simulation).  ∇²L is the low-variance curvature: it has Â ∇log π ∇log πᵀ of each action, by
    which φ is credited for the trajectories that a step learns from.  A plain Σ log π · Â has none
    of it, DiCE also the products of different actions, without bias and of much variance.  So the
    meta-gradient is that of Rothfuss et al.'s formulation II, in which a step goes along the
    gradient of the expected return.

    Noise is fixed for a task: a further step on the same examples sees new trajectories with the
    old ε.

    Reference:
        Rothfuss, Lee, Clavera, Asfour & Abbeel (2019), arXiv:1810.06784, sections 4 (formulations)
        and 5 (low variance curvature); DiCE: Foerster et al. (2018), arXiv:1802.05098.
    """
    with torch.no_grad():
        states = rollout(act, theta, environment, examples)
        rewards, running = environment.rewards(states, examples)
        weights = advantages(states[..., :-1, :], rewards, running, environment.discount)
        weights = weights * running / running.sum((-2, -1), keepdim=True)
    seen = states[..., :-1, :]
    mean = act(theta, seen.flatten(-3, -2)).unflatten(-2, seen.shape[-3:-1])
    # a − μ is σ ε at the weights that acted: log π and its derivatives are those of this square.
    off = (mean.detach() - mean) / environment.noise + examples.x
    log = -0.5 * off.square().sum(-1)
    loss: Tensor = -((log - log.detach()).exp() * weights).sum((-2, -1))
    return loss


def rollout(act: Act, theta: Params, environment: Interactive, examples: Examples) -> Tensor:
    """The states (*B, N, H + 1, D) that the policy comes through; no graph is kept.

    Their leading axes are those of θ, which may have more of them than the examples.
    """
    held = {name: p.detach() for name, p in theta.items()}
    with torch.no_grad():
        state = environment.start(examples)
        states = [state]
        for noise in examples.x.unbind(-2):
            state = environment.step(state, act(held, state) + environment.noise * noise)
            states.append(state)
        return torch.stack([states[0].expand_as(state), *states[1:]], dim=-2)


def advantages(states: Tensor, rewards: Tensor, running: Tensor, discount: float) -> Tensor:
    """Â_nt (*B, N, H): discounted rewards to go minus a baseline, of mean 0 and deviation 1.

    The baseline is linear in features of state and time and fitted to the same trajectories, so Â
    is not free of bias.  All of it is of a task by itself, over the steps before its trajectories
    end.

    Reference:
        Duan, Chen, Houthooft, Schulman & Abbeel (2016), arXiv:1604.06778, supplement (features).
        Their code rllab has τ = t / 100, which leaves short trajectories to the penalty, and
        normalises likewise.
    """
    to_go = rewards_to_go(rewards, discount)
    own = (to_go - baseline(states, to_go, running)) * running
    count = running.sum((-2, -1), keepdim=True)
    centred = (own - own.sum((-2, -1), keepdim=True) / count) * running
    deviation = (centred.square().sum((-2, -1), keepdim=True) / count).sqrt()
    return centred / (deviation + SMALL)


def rewards_to_go(rewards: Tensor, discount: float) -> Tensor:
    """Σ_{t' ≥ t} γ^(t' − t) r_t' (*B, N, H)."""
    age = torch.arange(rewards.shape[-1], dtype=torch.float64, device=rewards.device)
    later = age[:, None] - age  # (t', t)
    weights = torch.where(later >= 0, discount ** later.clamp(min=0), 0.0)
    return rewards @ weights.to(rewards.dtype)


def baseline(states: Tensor, to_go: Tensor, running: Tensor) -> Tensor:
    """Ridge regression of rewards to go on s, s², τ, τ², τ³ and 1, τ = t / H; in float64."""
    horizon = states.shape[-2]
    time = torch.arange(horizon, dtype=torch.float64, device=states.device)[:, None] / horizon
    time = torch.cat([time, time**2, time**3, torch.ones_like(time)], -1)
    flat = states.flatten(running.dim()).double()
    features = torch.cat([flat, flat**2, time.expand(*flat.shape[:-1], -1)], -1)
    rows = features.flatten(-3, -2)
    kept = (features * running[..., None].double()).flatten(-3, -2)
    eye = torch.eye(rows.shape[-1], dtype=torch.float64, device=states.device)
    system, wanted = kept.mT @ kept + RIDGE * eye, to_go.double().flatten(-2)[..., None]
    weights = _solved(system, kept.mT @ wanted)
    # Once more for what is left: states of a policy that is always clipped are polynomials in τ.
    weights = weights + _solved(system, kept.mT @ (wanted - rows @ weights) - RIDGE * weights)
    fitted: Tensor = (rows @ weights).squeeze(-1).unflatten(-1, to_go.shape[-2:])
    return fitted.to(to_go.dtype)


def _solved(system: Tensor, right: Tensor) -> Tensor:
    # Without its checks: what is not finite has an answer that is not.
    solution: Tensor = torch.linalg.solve_ex(system, right).result
    return solution
