"""db upgrade, current and downgrade."""

from pathlib import Path

import pytest

from service.db.schema import migrate
from tests.service.cli.conftest import Command


def test_tables_go_up_and_down_again(metaopt: Command) -> None:
    assert metaopt("db", "current").out == "base\n"
    assert metaopt("db", "upgrade").code == 0
    assert metaopt("db", "current").out == f"{migrate.head()}\n"
    assert metaopt("db", "upgrade").code == 0
    assert metaopt("db", "downgrade", "base").code == 0
    assert metaopt("db", "current").out == "base\n"


def test_a_revision_that_does_not_exist_is_named(metaopt: Command) -> None:
    said = metaopt("db", "upgrade", "bogus")
    assert said.code == 2
    assert "there is no revision 'bogus'" in said.err


@pytest.mark.parametrize(
    ("command", "code", "says"),
    [
        (("db", "current"), 0, ""),
        (("db", "downgrade", "base"), 2, "run `metaopt db upgrade`"),
        (("api", "--port", "0"), 2, "the database has no tables yet: run `metaopt db upgrade`"),
    ],
)
def test_only_upgrade_makes_a_database(
    metaopt: Command, tmp_path: Path, command: tuple[str, ...], code: int, says: str
) -> None:
    said = metaopt(*command)
    assert said.code == code and says in said.err
    assert list(tmp_path.iterdir()) == []
