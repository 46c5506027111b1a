"""Fresh trainings as their rows have them, for verdicts, gates and baselines.

Scores stay in the direction of the metric here; `service.judgement.estimates` makes losses of them.
"""

from sqlalchemy.orm import Session

from service.db import reports, trials
from service.db.tables import Report, Trial
from service.judgement.estimates import SealedRun


def latest_runs(
    session: Session, study_id: str, role: str, source: int | None, horizon: int
) -> list[SealedRun]:
    """The fresh trainings of a configuration, each as it was scored last.

    Args:
        session: Reads.
        study_id: Of which study.
        role: In which role.
        source: Number of the trial that they repeat; an incumbent has none.
        horizon: Meta-iterations of a whole training.
    """
    rows = [
        row
        for row in trials.trials_of(session, study_id)
        if row.role == role and row.source_trial_number == source
    ]
    latest = list({row.seed: row for row in rows}.values())  # a later analysis has the same seed
    at_end = reports.reports_at(session, [row.trial_id for row in latest], horizon)
    return [sealed_run(row, at_end.get(row.trial_id)) for row in latest]


def sealed_run(row: Trial, report: Report | None) -> SealedRun:
    """A fresh training and, where it reached its end, its scores there."""
    return SealedRun(
        trial_number=row.trial_number,
        source_trial_number=row.source_trial_number,
        status=row.status,
        cause=row.cause,
        score=row.score,
        scores=report.scores if report else [],
        curve=report.curve if report else [],
        diverged_share=report.diverged_share if report else 0.0,
        device_seconds=row.device_seconds,
        meta_iterations=row.meta_iteration,
        metrics=(report.metrics or {}) if report else {},
        kept_at=report.kept_at if report else None,
    )
