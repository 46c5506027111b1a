"""Small studies that really run: a few sinusoid trials, seconds in all."""

import uuid
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Engine

from service.db.engine import transaction
from service.db.tables import Study
from service.wire.spec.study import StudySpec

SMALL: dict[str, Any] = {
    "name": "small sinusoid",
    "seed": 3,
    "tasks": {"kind": "sinusoid", "k_shot": 5, "q_query": 5},
    "model": {"kind": "mlp", "widths": [16, 16]},
    "branches": [
        {
            "algorithm": "maml",
            "space": {
                "inner_lr": {"low": 0.003, "high": 0.03, "log": True},
                "outer_lr": {"low": 0.001, "high": 0.003, "log": True},
                "meta_batch": 4,
            },
        },
        {"algorithm": "reptile", "space": {"epsilon": {"low": 0.05, "high": 0.2}}},
    ],
    "search": {"sampler": "random"},
    "pruning": {"kind": "none", "rungs": [60, 120]},
    "budget": {"trials": 6, "meta_iterations": 180},
    "evaluation": {"tasks": 20, "curve_steps": 2},
    "verdict": {"finalists": 2, "seeds": 2, "tasks": 20, "compare": "none"},
}


def small_spec(**changes: Any) -> StudySpec:
    """Return the small study's spec with some fields changed."""
    return StudySpec.model_validate({**SMALL, **changes})


def submit(engine: Engine, spec: StudySpec, status: str = "queued") -> str:
    """Add a study as the API does, and return its id."""
    study_id = uuid.uuid4().hex
    with transaction(engine) as session:
        session.add(
            Study(
                study_id=study_id,
                name=spec.name,
                spec=spec.model_dump(mode="json"),
                spec_sha256="0" * 64,
                status=status,
                version=1,
                created_at=datetime.now(UTC),
            )
        )
    return study_id
