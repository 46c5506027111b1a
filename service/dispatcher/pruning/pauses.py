"""Pauses: which trials wait at a rung, and when they go on.  Pure functions.

    scored at a rung ──▶ its rule promotes it?  goes on at once
                              └─ no ─▶ waits, queued with its checkpoint ──▶ promoted when n grows
                                                                        └──▶ pruned at the end

A trial that waits holds no slot; nothing of it is trained again if it goes on later.  Waiting is
no state of its own: it follows from the rung's losses, so a restart changes nothing.

When nothing in a branch can go on any more and no new trial comes, the best of those that wait at
the highest rung is promoted by force, until a trial of the branch has completed; then all that
wait are pruned.  Only trials of a rule that pauses (`PruningRule.promotes`) ever wait.
"""

from collections.abc import Collection

from service.dispatcher.open_trials import GOING_ON
from service.dispatcher.state import POINTS, StudyState, TrialState


def waiting(study: StudyState) -> list[TrialState]:
    """The trials that wait at a rung for a better rank, by number."""
    forced = _forced(study)
    numbers = study.open.numbers(("waiting",))
    return [study.trials[number] for number in numbers if number not in forced]


def ready(study: StudyState) -> list[TrialState]:
    """The queued trials that a slot may take, by number."""
    numbers = {*study.open.numbers(("ready",)), *_forced(study)}
    return [study.trials[number] for number in sorted(numbers)]


def going_on(study: StudyState, role: str | None = None) -> list[TrialState]:
    """The trials (of a role) that have not ended and do not wait, by number."""
    numbers = study.open.numbers(GOING_ON, roles=None if role is None else [role])
    found = [study.trials[number] for number in sorted({*numbers, *_forced(study)})]
    return [trial for trial in found if role in (None, trial.group.role)]


def count_going_on(study: StudyState, roles: Collection[str], branch: str) -> int:
    """How many trials of a branch have not ended and do not wait."""
    forced = [n for n in _forced(study) if study.trials[n].group.branch == branch]
    return study.open.count(GOING_ON, roles=roles, branch=branch) + len(forced)


def never_promotable(study: StudyState) -> list[TrialState]:
    """The trials that wait where nothing in their branch trains, and none is to come."""
    branches = [name for name in study.branches if _stands_still(study, name)]
    forced = {study.trials[number].group.branch for number in _forced(study)}
    over = [name for name in branches if name not in forced]
    return [trial for trial in waiting(study) if trial.group.branch in over] if over else []


def _forced(study: StudyState) -> list[int]:
    """Trials that go on though their ranks say no, because else none of a branch would complete."""
    still = [name for name in study.branches if _stands_still(study, name)]
    return [_best_waiting(study, name) for name in still if not study.completed[name]]


def _stands_still(study: StudyState, branch: str) -> bool:
    """Whether trials of a branch wait, nothing of it trains or may train, and none is to come."""
    return (
        study.branches[branch].remaining <= 0
        and study.open.count(("waiting",), branch=branch) > 0
        and not study.open.count(GOING_ON, roles=POINTS, branch=branch)
    )


def _best_waiting(study: StudyState, branch: str) -> int:
    """The trial of the best rank at the highest rung where any waits."""
    own = {
        number: study.trials[number] for number in study.open.numbers(("waiting",), branch=branch)
    }
    highest = max(trial.meta_iteration for trial in own.values())
    pools = study.standings[branch, highest]
    there = [number for number, trial in own.items() if trial.meta_iteration == highest]
    return min(there, key=lambda n: (pools[study.pool_of(n)].place_of(n), n))
