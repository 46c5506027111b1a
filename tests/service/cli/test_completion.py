"""What a shell is told to complete, by the protocol of completion scripts."""

import os
import subprocess
import sys
import time

import pytest
from sqlalchemy import Engine

from service.cli.completion import complete_study
from service.cli.main import run
from service.db.engine import transaction
from tests.fakes.rows import add_study
from tests.service.cli.conftest import Command
from tests.waiting import wait_until


def completed(words: str) -> list[str]:
    """Return what bash is offered after `words`; nothing may be said beside it."""
    protocol = {
        "_METAOPT_COMPLETE": "complete_bash",
        "COMP_WORDS": words,
        "COMP_CWORD": str(len(words.split(" ")) - 1),
    }
    done = subprocess.run(
        [sys.executable, "-m", "service.cli"],
        env={**os.environ, **protocol},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.stderr == ""
    return done.stdout.split()


def test_commands_options_values_and_studies_are_completed(metaopt: Command, api: Engine) -> None:
    with transaction(api) as session:
        add_study(session, name="nightly")
    assert completed("metaopt sche") == ["schedule"]
    assert completed("metaopt export --fo") == ["--format"]
    studies = ["last", "a" * 32, "nightly"]
    wait_until(lambda: completed("metaopt show ") == studies, 60, what="an answer at once")
    assert completed("metaopt submit ex") == []  # bash completes files itself then


def test_without_a_server_nothing_is_completed_and_nothing_said(
    metaopt: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("METAOPT_URL", "http://127.0.0.1:9")
    assert completed("metaopt show ") == []


@pytest.mark.parametrize("url", ["http://10.255.255.1:9", "no url", "http://127.0.0.1:9"])
def test_a_server_that_does_not_answer_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], url: str
) -> None:
    monkeypatch.setenv("METAOPT_URL", url)
    began = time.monotonic()
    assert complete_study("") == []
    assert time.monotonic() - began < 20  # a second each where nothing else runs; TCP has minutes
    assert capsys.readouterr() == ("", "")


def test_names_that_a_shell_would_evaluate_are_not_offered(metaopt: Command, api: Engine) -> None:
    with transaction(api) as session:
        add_study(session, name='$(touch x)`"; \u202e')
        for digit in "bc":
            add_study(session, digit * 32, name="twin")
    wait_until(lambda: bool(complete_study("")), 60, what="an answer at once")
    offered = complete_study("")
    assert [reference for reference, _ in offered][0] == "last"
    assert {len(reference) for reference, _ in offered[1:]} == {32}
    assert ("a" * 32, "running, ??touch x???? ?") in offered


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_has_its_script(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], shell: str
) -> None:
    monkeypatch.setenv("_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION", "1")
    with pytest.raises(SystemExit) as ended:
        run(["--show-completion", shell])
    assert ended.value.code == 0 and "_METAOPT_COMPLETE" in capsys.readouterr().out
