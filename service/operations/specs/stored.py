"""What is told of stored specs: found once in a process, since every page asks for it."""

from typing import NamedTuple

from sqlalchemy.orm import object_session

from metaopt.goals import Goals
from service.db.tables import Study
from service.planning.warnings import Trials, warnings
from service.plugins.stored import learn_named
from service.wire.spec.stored import Data, once_by_text, stored_spec
from service.wire.spec.study import StudySpec


class Told(NamedTuple):
    """A spec and what it means, as its study is shown.

    Args:
        metric, maximize: Of the score.
        goals: Of the search.
        warnings: What may not be meant so, as long as nothing is known of its trials.
    """

    spec: StudySpec
    metric: str
    maximize: bool
    goals: Goals
    warnings: tuple[str, ...]


def told_of(row: Study) -> Told:
    """What is told of the spec of a row."""
    learn_named(row.spec, object_session(row))
    told: Told = _told(row.spec)
    return told


def stored_warnings(data: Data, trials: Trials | None) -> list[str]:
    """What `warnings` says of a stored spec."""
    if not trials:
        told: Told = _told(data)
        return list(told.warnings)
    return list(_warnings_after(data, tuple(trials.items())))


@once_by_text
def _told(data: Data) -> Told:
    spec = stored_spec(data)
    goals = spec.goals()
    return Told(spec, spec.metric(), goals.maximize, goals, tuple(warnings(spec)))


@once_by_text
def _warnings_after(data: Data, trials: tuple[tuple[str, int], ...]) -> list[str]:
    return warnings(stored_spec(data), dict(trials))
