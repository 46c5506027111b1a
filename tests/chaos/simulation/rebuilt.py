"""Is what a live dispatcher holds of a study what its rows say?"""

from dataclasses import fields
from typing import Any

from sqlalchemy import Engine

from service.db.engine import reading
from service.dispatcher.state import StudyState, TrialState
from service.dispatcher.store.restore import load_study

# Of the present attempt alone, or counted anew after a restart.
_OF_ATTEMPT = {"begun_at", "losses_here", "machine"}
_OF_STUDY = (
    "search_ended_by", "rung_losses", "rung_metrics", "points_of", "completed", "leaders",
    "contenders", "trivial_tasks",
)  # fmt: skip


def differences(engine: Engine, live: StudyState) -> list[str]:
    """What a dispatcher that is loaded now would hold otherwise than `live` does."""
    with reading(engine) as session:
        rebuilt = load_study(session, live.study_id)
    found = [
        f"{name}: live {_plain(live, name)}, rebuilt {_plain(rebuilt, name)}"
        for name in _OF_STUDY
        if _plain(live, name) != _plain(rebuilt, name)
    ]
    if set(live.trials) != set(rebuilt.trials):
        found.append(f"trials: live {sorted(live.trials)}, rebuilt {sorted(rebuilt.trials)}")
    else:
        for number, trial in live.trials.items():
            found += _of_trial(trial, rebuilt.trials[number])
    for kind in ("running", "waiting", "ready"):
        has, says = live.open.numbers([kind]), rebuilt.open.numbers([kind])  # type: ignore[list-item]
        if has != says:
            found.append(f"{kind}: live {has}, rebuilt {says}")
    for name, branch in live.branches.items():
        has, says = branch.search.asks, rebuilt.branches[name].search.asks
        if (has, branch.sequence) != (says, rebuilt.branches[name].sequence):
            found.append(f"branch {name}: live {has} asks, rebuilt {says}")
    spent = [
        (s.meta_iterations, s.best_loss, s.trials_since_best) for s in (live.spent, rebuilt.spent)
    ]
    if spent[0] != spent[1]:
        found.append(f"spent: live {spent[0]}, rebuilt {spent[1]}")
    return found


def _of_trial(live: TrialState, rebuilt: TrialState) -> list[str]:
    unsaid = _OF_ATTEMPT | ({"solo"} if live.ended else set())  # it runs no more, alone or not
    names = [field.name for field in fields(TrialState) if field.name not in unsaid]
    return [
        f"trial {live.trial_number}, {name}: live {getattr(live, name)!r}, "
        f"rebuilt {getattr(rebuilt, name)!r}"
        for name in names
        if getattr(live, name) != getattr(rebuilt, name)
    ]


def _plain(study: StudyState, name: str) -> Any:
    value = getattr(study, name)
    if not isinstance(value, dict):
        return value
    kept = {key: one for key, one in value.items() if one not in ({}, 0)}
    if name in ("leaders", "contenders"):  # their losses by task come from other floats
        kept = {key: _numbers(one) for key, one in kept.items()}
    return kept


def _numbers(of: Any) -> Any:
    return (
        of.trial_number if hasattr(of, "trial_number") else sorted(one.trial_number for one in of)
    )
