"""Pauses: which trials wait at a rung, and when they go on.  Pure functions.

    scored at a rung ──▶ its rule promotes it?  goes on at once
                              └─ no ─▶ waits, queued with its checkpoint ──▶ promoted when n grows
                                                                        └──▶ pruned at the end

A trial that waits holds no slot; nothing of it is trained again if it goes on later.  Waiting is
no state of its own: it follows from the rung's losses, so a restart changes nothing.

When nothing in a branch can go on any more and no new trial comes, the best of those that wait at
the highest rung is promoted by force, until a trial of the branch has completed; then all that
wait are pruned.  Only trials of a rule that pauses (`PruningRule.promote`) ever wait.
"""

from collections.abc import Callable, Collection

from metaopt.errors import in_words
from metaopt.search.pruning.rule import Rung
from service.db.states import TrialStatus
from service.dispatcher.pruning.ranking import ranking_at
from service.dispatcher.pruning.rungs import rung_at
from service.dispatcher.state import Place, Promotions, StudyState, TrialState

Promote = Callable[[Rung], set[int]]


def waiting(study: StudyState) -> list[TrialState]:
    """The trials that wait at a rung for a better rank, by number."""
    held = held_back(study)
    forced = {_forced_promotion(study, held, name) for name in study.branches}
    return [trial for trial in held if trial.trial_number not in forced]


def held_back(study: StudyState) -> list[TrialState]:
    """Those whose rank holds them back, whether or not one is let go on by force.

    Nothing but their scores decides it, so budgets of branches may follow from it: who is let go on
    by force depends on the budgets.
    """
    promote = study.spec.pruning.rule().promote
    if promote is None:
        return []
    scored = [trial for trial in study.queued() if _was_scored_here(study, trial)]
    places = {_place(trial) for trial in scored}
    promoted = {place: _promoted_at(study, place, promote) for place in places}
    return [trial for trial in scored if trial.trial_number not in promoted[_place(trial)]]


def ready(study: StudyState) -> list[TrialState]:
    """The queued trials that a slot may take, by number."""
    return _without(study.queued(), waiting(study))


def going_on(study: StudyState, role: str | None = None) -> list[TrialState]:
    """The trials (of a role) that have not ended and do not wait, by number."""
    return _without(study.open_trials(role), waiting(study))


def never_promotable(study: StudyState) -> list[TrialState]:
    """The trials that wait where nothing in their branch trains, and none is to come."""
    held = waiting(study)
    active = {trial.group.branch for trial in _without(study.open_points(), held)}
    return [
        trial
        for trial in held
        if trial.group.branch not in active and study.branches[trial.group.branch].remaining <= 0
    ]


def _promoted_at(study: StudyState, place: Place, promote: Promote) -> set[int]:
    promotions, scored = study.promotions.get(place), len(study.rung_losses[place])
    if promotions is None or promotions.scored != scored:
        promotions = Promotions(scored, _promotable(study, place, promote))
        study.promotions[place] = promotions
    return promotions.trial_numbers


def _promotable(study: StudyState, place: Place, promote: Promote) -> set[int]:
    """Whom the rule promotes; all where it fails, so that none waits in vain."""
    try:
        return set(promote(rung_at(study, place)))
    except Exception as error:
        study.rule_failure = in_words(error)
        return set(study.rung_losses[place])


def _place(trial: TrialState) -> Place:
    return trial.group.branch, trial.meta_iteration


def _was_scored_here(study: StudyState, trial: TrialState) -> bool:
    losses = study.rung_losses.get(_place(trial), {})
    return trial.role.judged_at == "rungs" and trial.trial_number in losses


def _forced_promotion(study: StudyState, held: Collection[TrialState], branch: str) -> int | None:
    """The trial that goes on though its rank says no, because else none would complete."""
    own = [trial for trial in held if trial.group.branch == branch]
    trials = [t for t in study.points() if t.group.branch == branch] if own else []
    if not own or study.branches[branch].remaining > 0:
        return None
    if any(trial.status == TrialStatus.COMPLETED for trial in trials):
        return None
    if any(not trial.ended and trial not in own for trial in trials):
        return None
    highest = max(trial.meta_iteration for trial in own)
    ranking = ranking_at(study, (branch, highest))
    there = [trial.trial_number for trial in own if trial.meta_iteration == highest]
    return min(there, key=lambda number: (ranking[number], number))


def _without(trials: list[TrialState], held: Collection[TrialState]) -> list[TrialState]:
    numbers = {trial.trial_number for trial in held}
    return [trial for trial in trials if trial.trial_number not in numbers]
