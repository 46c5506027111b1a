"""Compiled programs of others: never loaded, though loading one would run it."""

import os
import stat
import subprocess
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from metaopt.population.population import Population
from service.executors.compiling.probe import MOST_LANES, Facts
from service.executors.compiling.program_files import MOST_BYTES, read_small, write_whole
from service.executors.compiling.programs import Programs
from service.executors.compiling.seal import KEY, KeyUnusable, Seal, UntrustedProgram
from service.executors.compiling.worth import Work
from tests.service.executors.compiling.test_programs import LITTLE, SIGNATURE

PAYLOAD = """
#include <stdio.h>
__attribute__((constructor)) static void run(void) { fclose(fopen("MARKER", "w")); }
"""


@pytest.fixture(scope="module")
def payload(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, Path]:
    """Return a program that writes a file as it is loaded, and which."""
    folder = tmp_path_factory.mktemp("payload")
    marker = folder / "marker"
    (folder / "p.c").write_text(PAYLOAD.replace("MARKER", str(marker)))
    subprocess.run(
        ["cc", "-shared", "-fPIC", "-o", folder / "p.so", folder / "p.c"], check=True, timeout=60
    )
    with zipfile.ZipFile(folder / "p.pt2", "w") as archive:
        archive.writestr("p/version", "3")
        archive.writestr("p/byteorder", "little")
        archive.writestr("p/archive_format", "pt2")
        device = '{"AOTI_DEVICE_KEY": "cpu"}'
        archive.writestr("p/data/aotinductor/model/p.wrapper_metadata.json", device)
        archive.write(folder / "p.so", "p/data/aotinductor/model/p.wrapper.so")
    return (folder / "p.pt2").read_bytes(), marker


def load(directory: Path) -> list[str]:
    """Let a worker's programs load what is there; return what the log says of it."""
    chosen = Programs("cpu", directory)
    population = chosen.population(SIGNATURE, LITTLE)
    with capture_logs() as logs:
        assert chosen.ready(population, Work(LITTLE, 1))
    return [one["event"] for one in logs]


def test_a_program_runs_what_it_likes_as_it_is_loaded(
    tmp_path: Path, payload: tuple[bytes, Path]
) -> None:
    program, marker = payload
    path = Population(SIGNATURE).program_path(tmp_path)
    path.write_bytes(Seal.of(tmp_path).sealed(path.name, program))
    load(tmp_path)
    assert marker.exists()  # so those below would show it
    marker.unlink()


@pytest.mark.parametrize("seal", ["none", "of another key", "of another name", "of other bytes"])
def test_a_program_of_others_is_not_loaded_but_removed(
    tmp_path: Path, payload: tuple[bytes, Path], seal: str
) -> None:
    (program, marker), own = payload, Seal.of(tmp_path)
    path = Population(SIGNATURE).program_path(tmp_path)
    with zipfile.ZipFile(tmp_path / "other.pt2", "w") as archive:
        archive.writestr("a", "b")
    own_mark = own.sealed(path.name, (tmp_path / "other.pt2").read_bytes())[-79:]
    content = {
        "none": program,
        "of another key": Seal(bytes(32)).sealed(path.name, program),
        "of another name": own.sealed("another.pt2", program),
        "of other bytes": program[:-2] + (79).to_bytes(2, "little") + own_mark,
    }[seal]
    path.write_bytes(content)
    assert load(tmp_path) == ["program_untrusted"]
    assert not marker.exists() and not path.exists()
    assert not list(tmp_path.glob("*.failed"))  # it may be compiled, now


def test_a_seal_is_part_of_the_archive(tmp_path: Path, payload: tuple[bytes, Path]) -> None:
    program, _ = payload
    seal = Seal.of(tmp_path)
    path = tmp_path / "p.pt2"
    path.write_bytes(seal.sealed(path.name, program))
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None and archive.comment.startswith(b"metaopt-seal-1:")
    assert seal.opened(path.name, path.read_bytes()) == program
    for place in (0, len(program) // 2, -1):
        changed = bytearray(path.read_bytes())
        changed[place] ^= 1
        with pytest.raises(UntrustedProgram):
            seal.opened(path.name, bytes(changed))
    with pytest.raises(UntrustedProgram):
        seal.opened(path.name, b"")


def test_the_key_is_made_once_and_is_its_users_alone(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        seals = list(pool.map(lambda _: Seal.of(tmp_path / "new"), range(8)))
    assert len({seal._mark("a", b"b") for seal in seals}) == 1
    found = (tmp_path / "new" / KEY).stat()
    assert stat.S_IMODE(found.st_mode) == 0o600 and found.st_uid == os.geteuid()
    assert [path.name for path in (tmp_path / "new").iterdir()] == [KEY]


@pytest.mark.parametrize("fault", ["readable by others", "a link", "a pipe", "short", "another's"])
def test_a_key_of_others_is_not_believed_and_no_program_loaded(
    tmp_path: Path, payload: tuple[bytes, Path], monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    program, marker = payload
    path = Population(SIGNATURE).program_path(tmp_path)
    path.write_bytes(Seal.of(tmp_path).sealed(path.name, program))
    key = tmp_path / KEY
    if fault == "readable by others":
        key.chmod(0o640)
    elif fault == "a link":
        key.rename(tmp_path / "elsewhere")
        key.symlink_to(tmp_path / "elsewhere")
    elif fault == "a pipe":
        key.unlink()
        os.mkfifo(key, 0o600)
    elif fault == "short":
        key.write_bytes(b"short")
    else:
        monkeypatch.setattr(os, "geteuid", lambda: 54321)
    with pytest.raises(OSError, match="Too many levels" if fault == "a link" else "must"):
        Seal.of(tmp_path)
    assert load(tmp_path) == ["programs_unusable"]
    assert not marker.exists() and path.exists()
    assert issubclass(KeyUnusable, OSError)


def test_measurements_of_others_are_numbers_within_bounds_or_none(tmp_path: Path) -> None:
    path = tmp_path / "facts.json"
    good = {"lane_chunk": 2, "seconds": 0.1, "by_lanes": {"1": 0.2, "2": 0.1}}
    write_whole(path, good)
    assert Facts.read(path) is not None
    bad = [{"lane_chunk": MOST_LANES + 1}, {"seconds": 1e300}, {"seconds": -1.0}, {"more": 1}]
    for change in bad:
        write_whole(path, {**good, **change})
        assert Facts.read(path) is None, change
    path.write_text('{"seconds": NaN}')
    assert Facts.read(path) is None
    path.write_bytes(b" " * (MOST_BYTES + 1))
    assert Facts.read(path) is None
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(OSError, match="no measurement"):
        read_small(path)
    assert Facts.read(path) is None
