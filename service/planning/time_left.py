"""Time left: how long a study may still run, from what it has trained so far.  Pure functions.

A study trains at a pace of lane-meta-iterations a second, over all its slots.  What is left is what
pruning is expected to leave of its search, and the fresh trainings of its verdict and gates.
"""

from collections.abc import Mapping

from service.planning.rungs import expected_iterations, kept_share
from service.wire.spec.compare import trained
from service.wire.spec.study import StudySpec


def seconds_left(
    spec: StudySpec,
    *,
    wall_seconds: float,
    meta_iterations: int,
    search_ended: bool,
    fresh: Mapping[str, int],
) -> float | None:
    """About how many seconds a running study has left; None before it has trained anything.

    Args:
        spec: Of the study.
        wall_seconds, meta_iterations: What its search has spent.
        search_ended: Whether nothing is searched any more.
        fresh: Trainings for its verdict and gates, by status.
    """
    if meta_iterations <= 0 or wall_seconds <= 0:
        return None
    pace = meta_iterations / wall_seconds
    search = 0.0 if search_ended else max(0.0, _searched(spec) - meta_iterations) / pace
    if spec.budget.wall_seconds is not None:
        search = min(search, max(0.0, spec.budget.wall_seconds - wall_seconds))
    return search + _fresh_left(spec, fresh) * spec.budget.meta_iterations / pace


def fresh_trainings(spec: StudySpec) -> int:
    """How many fresh trainings verdict and gates take, as far as that is known beforehand."""
    judged = min(spec.verdict.judged(len(spec.branches)), spec.points())
    finalists = judged + len(trained(spec.verdict.compared()))
    contenders = 0 if not spec.gates.rules else 1 if spec.gates.incumbent is None else 2
    return finalists * spec.verdict.seeds + contenders * spec.gates.seeds


def _searched(spec: StudySpec) -> float:
    expected = spec.points() * expected_iterations(0, spec.rungs(), kept_share(spec))
    expected += spec.search.replicates * spec.budget.meta_iterations
    most = spec.budget.total_meta_iterations
    return expected if most is None else min(expected, most)


def _fresh_left(spec: StudySpec, fresh: Mapping[str, int]) -> int:
    ended = sum(count for status, count in fresh.items() if status not in ("queued", "running"))
    return max(fresh_trainings(spec), sum(fresh.values())) - ended
