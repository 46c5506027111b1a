"""Studies as the wire shows them, and what is kept of those that are completed."""

from sqlalchemy import Engine, event

from service.db.engine import reading, transaction
from service.db.states import StudyStatus
from service.db.studies import change_status
from service.db.study_progress import count_look
from service.operations.lookup import show_study
from service.wire.views.studies import StudyView
from tests.fakes.rows import NOON, add_study, add_trial, finish_study

STUDY, OTHER, BANK = "a" * 32, "b" * 32, "0" * 64


def show(engine: Engine) -> StudyView:
    with reading(engine) as session:
        return show_study(session, STUDY)


def test_a_completed_study_is_counted_once_and_its_sealed_looks_each_time(engine: Engine) -> None:
    with transaction(engine) as session:
        for study_id in (STUDY, OTHER):
            study = add_study(session, study_id, sealed_bank=BANK)
            add_trial(session, 0, "completed", study_id=study_id, score=0.5)
            finish_study(session, study, 0)
    first = show(engine)
    with transaction(engine) as session:
        count_look(session, OTHER)
    asked: list[str] = []
    event.listen(engine, "before_cursor_execute", lambda *said: asked.append(said[2]))
    again = show(engine)
    assert again == first.model_copy(update={"sealed_looks": first.sealed_looks + 1})
    assert not any("mo_trials" in statement for statement in asked)


def test_a_completed_study_that_runs_again_is_counted_again(engine: Engine) -> None:
    with transaction(engine) as session:
        study = add_study(session)
        add_trial(session, 0, "completed", score=0.5)
        finish_study(session, study, 0)
    assert show(engine).trials["completed"] == 1
    with transaction(engine) as session:
        assert change_status(session, STUDY, "completed", StudyStatus.QUEUED, now=NOON)
        add_trial(session, 1, "completed", score=0.4)
    assert (show(engine).status, show(engine).trials["completed"]) == ("queued", 2)
