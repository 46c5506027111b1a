"""The web application, put together: API, our page, and Optuna Dashboard behind one gate.

It only reads and writes rows; what a study needs done, the dispatcher does.  Nothing here loads
torch.
"""

import os
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version

from fastapi import FastAPI

from service.api import (
    baselines,
    datasets,
    document,
    events,
    report,
    schedules,
    studies,
    trials,
    webhooks,
)
from service.api.bodies.bounds import Bounds
from service.api.context import Context, record_change, stop_on_signals
from service.api.document import install_document
from service.api.problems import install_problems, refuse
from service.api.server import access, health, plugins
from service.api.server.allowance import Allowance
from service.api.server.latencies import Latencies
from service.api.streaming.streams import Streams
from service.auth.failures import Failures
from service.auth.gate import Gate
from service.auth.keys import KeyRing
from service.auth.policy import check_policies, every_route
from service.auth.sessions import Sessions
from service.dashboard import login, page
from service.dashboard.mount import mount_dashboard
from service.db.connections.deadlines import API, API_REQUEST_SECONDS
from service.db.engine import open_engine
from service.db.schema import revisions
from service.executors.cores import usable_cores
from service.executors.devices import may_have_devices
from service.executors.memory import worker_limit
from service.notifications.config import load_listed
from service.operations.room import Room
from service.planning.door import MostCost
from service.settings import Settings

ROUTERS = tuple(
    endpoints.router
    for endpoints in (
        health,
        studies,
        trials,
        report,
        events,
        baselines,
        schedules,
        webhooks,
        datasets,
        plugins,
        access,
        document,
        page,
        login,
    )
)


def utc_now() -> datetime:
    """The time."""
    return datetime.now(UTC)


def create_app(settings: Settings, *, now: Callable[[], datetime] = utc_now) -> FastAPI:
    """The application; the database must have its tables (`metaopt db upgrade`).

    Args:
        settings: Where the database is, and which keys open the server.
        now: The time, UTC-aware.

    Raises:
        WebhooksUnreadable: The webhooks file cannot be read or breaks a rule.
        TypeError: A route declares no policy.
    """
    listed = load_listed(settings.webhooks_file)
    engine = open_engine(settings.url(), API, before_writing=revisions.check_within)
    context = Context(
        engine=engine,
        now=now,
        webhooks=listed,
        data_sets=settings.data_sets(),
        room=Room(
            most_bytes=settings.upload_bytes,
            waiting_bytes=settings.upload_waiting_bytes,
            free_bytes=settings.upload_free_bytes,
        ),
        streams=Streams(settings.streams_per_key),
        queued_per_key=settings.queued_per_key,
        schedules_per_key=settings.schedules_per_key,
        most_cost=_most_cost(settings),
    )
    app = FastAPI(
        title="metaopt",
        version=_version(),
        description="Meta-hyperparameter optimization as a service.",
        lifespan=_lifespan,
        docs_url=None,  # FastAPI's pages load scripts from elsewhere; ours is `dashboard.page`
        redoc_url=None,
        openapi_url=None,  # likewise `api.document`, where its policy is
    )
    app.state.context = context
    keys = KeyRing(settings.api_keys_file, engine, time.monotonic, now)
    app.state.sessions = sessions = Sessions(engine, keys, now)
    app.state.failures = failures = Failures(time.monotonic)
    app.add_middleware(Gate, keys=keys, sessions=sessions, failures=failures, refuse=refuse)
    app.add_middleware(Bounds, refuse=refuse)  # before the gate, which reads no body
    app.add_middleware(Allowance, seconds=API_REQUEST_SECONDS)
    app.add_middleware(Latencies, seconds=context.request_seconds)  # around all that answers
    install_problems(app)
    install_document(app)
    for router in ROUTERS:
        app.include_router(router)
    app.state.own_routes = list(every_route(app.routes))
    app.state.dashboard = mount_dashboard(  # over everything else, so last
        app, settings.url(), writable=settings.dashboard_writable, record=record_change
    )
    check_policies(app.routes)
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    check_policies(app.routes)  # of whoever has added some meanwhile, too
    context: Context = app.state.context
    with stop_on_signals(context.stopping):
        yield
    context.stopping.set()
    await context.feeds.ended()
    app.state.dashboard.close()
    context.engine.dispose()


def _version() -> str:
    try:
        return version("metaopt")
    except PackageNotFoundError:  # run from a checkout that is not installed
        return "0"


def _most_cost(settings: Settings) -> MostCost:
    """What trials may need; of workers what is to be expected here, until a dispatcher tells."""
    on_cores = settings.devices == "cpu" or (
        settings.devices == "auto" and not may_have_devices(os.environ)
    )
    workers = (settings.slots or usable_cores().number) if on_cores else 0
    return MostCost(
        settings.most_lane_bytes(),
        settings.evaluation_seconds,
        worker_bytes=worker_limit(workers, settings.worker_bytes),
        by_default=settings.lane_bytes is None,
    )
