"""The gates' phase: what they compare is trained, and scored on more tasks while undecided.

    verdict ──▶ candidate and incumbent trained afresh ──▶ judged ──decided──▶ report
                                                             │ ▲
                             the same weights, more tasks ◀──┘─┘ undecided

Nothing here writes: what is to be trained next, or the report, goes back to `phases`.
"""

import statistics
from typing import NamedTuple

from sqlalchemy.orm import Session

from metaopt.costs.registry import COSTS
from metaopt.estimation.limits import interval
from metaopt.goals import Goals
from metaopt.keys import key
from service.db import baselines, reports, studies
from service.db.access.projects import project_of_study, within
from service.db.roles import TrialRole
from service.db.states import TrialStatus
from service.db.tables import Baseline
from service.dispatcher import trials
from service.dispatcher.state import StudyState, TrialState
from service.judgement import gates
from service.judgement.estimates import Contender, SealedRun, loss_of, untrained
from service.judgement.evidence import Evidence, with_noise
from service.operations.fresh_runs import latest_runs
from service.planning.banks import gate_bank, sealed_bank
from service.planning.plan import INCUMBENT
from service.wire.spec.compare import Configuration
from service.wire.spec.gates import Incumbent
from service.wire.views.gate_report import BaselineName, GateContender, GateReport
from service.wire.views.judged import Estimate, VerdictRun
from service.wire.views.result import Finalist, StudyResult


class Fresh(NamedTuple):
    """Trials that have to run before the gates can be answered, to be scored on `tasks` tasks."""

    trials: list[TrialState]
    tasks: int


def next_step(session: Session, study: StudyState, result: StudyResult) -> Fresh | GateReport:
    """What to train or look at next, or the gates' report.

    Args:
        session: Reads the rows of the trials that have ended.
        study: Whose spec has rules; its verdict's trials and those of its gates have ended.
        result: Its verdict.
    """
    look = _look(study)
    if look is None:
        tasks = study.spec.gates.interim_analyses()[0]
        return Fresh(_trainings(session, study, result, tasks), tasks)
    tasks = study.spec.gates.interim_analyses()[look]
    missing = _incumbent_if_needed(session, study, result, tasks, 0)
    if missing:  # as where the dispatcher that looked at stored scores had other software
        return Fresh(missing, tasks)
    report = _report(session, study, result, look)
    if _worth_another_look(study, report, look):
        tasks = study.spec.gates.interim_analyses()[look + 1]
        return Fresh(_looks_again(session, study, result, tasks), tasks)
    return report


def _look(study: StudyState) -> int | None:
    """The number of the latest look, from 0; None before the first."""
    tasks = [trial.bank_tasks or 0 for trial in study.of_role(TrialRole.CANDIDATE)]
    return study.spec.gates.interim_analyses().index(max(tasks)) if tasks else None


def _worth_another_look(study: StudyState, report: GateReport, look: int) -> bool:
    if look + 1 >= len(study.spec.gates.interim_analyses()):
        return False
    return gates.more_tasks_help(report.answers, study.spec.gates.parsed())


def _trainings(
    session: Session, study: StudyState, result: StudyResult, tasks: int
) -> list[TrialState]:
    """The first trainings of the candidate, and those of the incumbent that are needed."""
    best = result.finalists[0]
    configuration = Configuration(best.branch, best.params)
    first = _afresh(
        study, TrialRole.CANDIDATE, configuration, 0, tasks=tasks, source=best.trial_number
    )
    return first + _incumbent_if_needed(session, study, result, tasks, len(first))


def _afresh(
    study: StudyState,
    role: TrialRole,
    configuration: Configuration,
    offset: int,
    *,
    tasks: int,
    source: int | None = None,
) -> list[TrialState]:
    first = trials.next_number(study) + offset
    return [
        trials.new(
            study,
            role,
            configuration,
            trial_number=first + repeat,
            # Not of the spec's seed: the same spec again must be judged with other seeds.
            seed=key(study.study_id, "gates", role, repeat),
            source=source,
            bank_tasks=tasks,
        )
        for repeat in range(study.spec.gates.seeds)
    ]


def _looks_again(
    session: Session, study: StudyState, result: StudyResult, tasks: int
) -> list[TrialState]:
    """Trials that begin at the end of others, to be scored on more tasks."""
    by_number = sorted(study.trials.values(), key=_number)
    gated = [trial for trial in by_number if trial.role.bank == "gates"]
    latest = {(trial.group.role, trial.seed): trial for trial in gated}
    whole = [trial for trial in latest.values() if trial.status == TrialStatus.COMPLETED]
    first = trials.next_number(study)
    candidates = [
        trials.look_again(trial, trial_number=first + index, bank_tasks=tasks)
        for index, trial in enumerate(sorted(whole, key=_number))
    ]
    return candidates + _incumbent_if_needed(session, study, result, tasks, len(candidates))


def _incumbent_if_needed(
    session: Session, study: StudyState, result: StudyResult, tasks: int, offset: int
) -> list[TrialState]:
    """Trainings of the incumbent if it has none, and its stored scores are not enough.

    Args:
        session, study, result: As `next_step`.
        tasks: On how many it is to be scored.
        offset: New trials that are numbered before these.
    """
    beside = study.plan[TrialRole.CANDIDATE].compared_with.get(result.finalists[0].branch, {})
    incumbent = beside.get(INCUMBENT)
    if incumbent is None or study.of_role(TrialRole.INCUMBENT):
        return []
    if _stored(session, study, result, tasks) is not None:
        return []
    return _afresh(study, TrialRole.INCUMBENT, incumbent, offset, tasks=tasks)


def _number(trial: TrialState) -> int:
    return trial.trial_number


def _bank(study: StudyState) -> str:
    return gate_bank(study.spec, study.plan[TrialRole.CANDIDATE].bank)


def _stored(
    session: Session, study: StudyState, result: StudyResult, tasks: int
) -> list[SealedRun] | None:
    """The baseline's stored scores, where they may stand in for fresh trainings.

    They may if they are on the same tasks, enough of them, of as many trainings at least, by the
    same software on the same device; and if the costs that the rules ask for are known and exact:
    of measured ones only the mean is kept, which does not say how sure it is.
    """
    incumbent, spec = study.spec.gates.incumbent, study.spec
    assert incumbent is not None
    with within(session, project_of_study(session, study.study_id)):
        row = baselines.find_baseline(session, incumbent.name, incumbent.version)
    if row is None or not row.scores or len(row.scores) < spec.gates.seeds:
        return None
    same = row.data["bank"] == _bank(study) and len(row.scores[0]) >= tasks
    same = same and row.data["versions"] == result.versions
    same = same and row.data["device"] == result.device
    costs = spec.gates.costs()
    metrics = row.data["metrics"]
    if not same or any(not COSTS.get(cost).exact or cost not in metrics for cost in costs):
        return None
    return [_stored_run(row, scores[:tasks]) for scores in row.scores]


def _stored_run(row: Baseline, scores: list[float]) -> SealedRun:
    return SealedRun(
        trial_number=row.data["trial_number"],
        source_trial_number=None,
        status=TrialStatus.COMPLETED,
        cause=None,
        score=statistics.fmean(scores),
        scores=scores,
        curve=[],
        diverged_share=row.data["metrics"].get("diverged_share", 0.0),
        device_seconds=0.0,
        metrics=row.data["metrics"],
    )


def _report(session: Session, study: StudyState, result: StudyResult, look: int) -> GateReport:
    spec, best = study.spec, result.finalists[0]
    looks, incumbent = spec.gates.interim_analyses(), spec.gates.incumbent
    full, number = study.plan[TrialRole.CANDIDATE].horizon, best.trial_number
    mine = latest_runs(session, study.study_id, TrialRole.CANDIDATE, number, full)
    stored = None
    theirs: list[SealedRun] | None = None
    if incumbent is not None:
        theirs = _incumbent_runs(session, study)
        if not theirs:
            theirs = stored = _stored(session, study, result, looks[look]) or []
    goals = spec.goals()
    candidate, baseline = with_noise(mine, theirs, goals)
    evidence = Evidence(
        candidate=candidate,
        baseline=baseline,
        goals=goals,
        metric=result.metric,
        error_rate=gates.error_rate(look, len(looks)),
        trivial=_trivial(session, study, looks[look]),
    )
    answers = gates.judge(evidence, spec.gates.parsed())
    return GateReport(
        passed=gates.passes(answers, spec.gates.undecided),
        answers=answers,
        undecided=spec.gates.undecided,
        trial_number=best.trial_number,
        candidate=_contender(best, candidate, goals),
        baseline_name=incumbent and BaselineName(name=incumbent.name, version=incumbent.version),
        baseline=baseline
        and incumbent
        and _contender(incumbent, baseline, goals, stored=bool(stored)),
        tasks=looks[look],
        seeds=spec.gates.seeds,
        looks=look + 1,
        bank=_bank(study),
        bank_looks=studies.gate_looks_at(session, sealed_bank(spec)),
    )


def _trivial(session: Session, study: StudyState, tasks: int) -> dict[str, Contender]:
    """Trivial predictors on the tasks of a look."""
    scores, goals = reports.trivial_scores(session, study.study_id, "gates"), study.plan.goals
    return {name: untrained(by_task[:tasks], goals) for name, by_task in scores.items()}


def _incumbent_runs(session: Session, study: StudyState) -> list[SealedRun]:
    horizon = study.plan[TrialRole.INCUMBENT].horizon
    return latest_runs(session, study.study_id, TrialRole.INCUMBENT, None, horizon)


def _contender(
    named: Finalist | Incumbent, fresh: Contender, goals: Goals, *, stored: bool = False
) -> GateContender:
    score = interval(loss_of(fresh)).scores(goals) if fresh.completed else None
    return GateContender(
        branch=named.branch,
        algorithm=named.algorithm,
        params=dict(named.params),
        score=score and Estimate.of(score),
        diverged_share=fresh.diverged_share,
        metrics=fresh.metrics,
        runs=[] if stored else [VerdictRun.of(run) for run in fresh.runs],
        stored=stored,
    )
