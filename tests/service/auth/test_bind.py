"""Where a server without keys may listen."""

from pathlib import Path

import pytest

from service.auth.bind import check_bind, is_loopback
from service.auth.keys import key_sha256
from service.db.schema import migrate
from service.errors import OpenToTheNetwork, SchemaOutdated
from service.settings import Settings


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.2", "example.org", ""])
def test_another_address_without_keys_is_refused(
    host: str, sqlite_url: str, tmp_path: Path
) -> None:
    migrate.upgrade(sqlite_url)
    settings = Settings(host=host, database_url=sqlite_url, data_directory=tmp_path)
    with pytest.raises(OpenToTheNetwork, match="METAOPT_API_KEYS_FILE"):
        check_bind(settings)
    empty = tmp_path / "keys"
    empty.write_text("# none\n")
    with pytest.raises(OpenToTheNetwork):
        check_bind(settings.model_copy(update={"api_keys_file": empty}))
    empty.write_text(f"me:{key_sha256('k')}\n")
    check_bind(settings.model_copy(update={"api_keys_file": empty}))


def test_loopback_needs_no_key_and_no_database(tmp_path: Path) -> None:
    check_bind(Settings(data_directory=tmp_path / "nothing"))
    assert not (tmp_path / "nothing").exists()


def test_a_database_without_tables_is_named_as_the_reason(tmp_path: Path) -> None:
    with pytest.raises(SchemaOutdated, match="db upgrade"):
        check_bind(Settings(host="0.0.0.0", data_directory=tmp_path))


def test_names_that_only_look_like_loopback_are_not() -> None:
    assert is_loopback("LOCALHOST") and is_loopback("a.localhost") and is_loopback("[::1]")
    assert not is_loopback("127.0.0.1.example") and not is_loopback("localhost.example")
