"""Which parameters mattered, branch by branch.

Trials are compared by their standing (`service.report.standing`): who went further is better, then
whose score there was better; who diverged is worst.  So pruned and diverged trials count as well.

Importances follow from the trials alone, so they are kept by those: of a study that has ended they
are computed once in a process, of one that runs again when another trial has ended.
"""

from collections.abc import Iterable, Sequence
from functools import lru_cache

from metaopt.keys import key
from metaopt.metaparams import Value
from metaopt.search.importance import RESAMPLES, Importances, Point, importances, least_trials
from metaopt.search.space import Dimension
from service.wire.spec.samplers import dimensions
from service.wire.spec.space import Branch
from service.wire.spec.study import StudySpec
from service.wire.views.report import BranchImportances, Importance, PairImportance
from service.wire.views.studies import TrialView
from service.wire.words.importances import too_few

MOST_KEPT = 64  # branches whose importances are kept: the same trials give the same ones
MOST_TRIALS = 500  # of a larger study, the latest: each permutation takes time in proportion


def branch_importances(
    spec: StudySpec, trials: Sequence[TrialView], order: Sequence[int]
) -> list[BranchImportances]:
    """The importances of each branch, or why it has none.

    Args:
        spec: Of the study.
        trials: Of its search, by number.
        order: The numbers of those that were scored, best first.
    """
    return [
        _branch(spec, branch, [t for t in trials if t.branch == branch.name], order)
        for branch in spec.branches
    ]


def _branch(
    spec: StudySpec, branch: Branch, trials: Sequence[TrialView], order: Sequence[int]
) -> BranchImportances:
    space = dimensions(branch)
    points = ranked_points(trials, order)[-MOST_TRIALS:]
    shares = None
    if space and len(points) >= least_trials(len(space)):
        seed = key(spec.seed, "importances", branch.name)
        plain = tuple((tuple(sorted(point.params.items())), point.value) for point in points)
        shares = _cached_shares(tuple(space.items()), plain, seed)
    if shares is None:
        reason = _why_none(branch.name, len(space), len(points))
        return BranchImportances(
            branch=branch.name, trials=len(points), resamples=0, parameters=[], reason=reason
        )
    return BranchImportances(
        branch=branch.name,
        trials=len(points),
        resamples=RESAMPLES,
        permutations=shares.permutations,
        parameters=[
            Importance(parameter=name, **share._asdict())
            for name, share in shares.parameters.items()
        ],
        pairs=[
            PairImportance(
                parameters=pair,
                share=share.share,
                low=share.low,
                high=share.high,
                chance=share.chance,
            )
            for pair, share in shares.pairs.items()
        ],
    )


def _why_none(branch: str, searched: int, ended: int) -> str:
    if searched == 0:
        return f"{branch} searches no parameter"
    if ended < least_trials(searched):
        return too_few(branch, ended, least_trials(searched))
    return f"the trials of {branch} cannot be told apart"


@lru_cache(maxsize=MOST_KEPT)
def _cached_shares(
    space: tuple[tuple[str, Dimension], ...],
    points: tuple[tuple[tuple[tuple[str, Value], ...], float], ...],
    seed: int,
) -> Importances | None:
    # They take half a second for 500 trials, and a report is asked for again and again.
    return importances(dict(space), [Point(dict(p), value) for p, value in points], seed=seed)


def ranked_points(trials: Iterable[TrialView], order: Sequence[int]) -> list[Point]:
    """The ended trials by number, their places from the best (0) as values.

    All that diverged share the last place.

    Args:
        trials: Of a branch, by number.
        order: The numbers of those that were scored, best first.
    """
    ended = {t.trial_number: t for t in trials if t.status in ("completed", "pruned", "diverged")}
    judged = [n for n in order if n in ended and ended[n].status != "diverged"]
    places = {number: place for place, number in enumerate(judged)}
    return [
        Point(trial.params, float(places.get(number, len(judged))))
        for number, trial in ended.items()
    ]
