"""Studies with enough in them for every part of a report."""

from typing import Any

from sqlalchemy.orm import Session

from service.db.tables import Study, Trial
from tests.fakes.rows import add_report, add_segment, add_study, add_trial, end_trial, finish_study
from tests.fakes.specs import PARAMS, SPEC

STUDY = "a" * 32
EVIL = "<img src=x onerror=alert(1)> | [x](javascript:alert(1)) & 'q' \"q\" </script>"
TRIALS = 18  # enough to tell what mattered


def add_seen_study(session: Session, study_id: str = STUDY, **changes: Any) -> Study:
    """Add a running study: MAML trials that completed, were pruned, diverged; one Reptile trial."""
    study = add_study(session, study_id, name=EVIL, spec={**SPEC, "name": EVIL}, **changes)
    for number in range(TRIALS):
        _add_maml(session, study_id, number)
    trial = add_trial(session, TRIALS, study_id=study_id, branch="reptile", device_seconds=2.0)
    add_report(session, trial, 10, 0.9)
    add_segment(session, study_id)
    return study


def _add_maml(session: Session, study_id: str, number: int) -> Trial:
    rate = 0.002 * 1.4**number
    params = {**PARAMS["maml"], "inner_lr": rate, "inner_steps": 1 + number % 3}
    trial = add_trial(session, number, study_id=study_id, params=params, device_seconds=1.5)
    if number > 9:
        end_trial(session, trial, "diverged", diverged_at=7, cause=f"loss is nan {EVIL}")
        return trial
    for rung in (10, 30, 90)[: 1 if number % 4 == 3 else 3]:
        add_report(session, trial, rung, 0.3 + abs(number - 5) / 10 + 3 / rung)
    end_trial(session, trial, "pruned" if number % 4 == 3 else "completed")
    return trial


def complete(session: Session, study: Study) -> None:
    """Give the study its verdict: trials 5 and 4, each trained afresh twice."""
    for number, source in ((30, 5), (31, 5), (32, 4), (33, 4)):
        trial = add_trial(
            session, number, "completed", study_id=study.study_id, role="verdict",
            source_trial_number=source, meta_iteration=90, device_seconds=1.0,
        )  # fmt: skip
        add_report(session, trial, 90, 0.6)
    finish_study(session, study, 5, 4)
