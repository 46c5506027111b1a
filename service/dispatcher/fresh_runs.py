"""Fresh trainings as their rows have them, for verdicts, gates and baselines."""

from service.db.tables import Report, Trial
from service.dispatcher.contenders import SealedRun


def sealed_run(row: Trial, report: Report | None) -> SealedRun:
    """Return what became of a fresh training."""
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
    )
