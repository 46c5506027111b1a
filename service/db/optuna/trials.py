"""Trials in Optuna's own tables, written many at a time.

Optuna's storage takes about ten statements and a transaction for each trial, which was three
quarters of the dispatcher's CPU in a study of small trials.  The rows written here are the ones
it would write; nothing else of its tables is touched.

Transactions belong to the caller; nothing here commits.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from optuna.distributions import distribution_to_json
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy import (
    Column,
    DateTime,
    Enum,
    Float,
    Integer,
    MetaData,
    Table,
    Text,
    bindparam,
    delete,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.orm import Session

from metaopt.goals import CONSTRAINTS_KEY

Attributes = Mapping[str, float | bool | str]
Rows = list[dict[str, Any]]

_OPTUNA = MetaData()
_studies = Table("studies", _OPTUNA, Column("study_id", Integer, primary_key=True))
_trials = Table(
    "trials",
    _OPTUNA,
    Column("trial_id", Integer, primary_key=True),
    Column("number", Integer),
    Column("study_id", Integer),
    Column("state", Enum(TrialState)),
    Column("datetime_start", DateTime),
    Column("datetime_complete", DateTime),
)
_params = Table(
    "trial_params",
    _OPTUNA,
    Column("trial_id", Integer),
    Column("param_name", Text),
    Column("param_value", Float(53)),
    Column("distribution_json", Text),
)
_values = Table(
    "trial_values",
    _OPTUNA,
    Column("trial_id", Integer),
    Column("objective", Integer),
    Column("value", Float(53)),
    Column("value_type", Enum("FINITE", "INF_POS", "INF_NEG", name="trialvaluetype")),
)
_steps = Table(
    "trial_intermediate_values",
    _OPTUNA,
    Column("trial_id", Integer),
    Column("step", Integer),
    Column("intermediate_value", Float(53)),
    Column(
        "intermediate_value_type",
        Enum("FINITE", "INF_POS", "INF_NEG", "NAN", name="trialintermediatevaluetype"),
    ),
)
_attributes = Table(
    "trial_user_attributes",
    _OPTUNA,
    Column("trial_id", Integer),
    Column("key", Text),
    Column("value_json", Text),
)
_system = Table(
    "trial_system_attributes",
    _OPTUNA,
    Column("trial_id", Integer),
    Column("key", Text),
    Column("value_json", Text),
)


@dataclass(frozen=True)
class End:
    """How a trial ended.

    Args:
        values: Of the objectives, finite; none where Optuna must not learn from it.
        attributes: User attributes; those that are there under the same names are replaced.
        constraints: value − bound of each, in the study's order; none where they are not known.
    """

    state: TrialState
    values: Sequence[float]
    ended_at: datetime | None
    attributes: Attributes
    constraints: Sequence[float] = ()


@dataclass(frozen=True)
class Change:
    """What is new of a trial: scores by meta-iteration, and its end."""

    optuna_trial_id: int
    scores: Mapping[int, float]
    end: End | None


def add_trials(session: Session, optuna_study_id: int, new: Sequence[FrozenTrial]) -> list[int]:
    """Add trials to a study, numbered after those that it has, and return Optuna's ids of them."""
    if not new:
        return []
    # As Optuna does: whoever adds a trial holds the study's row, so that numbers do not clash.
    session.execute(
        select(_studies).where(_studies.c.study_id == optuna_study_id).with_for_update()
    )
    there = select(func.count()).select_from(_trials).where(_trials.c.study_id == optuna_study_id)
    first = session.scalar(there) or 0
    adding = insert(_trials).returning(_trials.c.trial_id, sort_by_parameter_order=True)
    rows = [
        {
            "number": number,
            "study_id": optuna_study_id,
            "state": trial.state,
            "datetime_start": _utc(trial.datetime_start),
            "datetime_complete": _utc(trial.datetime_complete),
        }
        for number, trial in enumerate(new, start=first)
    ]
    optuna_ids = list(session.connection().execute(adding, rows).scalars())
    added = list(zip(optuna_ids, new, strict=True))
    _insert(
        session,
        _params,
        [row for optuna_id, trial in added for row in _param_rows(optuna_id, trial)],
    )
    _insert(session, _values, [row for i, t in added for row in _value_rows(i, t.values or ())])
    _insert(session, _steps, [r for i, t in added for r in _step_rows(i, t.intermediate_values)])
    _insert(session, _attributes, [r for i, t in added for r in _attribute_rows(i, t.user_attrs)])
    _insert(session, _system, [r for i, t in added for r in _attribute_rows(i, t.system_attrs)])
    return optuna_ids


def change_trials(session: Session, changes: Sequence[Change]) -> None:
    """Bring trials up to date; one that has ended is not changed again."""
    _insert(session, _steps, [r for c in changes for r in _step_rows(c.optuna_trial_id, c.scores)])
    ended = [(change.optuna_trial_id, change.end) for change in changes if change.end is not None]
    _insert(session, _values, [row for i, e in ended for row in _value_rows(i, e.values)])
    bounded = {i: {CONSTRAINTS_KEY: list(e.constraints)} for i, e in ended if e.constraints}
    _insert(session, _system, [r for i, some in bounded.items() for r in _attribute_rows(i, some)])
    set_attributes(session, {optuna_trial_id: end.attributes for optuna_trial_id, end in ended})
    moving = (
        update(_trials)
        .where(_trials.c.trial_id == bindparam("ended_trial_id"))
        .values(state=bindparam("new_state"), datetime_complete=bindparam("ended_at"))
    )
    rows = [
        {"ended_trial_id": optuna_id, "new_state": end.state, "ended_at": _utc(end.ended_at)}
        for optuna_id, end in ended
    ]
    if rows:
        session.connection().execute(moving, rows)


def set_attributes(session: Session, attributes: Mapping[int, Attributes]) -> None:
    """Set user attributes of trials, by Optuna's id, also of those that have ended."""
    at = _attributes.c
    names = {name for some in attributes.values() for name in some}
    session.execute(delete(_attributes).where(at.trial_id.in_(attributes), at.key.in_(names)))
    _insert(
        session,
        _attributes,
        [r for i, some in attributes.items() for r in _attribute_rows(i, some)],
    )


def _insert(session: Session, table: Table, rows: Rows) -> None:
    if rows:
        session.connection().execute(insert(table), rows)


def _param_rows(optuna_trial_id: int, trial: FrozenTrial) -> Rows:
    return [
        {
            "trial_id": optuna_trial_id,
            "param_name": name,
            "param_value": distribution.to_internal_repr(trial.params[name]),
            "distribution_json": distribution_to_json(distribution),
        }
        for name, distribution in trial.distributions.items()
    ]


def _value_rows(optuna_trial_id: int, values: Sequence[float]) -> Rows:
    return [
        {"trial_id": optuna_trial_id, "objective": i, "value": value, "value_type": "FINITE"}
        for i, value in enumerate(values)
    ]


def _step_rows(optuna_trial_id: int, scores: Mapping[int, float]) -> Rows:
    return [
        {
            "trial_id": optuna_trial_id,
            "step": step,
            "intermediate_value": score,
            "intermediate_value_type": "FINITE",
        }
        for step, score in sorted(scores.items())
    ]


def _attribute_rows(optuna_trial_id: int, attributes: Mapping[str, Any]) -> Rows:
    return [
        {"trial_id": optuna_trial_id, "key": name, "value_json": json.dumps(value)}
        for name, value in attributes.items()
    ]


def _utc(instant: datetime | None) -> datetime | None:
    # Optuna keeps naive UTC; a naive instant of its own is local.
    return None if instant is None else instant.astimezone(UTC).replace(tzinfo=None)
