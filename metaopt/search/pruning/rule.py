"""What a pruning rule is, and what it decides from.

    Rung (what is known there) ──decide──▶ CONTINUE | PAUSE | STOP
    n trials there             ──promotes▶ how many of them may go on, of a rule that pauses

A rung is a meta-iteration at which every trial of a branch is scored on the same tasks.  Decisions
are pure and taken asynchronously: a trial is judged when it arrives, against those that came
before it, and nobody waits for a rung to fill.  All numbers are losses: less is better.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import NamedTuple

from metaopt.errors import InvalidSearch
from metaopt.goals import Statistic
from metaopt.search.pruning.standings import Standings

LEAST_RUNG = 10
"""Meta-iterations of a trial before its first judgement, unless the spec says otherwise: a score
after fewer is that of the initialization."""


class Decision(Enum):
    """What becomes of a trial at a rung."""

    CONTINUE = auto()
    PAUSE = auto()
    STOP = auto()


class Need(Enum):
    """What a rule has to be given beside the rung's place and options."""

    TASK_LOSSES = auto()
    LEADER = auto()
    CONTENDERS = auto()


@dataclass(frozen=True)
class Options:
    """The numbers that a study may set for its rule; each rule reads some (`PruningRule.reads`).

    Args:
        reduction: η >= 2; one of η trials goes on.
        percentile: Share that goes on, in %, 0 < percentile < 100.
        startup_trials: Trials at a rung before anything is stopped there, >= 0.
        delta: Difference that is tolerated, >= 0, in the unit of the score.
        alpha: Chance of ever stopping the truly best trial, in (0, 1).

    Raises:
        InvalidSearch: One is out of range.
    """

    reduction: int = 3
    percentile: float = 25.0
    startup_trials: int = 4
    delta: float = 0.0
    alpha: float = 0.05

    def __post_init__(self) -> None:
        """Refuse what no rule can decide by."""
        if self.reduction < 2:
            raise InvalidSearch(f"reduction must be >= 2, got {self.reduction}")
        if not 0 < self.percentile < 100:
            raise InvalidSearch(f"percentile must be between 0 and 100, got {self.percentile:g}")
        if not 0 < self.alpha < 1:
            raise InvalidSearch(f"alpha must be between 0 and 1, got {self.alpha:g}")


class Leader(NamedTuple):
    """The best trial at a rung so far: the lowest loss, and among equals the lowest number.

    Args:
        loss: Its loss.
        trial_number: Its number.
        losses: Its losses on the bank's tasks.
        trimmed_loss: Their mean without the lowest and the highest 10 %.
    """

    loss: float
    trial_number: int
    losses: Sequence[float]
    trimmed_loss: float

    def leads(self, other: "Leader | None") -> bool:
        """Whether it stands before another: an order of trials, so arrivals do not matter."""
        return other is None or self[:2] < other[:2]


MOST_CONTENDERS = 16
"""Enough that some show a tail that a leader may hide; all their losses by task are kept."""


def contenders(trials: Iterable[Leader]) -> tuple[Leader, ...]:
    """Those that may lead, their worst tasks left out: the lowest trimmed losses.

    At most `MOST_CONTENDERS`, the first one first; the order is one of trials, so the contenders
    among some of `trials` and what came since are those among all.
    """
    ordered = sorted(trials, key=lambda one: (one.trimmed_loss, one.trial_number))
    return tuple(ordered[:MOST_CONTENDERS])


@dataclass(frozen=True)
class Rung:
    """What is known at a rung of a branch when its newest trials are decided on.

    Args:
        index: Which rung it is below the budget, from 0.
        count: How many rungs there are below the budget.
        standings: The trials that came here, or of a rule with pools those of one pool.
        task_losses: Losses on the bank's tasks of the newest trials, by number.
        leader: Of all that came, those among them that keep the constraints.
        contenders: Likewise: those that may lead but for their worst tasks (`contenders`).
        statistic: Of the losses by task that a trial's loss is.
        options: Of the study.

    """

    index: int
    count: int
    standings: Standings = field(default_factory=Standings)
    task_losses: Mapping[int, Sequence[float]] = field(default_factory=dict)
    leader: Leader | None = None
    contenders: Sequence[Leader] = ()
    statistic: Statistic = "mean"
    options: Options = Options()


def reduced_rungs(meta_iterations: int, reduction: int) -> list[int]:
    """Rungs at budget / η³, / η² and / η, without those before `LEAST_RUNG`."""
    parts = {meta_iterations // reduction**k for k in (3, 2, 1)}
    return sorted(part for part in parts if LEAST_RUNG <= part < meta_iterations)


def no_rungs(meta_iterations: int, reduction: int) -> list[int]:
    """No rung below the budget."""
    return []


@dataclass(frozen=True)
class PruningRule:
    """A pruning rule: `KIND` of a file in `metaopt.search.pruning`, found through `PRUNING_RULES`.

    Args:
        name: As a spec names it.
        decide: (rung, trial_number) -> decision about a trial that was just scored there.
        kept_share: Options -> share of many trials that goes on from a rung, about; for previews.
        needs: What `decide` and `promote` read of a rung.
        reads: Names of the `Options` that it reads.
        default_rungs: (budget in meta-iterations, reduction) -> rungs where a spec gives none.
        promotes: (n, options) -> how many of n trials at a rung may go on, the best; only of a rule
            that pauses.  A paused trial goes on as soon as it is among them.
        pool: (trial_number, rungs, options) -> the pool of trials that a trial is judged among;
            None is all that come to a rung.
        several_objectives: Whether a study with several objectives may take it.
        constraints: Whether a study with constraints may take it.
    """

    name: str
    decide: Callable[[Rung, int], Decision]
    kept_share: Callable[[Options], float]
    needs: frozenset[Need] = frozenset()
    reads: tuple[str, ...] = ()
    default_rungs: Callable[[int, int], list[int]] = reduced_rungs
    promotes: Callable[[int, Options], int] | None = None
    pool: Callable[[int, int, Options], int] | None = None
    several_objectives: bool = True
    constraints: bool = True

    @property
    def pauses(self) -> bool:
        """Whether trials may wait at a rung for a better rank."""
        return self.promotes is not None


def stop_if(stops: bool) -> Decision:
    """The decision of a rule that never pauses."""
    return Decision.STOP if stops else Decision.CONTINUE
