"""Needs: the plug-ins that a study cannot be trained without, as they are when it is submitted."""

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy.orm import Session

from metaopt.plugins.described import Described, Needed
from metaopt.plugins.description import FAMILIES
from service.db.plugins import rows
from service.db.plugins.rows import Kind, Mark
from service.errors import FieldError, InvalidSpec
from service.plugins.known import learn_present
from service.wire.spec.named import NamedKind, named_kinds
from service.wire.spec.study import StudySpec


def needs_of(session: Session, spec: StudySpec) -> list[Needed]:
    """What of plug-ins a spec needs, each once.

    Raises:
        InvalidSpec: One of them has gone since the spec was checked.
    """
    named = {
        (kind.family, kind.name): kind
        for kind in named_kinds(spec.model_dump(mode="json"))
        if not kind.ours
    }
    if not named:
        return []
    found = {_key(one): one for one in _usable(session)}
    for key, kind in named.items():
        if key not in found and FAMILIES[kind.family].origin(kind.name) is not None:
            rule = f"{kind.name} is not there any more: `metaopt plugins` lists what is"
            raise InvalidSpec(f"{kind.field}: {rule}", [FieldError(kind.field, rule)])
    return [_needed(found[key]) for key in named if key in found]


def look_up(session: Session, data: Any) -> None:
    """Learn which plug-ins there are, before the spec in `data` is checked by them.

    Raises:
        InvalidSpec: It names one that is there and cannot be used.
    """
    learn_present(session)
    refuse_unusable(session, data)


def refuse_unusable(session: Session, data: Any) -> None:
    """Refuse a spec that names a plug-in which is there and cannot be used.

    Args:
        data: Of the spec, as it came.

    Raises:
        InvalidSpec: Says why, for each field.
    """
    named = [kind for kind in named_kinds(data) if not kind.ours]
    if not named:
        return
    told = [told.described for told in rows.present(session)]
    usable = {_key(one) for one in told if one.refused is None}
    broken = [
        FieldError(kind.field, f"{kind.name} cannot be used: {why}")
        for kind in named
        if (kind.family, kind.name) not in usable and (why := _why(kind, told))
    ]
    if broken:
        raise InvalidSpec(f"{broken[0].field}: {broken[0].message}", broken)


def lacking(needed: Iterable[Needed], there: Iterable[Mark]) -> list[Needed]:
    """What of the needed is not there, or not as it was."""
    marks = {mark[:3] for mark in there if not mark.refused}
    return [one for one in needed if (one.family, one.name, one.digest) not in marks]


def _why(kind: NamedKind, told: Sequence[Described]) -> str | None:
    """Why a plug-in of this kind is refused; None where there is none."""
    for one in told:
        if one.refused is not None and _key(one) == (kind.family, kind.name):
            return one.refused
    return None


def _usable(session: Session) -> list[Described]:
    return [told.described for told in rows.present(session) if told.described.refused is None]


def _key(one: Described) -> Kind:
    return one.family, one.name


def _needed(one: Described) -> Needed:
    return Needed(one.family, one.name, one.package, one.version, one.digest)
