"""The toy objective: what a lane computes, so that any wrong step of it shows in its scores.

A lane's state is a chain: each meta-iteration hashes the state before it, the trial's seed and its
own number.  A score follows from the state, so a trial that begins again, resumes from another's
checkpoint or trains a meta-iteration twice scores otherwise than it must.
"""

import hashlib
from typing import Any


def first_state(seed: int) -> str:
    """The state at meta-iteration 0."""
    return hashlib.sha256(f"init {seed}".encode()).hexdigest()


def advance(state: str, seed: int, begin: int, end: int) -> str:
    """The state after meta-iterations `begin` … `end` − 1."""
    for meta_iteration in range(begin, end):
        state = hashlib.sha256(f"{state} {seed} {meta_iteration}".encode()).hexdigest()
    return state


def scores(state: str, params: dict[str, Any], tasks: int) -> list[float]:
    """Scores by task: better with a larger outer rate, and noise that follows from the state."""
    rate = float(params.get("epsilon", params.get("outer_lr", 0.1)))
    noise = int(state[:8], 16) / 2**32
    return [1.0 - rate + 0.1 * noise + 0.01 * (task % 5) for task in range(tasks)]


def scores_at(params: dict[str, Any], seed: int, meta_iteration: int, tasks: int) -> list[float]:
    """What a trial must score there, however often it was interrupted."""
    state = advance(first_state(seed), seed, 0, meta_iteration)
    return scores(state, params, tasks)
