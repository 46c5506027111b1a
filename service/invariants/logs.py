"""Is a study's search a function of its log, and can its state be rebuilt from its rows?"""

from collections.abc import Iterator

from sqlalchemy.orm import Session

from service.dispatcher.search.replay import replay_branch
from service.dispatcher.state import StudyState
from service.dispatcher.store.restore import load_study
from service.invariants.rows import StudyRows
from service.invariants.violation import Violation
from service.operations.views import ask_view


def rebuild(session: Session, rows: StudyRows) -> tuple[StudyState | None, list[Violation]]:
    """The study's state as a dispatcher would load it, or why it cannot be loaded."""
    try:
        return load_study(session, rows.study_id), []
    except Exception as error:  # a dispatcher fails such a study, with the cause
        if rows.study.error is not None:
            return None, []
        why = f"its state cannot be rebuilt: {error}"
        return None, [Violation("rebuilt", f"study {rows.study_id}", why)]


def unrepeated(rows: StudyRows, rebuilt: StudyState) -> Iterator[Violation]:
    """Which branch's suggestions do not follow from its log?"""
    scores = {
        trial.trial_number: {r.meta_iteration: r.score for r in rows.reports[trial.trial_id]}
        for trial in rows.points()
    }
    for name, branch in rebuilt.branches.items():
        log = [ask_view(ask, scores.get(ask.trial_number, {})) for ask in rows.asks.get(name, [])]
        replayed = replay_branch(rebuilt.spec, branch.branch, log)
        if replayed.difference is not None:
            where = f"study {rows.study_id}, branch {name}"
            yield Violation("suggestions", where, replayed.difference)
