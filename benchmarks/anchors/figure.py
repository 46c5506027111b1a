"""A figure of ours beside a published one, and the tolerance that it has to keep."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from benchmarks.recipe import Machine


class Figure(NamedTuple):
    """One claim.

    Args:
        claim: What is measured.
        published: The figure, and where it was read; "" where there is none.
        measured: Ours, with its interval.
        tolerance: What holds.
        holds: Whether it does; None for what is only printed.
    """

    claim: str
    published: str
    measured: str
    tolerance: str = ""
    holds: bool | None = None


class Asked(NamedTuple):
    """What a run was asked for.

    Args:
        machine: Where it trains.
        meta_iterations: In place of each recipe's own; to try the code, not to measure.
    """

    machine: Machine
    meta_iterations: int | None = None

    def length(self, own: int) -> int:
        """How long a recipe of that length is trained."""
        return min(own, self.meta_iterations or own)


@dataclass(frozen=True)
class Anchor:
    """Claims that are measured together.

    Args:
        name: As `--only` has it.
        title: What it is, with what it trains.
        measure: Yields its figures.
        seeds: Trainings of each recipe.
        compiled: Whether they train by compiled programs, which small networks gain by.
        devices: On which it runs without being named.
    """

    name: str
    title: str
    measure: Callable[[Asked], Iterator[Figure]]
    seeds: int = 3
    compiled: bool = False
    devices: tuple[str, ...] = ("cpu", "cuda")


def text(figure: Figure) -> str:
    """Return the lines of a figure."""
    marks = {True: "holds: ", False: "MISSES: ", None: ""}
    lines = [f"  {figure.claim}", f"    measured   {figure.measured}"]
    if figure.published:
        lines.append(f"    published  {figure.published}")
    if figure.tolerance:
        lines.append(f"    {marks[figure.holds]}{figure.tolerance}")
    return "\n".join(lines)
