"""How commands end: exit codes and sentences, never a traceback for what users do."""

import os
import subprocess
import sys

import pytest
from sqlalchemy import Engine

from service.cli.exits import Exit
from service.cli.failures import exit_of_problem, problem_text
from service.wire.views.problems import Problem
from tests.service.cli.conftest import Command


def problem(code: str, status: int) -> Problem:
    return Problem(type="about:blank", code=code, title="", status=status, detail="")


def test_an_unknown_command_and_a_missing_argument_are_usage_errors(metaopt: Command) -> None:
    unknown, missing, flag = metaopt("dance"), metaopt("show"), metaopt("studies", "--limit", "x")
    assert (unknown.code, missing.code, flag.code) == (2, 2, 2)
    assert "dance" in unknown.err and "STUDY_ID" in missing.err and "--limit" in flag.err
    assert unknown.out == missing.out == flag.out == ""


def test_a_server_that_is_not_there_is_5(metaopt: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("METAOPT_URL", "http://127.0.0.1:9")
    said = metaopt("studies")
    assert (said.code, said.out) == (5, "")
    assert "http://127.0.0.1:9" in said.err and "metaopt serve" in said.err


def test_a_server_that_wants_a_key_names_the_variable() -> None:
    assert "METAOPT_API_KEY" in problem_text(problem("unauthenticated", 401))


@pytest.mark.parametrize(
    ("code", "status", "expected"),
    [
        ("invalid-spec", 422, Exit.USAGE),
        ("study-not-found", 404, Exit.USAGE),
        ("transition-impossible", 409, Exit.USAGE),
        ("result-not-ready", 404, Exit.WAIT_TIMED_OUT),
        ("result-impossible", 409, Exit.STUDY_FAILED),
        ("unauthenticated", 401, Exit.UNREACHABLE),
        ("not-ready", 503, Exit.UNREACHABLE),
        ("http-404", 404, Exit.UNREACHABLE),
    ],
)
def test_a_problem_has_its_exit_code(code: str, status: int, expected: Exit) -> None:
    assert exit_of_problem(problem(code, status)) == expected


def test_a_wrong_setting_is_named_by_its_variable(
    metaopt: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("METAOPT_PORT", "eighty")
    said = metaopt("db", "current")
    assert said.code == 2
    assert said.err.startswith("METAOPT_PORT: ")


def test_what_is_logged_is_never_among_the_data() -> None:
    program = (
        "import sys, structlog, service.cli.main as one; sys.argv = ['metaopt', 'db', '-h']\n"
        "try: one.main()\n"
        "except SystemExit: structlog.get_logger().warning('mislaid')"
    )
    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert "mislaid" in shown.stderr and "mislaid" not in shown.stdout


def test_a_reader_that_has_had_enough_is_no_error(metaopt: Command, api: Engine) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with open(writer, "w") as closed:
        done = subprocess.run(
            [sys.executable, "-m", "service.cli", "studies"],
            stdout=closed,
            stderr=subprocess.PIPE,
            env=dict(os.environ),
            text=True,
        )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("serve", "--workers", "1"), "No such option: --workers\nTry `metaopt serve --help`."),
        (("db", "backup"), "Try `metaopt db backup --help`."),
        (("bogus",), "Try `metaopt --help`."),
    ],
)
def test_a_wrong_call_names_the_help_of_its_command(
    metaopt: Command, arguments: tuple[str, ...], says: str
) -> None:
    said = metaopt(*arguments)
    assert said.code == 2 and said.err.endswith(f"{says}\n")


def test_a_wrong_setting_is_told_with_its_value_and_what_may_be_meant(
    metaopt: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("METAOPT_DEVICES", "cuad")
    monkeypatch.setenv("METAOPT_SLOTS", "0")
    said = metaopt("db", "current")
    assert said.code == 2
    assert said.err.splitlines() == [
        "METAOPT_SLOTS: must be greater than or equal to 1, got '0'",
        "METAOPT_DEVICES: must be 'auto', 'cuda' or 'cpu', got 'cuad', did you mean cuda?",
    ]
