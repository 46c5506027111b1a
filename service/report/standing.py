"""Standing: the order of trials, also while their scores come from different rungs; pure.

Like is compared with like (docs/search.md, "The best so far"):

    1. who diverged or failed comes last
    2. completed trials come first
    3. who came further comes first, but nobody counts beyond the branch's common rung
    4. who keeps the constraints, or breaks them least; then less loss at that rung
    5. the lower number

`service.db.best_trials` names the first of each branch by the same rule in SQL; a test holds the
two to each other.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from metaopt.goals import Goals
from service.db.best_trials import OUT, common_rung
from service.wire.views.report import RungPoint
from service.wire.views.studies import TrialView

Points = Mapping[int, Sequence[RungPoint]]
"""Scores at rungs, in their order, by trial number."""


class Standing(NamedTuple):
    """Where a trial stands: less is better."""

    out: bool
    unfinished: bool
    behind: int
    violation: float
    loss: float
    trial_number: int


def ranked(trials: Iterable[TrialView], points: Points, goals: Goals) -> list[int]:
    """The numbers of the search's trials that were scored, best first.

    Args:
        trials: Of a study.
        points: Their scores.
        goals: Of the study.
    """
    branches: dict[str, list[TrialView]] = defaultdict(list)
    for trial in trials:
        if trial.role == "search" and points.get(trial.trial_number):
            branches[trial.branch].append(trial)
    standings = [
        _standing(trial, points[trial.trial_number], rung, goals)
        for own in branches.values()
        for rung in [_common_rung(own, points)]
        for trial in own
    ]
    return [standing.trial_number for standing in sorted(standings)]


def _common_rung(trials: Sequence[TrialView], points: Points) -> int:
    comparable = [trial for trial in trials if trial.status not in OUT] or trials
    return common_rung(
        Counter(p.meta_iteration for t in comparable for p in points[t.trial_number])
    )


def _standing(trial: TrialView, points: Sequence[RungPoint], common: int, goals: Goals) -> Standing:
    completed, compared = trial.status == "completed", points[-1]
    if not completed and compared.meta_iteration > common:
        compared = next((p for p in reversed(points) if p.meta_iteration <= common), points[0])
    return Standing(
        out=trial.status in OUT,
        unfinished=not completed,
        behind=-compared.meta_iteration,
        violation=goals.violation(trial.metrics or {}) if goals.bounds else 0.0,
        loss=goals.loss(compared.score),
        trial_number=trial.trial_number,
    )
