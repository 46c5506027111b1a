"""What must hold before a server starts, and where one without keys may listen."""

from pathlib import Path

import pytest

from service.auth.bind import is_loopback
from service.auth.exposed import warnings_of
from service.auth.key import key_sha256
from service.auth.start import check_start
from service.db.schema import migrate
from service.errors import KeysUnreadable, OpenToTheNetwork, SchemaOutdated, SecretsExposed
from service.settings import Settings


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.2", "example.org"])
def test_another_address_without_keys_is_refused(
    host: str, sqlite_url: str, tmp_path: Path
) -> None:
    migrate.upgrade(sqlite_url)
    settings = Settings(host=host, database_url=sqlite_url, data_directory=tmp_path)
    with pytest.raises(OpenToTheNetwork, match="METAOPT_API_KEYS_FILE"):
        check_start(settings)
    empty = tmp_path / "keys"
    empty.write_text("# none\n")
    with pytest.raises(OpenToTheNetwork):
        check_start(settings.model_copy(update={"api_keys_file": empty}))
    empty.write_text(f"me:{key_sha256('k')}\n")
    check_start(settings.model_copy(update={"api_keys_file": empty}))


def test_loopback_needs_no_key_but_tables(sqlite_url: str, tmp_path: Path) -> None:
    settings = Settings(data_directory=tmp_path / "nothing", database_url=sqlite_url)
    with pytest.raises(SchemaOutdated, match="no tables yet: run `metaopt db upgrade`"):
        check_start(settings)
    assert list(tmp_path.iterdir()) == []
    migrate.upgrade(sqlite_url)
    check_start(settings)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "METAOPT_API_KEYS_FILE cannot be read: No such file or directory"),
        (b"\xff", "METAOPT_API_KEYS_FILE must be UTF-8, got byte 0xff"),
        (
            b"me:abc\n",
            "line 1 of the API keys file METAOPT_API_KEYS_FILE must be name:sha256",
        ),
    ],
)
def test_a_keys_file_that_cannot_be_read_stops_the_start_by_its_name(
    content: bytes | None, says: str, sqlite_url: str, tmp_path: Path
) -> None:
    migrate.upgrade(sqlite_url)
    keys = tmp_path / "keys"
    if content is not None:
        keys.write_bytes(content)
    with pytest.raises(KeysUnreadable, match=says):
        check_start(Settings(database_url=sqlite_url, api_keys_file=keys))


def test_names_that_only_look_like_loopback_are_not() -> None:
    assert is_loopback("LOCALHOST") and is_loopback("a.localhost") and is_loopback("[::1]")
    assert not is_loopback("127.0.0.1.example") and not is_loopback("localhost.example")


def test_files_of_secrets_that_others_can_read_or_change_stop_the_start(
    sqlite_url: str, tmp_path: Path
) -> None:
    migrate.upgrade(sqlite_url)
    settings = Settings(database_url=sqlite_url, data_directory=tmp_path)
    keys, hooks, secret = tmp_path / "keys", tmp_path / "hooks", tmp_path / "secret"
    keys.write_text(f"me:{key_sha256('k')}\n")
    secret.write_text("s" * 16)
    hook = "{name: ci, url: https://example.com/x, secret_file: secret, events: [study_failed]}"
    hooks.write_text(f"[{hook}]")
    for path, mode in ((keys, 0o644), (hooks, 0o640), (secret, 0o600)):
        path.chmod(mode)
    with_keys = settings.model_copy(update={"api_keys_file": keys})
    with_hooks = settings.model_copy(update={"webhooks_file": hooks})
    check_start(with_keys)
    check_start(with_hooks)
    for path, mode, exposed in (
        (keys, 0o646, with_keys),
        (hooks, 0o604, with_hooks),
        (secret, 0o604, with_hooks),
    ):
        before = path.stat().st_mode
        path.chmod(mode)
        with pytest.raises(SecretsExposed, match=f"chmod o-.* {path}"):
            check_start(exposed)
        path.chmod(before)


def test_a_data_directory_that_everybody_writes_to_is_warned_of(tmp_path: Path) -> None:
    settings = Settings(data_directory=tmp_path)
    assert list(warnings_of(settings)) == []
    tmp_path.chmod(0o777)
    [warning] = warnings_of(settings)
    assert f"chmod o-w {tmp_path}" in warning
