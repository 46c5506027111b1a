"""Is the process alive, is the service ready, and its numbers."""

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST

from service.api.context import Ctx
from service.api.openapi import METRICS, PROBLEMS
from service.auth.policy import PUBLIC, READ, READ_ALL
from service.db.access.projects import within
from service.errors import NotReady
from service.operations.monitoring.health import readiness
from service.operations.monitoring.metrics import render_metrics

router = APIRouter(tags=["health"], responses=PROBLEMS)


@router.get("/healthz", dependencies=PUBLIC, operation_id="check_health")
async def healthz() -> dict[str, str]:
    """Say that the process answers; it asks nothing else and needs no key."""
    # and waits for no thread: all of them may wait for the database
    return {"status": "ok"}


@router.get("/readyz", dependencies=READ, operation_id="check_readiness")
def readyz(context: Ctx) -> dict[str, str]:
    """Say that the database is there, its schema right, and a dispatcher live, with which slots."""
    checks = readiness(context.engine)
    if not all(check.ok for check in checks.values()):
        wrong = [f"{name}: {check.text}" for name, check in checks.items() if check.text != "ok"]
        raise NotReady("; ".join(wrong))
    return {name: check.text for name, check in checks.items()}


@router.get(
    "/metrics",
    dependencies=READ_ALL,
    response_class=Response,
    responses=METRICS,
    operation_id="get_metrics",
)
def metrics(context: Ctx) -> Response:
    """Return the numbers of this moment for Prometheus, of all projects."""
    with context.reading() as session, within(session, None):
        told = render_metrics(session, context.now(), context.request_seconds)
    return Response(told, media_type=CONTENT_TYPE_LATEST)
