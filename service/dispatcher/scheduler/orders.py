"""Orders: what to tell a worker, from the lanes it should have.  Pure functions."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from service.db.roles import ROLES
from service.dispatcher.checkpoints import CheckpointStore
from service.dispatcher.pruning import pauses
from service.dispatcher.scheduler.program_switch import ahead_in
from service.dispatcher.state import Group, SlotState, StudyState, TrialState
from service.executors.base import Admit, SegmentOrder
from service.planning.rungs import next_rung, segment_length


def segment_order(
    study: StudyState,
    group: Group,
    slot: SlotState,
    *,
    keep: Sequence[TrialState],
    admit: Sequence[TrialState],
    store: CheckpointStore,
    segment_seconds: float,
    ahead: int,
    workers: int = 1,
    most_iterations: int | None = None,
    trivial: bool = True,
) -> SegmentOrder:
    """The order after which the worker of `slot` holds `keep` and `admit`, trained on.

    Args:
        ahead: About how many meta-iterations are to come (`lane_iterations_ahead`).
        workers: How many have lanes of the group then.
        most_iterations: For which the study's budget lasts.
        trivial: Whether it may ask for trivial predictors: no other order does at the moment.
    """
    store.prepare(study.study_id)
    lanes, plan = [*keep, *admit], study.plan[group.role]
    iterations = _iterations(study, group, lanes, slot, segment_seconds)
    if most_iterations is not None:
        iterations = min(iterations, most_iterations)
    signature = study.signatures[group.signature]
    bank, selection = plan.bank_of(signature), plan.selection_of(signature)
    evaluate = [
        trial
        for trial in lanes
        if _next_evaluation(study, trial) == trial.meta_iteration + iterations
    ]
    return SegmentOrder(
        signature=signature.to_json(),
        study_id=study.study_id,
        evict=sorted(slot.held - {trial.trial_id for trial in keep}),
        admit=[_admit(study, trial) for trial in admit],
        iterations=iterations,
        evaluate=[trial.trial_id for trial in evaluate],
        bank=bank.to_json(),
        checkpoint_directory=study.study_id,
        ahead=ahead,
        workers=workers,
        seconds_left=_seconds_left(study, group, workers),
        fewer_tasks=_fewer_tasks(study, evaluate, iterations, of=bank.tasks),
        measure=list(study.plan.measured),
        at_end=plan.role.leaves,
        selection=None if selection is None else selection.to_json(),
        selects=selection is not None
        and any(trial.meta_iteration + iterations in selection.tasks_at for trial in lanes),
        trivial_tasks=_trivial_tasks(study, evaluate, of=bank.tasks) if trivial else 0,
        plugins=[needed.to_json() for needed in study.needs],
    )


def _iterations(
    study: StudyState,
    group: Group,
    lanes: Sequence[TrialState],
    slot: SlotState,
    segment_seconds: float,
) -> int:
    ages, plan = [trial.meta_iteration for trial in lanes], study.plan[group.role]
    if any(age >= plan.horizon for age in ages) or any(_unscored(study, t) for t in lanes):
        return 0  # trained before, to be scored now; others train on after that
    return segment_length(ages, plan.stops, seconds=slot.seconds, segment_seconds=segment_seconds)


def _next_evaluation(study: StudyState, trial: TrialState) -> int:
    rungs = study.plan_of(trial).rungs
    now = trial.meta_iteration >= rungs[-1] or _unscored(study, trial)
    return trial.meta_iteration if now else next_rung(trial.meta_iteration, rungs)


def _unscored(study: StudyState, trial: TrialState) -> bool:
    """Whether it is at a rung and not scored there: its segment was stopped in between."""
    if trial.role.judged_at != "rungs" or trial.meta_iteration not in study.plan_of(trial).rungs:
        return False
    scored = study.rung_losses.get((trial.group.branch, trial.meta_iteration), {})
    return trial.trial_number not in scored


def _seconds_left(study: StudyState, group: Group, workers: int) -> float | None:
    """What the budget leaves of the time of `workers`; None where it limits none of that."""
    if not ROLES[group.role].paid_by_search:
        return None
    budget, spent = study.spec.budget, study.spent
    left = []
    if budget.device_seconds is not None:
        left.append(budget.device_seconds - spent.device_seconds)
    if budget.wall_seconds is not None:
        left.append((budget.wall_seconds - spent.wall_seconds) * workers)
    branch = study.branches[group.branch]
    if branch.branch.device_seconds is not None and ROLES[group.role].told_to_sampler:
        left.append(branch.branch.device_seconds - branch.device_seconds)
    return max(0.0, min(left)) if left else None


def lane_iterations_ahead(study: StudyState, group: Group) -> int:
    """About how many meta-iterations lanes of the group's signature will still train.

    Trials not asked for yet, and finalists, are taken to have the signatures of the open ones, and
    finalists to come from each branch alike.
    """
    survival = study.plan.rule.kept_share(study.plan.options)
    of_branch = [t for t in pauses.going_on(study, group.role) if t.group.branch == group.branch]
    alike = _alike(study, of_branch)
    open_now = sum(
        count * ahead_in(study, t, group, t.meta_iteration, survival) for t, count in alike
    )
    if not ROLES[group.role].paid_by_search:
        return round(open_now)
    trials = study.branches[group.branch].remaining
    branches = len(study.branches)
    trainings = study.spec.verdict.trainings(branches) / branches
    coming = sum(
        count * trials * ahead_in(study, t, group, 0, survival)
        + count * trainings * ahead_in(study, t, group, 0, 1.0)
        for t, count in alike
    )
    return round(open_now + coming / max(1, len(of_branch)))


def _alike(study: StudyState, trials: Sequence[TrialState]) -> list[tuple[TrialState, int]]:
    """One of all trials that have the same ahead of them, and how many those are."""
    groups: dict[Any, list[TrialState]] = defaultdict(list)
    for trial in trials:
        own_way = study.plan_of(trial).changes_program
        groups[trial.trial_id if own_way else (trial.group, trial.meta_iteration)].append(trial)
    return [(same[0], len(same)) for same in groups.values()]


def _fewer_tasks(
    study: StudyState, evaluate: Sequence[TrialState], iterations: int, *, of: int
) -> dict[str, int]:
    """On how many tasks of their bank those lanes are scored that have not all."""
    tasks = {
        trial.trial_id: _tasks(study, trial, trial.meta_iteration + iterations)
        for trial in evaluate
    }
    return {trial_id: count for trial_id, count in tasks.items() if count < of}


def _tasks(study: StudyState, trial: TrialState, meta_iteration: int) -> int:
    if trial.bank_tasks is not None:
        return trial.bank_tasks
    return study.plan_of(trial).tasks_at(meta_iteration)


def _trivial_tasks(study: StudyState, evaluate: Sequence[TrialState], *, of: int) -> int:
    """On how many tasks trivial predictors are scored with those lanes: on the same, once."""
    if not evaluate or not study.plan_of(evaluate[0]).beside_trivial:
        return 0
    tasks = max(trial.bank_tasks or of for trial in evaluate)
    known = study.trivial_tasks.get(evaluate[0].role.bank, 0)
    return tasks if tasks > known else 0


def _admit(study: StudyState, trial: TrialState) -> Admit:
    plan = study.plan_of(trial)
    return Admit(
        trial_id=trial.trial_id,
        params=plan.trained_params(trial.params, trial.meta_iteration),
        seed=trial.seed,
        horizon=plan.horizon,
        checkpoint=trial.checkpoint,
        digest=trial.checkpoint_sha256,
    )
