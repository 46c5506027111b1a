"""Which parameters mattered, branch by branch.

Trials are compared as the search compares them: who went further is better, then whose score at
the last rung was better; who diverged is worst.  So pruned and diverged trials count as well.

Importances follow from the trials alone, so they are kept by those: of a study that has ended they
are computed once in a process, of one that runs again when another trial has ended.
"""

from collections.abc import Iterable, Sequence
from functools import lru_cache

from metaopt.goals import Goals
from metaopt.keys import key
from metaopt.metaparams import Value
from metaopt.search.importance import LEAST_TRIALS, RESAMPLES, Point, Share, importances
from metaopt.search.space import Dimension
from service.wire.spec.samplers import dimensions
from service.wire.spec.space import Branch
from service.wire.spec.study import StudySpec
from service.wire.views.report import BranchImportances, Importance
from service.wire.views.studies import TrialView

MOST_KEPT = 64  # branches whose importances are kept: the same trials give the same ones
MOST_TRIALS = 500  # of a larger study, the latest: each resample takes time in proportion


def branch_importances(spec: StudySpec, trials: Sequence[TrialView]) -> list[BranchImportances]:
    """The importances of each branch, or why it has none."""
    return [
        _branch(spec, branch, [trial for trial in trials if trial.branch == branch.algorithm])
        for branch in spec.branches
    ]


def _branch(spec: StudySpec, branch: Branch, trials: Sequence[TrialView]) -> BranchImportances:
    space = dimensions(branch)
    points = ranked_points(trials, spec.goals())[-MOST_TRIALS:]
    reason = None
    shares = {}
    if len(space) < 2:
        reason = f"shares need two searched parameters, and {branch.algorithm} has {len(space)}"
    elif len(points) < LEAST_TRIALS:
        reason = f"{len(points)} trials of {branch.algorithm} have ended; {LEAST_TRIALS} are needed"
    else:
        seed = key(spec.seed, "importances", branch.algorithm)
        plain = tuple((tuple(sorted(point.params.items())), point.value) for point in points)
        shares = _cached_shares(tuple(space.items()), plain, seed)
        if not shares:
            reason = f"the trials of {branch.algorithm} cannot be told apart"
    return BranchImportances(
        branch=branch.algorithm,
        trials=len(points),
        resamples=RESAMPLES if shares else 0,
        parameters=[
            Importance(parameter=name, share=share.share, low=share.low, high=share.high)
            for name, share in shares.items()
        ],
        reason=reason,
    )


@lru_cache(maxsize=MOST_KEPT)
def _cached_shares(
    space: tuple[tuple[str, Dimension], ...],
    points: tuple[tuple[tuple[tuple[str, Value], ...], float], ...],
    seed: int,
) -> dict[str, Share]:
    # They take half a second for a hundred trials, and a report is asked for again and again.
    return importances(dict(space), [Point(dict(p), value) for p, value in points], seed=seed)


def ranked_points(trials: Iterable[TrialView], goals: Goals) -> list[Point]:
    """The ended trials by number, their places from the best (0) as values.

    All that diverged share the last place.
    """
    ended = [trial for trial in trials if trial.status in ("completed", "pruned", "diverged")]
    judged = [trial for trial in ended if trial.status != "diverged" and trial.score is not None]
    judged.sort(key=lambda trial: _place(trial, goals))
    places = {trial.trial_number: place for place, trial in enumerate(judged)}
    return [
        Point(trial.params, float(places.get(trial.trial_number, len(judged)))) for trial in ended
    ]


def _place(trial: TrialView, goals: Goals) -> tuple[int, float, int]:
    assert trial.score is not None
    return (-trial.meta_iteration, goals.loss(trial.score), trial.trial_number)
