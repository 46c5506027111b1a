"""Streams as shells and CI systems hand them over: other encodings, full, closed, read no more."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import Engine

from service.db.engine import transaction
from tests.fakes.rows import add_study
from tests.service.cli.conftest import Command

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[3]
NAME = "学習率 é 🚀"
Run = Callable[..., "subprocess.CompletedProcess[bytes]"]


@pytest.fixture
def shell(metaopt: Command, api: Engine) -> Run:
    """Return what runs a line of shell with `$M` for metaopt, beside a server with a study."""
    with transaction(api) as session:
        add_study(session, study_id="b" * 32, name="older")
        add_study(session, name=NAME)
    program = f"{sys.executable} -m service.cli"

    def run(line: str, **variables: str) -> "subprocess.CompletedProcess[bytes]":
        return subprocess.run(
            ["bash", "-c", line], env={**os.environ, "M": program, **variables}, capture_output=True
        )

    return run


@pytest.mark.parametrize("encoding", ["latin-1", "ascii:surrogateescape"])
def test_what_stdout_has_no_characters_for_is_escaped(shell: Run, encoding: str) -> None:
    done = shell("$M studies", PYTHONIOENCODING=encoding)
    assert (done.returncode, done.stderr) == (0, b"")
    first, second = done.stdout.decode("latin-1").splitlines()[-2:]
    shown = "\\u5b66\\u7fd2\\u7387 é \\U0001f680" if encoding == "latin-1" else "\\xe9"
    assert shown in f"{first}{second}" and "older" in f"{first}{second}"
    at = [line.index("running") for line in (first, second)]
    assert at[0] == at[1]  # columns are still aligned


def test_the_users_own_choice_of_what_is_put_there_holds(shell: Run) -> None:
    done = shell("$M studies", PYTHONIOENCODING="ascii:replace")
    assert done.returncode == 0 and b"??? ? ?" in done.stdout


def test_json_stays_json_in_every_encoding(shell: Run) -> None:
    done = shell("$M studies --json /dev/stdout", PYTHONIOENCODING="latin-1")
    assert done.returncode == 0
    assert {study["name"] for study in json.loads(done.stdout)} == {"older", NAME}


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("$M studies > /dev/full", b"stdout cannot be written: No space left on device"),
        ("$M studies >&-", b"stdout cannot be written: Bad file descriptor"),
        ("$M studies --json - > /dev/full", b"stdout cannot be written: No space left on device"),
        ("$M --help > /dev/full", b"this machine refuses: No space left on device"),
        ("ulimit -f 0; $M keys new me --append keys", b"keys cannot be written: File too large"),
    ],
)
def test_a_fault_of_the_machine_has_its_own_words_and_code(
    shell: Run, line: str, says: bytes, tmp_path: Path
) -> None:
    done = shell(f"cd {tmp_path}; {line}", PYTHONPATH=str(ROOT))
    assert (done.returncode, done.stdout) == (74, b"")
    assert says in done.stderr and b"Traceback" not in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_stderr_that_is_closed_or_full_changes_nothing(shell: Run, tmp_path: Path) -> None:
    done = shell(f"$M report {'1' * 32} --markdown {tmp_path}/r 2> /dev/full")
    assert (done.returncode, done.stdout, done.stderr) == (2, b"", b"")
    done = shell("$M db upgrade <&- 2>&- && $M db current 2>&-")
    assert done.returncode == 0 and done.stdout.strip().isdigit()


def test_readers_that_have_had_enough_are_no_error(shell: Run) -> None:
    for line in ("$M --help | true", "$M db current 2>&1 | true"):
        done = shell(f"set -o pipefail; {line}")
        assert (done.returncode, done.stderr) == (0, b""), line
