"""Worth: whether a study gains by a compiled program, and how much.  Pure functions.

    eager     ahead · e(L)                    L lanes a worker has, not the best number of lanes
    compiled  C, then (ahead − trained meanwhile) · c(L)

All are seconds of one core that has nothing else to do, so it does not matter what else runs: it
slows training and compiling alike.  What is trained while the program is compiled, by the other
workers that have lanes of the same signature, is trained eager.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Work:
    """What a program would be used for.

    Args:
        ahead: Lane-meta-iterations of its signature still to come, of all workers and of the
            verdict's trainings too.
        lanes: Lanes that this worker has.
        workers: Workers that have lanes of it, this one included.
        seconds_left: What the study's budget leaves of their time, where it is limited.
    """

    ahead: int
    lanes: int
    workers: int = 1
    seconds_left: float | None = None


@dataclass(frozen=True)
class Costs:
    """What a program costs, in seconds of one core.

    Args:
        by_lanes: Eager, of one lane's meta-iteration, by how many lanes are computed at once.
        program_lanes: Lanes of the program.
        compiled: Of one lane's meta-iteration in a program whose lanes are all used.
        compiling: To compile it.
    """

    by_lanes: Mapping[int, float]
    program_lanes: int
    compiled: float
    compiling: float


def worth_compiling(work: Work, costs: Costs) -> bool:
    """Whether what is ahead takes less if its program is compiled first."""
    return saved_seconds(work, costs) > costs.compiling


def is_faster(work: Work, costs: Costs) -> bool:
    """Whether the program, once it is there, trains the lanes of this worker faster than eager."""
    return compiled_seconds(costs, work.lanes) < eager_seconds(costs.by_lanes, work.lanes)


def saved_seconds(work: Work, costs: Costs) -> float:
    """Seconds of training that a program saves; negative if it is slower.

    Where time is limited they are not saved but used, for what would else not be trained at all.
    """
    eager = eager_seconds(costs.by_lanes, work.lanes)
    ahead = work.ahead if work.seconds_left is None else min(work.ahead, work.seconds_left / eager)
    meanwhile = min(ahead, (work.workers - 1) * costs.compiling / eager)
    return (ahead - meanwhile) * (eager - compiled_seconds(costs, work.lanes))


def eager_seconds(by_lanes: Mapping[int, float], lanes: int) -> float:
    """Seconds of one lane's meta-iteration with `lanes` lanes, between and beyond those measured.

    One call costs a share that all its lanes have in common and one for each of them, so between
    two measured numbers of lanes the seconds of a call lie on a line.
    """
    known = sorted(by_lanes)
    above = next((n for n in known if n >= lanes), known[-1])
    below = max((n for n in known if n <= lanes), default=known[0])
    if above == below or lanes > above:
        return by_lanes[above]
    part = (lanes - below) / (above - below)
    return ((1 - part) * below * by_lanes[below] + part * above * by_lanes[above]) / lanes


def compiled_seconds(costs: Costs, lanes: int) -> float:
    """Seconds of one lane's meta-iteration in calls of the program; unused lanes cost theirs."""
    computed = math.ceil(lanes / costs.program_lanes) * costs.program_lanes
    return costs.compiled * computed / lanes
