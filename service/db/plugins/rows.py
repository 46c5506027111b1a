"""Plug-ins: what the live dispatcher has, and whatever any ever had.

Transactions belong to the caller; nothing here commits.
"""

from collections.abc import Collection, Iterable
from dataclasses import fields
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import select, tuple_, update
from sqlalchemy.orm import Session

from metaopt.plugins.described import Described, Family, Needed
from service.db.tables import Plugin

Kind = tuple[Family, str]
"""Family and name."""


class Mark(NamedTuple):
    """Which of all that have its family and name a plug-in is, and whether it can be used."""

    family: Family
    name: str
    digest: str
    refused: bool


class Told(NamedTuple):
    """A plug-in, when it was described last, whether it is there, and why lanes are not mapped."""

    described: Described
    described_at: datetime
    present: bool
    lane_by_lane: str | None


def tell_present(session: Session, described: Iterable[Described], *, now: datetime) -> None:
    """Keep what there is now; whatever else there was stays, and is there no more."""
    session.execute(
        update(Plugin).values(present=False).execution_options(synchronize_session=False)
    )
    for one in described:
        session.merge(Plugin(**one.to_json(), present=True, described_at=now))
    session.flush()


def tell_slow(session: Session, one: Needed, because: str) -> None:
    """Keep that a worker could not map a module, and why."""
    session.execute(
        update(Plugin)
        .where(Plugin.family == one.family, Plugin.name == one.name)
        .where(Plugin.package == one.package, Plugin.digest == one.digest)
        .values(lane_by_lane=because)
        .execution_options(synchronize_session=False)
    )


def marks(session: Session) -> frozenset[Mark]:
    """All that is there now, without the descriptions."""
    columns: tuple[Any, ...] = (
        Plugin.family,
        Plugin.name,
        Plugin.digest,
        Plugin.refused.is_not(None),
    )
    query = select(*columns).where(Plugin.present.is_(True))
    return frozenset(
        Mark(family, name, digest, refused)
        for family, name, digest, refused in session.execute(query)
    )


def present(session: Session) -> list[Told]:
    """All that is there now, by family and name."""
    query = select(Plugin).where(Plugin.present.is_(True))
    order = Plugin.family, Plugin.name, Plugin.package, Plugin.digest
    return [_told(row) for row in session.scalars(query.order_by(*order))]


def of_kinds(session: Session, kinds: Collection[Kind]) -> list[Described]:
    """All that ever had one of these families and names: what is there first, then the newest."""
    query = select(Plugin).where(tuple_(Plugin.family, Plugin.name).in_(list(kinds)))
    order = Plugin.present.desc(), Plugin.described_at.desc(), Plugin.digest
    return [_described(row) for row in session.scalars(query.order_by(*order))]


def _told(row: Plugin) -> Told:
    return Told(_described(row), row.described_at, row.present, row.lane_by_lane)


def _described(row: Plugin) -> Described:
    return Described(**{field.name: getattr(row, field.name) for field in fields(Described)})
