"""A dispatcher in a thread of the test, and what its tests read of the database."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, select, update

from service.blobs.directory import DirectoryStore
from service.db import asks, reports
from service.db.dispatcher import acquire
from service.db.engine import reading, transaction
from service.db.tables import Attempt, Event, Segment, Study, Trial
from service.dispatcher.checkpoints import CheckpointStore
from service.dispatcher.loop import Dispatcher
from service.dispatcher.store.ledger import Ledger
from service.dispatcher.store.restore import branch_states
from service.wire.spec.study import StudySpec
from tests.fakes.executor import ScriptedExecutor
from tests.waiting import wait_until


class Running:
    """A dispatcher in a thread of this process."""

    def __init__(self, engine: Engine, directory: Path, executor: ScriptedExecutor) -> None:
        with transaction(engine) as session:
            self.epoch = acquire(session, "test", lambda _: True)
        assert self.epoch is not None
        self.stop = threading.Event()
        self.error: BaseException | None = None
        executor.blobs = DirectoryStore(directory)
        store = CheckpointStore(executor.blobs)
        ledger = Ledger(engine, self.epoch, store, lambda: datetime.now(UTC))
        self.dispatcher = Dispatcher(
            ledger, executor, lanes=16, segment_seconds=0.2, stop=self.stop
        )
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _run(self) -> None:
        try:
            self.dispatcher.run()
        except BaseException as error:
            self.error = error

    def end(self) -> None:
        self.stop.set()
        self.thread.join(timeout=20)
        assert not self.thread.is_alive()


Run = Callable[[ScriptedExecutor], Running]


def wait_for(engine: Engine, study_id: str, status: str) -> None:
    def reached() -> bool:
        with reading(engine) as session:
            return session.get_one(Study, study_id).status == status

    wait_until(reached, 30, what=f"status {status}")


def rows(engine: Engine, study_id: str) -> list[dict[str, Any]]:
    query = select(Trial.__table__).where(Trial.study_id == study_id)
    with reading(engine) as session:
        return [dict(row._mapping) for row in session.execute(query.order_by(Trial.trial_number))]


def segments(engine: Engine, study_id: str) -> list[Segment]:
    query = select(Segment).where(Segment.study_id == study_id).order_by(Segment.segment_id)
    with reading(engine) as session:
        found = list(session.scalars(query))
        session.expunge_all()
    return found


def attempts(engine: Engine, study_id: str) -> list[Attempt]:
    query = select(Attempt).join(Trial).where(Trial.study_id == study_id)
    with reading(engine) as session:
        found = list(session.scalars(query.order_by(Attempt.trial_id, Attempt.number)))
        session.expunge_all()
    return found


def statuses(engine: Engine, study_id: str) -> set[str]:
    return {trial["status"] for trial in rows(engine, study_id)}


def result(engine: Engine, study_id: str) -> dict[str, Any]:
    with reading(engine) as session:
        found = session.get_one(Study, study_id).result
    assert found is not None
    return found


def kinds(engine: Engine, study_id: str, kind: str) -> list[Any]:
    query = select(Event.data).where(Event.study_id == study_id, Event.kind == kind)
    query = query.order_by(Event.event_id)
    with reading(engine) as session:
        return list(session.scalars(query))


def set_status(engine: Engine, study_id: str, status: str) -> None:
    with transaction(engine) as session:
        session.execute(update(Study).where(Study.study_id == study_id).values(status=status))


def log_of(engine: Engine, study_id: str, kind: str) -> list[int]:
    """Return the places in the log that entries of a kind have."""
    with reading(engine) as session:
        log = asks.log_of(session, study_id).get("maml", [])
        return [ask.sequence for ask in log if ask.kind == kind]


def assert_log_repeats(engine: Engine, study_id: str) -> None:
    """Check that the log alone gives every suggestion again."""
    with reading(engine) as session:
        spec = StudySpec.model_validate(session.get_one(Study, study_id).spec)
        log = asks.log_of(session, study_id)["maml"]
        scores = reports.rung_scores(session, study_id, "search")
        search = branch_states(spec, {}, [])["maml"].search
        loss = spec.goals().loss
        for ask in log:
            if ask.kind == "ask":
                assert search.ask(ask.trial_number) == ask.params
            else:
                of_trial = {s.meta_iteration: loss(s.score) for s in scores
                            if s.trial_number == ask.trial_number
                            and s.meta_iteration <= (ask.meta_iteration or 0)}  # fmt: skip
                value = None if ask.value is None else loss(ask.value)
                search.tell(
                    ask.trial_number, ask.outcome or "", value, ask.meta_iteration, of_trial
                )
    assert search.asks == spec.budget.trials
