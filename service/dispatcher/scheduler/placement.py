"""Placement: which trials a free slot trains next.  Pure functions.

Studies get slots in the order of their submission; a study that has nothing waiting lets the
next one in.  A slot that has lanes keeps them and fills up with trials of the same group; a slot
without lanes takes the group of the study's oldest queued trial, else new trials of the branch
with the fewest so far.  A study that needs what a slot lacks (plug-ins, and what it requires) is
passed over there.  A younger study gives a slot back as soon as an older one has a group that no
slot trains, as towards its verdict.  If a slot finds no work, as towards the end of a
search, one that has more lanes than its share gives them up for it, unless little is left of them.

Trial i belongs to branch i mod (number of branches), so a trial's point and seed do not depend on
which slot was free when.  How many a branch may have follows from
`branch_budgets`, when it may ask for them from `fair_share`.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from service.db.roles import ROLES, TrialRole
from service.db.states import StudyStatus
from service.dispatcher.pruning import pauses
from service.dispatcher.scheduler.fair_share import askable, askable_in_turn, neediest
from service.dispatcher.state import BranchState, Group, SlotState, StudyState, TrialState

WORTH_MOVING_SECONDS = 5.0  # of work left: the other worker has to load the lanes first


@dataclass(frozen=True)
class Work:
    """What a slot does next.

    Args:
        keep: Lanes that stay.
        release: Lanes to be given up.
        cause: Why they are.
        admit: Queued trials to admit.
        ask: How many new trials to ask `branch` for; those of another group than this work's
            (of the first one's, where `group` is None) stay queued for another slot.
    """

    study: StudyState
    group: Group | None
    keep: list[TrialState] = field(default_factory=list)
    release: list[TrialState] = field(default_factory=list)
    admit: list[TrialState] = field(default_factory=list)
    branch: BranchState | None = None
    ask: int = 0
    cause: str = "moved to a slot that found no work"


def choose_work(
    studies: Sequence[StudyState],
    slot: SlotState,
    *,
    slots: int,
    lanes: int,
    occupied: Mapping[str, int] | None = None,
    able: Callable[[StudyState], int] | None = None,
    idle: bool = False,
) -> Work | None:
    """What `slot` should do, or None if nothing waits.

    Args:
        studies: Loaded studies, oldest first.
        slots: How many slots there are in all.
        lanes: Most lanes on a slot.
        occupied: Slots that train a study's lanes now, by study_id; a study spreads its lanes
            over those that no other study has.
        able: How many of them can train a study and train no other, of a study that not all can
            train.
        idle: Whether another slot found nothing to do.
    """
    occupied = occupied or {}
    total = sum(occupied.values())

    def room(study: StudyState) -> int:
        if able is not None and (study.needs or study.requires):
            return max(1, able(study))
        return max(1, slots - total + occupied.get(study.study_id, 0))

    if slot.lanes:
        (study,) = (study for study in studies if study.study_id == slot.study_id)
        before = studies[: studies.index(study)]
        older = [one for one in before if slot.takes(one.needs, one.requires)]
        if not idle and any(_waits_for_slot(one) for one in older):
            return Work(
                study, None, release=slot.lanes, cause="an older study has work for its slot"
            )
        return _go_on(study, slot, slots=room(study), lanes=lanes, idle=idle)
    for study in studies:
        if study.status == StudyStatus.RUNNING and slot.takes(study.needs, study.requires):
            work = _begin(study, slots=room(study), lanes=lanes)
            if work is not None:
                return work
    return None


def lane_target(study: StudyState, group: Group, *, slots: int, lanes: int) -> int:
    """How many lanes of `group` a slot should have.

    A group gets slots in proportion to its branch's share of the trials that its role has yet to
    train, at least one, and spreads evenly over them what may be open now: if one slot took all
    that a sampler gives before it has learned, the others would stand idle.
    """
    branches = study.plan[group.role].branches
    coming = {name: _coming_trials(study, group.role, name) for name in branches}
    own, total = coming[group.branch], sum(coming.values())
    own_slots = max(1, round(slots * own / total)) if total else 1
    ready = _open_trials(study, group.role, group.branch)
    if ROLES[group.role].told_to_sampler:
        ready += askable(study, study.branches[group.branch])
    limit = min(lanes, study.lane_limits.get(group, lanes))
    return max(1, min(limit, math.ceil(ready / own_slots)))


def _coming_trials(study: StudyState, role: str, branch: str) -> int:
    not_asked = study.branches[branch].remaining if ROLES[role].told_to_sampler else 0
    return _open_trials(study, role, branch) + not_asked


def _open_trials(study: StudyState, role: str, branch: str) -> int:
    return pauses.count_going_on(study, [role], branch)


def _go_on(study: StudyState, slot: SlotState, *, slots: int, lanes: int, idle: bool) -> Work:
    group = slot.lanes[0].group
    if any(trial.solo for trial in slot.lanes):
        return Work(study, group, keep=slot.lanes)
    target = lane_target(study, group, slots=slots, lanes=lanes)
    surplus = slot.lanes[target:]
    if idle and surplus and _seconds_left(study, slot, surplus) >= WORTH_MOVING_SECONDS:
        return Work(study, group, keep=slot.lanes[:target], release=surplus)
    return _fill(study, group, slot.lanes, max(0, target - len(slot.lanes)))


def _seconds_left(study: StudyState, slot: SlotState, lanes: Sequence[TrialState]) -> float:
    end = study.plan_of(lanes[0]).horizon
    left = end - min(trial.meta_iteration for trial in lanes)
    return left * min(slot.seconds, default=0.0)


def _waits_for_slot(study: StudyState) -> bool:
    """Whether a study has a group to train that no slot trains; one that does fills up by itself.

    Where all that a search trains is counted, a trial may have to wait for what the budget has
    left, so a slot taken for it could stand idle.
    """
    if study.status != StudyStatus.RUNNING:
        return False
    counted = study.spec.budget.total_meta_iterations is not None
    trained = {study.trials[number].group for number in study.open.numbers(("running",))}
    return any(
        trial.group not in trained and not (counted and trial.role.paid_by_search)
        for trial in pauses.ready(study)
    )


def _begin(study: StudyState, *, slots: int, lanes: int) -> Work | None:
    queued = pauses.ready(study)
    if queued:
        first = queued[0]
        if first.solo:
            return Work(study, first.group, admit=[first])
        target = lane_target(study, first.group, slots=slots, lanes=lanes)
        return _fill(study, first.group, [], target)
    # What a budget that may move holds back, a slot without anything else to do may have.
    for idle in (False, True):
        branch = neediest(study, idle=idle)
        if branch is not None:
            break
    else:
        return None
    name = branch.branch.name
    target = lane_target(study, Group(TrialRole.SEARCH, name, ""), slots=slots, lanes=lanes)
    may = askable_in_turn(study, branch, idle=idle)
    return Work(study, None, branch=branch, ask=min(target, may))


def _fill(study: StudyState, group: Group, keep: list[TrialState], free: int) -> Work:
    queued = pauses.ready(study)
    admit = [trial for trial in queued if trial.group == group and not trial.solo][:free]
    branch = study.branches.get(group.branch)  # the search has none of what a verdict alone trains
    # New trials of a branch that searches structure may be of any group: ask for them only
    # when none of its trials waits already.
    may = 0
    if branch is not None and ROLES[group.role].told_to_sampler:
        waits = any(trial.group.branch == group.branch for trial in queued)
        takes = study.plan[group.role].takes_new_trials(study.signatures[group.signature])
        may = askable_in_turn(study, branch) if takes and not (branch.structural and waits) else 0
    ask = max(0, min(free - len(admit), may))
    return Work(study, group, keep=keep, admit=admit, branch=branch, ask=ask)
