"""Rows of our tables, as the API and the dispatcher write them, with what a test cares about."""

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import insert
from sqlalchemy.orm import Session

from metaopt.algorithms.registry import complete
from metaopt.keys import key
from service.db import baselines
from service.db.events import append_event
from service.db.tables import Report, Segment, Study, Trial
from service.db.weights import add_weights
from service.wire.spec.study import StudySpec
from service.wire.views.result import StudyResult
from tests.fakes.specs import PARAMS, SPEC

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)


def add_study(session: Session, study_id: str = "a" * 32, **changes: Any) -> Study:
    """Add a running study and its events."""
    row = {
        "study_id": study_id,
        "name": SPEC["name"],
        "spec": SPEC,
        "spec_sha256": "0123456789abcdef" * 4,
        "status": "running",
        "created_at": NOON,
        "started_at": NOON,
        **changes,
    }
    study = Study(**row)
    session.add(study)
    session.flush()
    append_event(session, study_id, "study_submitted", {}, now=NOON)
    return study


def add_trial(
    session: Session, number: int, status: str = "running", *, branch: str = "maml", **changes: Any
) -> Trial:
    """Add a trial of the study, running unless said otherwise, and an event."""
    study_id = changes.pop("study_id", "a" * 32)
    ended = status not in ("queued", "running")
    row = {
        "trial_id": f"{study_id[:8]}{number:024d}",
        "study_id": study_id,
        "trial_number": number,
        "branch": branch,
        "ask_index": number,
        "params": PARAMS[branch],
        "seed": key("trial", number),
        "status": status,
        "created_at": NOON,
        "started_at": None if status == "queued" else NOON + timedelta(seconds=number),
        "finished_at": NOON + timedelta(minutes=number + 1) if ended else None,
        **changes,
    }
    trial = Trial(**row)
    session.add(trial)
    session.flush()
    append_event(session, study_id, "trial_started", {"trial_number": number}, now=NOON)
    return trial


def add_report(session: Session, trial: Trial, meta_iteration: int, score: float) -> None:
    """Add the trial's report at a rung and an event."""
    session.add(
        Report(
            trial_id=trial.trial_id,
            meta_iteration=meta_iteration,
            score=score,
            stderr=score / 20,
            low=0.9 * score,
            high=1.1 * score,
            median=score,
            trimmed_mean=score,
            standard_deviation=score / 2,
            diverged_share=0.0,
            scores=[score],
            curve=[2 * score, score],
            transductive=True,
            device_seconds=1.5,
            attempt=1,
            epoch=1,
            created_at=NOON,
        )
    )
    trial.meta_iteration = trial.rung = meta_iteration
    trial.score, trial.score_stderr = score, score / 20
    session.flush()
    told = {"trial_number": trial.trial_number, "score": score}
    append_event(session, trial.study_id, "trial_reported", told, now=NOON)


def add_segment(session: Session, study_id: str = "a" * 32, **changes: Any) -> None:
    """Add a segment of the study: a second of work after a quarter of waiting."""
    row = {
        "study_id": study_id,
        "epoch": 1,
        "slot": "cpu:0",
        "role": "search",
        "branch": "maml",
        "signature": "0" * 64,
        "program": "eager",
        "device": "CPU",
        "lanes": 2,
        "meta_iterations": 10,
        "started_at": NOON,
        "ended_at": NOON + timedelta(seconds=1),
        "seconds": 1.0,
        "train_seconds": 0.75,
        "evaluate_seconds": 0.125,
        "wait_seconds": 0.25,
        "slot_seconds": 1.25,
        "peak_memory_bytes": 1 << 33,
        **changes,
    }
    session.execute(insert(Segment).values(**row))  # no column that an old schema lacks


def end_trial(session: Session, trial: Trial, status: str, **changes: Any) -> None:
    """End the trial, and add an event."""
    trial.status = status
    trial.finished_at = NOON + timedelta(hours=1)
    for name, value in changes.items():
        setattr(trial, name, value)
    session.flush()
    told = {"trial_number": trial.trial_number, "status": status}
    append_event(session, trial.study_id, "trial_finished", told, now=NOON)


def finish_study(session: Session, study: Study, *trial_numbers: int) -> None:
    """Complete the study with these trials as finalists, the first best, and add an event."""
    study.status = "completed"
    study.finished_at = NOON + timedelta(hours=2)
    study.result = result(*trial_numbers)
    session.flush()
    append_event(session, study.study_id, "study_completed", {}, now=NOON)


def add_winner(session: Session, study: Study, content: bytes = b"a model") -> str:
    """Keep weights of the completed study's winner; return their SHA-256."""
    digest = add_weights(session, content, now=NOON)
    study.result = {**(study.result or {}), "weights_sha256": digest}
    session.flush()
    return digest


def add_baseline(session: Session, name: str = "main", **changes: Any) -> int:
    """Add the next version of a baseline, a MAML configuration; return its number."""
    spec = StudySpec.model_validate(SPEC)
    data = {
        "origin": "passed the gates",
        "study_name": SPEC["name"],
        "trial_number": 0,
        "spec_sha256": "0123456789abcdef" * 4,
        "branch": "maml",
        "params": complete("maml", PARAMS["maml"]),
        "task_distribution": spec.tasks.model_dump(mode="json"),
        "model": spec.model.model_dump(mode="json"),
        "meta_iterations": 90,
        "first_order_until": None,
        "transductive": True,
        "metric": "mse",
        "maximize": False,
        "judged_by": "gates",
        "bank": "b" * 64,
        "tasks": 4,
        "score": {"value": 0.5, "stderr": 0.05, "low": 0.4, "high": 0.6},
        "metrics": {"adaptation_examples": 20.0},
        "weights_sha256": "c" * 64,
        "versions": {"metaopt": "0.1.0", "code": "abc"},
        "device": "CPU",
        **changes,
    }
    scores = [[0.4, 0.5, 0.6, 0.5], [0.5, 0.5, 0.4, 0.6]]
    return baselines.add_version(
        session, name, study_id="a" * 32, data=data, scores=scores, now=NOON
    )


def trivial(answer: str, **standings: str) -> dict[str, Any]:
    """Return how a verdict's best stands to trivial predictors, by their names."""
    gap = {"value": -3.35, "stderr": 0.1, "low": -3.5, "high": -3.2}
    sealed = {"value": 4.0, "stderr": 0.1, "low": 3.8, "high": 4.2}
    predictors = [
        {"name": name, "sealed": sealed, "difference": gap, "standing": standing, "scores": [4.0]}
        for name, standing in standings.items()
    ]
    return {"answer": answer, "predictors": predictors}


def result(*trial_numbers: int) -> dict[str, Any]:
    """Return a verdict over MAML trials."""
    finalists = [
        {
            "rank": rank,
            "trial_number": number,
            "branch": "maml",
            "params": PARAMS["maml"],
            "search": {"score": 0.5, "low": 0.4, "high": 0.6},
            "sealed": {
                "score": 0.55 + rank / 10,
                "low": 0.5,
                "high": 0.9,
                "mean": 0.55 + rank / 10,
                "median": 0.5,
                "trimmed_mean": 0.5,
                "diverged_share": 0.0,
                "curve": [3.0, 0.6],
                "tasks": 400,
                "seeds": 2,
            },
            "optimism": 0.05 + rank / 10,
            "device_seconds": 12.0,
            "tied_with_best": rank < 3,
            "runs": [
                {"trial_number": 8, "status": "completed", "score": 0.65, "cause": None},
                {"trial_number": 9, "status": "completed", "score": 0.65, "cause": None},
            ],
        }
        for rank, number in enumerate(trial_numbers, start=1)
    ]
    verdict = {
        "metric": "mse",
        "maximize": False,
        "finalists": finalists,
        "trials": {"completed": len(trial_numbers)},
        "branches": {
            "maml": {"trials": 4, "best_score": 0.5, "device_seconds": 9.0},
            "reptile": {"trials": 4, "best_score": 0.8, "device_seconds": 7.0},
        },
        "device_seconds": 16.0,
        "wall_seconds": 20.0,
        "busy_share": 0.9625,
        "transductive": True,
    }
    return StudyResult.model_validate(verdict).model_dump(mode="json")
