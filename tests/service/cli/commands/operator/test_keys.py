"""keys new: a key once, and the line that the server reads."""

from pathlib import Path

import pytest

from service.auth.key import key_sha256
from service.auth.keys import parse_keys
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
