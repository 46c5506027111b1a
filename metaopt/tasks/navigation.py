"""Navigation in the plane: a point that is to move to a goal it does not see."""

from dataclasses import dataclass

import torch
from torch import Tensor

from metaopt import seeding
from metaopt.errors import InvalidTasks
from metaopt.tasks.base import SPLITS, Episodes, Examples
from metaopt.tasks.description import Description

FASTEST = 0.1
"""Bound of a velocity in each dimension."""
NEAR = 0.01
"""A trajectory ends at this distance from the goal."""

_TRAJECTORIES = 9_000_001  # salt: of the noise of actions, beside the goal


@dataclass(frozen=True)
class Navigation:
    """s_0 = 0,   s_{t+1} = s_t + clip(a_t, ±0.1),   r_t = −‖s_{t+1} − g‖²; a task is one goal g.

    A trajectory ends within 0.01 of the goal or after H actions.  The policy sees the position s
    alone, so where the goal is it can only learn from rewards.  Actions are of a Gaussian policy,
    a = μ_θ(s) + σ ε, and the examples of a task are the noise of its trajectories: `x`
    (*B, N, H, 2) is ε and `y` (*B, N, 2) is g, once for each (`metaopt.tasks.base.Interactive`).

    Args:
        horizon: H.
        noise: σ.
        discount: γ of the returns that a policy gradient is of.
        goal: Range of each coordinate of g, uniform.
    Reference:
        Finn, Abbeel & Levine (2017), arXiv:1703.03400, section 5.3 and appendix A.2.  There H is
        100 and σ is learned.
    """

    horizon: int = 20
    noise: float = 0.1
    discount: float = 0.99
    goal: tuple[float, float] = (-0.5, 0.5)
    dtype: torch.dtype = torch.float32

    input_shape = (2,)
    outputs = 2
    classification = False

    def sample(self, split: str, keys: Tensor, k_shot: int, q_query: int) -> Episodes:
        """Return one episode for each key: x (*B, n, H, 2) and y (*B, n, 2).  See `Tasks`.

        Query trajectories are the same whatever the number of support trajectories is.
        """
        goal = self._goal(split, keys)
        of_parts = (seeding.fold_in(_of(split, keys), _TRAJECTORIES + part) for part in (0, 1))
        support, query = (
            Examples(self._noise(own, count), goal[..., None, :].expand(*keys.shape, count, 2))
            for own, count in zip(of_parts, (k_shot, q_query), strict=True)
        )
        return Episodes(support, query)

    def describe(self, split: str, key: Tensor, k_shot: int, q_query: int) -> Description:
        """Say where the goal is.  See `SelfDescribing`."""
        x, y = self._goal(split, key).tolist()
        return Description(f"goal ({x:.4g}, {y:.4g})")

    def start(self, examples: Examples) -> Tensor:
        """The origin, for each trajectory.  See `Interactive`."""
        return torch.zeros_like(examples.y)

    def step(self, state: Tensor, action: Tensor) -> Tensor:
        """The next position.  See `Interactive`."""
        return state + action.clamp(-FASTEST, FASTEST)

    def rewards(self, states: Tensor, examples: Examples) -> tuple[Tensor, Tensor]:
        """−‖s_{t+1} − g‖² while the trajectory goes on.  See `Interactive`."""
        squares = (states[..., 1:, :] - examples.y[..., None, :]).square().sum(-1)
        arrived = (squares <= NEAR**2).to(squares.dtype)
        before = arrived.cumsum(-1) - arrived  # how often it was there earlier
        running = (before == 0).to(squares.dtype)
        return -squares * running, running

    def _goal(self, split: str, keys: Tensor) -> Tensor:
        low, high = self.goal
        u = seeding.uniform(_of(split, keys), 2)
        return (low + (high - low) * u).to(self.dtype)

    def _noise(self, keys: Tensor, count: int) -> Tensor:
        """ε (*B, count, H, 2): of each trajectory a function of its place."""
        each = seeding.fold_in(keys[..., None], torch.arange(count, device=keys.device))
        drawn = seeding.normal(each, 2 * self.horizon, self.dtype)
        noise: Tensor = drawn.unflatten(-1, (self.horizon, 2))
        return noise


def _of(split: str, keys: Tensor) -> Tensor:
    if split not in SPLITS:
        raise InvalidTasks(f"split must be one of {', '.join(SPLITS)}, got {split!r}")
    return seeding.fold_in(keys, SPLITS.index(split))
