"""db upgrade, current and downgrade."""

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
