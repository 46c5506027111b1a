"""What this process knows of plug-ins: its registries offer what there is now, and no other.

    the table ──learn_present──▶ offered: a spec may name it
              ──learn_kinds────▶ remembered: a stored spec names it, and is shown

Nothing is imported: records are made of descriptions, without functions.  What is offered is
compared with the table by marks alone, so that it costs one small query to find nothing new.
"""

import threading
from collections.abc import Collection, Iterable

import structlog
from sqlalchemy.orm import Session

from metaopt.errors import MetaoptError
from metaopt.plugins.described import Described
from metaopt.plugins.description import FAMILIES, learn, record_of
from service.db.plugins import rows
from service.db.plugins.rows import Kind, Mark
from service.wire.spec.stored import forget_kept

log = structlog.get_logger("plugins")

_offered: dict[Kind, Mark] = {}
_lock = threading.Lock()  # threads of an API learn at once


def learn_present(session: Session) -> None:
    """Offer the plug-ins that there are now, and no others."""
    usable = {mark for mark in rows.marks(session) if not mark.refused}
    with _lock:
        if usable != set(_offered.values()) or not all(map(_is_offered, usable)):
            _offer(told.described for told in rows.present(session))


def offered() -> frozenset[Mark]:
    """What specs may name in this process now, as it was learnt last."""
    with _lock:
        return frozenset(_offered.values())


def learn_kinds(session: Session, kinds: Collection[Kind]) -> None:
    """Let these be found, as they were described last; nobody can choose what is not there now."""
    for described in reversed(rows.of_kinds(session, kinds)):
        registry = FAMILIES[described.family]
        if described.record is None or registry.is_ours(described.name):
            continue
        if (described.family, described.name) not in _offered:
            registry.remember(record_of(described))
    forget_kept()


def _offer(present: Iterable[Described]) -> None:
    before = dict(_offered)
    _offered.clear()
    for described in present:
        if described.refused is None and _learnt(described):
            key = described.family, described.name
            _offered[key] = Mark(*key, described.digest, refused=False)
    for family, name in before.keys() - _offered.keys():
        FAMILIES[family].retire(name)
    forget_kept()


def _is_offered(mark: Mark) -> bool:
    """Whether a registry has it, and has it from there: somebody may have loaded another since."""
    origin = FAMILIES[mark.family].origin(mark.name)
    return origin is not None and origin.digest == mark.digest


def _learnt(described: Described) -> bool:
    try:
        learn(described)
    except MetaoptError as error:  # of another version of metaopt, or a name of our own
        log.warning("plugin_unreadable", name=described.name, cause=str(error))
        return False
    return True
