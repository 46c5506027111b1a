"""What the doctor finds of the server."""

import pytest
from sqlalchemy import Engine

from service.cli.findings.finding import Level
from service.cli.findings.server import ask_server
from service.db.dispatcher import acquire, tell_slots_of
from service.db.engine import transaction
from service.db.plugins.rows import tell_present
from tests.fakes.described import refused
from tests.fakes.rows import NOON
from tests.service.cli.conftest import Command


def test_a_named_server_that_does_not_answer_is_a_failure(
    metaopt: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("METAOPT_URL", "http://127.0.0.1:9")
    url, (finding,) = ask_server()
    assert url == "http://127.0.0.1:9"
    assert finding.level == Level.FAIL
    assert "metaopt serve" in finding.remedy


def test_a_server_without_a_dispatcher_is_found(metaopt: Command, api: Engine) -> None:
    _, (finding,) = ask_server()
    assert finding.level == Level.FAIL
    assert "dispatcher" in finding.text


def test_a_server_whose_slots_are_all_out_is_a_failure(metaopt: Command, api: Engine) -> None:
    with transaction(api) as session:
        epoch = acquire(session, "test", lambda holder: False)
        assert epoch is not None
        out = {"name": "cuda:0", "place": "GPU 0 (A)", "cause": "it fell off the bus"}
        tell_slots_of(session, {"slots": [out]})
    _, (finding,) = ask_server()
    assert finding.level == Level.FAIL and "it fell off the bus" in finding.text


def test_plugins_that_cannot_be_used_are_a_warning(metaopt: Command, api: Engine) -> None:
    with transaction(api) as session:
        epoch = acquire(session, "test", lambda holder: False)
        assert epoch is not None
        tell_slots_of(session, {"slots": [{"name": "cpu:0", "place": "CPU"}]})
        tell_present(session, [refused(why="add other==3.0 to METAOPT_PLUGINS")], now=NOON)
    _, (fine, finding) = ask_server()
    assert (fine.level, finding.level) == (Level.OK, Level.WARN)
    assert "METAOPT_PLUGINS" in finding.text and finding.remedy == "metaopt plugins"
