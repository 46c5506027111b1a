"""Health: is the database there and at the right schema, is a dispatcher live, has it a slot?"""

from typing import NamedTuple

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from service.db.dispatcher import sign_of_life, slots_told
from service.db.engine import reading
from service.db.plugins.rows import present
from service.db.schema import revisions
from service.errors import SchemaOutdated
from service.wire.views.slots import SlotsView, SlotView
from service.wire.words.slots import broken_in_words, slots_in_words


class Check(NamedTuple):
    """What was found, in words, and whether the service can work with it."""

    text: str
    ok: bool = True


FINE = Check("ok")


def readiness(engine: Engine) -> dict[str, Check]:
    """Each check by its name; `devices` and `plugins` are there only where some do not work."""
    try:
        revisions.check(engine)
    except SchemaOutdated as error:
        return {"database": FINE, "schema": Check(str(error), ok=False)}
    except SQLAlchemyError as error:
        return {"database": Check(f"not reachable ({type(error).__name__})", ok=False)}
    with reading(engine) as session:
        checks = dispatcher_checks(session)
        if all(check.ok for check in checks.values()):
            checks |= _plugins(session)
        return {"database": FINE, "schema": FINE, **checks}


def dispatcher_checks(session: Session) -> dict[str, Check]:
    """Whether a dispatcher is live, and if so, which slots it has."""
    dispatcher = _dispatcher(session)
    return {"dispatcher": dispatcher, **(_slots(session) if dispatcher.ok else {})}


def _plugins(session: Session) -> dict[str, Check]:
    """Which plug-ins cannot be used, and why; nothing where all can."""
    told = [one.described for one in present(session)]
    why = dict.fromkeys(f"{one.package}: {one.refused}" for one in told if one.refused is not None)
    return {"plugins": Check(f"cannot be used: {'; '.join(why)}")} if why else {}


def _dispatcher(session: Session) -> Check:
    life = sign_of_life(session)
    return FINE if life.is_live else Check(life.text, ok=False)


def working_slots(session: Session) -> list[SlotView]:
    """The slots that the dispatcher which last was live told of, but those that are out."""
    told = slots_told(session)
    return [] if told is None else SlotsView.model_validate(told).working()


def _slots(session: Session) -> dict[str, Check]:
    """What the live dispatcher told of its slots; nothing before it did."""
    told = slots_told(session)
    if told is None:
        return {}
    view = SlotsView.model_validate(told)
    broken = "; ".join(broken_in_words(view))
    slots = Check(slots_in_words(view), ok=bool(view.working()))
    return {"slots": slots, **({"devices": Check(broken)} if broken else {})}
