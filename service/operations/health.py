"""Health: is the database there and at the right schema, and is a dispatcher live."""

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from service.db.dispatcher import STALE_AFTER, last_refresh
from service.db.engine import reading
from service.db.schema import migrate
from service.errors import SchemaOutdated


def readiness(engine: Engine) -> dict[str, str]:
    """Each check with "ok" or a sentence that says what is wrong."""
    try:
        migrate.check(engine)
    except SchemaOutdated as error:
        return {"database": "ok", "schema": str(error)}
    except SQLAlchemyError as error:
        return {"database": f"not reachable ({type(error).__name__})"}
    return {"database": "ok", "schema": "ok", "dispatcher": _dispatcher(engine)}


def _dispatcher(engine: Engine) -> str:
    with reading(engine) as session:
        refresh = last_refresh(session)
    if refresh is None:
        return "none has ever run: start `metaopt dispatcher` or `metaopt serve`"
    refreshed_at, now = refresh
    if now - refreshed_at > STALE_AFTER:
        return (
            f"not live: its last sign of life is {(now - refreshed_at).total_seconds():.0f} s old"
        )
    return "ok"
