"""Changing a study under way: its budget, under the version that the caller has seen.

    {"budget": {"trials": 40, "stagnation": null}}    a merge patch (RFC 7396): null removes

Only what the search may spend can be changed, while it goes on, and never to less than is spent.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from metaopt.messages import did_you_mean
from service.db import spending, studies
from service.db.access import audit
from service.db.events import append_event
from service.db.states import TERMINAL_STUDIES
from service.db.tables import Study
from service.errors import (
    BudgetBelowSpent,
    FieldError,
    InvalidSpec,
    PreconditionFailed,
    PreconditionRequired,
    SearchOver,
)
from service.operations.lookup import get_study
from service.operations.submit import spec_digest
from service.plugins.known import learn_present
from service.plugins.stored import spec_of
from service.wire.parsing.plain_data import child_path, show
from service.wire.spec.budget import CHANGEABLE, too_many_trials
from service.wire.spec.refusals import parse_spec
from service.wire.spec.study import StudySpec

WAY_ON = "submit another study whose warm_start names this one in studies to go on from its best"


def change_study(
    session: Session, study_id: str, patch: Any, if_match: str | None, *, now: datetime
) -> None:
    """Change the budget of a study.

    Raises:
        StudyNotFound: There is none.
        PreconditionRequired, PreconditionFailed: `if_match` is missing, or names no ETag of it.
        InvalidSpec: The patch names something else than budgets, or breaks a rule of specs.
        SearchOver: The study has ended, or its verdict is under way.
        BudgetBelowSpent: More is spent already.
    """
    studies.await_turn(session)
    study = get_study(session, study_id, fresh=True)
    _check_version(study, if_match)
    changes = budget_changes(patch)
    before = spec_of(study)
    learn_present(session)  # the spec is checked as a whole
    after = patched(before, changes)
    rule = too_many_trials(after.budget.trials)
    if rule and after.budget.trials > before.budget.trials:
        raise _invalid([FieldError("budget.trials", rule)])
    _check_search(session, study)
    if after.points() > before.points() and spending.has_replicas(session, study_id):
        raise SearchOver(f"the search trains its best again and asks for no more points: {WAY_ON}")
    _check_spent(session, study_id, {name: getattr(after.budget, name) for name in changes})
    if after == before:
        return
    study.spec = after.model_dump(mode="json")
    study.spec_sha256 = spec_digest(after)
    study.version += 1
    changed = {name: getattr(after.budget, name) for name in changes}
    audit.note(
        session,
        study_id=study_id,
        budget={name: [getattr(before.budget, name), new] for name, new in changed.items()},
    )
    append_event(session, study_id, "budget_changed", {"budget": changed}, now=now)


def budget_changes(patch: Any) -> dict[str, Any]:
    """The budgets that a patch changes.

    Raises:
        InvalidSpec: It is no object, or names anything else.
    """
    if not isinstance(patch, dict):
        raise _invalid([FieldError("patch", f"must be an object, got {show(patch)}")])
    if not isinstance(patch.get("budget", {}), dict):
        raise _invalid([FieldError("budget", f"must be an object, got {show(patch['budget'])}")])
    rule = f"cannot be changed once a study is submitted: only budget.{', '.join(CHANGEABLE)} can"
    fixed = [
        FieldError(child_path("", name), f"{rule}{did_you_mean(name, ['budget'])}")
        for name in patch
        if name != "budget"
    ]
    changes: dict[str, Any] = patch.get("budget", {})
    fixed += [
        FieldError(child_path("budget", name), f"{rule}{did_you_mean(name, CHANGEABLE)}")
        for name in changes
        if name not in CHANGEABLE
    ]
    if fixed:
        raise _invalid(fixed)
    return changes


def patched(spec: StudySpec, changes: Mapping[str, Any]) -> StudySpec:
    """Return `spec` with these budgets.

    Raises:
        InvalidSpec: They break a rule.
    """
    data = spec.model_dump(mode="json")
    return parse_spec({**data, "budget": {**data["budget"], **changes}}, stored=True)


def _check_version(study: Study, if_match: str | None) -> None:
    etag = f'"{study.version}"'
    if if_match is None:
        raise PreconditionRequired(
            f"send If-Match with the ETag of the study as you know it; it is {etag} now"
        )
    named = [tag.strip() for tag in if_match.split(",")]
    if etag not in named and named != ["*"]:
        raise PreconditionFailed(
            f"If-Match must name the study's ETag, which is {etag} now, got {show(if_match)}: "
            "look at the study again, then repeat the change if you still want it"
        )


def _check_search(session: Session, study: Study) -> None:
    if study.status in TERMINAL_STUDIES:
        raise SearchOver(f"the study is {study.status}: {WAY_ON}")
    spent = spending.find_spending(session, study.study_id)
    if spent is not None and spent.ended_by is not None:
        raise SearchOver(
            f"the search has ended (budget.{spent.ended_by}) and the verdict is under way: {WAY_ON}"
        )


def _check_spent(session: Session, study_id: str, wanted: Mapping[str, Any]) -> None:
    row = spending.find_spending(session, study_id)
    spent = {
        "trials": spending.trials_asked(session, study_id),
        "wall_seconds": row.wall_seconds if row else 0.0,
        "device_seconds": row.device_seconds if row else 0.0,
        "total_meta_iterations": row.meta_iterations if row else 0,
    }
    for name, least in spent.items():
        amount = wanted.get(name)
        if amount is not None and amount < least:
            raise BudgetBelowSpent(
                f"budget.{name} must be at least the {least:.6g} that are spent, got {amount:g}; "
                "give as much to begin nothing new, or cancel the study"
            )


def _invalid(errors: list[FieldError]) -> InvalidSpec:
    return InvalidSpec(f"{errors[0].field}: {errors[0].message}", errors)
