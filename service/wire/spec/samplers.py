"""Samplers and spaces: what cannot be searched how is refused at submission."""

import math

from metaopt.algorithms.registry import parameters
from metaopt.metaparams import MetaParam
from service.wire.spec.space import Branch, Choices, Range

MOST_GRID_POINTS = 1_000_000  # as in metaopt.search.samplers.grid


def check_sampler(sampler: str, branch: Branch, *, grid_points: int) -> None:
    """Check that `sampler` can search the space of `branch`.

    Raises:
        ValueError: it cannot; the message says what can be done.
    """
    searched = branch.distributions()
    if sampler == "cma-es":
        _check_numbers(branch.algorithm, searched)
    if sampler == "grid":
        _check_grid(branch.algorithm, searched, grid_points)


def _check_numbers(algorithm: str, searched: dict[str, Range | Choices]) -> None:
    choices = [name for name, entry in searched.items() if isinstance(entry, Choices)]
    if choices:
        raise ValueError(
            f"sampler cma-es searches ranges of numbers only, {choices[0]} (branch {algorithm}) "
            "has choices: give it one value or a range, or take sampler tpe, gp or auto"
        )
    if len(searched) < 2:
        raise ValueError(
            f"sampler cma-es needs at least 2 searched parameters, branch {algorithm} has "
            f"{len(searched)}: search another one, or take sampler tpe, gp or auto"
        )


def _check_grid(algorithm: str, searched: dict[str, Range | Choices], grid_points: int) -> None:
    known = parameters(algorithm)
    sizes = {n: _grid_size(known[n], entry, grid_points) for n, entry in searched.items()}
    points = math.prod(sizes.values())
    if points > MOST_GRID_POINTS:
        listed = " x ".join(f"{size} ({name})" for name, size in sizes.items())
        raise ValueError(
            f"the grid of branch {algorithm} has {points} points, {listed}; the most is "
            f"{MOST_GRID_POINTS}: lower search.grid_points, give choices instead of wide ranges, "
            "or take sampler qmc"
        )


def _grid_size(param: MetaParam, entry: Range | Choices, grid_points: int) -> int:
    if isinstance(entry, Choices):
        return len(entry.choices)
    if param.kind == "int":
        return int(entry.high) - int(entry.low) + 1
    return grid_points
