"""Promotion: which trials asha lets go on from a rung, and when.  Pure functions.

    scored at a rung ──▶ among the best ⌊n / reduction⌋ of n there?  goes on at once
                              └─ no ─▶ waits, queued with its checkpoint ──▶ promoted when n grows
                                                                        └──▶ pruned at the end

A trial that waits holds no slot; nothing of it is trained again if it goes on later.  Waiting is
no state of its own: it follows from the rung's scores, so a restart changes nothing.

When nothing in a branch can go on any more and no new trial comes, the best of those that wait at
the highest rung goes on, until a trial of the branch has completed; then all that wait are pruned.

Reference: Li et al. (2018), arXiv:1810.05934, Algorithm 2 (`get_job`).
"""

from collections.abc import Collection

from service.db.states import TrialRole, TrialStatus
from service.dispatcher.pruning.ranking import judged_at
from service.dispatcher.state import StudyState, TrialState

KIND = "asha"


def promoted(scores: dict[int, float], reduction: int, *, maximize: bool) -> set[int]:
    """Return the numbers of the best ⌊n / reduction⌋ of n trials at a rung; ties by number."""
    ranked = sorted(scores, key=lambda number: (_loss(scores[number], maximize), number))
    return set(ranked[: len(scores) // reduction])


def waiting(study: StudyState) -> list[TrialState]:
    """Return the trials that wait at a rung for a better rank, by number."""
    if study.spec.pruning.kind != KIND:
        return []
    held = [trial for trial in study.queued() if _at_a_rung(study, trial)]
    places = {(trial.group.branch, trial.meta_iteration) for trial in held}
    going_on = {place: _promoted_at(study, place) for place in places}
    held = [
        trial
        for trial in held
        if trial.trial_number not in going_on[trial.group.branch, trial.meta_iteration]
    ]
    last = {_last_hope(study, held, name) for name in study.branches}
    return [trial for trial in held if trial.trial_number not in last]


def ready(study: StudyState) -> list[TrialState]:
    """Return the queued trials that a slot may take, by number."""
    return _without(study.queued(), waiting(study))


def going_on(study: StudyState, role: str | None = None) -> list[TrialState]:
    """Return the trials (of a role) that have not ended and do not wait, by number."""
    return _without(study.open_trials(role), waiting(study))


def given_up(study: StudyState) -> list[TrialState]:
    """Return the trials that wait in vain: nothing in their branch trains, and none is to come."""
    held = waiting(study)
    still = {trial.group.branch for trial in _without(study.open_trials(TrialRole.SEARCH), held)}
    return [
        trial
        for trial in held
        if trial.group.branch not in still and study.branches[trial.group.branch].remaining <= 0
    ]


def _promoted_at(study: StudyState, place: tuple[str, int]) -> set[int]:
    def find() -> set[int]:
        values, maximize = judged_at(study, place)
        return promoted(values, study.spec.pruning.reduction, maximize=maximize)

    return study.promoted_at(place, find)


def _at_a_rung(study: StudyState, trial: TrialState) -> bool:
    scores = study.rung_scores.get((trial.group.branch, trial.meta_iteration), {})
    return trial.group.role == TrialRole.SEARCH and trial.trial_number in scores


def _last_hope(study: StudyState, held: Collection[TrialState], branch: str) -> int | None:
    """Return the trial that goes on though its rank says no, because else none would complete."""
    own = [trial for trial in held if trial.group.branch == branch]
    trials = [t for t in study.of_role(TrialRole.SEARCH) if t.group.branch == branch] if own else []
    if not own or study.branches[branch].remaining > 0:
        return None
    if any(trial.status == TrialStatus.COMPLETED for trial in trials):
        return None
    if any(not trial.ended and trial not in own for trial in trials):
        return None
    highest = max(trial.meta_iteration for trial in own)
    scores, maximize = judged_at(study, (branch, highest))
    there = [trial.trial_number for trial in own if trial.meta_iteration == highest]
    return min(there, key=lambda number: (_loss(scores[number], maximize), number))


def _without(trials: list[TrialState], held: Collection[TrialState]) -> list[TrialState]:
    numbers = {trial.trial_number for trial in held}
    return [trial for trial in trials if trial.trial_number not in numbers]


def _loss(score: float, maximize: bool) -> float:
    return -score if maximize else score
