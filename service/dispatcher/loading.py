"""Loading: a study's state in memory, rebuilt from its rows."""

from collections.abc import Iterable, Sequence
from itertools import groupby

from sqlalchemy.orm import Session

from metaopt.metaparams import Value
from metaopt.search.branches import BranchSearch, LogEntry, replay
from service.db import asks, reports, spending, trials
from service.db.states import StudyStatus, TrialRole, TrialStatus
from service.db.tables import Ask, Attempt, Study, Trial
from service.dispatcher.budget import Ended, after_all
from service.dispatcher.programs import (
    searches_structure,
    structural_values,
    trial_signature,
)
from service.dispatcher.spaces import dimensions
from service.dispatcher.state import (
    BranchState,
    Group,
    Leader,
    Place,
    Spent,
    StudyState,
    TrialState,
)
from service.dispatcher.work import branch_budget
from service.wire.space import Branch
from service.wire.spec import StudySpec

_COUNTED = (
    TrialStatus.COMPLETED,
    TrialStatus.PRUNED,
    TrialStatus.DIVERGED,
    TrialStatus.FAILED,
)


def load_study(session: Session, study_id: str) -> StudyState:
    """Return the study with its trials, scores and searches.

    Raises:
        ValueError: its spec or its log cannot be used.
    """
    row = session.get_one(Study, study_id, populate_existing=True)
    spec = StudySpec.model_validate(row.spec)
    log = asks.log_of(session, study_id)
    study = StudyState(
        study_id=study_id,
        spec=spec,
        created_at=row.created_at,
        status=StudyStatus(row.status),
        branches=branch_states(spec, log),
        version=row.version,
    )
    attempts = _by_trial(trials.attempts_of(session, study_id))
    rows = trials.trials_of(session, study_id)
    study.add(_trial_state(study, row, attempts.get(row.trial_id, [])) for row in rows)
    _add_spent(session, study, rows)
    for branch, number, rung, score in reports.rung_scores(session, study_id, TrialRole.SEARCH):
        study.rung_scores.setdefault((branch, rung), {})[number] = score
    if spec.pruning.kind == "race":
        study.leaders = _leaders(session, study)
    return study


def _leaders(session: Session, study: StudyState) -> dict[Place, Leader]:
    best = max if study.spec.maximize() else min
    leaders = {}
    for place, scores in study.rung_scores.items():
        number = best(scores, key=lambda n: (scores[n], n))  # noqa: B023
        (report,) = reports.reports_at(session, [study.trials[number].trial_id], place[1]).values()
        leaders[place] = Leader(report.score, list(report.scores))
    return leaders


def _add_spent(session: Session, study: StudyState, rows: Sequence[Trial]) -> None:
    found = spending.find_spending(session, study.study_id)
    spent = Spent()
    if found is not None:
        spent = Spent(found.wall_seconds, found.device_seconds, found.meta_iterations)
        study.search_ended_by = found.ended_by
    ended = [
        Ended(row.finished_at, row.score if row.status == TrialStatus.COMPLETED else None)
        for row in rows
        if row.role == TrialRole.SEARCH and row.status in _COUNTED and row.finished_at
    ]
    study.spent = study.saved = after_all(spent, ended, maximize=study.spec.maximize())


def group_of(study: StudyState, role: str, branch: str, params: dict[str, Value]) -> Group:
    """Return the group of a trial with these params, and keep its signature in `study`."""
    of_spec = study.branches[branch].branch
    structure = structural_values(study.spec, of_spec, params)
    if structure not in study.digests:
        signature = trial_signature(study.spec, of_spec, params)
        study.digests[structure] = signature.digest()
        study.signatures[signature.digest()] = signature
    return Group(role, branch, study.digests[structure])


def branch_states(spec: StudySpec, log: dict[str, list[Ask]]) -> dict[str, BranchState]:
    """Return the branches of a spec as the log of their asks and tells left them.

    Raises:
        InvalidSearch: the log does not fit the spec.
    """
    return {
        branch.algorithm: _branch_state(spec, position, log.get(branch.algorithm, []))
        for position, branch in enumerate(spec.branches)
    }


def branch_search(spec: StudySpec, branch: Branch, log: Iterable[LogEntry]) -> BranchSearch:
    """Return the search of a branch as its log left it.

    Raises:
        InvalidSearch: the log does not fit the spec.
    """
    return replay(
        dimensions(branch),
        log,
        sampler=spec.search.sampler,
        maximize=spec.maximize(),
        study_seed=spec.seed,
        branch=branch.algorithm,
        startup_trials=spec.search.startup_trials,
    )


def _branch_state(spec: StudySpec, position: int, log: Sequence[Ask]) -> BranchState:
    branch = spec.branches[position]
    search = branch_search(spec, branch, [_log_entry(ask) for ask in log])
    return BranchState(
        branch=branch,
        position=position,
        budget=branch_budget(spec.budget.trials, position, len(spec.branches)),
        structural=searches_structure(branch),
        search=search,
        sequence=log[-1].sequence + 1 if log else 0,
    )


def _log_entry(ask: Ask) -> LogEntry:
    return LogEntry(
        kind="ask" if ask.kind == "ask" else "tell",
        trial_number=ask.trial_number,
        params=ask.params,
        outcome=ask.outcome,
        value=ask.value,
        meta_iteration=ask.meta_iteration,
    )


def _trial_state(study: StudyState, row: Trial, attempts: Sequence[Attempt]) -> TrialState:
    began = [attempt.from_meta_iteration for attempt in attempts]
    ended = [*began[1:], row.meta_iteration]
    losses = [trials.is_loss(attempt) for attempt in attempts]
    return TrialState(
        trial_id=row.trial_id,
        trial_number=row.trial_number,
        group=group_of(study, row.role, row.branch, row.params),
        params=row.params,
        seed=row.seed,
        source_trial_number=row.source_trial_number,
        status=TrialStatus(row.status),
        meta_iteration=row.meta_iteration,
        checkpoint=row.checkpoint,
        digest=row.checkpoint_sha256,
        score=row.score,
        cause=row.cause,
        solo=row.solo,
        attempt=len(attempts),
        begun_at=began[-1] if began else 0,
        attempts=row.attempts,
        losses=sum(losses),
        losses_here=sum(
            lost and age == row.meta_iteration for lost, age in zip(losses, ended, strict=False)
        ),
    )


def _by_trial(attempts: Sequence[Attempt]) -> dict[str, list[Attempt]]:
    return {trial_id: list(some) for trial_id, some in groupby(attempts, key=lambda a: a.trial_id)}
