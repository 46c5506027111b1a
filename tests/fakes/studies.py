"""Small studies that really run: a few sinusoid trials, seconds in all."""

import uuid
from datetime import UTC, datetime

from sqlalchemy import Engine

from service.db.engine import transaction
from service.db.tables import Study
from service.operations.steer import Move, steer_study
from service.wire.spec.study import StudySpec


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
                requires=spec.requires.model_dump(mode="json") if spec.requires else None,
                status=status,
                version=1,
                created_at=datetime.now(UTC),
            )
        )
    return study_id


def steer(engine: Engine, study_id: str, move: Move) -> None:
    """Cancel, pause or resume it, as the API does."""
    with transaction(engine) as session:
        steer_study(session, study_id, move, now=datetime.now(UTC))
