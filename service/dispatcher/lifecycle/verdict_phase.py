"""The verdict's phase: which scores choose the finalists, and the result that their rows make.

    search ended ──borderline──▶ verdict trials ──ended──▶ rows and reports ──▶ StudyResult

Nothing here writes; `phases` does.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from sqlalchemy.orm import Session

from metaopt.goals import Goals
from service.db import reports, segments, trials
from service.db.roles import ROLES, TrialRole, roles_where
from service.db.states import TrialStatus
from service.db.tables import Report, Study, Trial
from service.dispatcher.scheduler.budget import common_rung
from service.dispatcher.selection import replicas
from service.dispatcher.selection.candidates import broken_candidates, pareto_trials
from service.dispatcher.selection.fresh_trials import candidates, compared_by_seed
from service.dispatcher.state import StudyState
from service.dispatcher.store.entries import Entry
from service.dispatcher.store.ledger import Ledger
from service.judgement.estimates import SealedRun
from service.judgement.finalists import borderline
from service.judgement.verdict import Beside, SearchTrial, study_result
from service.operations.fresh_runs import sealed_run
from service.versions import versions
from service.wire.views.result import SearchCost, StudyResult

_TRAINED_AGAIN = roles_where(bank="validation", judged_at="end")


def borderline_scores(ledger: Ledger, study: StudyState) -> dict[int, list[float]]:
    """Scores by task of the trials between which the last finalist is chosen, by trial number."""
    verdict, rung = study.spec.verdict, _chosen_at(study)
    numbers = borderline(candidates(study), count=verdict.finalists, extra=verdict.extra_finalists)
    trainings = {number: replicas.trainings(study, number) for number in numbers}
    ids = [trial.trial_id for repeated in trainings.values() for trial in repeated]
    at_rung = ledger.read(lambda session: _scores_at(session, ids, rung))
    return {
        number: replicas.by_task([at_rung[trial.trial_id] for trial in repeated])
        for number, repeated in trainings.items()
    }


def _scores_at(session: Session, ids: list[str], rung: int) -> dict[str, list[float]]:
    found = reports.reports_at(session, ids, rung)
    return {trial_id: report.scores for trial_id, report in found.items()}


def exploded(ledger: Ledger, study: StudyState) -> set[int]:
    """The trials trained again that diverged on a task of the bank, once or more."""
    source = replicas.source_of(study)
    if not source or study.search_ended_by is not None:
        return set()
    horizon = study.plan[TrialRole.REPLICA].horizon

    def body(session: Session) -> set[int]:
        at_end = reports.reports_at(session, list(source), horizon)
        return {source[i] for i, report in at_end.items() if report.diverged_share > 0.0}

    return ledger.read(body)


def result_of(entry: Entry) -> StudyResult:
    """The result of a study whose verdict's trials have ended, before its gates are answered."""
    study, session = entry.study, entry.session
    rows = _Rows.of(trials.trials_of(session, study.study_id))
    at_end = _reports(session, study, rows)
    sealed = [(row, sealed_run(row, at_end.get(row.trial_id))) for row in rows.verdict]
    result = study_result(
        study.spec,
        _search_trials(rows, at_end, study.plan.goals),
        [run for _, run in sealed if run.source_trial_number is not None],
        beside=_beside(
            study, [(row, run) for row, run in sealed if run.source_trial_number is None]
        ),
        counts=trials.count_trials(session, study.study_id, TrialRole.SEARCH),
        replicas=trials.count_trials(session, study.study_id, TrialRole.REPLICA),
        trivial=reports.trivial_scores(session, study.study_id, "sealed"),
        wall_seconds=_wall_seconds(session, entry),
        busy_share=segments.busy_shares(session, [study.study_id]).get(study.study_id),
        search=_search_cost(study),
    )
    circumstances = {
        "pareto": pareto_trials(study),
        "infeasible": len(broken_candidates(study)),
        "versions": versions(),
        "device": ", ".join(segments.devices_of(session, study.study_id)),
    }
    return result.model_copy(update=circumstances)


@dataclass(frozen=True)
class _Rows:
    """The rows of a study's trials that its verdict is made of."""

    points: Sequence[Trial]
    replicas: Sequence[Trial]
    verdict: Sequence[Trial]

    @classmethod
    def of(cls, rows: Sequence[Trial]) -> "_Rows":
        return cls(
            points=[row for row in rows if ROLES[row.role].told_to_sampler],
            replicas=[row for row in rows if row.role in _TRAINED_AGAIN],
            verdict=[row for row in rows if ROLES[row.role].bank == "sealed"],
        )

    def of_finalists(self) -> list[Trial]:
        """The trainings by which the search knew the finalists."""
        finalists = {row.source_trial_number for row in self.verdict}
        chosen = [row for row in self.points if row.trial_number in finalists]
        return chosen + [row for row in self.replicas if row.source_trial_number in finalists]

    @cached_property
    def replicas_by_source(self) -> dict[int | None, list[Trial]]:
        by_source: dict[int | None, list[Trial]] = {}
        for copy in self.replicas:
            by_source.setdefault(copy.source_trial_number, []).append(copy)
        return by_source


def _reports(session: Session, study: StudyState, rows: _Rows) -> dict[str, Report]:
    """The reports that count, by trial_id: of finalists those that chose them, and their end's."""
    sealed = [row.trial_id for row in rows.verdict]
    chosen = [row.trial_id for row in rows.of_finalists()]
    horizon = study.plan[TrialRole.VERDICT].horizon
    at_end = reports.reports_at(session, sealed, horizon)
    return at_end | reports.reports_at(session, chosen, _chosen_at(study))


def _search_trials(rows: _Rows, reported: Mapping[str, Report], goals: Goals) -> list[SearchTrial]:
    """The points of the search, each as the mean over its trainings."""

    def seen(row: Trial) -> SearchTrial:
        return _search_trial(row, reported.get(row.trial_id))

    copies = rows.replicas_by_source
    return [
        replicas.averaged(
            seen(row), [seen(copy) for copy in copies.get(row.trial_number, [])], goals
        )
        for row in rows.points
    ]


def _chosen_at(study: StudyState) -> int:
    """The meta-iteration whose scores chose the finalists."""
    full = study.plan[TrialRole.SEARCH].horizon
    completed = any(trial.status == TrialStatus.COMPLETED for trial in study.points())
    wanted = study.spec.verdict.judged(len(study.branches))
    return full if completed else common_rung(study, wanted) or full


def _search_cost(study: StudyState) -> SearchCost:
    return SearchCost(
        ended_by=study.search_ended_by or "trials",
        wall_seconds=study.spent.wall_seconds,
        device_seconds=study.spent.device_seconds,
        meta_iterations=study.spent.meta_iterations,
        judged_at=_chosen_at(study),
    )


def _wall_seconds(session: Session, entry: Entry) -> float:
    started_at = session.get_one(Study, entry.study.study_id).started_at
    return max(0.0, (entry.now - started_at).total_seconds()) if started_at else 0.0


def _beside(study: StudyState, runs: Sequence[tuple[Trial, SealedRun]]) -> list[Beside]:
    """What the finalists are compared with, in the order of the spec."""
    names = compared_by_seed(study)
    by_name: dict[str, list[tuple[Trial, SealedRun]]] = {}
    for row, run in runs:
        by_name.setdefault(names[row.seed], []).append((row, run))
    return [
        Beside(
            name=name,
            branch=own[0][0].branch,
            params=own[0][0].params,
            runs=[run for _, run in own],
        )
        for name in study.spec.verdict.compared()
        if (own := by_name.get(name))
    ]


def _search_trial(row: Trial, report: Report | None) -> SearchTrial:
    return SearchTrial(
        trial_number=row.trial_number,
        branch=row.branch,
        status=row.status,
        params=row.params,
        score=report.score if report else row.score,
        device_seconds=row.device_seconds,
        meta_iterations=row.meta_iteration,
        low=report.low if report else None,
        high=report.high if report else None,
        scores=report.scores if report else [],
        curve=report.curve if report else [],
        metrics=(report.metrics if report else row.metrics) or {},
        kept_at=() if report is None or report.kept_at is None else (report.kept_at,),
    )
