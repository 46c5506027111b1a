"""Programs are kept in the user's cache where nobody else can put any."""

import os
from pathlib import Path

import pytest

from service.cli.processes.cache import programs_cache


def test_the_cache_is_the_users_and_is_made(tmp_path: Path) -> None:
    cache, home = tmp_path / "cache", tmp_path / "home"
    found = programs_cache({"XDG_CACHE_HOME": str(cache), "HOME": str(home)})
    assert found == cache / "metaopt" / "programs" and found.stat().st_mode & 0o777 == 0o700
    assert programs_cache({"XDG_CACHE_HOME": " ", "HOME": str(home)}) == (
        home / ".cache" / "metaopt" / "programs"
    )


def test_without_a_home_there_is_none(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for environment in (
        {},
        {"HOME": ""},
        {"HOME": "relative"},
        {"HOME": str(tmp_path / "file")},
        {"XDG_CACHE_HOME": str(tmp_path / "nul\0")},
    ):
        assert programs_cache(environment) is None


@pytest.mark.parametrize("mode", [0o770, 0o702])
@pytest.mark.parametrize("name", ["metaopt", "metaopt/programs"])
def test_a_directory_that_others_can_write_to_is_not_used(
    tmp_path: Path, mode: int, name: str
) -> None:
    assert programs_cache({"XDG_CACHE_HOME": str(tmp_path)}) is not None
    (tmp_path / name).chmod(mode)
    assert programs_cache({"XDG_CACHE_HOME": str(tmp_path)}) is None


def test_what_is_made_is_private_whatever_the_mask(tmp_path: Path) -> None:
    mask = os.umask(0)
    try:
        assert programs_cache({"XDG_CACHE_HOME": str(tmp_path)}) is not None
    finally:
        os.umask(mask)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
@pytest.mark.parametrize("name", ["metaopt", "metaopt/programs"])
def test_a_directory_of_somebody_else_is_not_used(tmp_path: Path, name: str) -> None:
    assert programs_cache({"XDG_CACHE_HOME": str(tmp_path)}) is not None
    os.chown(tmp_path / name, 12345, -1)
    assert programs_cache({"XDG_CACHE_HOME": str(tmp_path)}) is None
