"""What our rows look like in Optuna's words: pure functions for the mirror.

    queued, never started   not shown        pruned      PRUNED, value is the last score
    queued again, running   RUNNING          diverged, failed, cancelled   FAIL
    completed               COMPLETE         (user attributes say which, and why)

A score at a rung is an intermediate value whose step is the meta-iteration.  With several
objectives a completed trial has all their values and a pruned one none: Optuna knows no pruned
trials there.  Constraints are told as value − bound, in the spec's order.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from optuna.distributions import BaseDistribution
from optuna.trial import FrozenTrial, TrialState, create_trial

from metaopt.goals import CONSTRAINTS_KEY, Goals
from service.db.optuna.trials import End
from service.db.states import TrialStatus
from service.db.tables import Study, Trial
from service.mirror.note import link
from service.wire.spec.space import Branch
from service.wire.spec.study import StudySpec

Attributes = dict[str, Any]

_ENDS = {
    TrialStatus.COMPLETED: TrialState.COMPLETE,
    TrialStatus.PRUNED: TrialState.PRUNED,
    TrialStatus.DIVERGED: TrialState.FAIL,
    TrialStatus.FAILED: TrialState.FAIL,
    TrialStatus.CANCELLED: TrialState.FAIL,
}


def state_of(trial: Trial) -> TrialState | None:
    """Return Optuna's state for `trial`, or None while it waits for its first start."""
    end = _ENDS.get(TrialStatus(trial.status))
    if end is not None:
        return TrialState.FAIL if trial.score is None else end
    return TrialState.RUNNING if trial.started_at else None


def values_of(trial: Trial, goals: Goals) -> list[float]:
    """The objectives' values of an ended trial, none if Optuna must not learn from it."""
    state = state_of(trial)
    if state in (None, TrialState.RUNNING, TrialState.FAIL) or trial.score is None:
        return []
    if goals.several and state != TrialState.COMPLETE:
        return []
    return list(goals.values(trial.score, trial.metrics or {}) or ())


def constraints_of(trial: Trial, goals: Goals) -> list[float]:
    """Return value − bound of each constraint of a trial that was judged, 0 where not known."""
    if trial.metrics is None or not goals.bounds:
        return []
    excess = goals.violations(trial.metrics)
    return [excess.get(name, 0.0) for name in goals.bounds]


def has_ended(trial: Trial) -> bool:
    """Whether Optuna's side of `trial` will not change any more."""
    state = state_of(trial)
    return state is not None and state.is_finished()


def end_of(trial: Trial, goals: Goals) -> End | None:
    """How `trial` ended, or None while it goes on."""
    state = state_of(trial)
    if state is None or not state.is_finished():
        return None
    return End(
        state,
        values_of(trial, goals),
        trial.finished_at,
        trial_attributes(trial),
        constraints_of(trial, goals),
    )


def trial_attributes(trial: Trial) -> Attributes:
    """User attributes of a trial, beside its parameters and scores."""
    attributes: Attributes = {
        "trial_number": trial.trial_number,
        "status": trial.status,
        "seed": str(trial.seed),  # a browser would round an integer above 2**53
        "device_seconds": round(trial.device_seconds, 3),
    }
    attributes.update(trial.metrics or {})
    if trial.cause is not None:
        attributes["cause"] = trial.cause
    if trial.diverged_at is not None:
        attributes["diverged_at"] = trial.diverged_at
    return attributes


def frozen_trial(
    trial: Trial,
    scores: Mapping[int, float],
    distributions: Mapping[str, BaseDistribution],
    goals: Goals,
) -> FrozenTrial:
    """Return `trial` as Optuna stores it.

    Args:
        trial: One that has started or ended.
        scores: Scores by meta-iteration.
        distributions: What its branch searches.
        goals: Of its study.
    """
    state = state_of(trial)
    assert state is not None, f"trial {trial.trial_number} has not started"
    ended = state.is_finished()
    constraints = constraints_of(trial, goals) if ended else []
    frozen = create_trial(
        state=state,
        values=values_of(trial, goals) or None,
        params={name: trial.params[name] for name in distributions},
        distributions=dict(distributions),
        user_attrs=trial_attributes(trial),
        intermediate_values=dict(scores),
        system_attrs={CONSTRAINTS_KEY: constraints} if constraints else {},
    )
    frozen.datetime_start = _local(trial.started_at or trial.created_at)
    frozen.datetime_complete = _local(trial.finished_at) if trial.finished_at else None
    return frozen


def study_attributes(study: Study, spec: StudySpec, branch: Branch) -> Attributes:
    """The user attributes of the branch's Optuna study."""
    return {
        "study_id": study.study_id,
        "branch": branch.name,
        "algorithm": branch.algorithm,
        "status": study.status,
        "metric": spec.metric(),
        "spec_sha256": study.spec_sha256,
        "link": link(study),
        **{f"fixed: {name}": value for name, value in sorted(branch.fixed().items())},
    }


def sealed_attributes(study: Study) -> dict[int, Attributes]:
    """User attributes that the verdict gives its finalists, by trial number."""
    return {finalist["trial_number"]: _sealed(finalist) for finalist in _finalists(study)}


def _finalists(study: Study) -> Sequence[dict[str, Any]]:
    return study.result["finalists"] if study.result else []


def _sealed(finalist: dict[str, Any]) -> Attributes:
    sealed = {"rank": finalist["rank"], "tied_with_best": finalist["tied_with_best"]}
    if finalist["sealed"] is not None:  # else no fresh training reached the end
        sealed |= {f"sealed_{name}": finalist["sealed"][name] for name in ("score", "low", "high")}
    return sealed


def _local(instant: datetime) -> datetime:
    return instant.astimezone().replace(tzinfo=None)  # Optuna's times are naive and local
