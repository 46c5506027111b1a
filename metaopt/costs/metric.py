"""What a cost metric declares; nothing here loads torch.

configuration ── of_configuration ──▶┐
scores on the bank ── of_scores ─────┼─▶ metrics of a trial at a rung: less is better
the trial alone ── measure ─────────▶┘   (by the worker, only if the study names it)
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from metaopt.errors import InvalidCost
from metaopt.metaparams import Value

Clock = Callable[[], float]
"""Seconds, once the device has done what it was told."""


class Configuration(NamedTuple):
    """A trial before it is trained.

    Args:
        params: All its meta-parameters.
        test_steps: Inner steps after which it is scored; 0 without an inner loop.
        support_examples: Of a task of the bank, all classes.
        tasks, model: As in a study spec, with every default.
        algorithm: Its name.
        support_passes: How often they pass through a network until queries can be answered: inner
            steps, and what an algorithm needs beside or instead of them.
    """

    params: Mapping[str, Value]
    test_steps: int
    support_examples: int
    tasks: Mapping[str, Any]
    model: Mapping[str, Any]
    algorithm: str
    support_passes: int


class BankScores(NamedTuple):
    """A trial on the task bank.

    Args:
        scores: By task, in the unit of the study's score.
        diverged_share: Share of the tasks on which its adaptation diverged.
    """

    scores: list[float]
    diverged_share: float


class TrialAlone(Protocol):
    """One trial on the worker's device, without its neighbours.  Whatever is called, it stays as
    it is, and so does the population.
    """

    def adaptation(self) -> Callable[[], object]:
        """A call that takes the support set of the bank's first task, which is drawn now, to the
        first answers.

        That is all that lies between both, whatever the algorithm: inner steps, an embedded support
        set, a head in closed form; and two query examples, as it takes to have batch statistics.
        """

    def meta_iteration(self) -> object:
        """Draw a meta-batch and compute one meta-iteration, eager."""

    def tensors(self) -> Iterable[Any]:
        """The trial's state."""


class Bound(NamedTuple):
    """Which upper bounds a study may set: whole numbers or reals within these limits.

    Args:
        number: `int` or `float`.
        ge, gt, le, lt: Limits, as mathematics writes them; None is none.
    """

    number: type[int] | type[float]
    ge: float | None = None
    gt: float | None = None
    le: float | None = None
    lt: float | None = None

    def limits(self) -> dict[str, float]:
        """The limits that there are, by name."""
        limits = {"ge": self.ge, "gt": self.gt, "le": self.le, "lt": self.lt}
        return {name: limit for name, limit in limits.items() if limit is not None}


@dataclass(frozen=True)
class CostMetric:
    """A finite number >= 0 that is known of a trial at every rung, of which less is better.

    Args:
        name: As specs and results have it: lower-case letters and underscores, the unit in it.
        doc: What it is; completes "`name`: …".
        bound: Upper bounds that `constraints` may set.
        of_configuration, of_scores, measure: How it is known; exactly one of them.
        exact: Whether a second measurement gives the same number.
        objective: Whether `objectives` may name it.
        gate: Whether a rule `cost:METRIC<=BOUND` may name it.
        order: Place of its bound among those of a study, names deciding between equals.  A sampler
            is told bounds in this order, and a search can only be replayed in the order it had.
    """

    name: str
    doc: str
    bound: Bound
    of_configuration: Callable[[Configuration], float] | None = None
    of_scores: Callable[[BankScores], float] | None = None
    measure: Callable[[TrialAlone, Clock], float] | None = None
    exact: bool = True
    objective: bool = True
    gate: bool = True
    order: int = 100

    def __post_init__(self) -> None:
        sources = (self.of_configuration, self.of_scores, self.measure)
        if sum(source is not None for source in sources) != 1:
            raise InvalidCost(
                f"cost metric {self.name!r} must have exactly one of of_configuration, of_scores "
                "and measure"
            )
