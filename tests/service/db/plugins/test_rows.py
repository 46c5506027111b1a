"""Plug-ins in the table: what is there now, and what ever was."""

from dataclasses import replace
from datetime import timedelta

from sqlalchemy import Engine

from service.db.engine import reading, transaction
from service.db.plugins import rows
from tests.fakes.described import algorithm, refused
from tests.fakes.rows import NOON


def test_what_is_told_again_takes_the_place_of_what_was_there_and_nothing_is_lost(
    engine: Engine,
) -> None:
    old, new = algorithm(), algorithm(digest="2" * 64, version="1.1")
    with transaction(engine) as session:
        rows.tell_present(session, [old, refused()], now=NOON)
    later = NOON + timedelta(days=1)
    with transaction(engine) as session:
        rows.tell_present(session, [new], now=later)
    with reading(engine) as session:
        (there,) = rows.present(session)
        assert (there.described, there.described_at) == (new, later)
        (mark,) = rows.marks(session)
        assert mark == ("algorithms", "pulled", "2" * 64, False)
        kinds = [("algorithms", "pulled"), ("algorithms", "other"), ("tasks", "pulled")]
        found = rows.of_kinds(session, kinds)  # type: ignore[arg-type]
    assert found == [new, old, refused()] or found == [new, refused(), old]
    with transaction(engine) as session:
        again = replace(refused(), refused="for another reason")
        rows.tell_present(session, [again, old], now=later)
        assert {mark.name: mark.refused for mark in rows.marks(session)} == {
            "other": True, "pulled": False,
        }  # fmt: skip
