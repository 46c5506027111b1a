"""Baselines: named, versioned results that later studies are compared with."""

from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Path, Query, Response
from sqlalchemy.exc import IntegrityError

from service.api.context import Ctx
from service.api.model_files import MODEL_FILE, model_file
from service.api.openapi import PROBLEMS
from service.auth.policy import READ, SUBMIT
from service.operations import baselines
from service.operations.references import find_reference
from service.wire.names import BASELINE_NAME
from service.wire.views.baselines import BaselinePage, BaselineView, Promotion, Rollback

PREFIX = "/api/v1/baselines"
LARGEST_VERSION = 2**31 - 1

Name = Annotated[str, Path(description="Name of the baseline."), BASELINE_NAME]
Version = Annotated[
    int | None, Query(ge=1, le=LARGEST_VERSION, description="Default: the present one.")
]

router = APIRouter(prefix=PREFIX, tags=["baselines"], responses=PROBLEMS)


@router.get("", dependencies=READ, response_model=BaselinePage, operation_id="list_baselines")
def list_baselines(context: Ctx) -> BaselinePage:
    """Return the present version of every baseline, by name."""
    with context.reading() as session:
        return baselines.list_baselines(session)


@router.get("/{name}", dependencies=READ, response_model=BaselineView, operation_id="get_baseline")
def show(name: Name, context: Ctx, version: Version = None) -> BaselineView:
    """Return one version of a baseline with its scores by task."""
    with context.reading() as session:
        return baselines.show_baseline(session, name, version)


@router.get(
    "/{name}/weights",
    dependencies=READ,
    response_class=Response,
    responses=MODEL_FILE,
    operation_id="get_baseline_weights",
)
def show_weights(name: Name, context: Ctx, version: Version = None) -> Response:
    """Send a version's model file: weights as safetensors, and how they are adapted."""
    with context.reading() as session:
        return model_file(baselines.get_weights(session, name, version))


@router.get(
    "/{name}/versions",
    dependencies=READ,
    response_model=BaselinePage,
    operation_id="list_baseline_versions",
)
def list_versions(name: Name, context: Ctx) -> BaselinePage:
    """Return every version of a baseline, newest first."""
    with context.reading() as session:
        return baselines.list_versions(session, name)


@router.post(
    "/{name}:promote",
    dependencies=SUBMIT,
    status_code=201,
    response_model=BaselineView,
    operation_id="promote_baseline",
)
def promote(name: Name, wanted: Promotion, response: Response, context: Ctx) -> BaselineView:
    """Make the best finalist of a completed study the next version of a baseline."""

    def attempt() -> BaselineView:
        with context.changing() as session:
            study_id = find_reference(session, wanted.study_id)
            return baselines.promote_study(session, study_id, name, now=context.now())

    return _located(response, _twice(attempt))


@router.post(
    "/{name}:roll-back",
    dependencies=SUBMIT,
    status_code=201,
    response_model=BaselineView,
    operation_id="roll_back_baseline",
)
def roll_back(name: Name, wanted: Rollback, response: Response, context: Ctx) -> BaselineView:
    """Add a version that repeats an older one; nothing is deleted."""

    def attempt() -> BaselineView:
        with context.changing() as session:
            return baselines.roll_back(session, name, wanted.version, now=context.now())

    return _located(response, _twice(attempt))


def _twice(attempt: Callable[[], BaselineView]) -> BaselineView:
    try:
        return attempt()
    except IntegrityError:  # somebody added that version at the same moment: take the next one
        return attempt()


def _located(response: Response, view: BaselineView) -> BaselineView:
    response.headers["Location"] = f"{PREFIX}/{view.name}?version={view.version}"
    return view
