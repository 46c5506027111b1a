"""Keys: shown once, and what the server reads of them, in its file or in its database."""

import json
import time
from pathlib import Path

import pytest
from sqlalchemy import Engine, select

from service.auth.key import is_mistyped, key_sha256, new_key
from service.auth.keys import KeyRing, parse_keys
from service.db.engine import reading
from service.db.tables import AuditRow
from tests.service.cli.conftest import Command


def test_a_new_key_comes_with_the_line_that_the_server_reads(metaopt: Command) -> None:
    said = metaopt("keys", "new", "nightly ci")
    key, line = said.out.splitlines()
    (stored,) = parse_keys(line)
    assert stored.sha256 == key_sha256(key)
    assert stored.identity.name == "nightly ci"


def test_two_keys_differ(metaopt: Command) -> None:
    assert metaopt("keys", "new", "a").out != metaopt("keys", "new", "a").out


def test_a_line_is_added_to_a_file_that_others_cannot_read(
    metaopt: Command, tmp_path: Path
) -> None:
    path = tmp_path / "keys.txt"
    keys = [metaopt("keys", "new", name, "--append", str(path)).out.strip() for name in "ab"]
    stored = parse_keys(path.read_text())
    assert [one.sha256 for one in stored] == [key_sha256(key) for key in keys]
    assert path.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("mode", [None, 0o644, 0o660, 0o600])
def test_a_file_that_gets_a_key_can_be_read_by_nobody_else(
    metaopt: Command, api: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: int | None
) -> None:
    monkeypatch.setenv("METAOPT_DATA_DIRECTORY", str(tmp_path / "server"))
    link = tmp_path / "link.json"
    for number, command in enumerate((["new"], ["create"], ["rotate"])):
        path = tmp_path / f"{number}.json"
        if mode is not None:
            path.write_text("{}")
            path.chmod(mode)
        link.unlink(missing_ok=True)
        link.symlink_to(path)
        assert metaopt("keys", *command, "ci", "--json", str(link)).code == 0
        assert json.loads(path.read_text())["key"].startswith("mok_")
        assert path.stat().st_mode & 0o777 == 0o600
    assert metaopt("keys", "new", "ci", "--json", "/dev/stdout").code == 0


@pytest.mark.parametrize("name", ["", " ", "a ", "a:b", "a#b", "a\nb", "x" * 201])
def test_a_name_that_the_file_could_not_hold_is_refused(metaopt: Command, name: str) -> None:
    said = metaopt("keys", "new", name)
    assert (said.code, said.out) == (2, "")
    assert "the name of a key m" in said.err and said.err.rstrip("\n").isprintable()


def test_a_line_is_never_added_to_the_end_of_another(metaopt: Command, tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    keys.write_text(f"me:{key_sha256('k')}")  # as an editor leaves it that ends no line
    assert metaopt("keys", "new", "other", "--append", str(keys)).code == 0
    assert [key.identity.name for key in parse_keys(keys.read_text())] == ["me", "other"]


def test_a_key_is_created_rotated_and_revoked_in_the_database(
    metaopt: Command, api: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("METAOPT_DATA_DIRECTORY", str(tmp_path / "server"))

    def identify(key: str) -> tuple[str, ...] | None:
        found = KeyRing(None, api, time.monotonic).identify(key)
        return found and (found.name, *found.scopes, *(found.projects or "*"))

    options = ("--scope", "read", "--scope", "worker", "--project", "vision", "--days", "1")
    key = metaopt("keys", "create", "alice", *options).out.strip()
    assert identify(key) == ("alice", "read", "worker", "vision")
    again = metaopt("keys", "create", "alice")
    assert again.code == 2 and "rotate or revoke it" in again.err
    second = metaopt("keys", "rotate", "alice").out.strip()
    assert identify(key) == identify(second) == ("alice", "read", "worker", "vision")
    third = metaopt("keys", "rotate", "alice", "--grace-hours", "0").out.strip()
    assert [identify(one) for one in (key, second)] == [None, None]
    assert identify(third) is not None
    default = metaopt("keys", "create", "bob").out.strip()
    assert identify(default) == ("bob", "submit", "default")
    operator = metaopt("keys", "create", "eve", "--project", "*", "--days", "0").out.strip()
    assert identify(operator) is None  # it has expired
    assert metaopt("keys", "revoke", "alice").code == 0
    assert identify(third) is None
    assert metaopt("keys", "revoke", "alice").code == 2
    listed = json.loads(metaopt("keys", "list", "--json", "-").out)
    states = {one["name"]: one["status"] for one in listed}
    assert states == {"alice": "revoked", "bob": "valid", "eve": "expired"}
    shown = metaopt("keys", "list").out + json.dumps(listed)
    assert not any(one in shown for one in (key, second, third, default, key_sha256(third)))
    with reading(api) as session:
        actions = session.scalars(select(AuditRow.action).order_by(AuditRow.audit_id)).all()
    assert actions == [
        "keys create", "keys rotate", "keys rotate", "keys create", "keys create", "keys revoke",
    ]  # fmt: skip


def test_a_mistyped_key_is_told_from_an_unknown_one() -> None:
    key = new_key()
    assert not is_mistyped(key)
    for place in range(4, len(key)):
        other = "a" if key[place] != "a" else "b"
        assert is_mistyped(key[:place] + other + key[place + 1 :])
    assert is_mistyped(key[:-1]) and is_mistyped(f"{key}x") and is_mistyped("mok_")
    assert not is_mistyped("mo_" + "x" * 43)  # of earlier versions: without a checksum
