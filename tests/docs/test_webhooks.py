"""The examples of docs/webhooks.md are what the service reads, sends and signs."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from service.events import notifying
from service.notifications.config import load_listed
from service.notifications.formats import FORMATS, OWN
from service.notifications.message import message_of
from service.notifications.retries import MOST_ATTEMPTS, PAUSES_SECONDS
from service.notifications.signature import sign
from service.wire.views.notifications import WebhookBody
from tests.fakes.chats import shown
from tests.fakes.receiver import Got

PAGE = (Path(__file__).parents[2] / "docs" / "webhooks.md").read_text(encoding="utf-8")


def block(language: str) -> str:
    (found,) = re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    return str(found)


def test_the_file_is_one_that_is_read(tmp_path: Path) -> None:
    file = tmp_path / "webhooks.yaml"
    file.write_text(block("yaml").replace("…", "x"), encoding="utf-8")
    hosts = ["hooks.example.com", "hooks.slack.com", "chat.intra"]
    assert [one.host for one in load_listed(file)] == hosts


def test_the_body_is_one_that_is_sent() -> None:
    body = WebhookBody.model_validate_json(block("json"))
    assert set(body.model_dump()) == set(re.findall(r'^  "(\w+)"', block("json"), re.MULTILINE))


def test_the_message_is_one_that_a_chat_room_takes() -> None:
    (example,) = re.findall(r'^    (\{"text": .*\})$', PAGE, re.MULTILINE)
    told = shown("slack", Got("/", {"Content-Type": "application/json"}, example.encode()))
    assert told.splitlines()[0] == "nightly omniglot: study failed: no trial completed."
    slack, body = FORMATS["slack"], WebhookBody.model_validate_json(block("json"))
    assert slack is not None
    message = message_of(body, None, "https://metaopt.example.com")
    assert json.loads(slack.body(message)) == json.loads(
        example.replace("3f0c7a52…", str(body.study_id))
    )


def test_every_format_is_described() -> None:
    assert re.findall(r"^\| `([a-z-]+)` \| .* \| .* \| .* \|$", PAGE, re.MULTILINE) == [
        name for name in FORMATS if name != OWN
    ]
    assert f"`format: {OWN}`" in PAGE


def test_every_event_is_described() -> None:
    described = re.findall(r"^\| `(\w+)` \| [^|]+ \|$", PAGE, re.MULTILINE)
    assert described == [*notifying(), "test"]


def test_the_pauses_are_the_ones_that_are_made() -> None:
    assert PAUSES_SECONDS == (10, 30, 90, 300, 900, 3600, 10_800)
    assert f"after {MOST_ATTEMPTS} attempts" in PAGE


def test_a_receiver_verifies_in_eight_lines() -> None:
    code, names = block("python"), dict[str, Any]()
    assert len([line for line in code.splitlines() if line]) <= 8
    exec(code, names)
    is_ours = names["is_ours"]
    secret, body, at = b"0123456789abcdef", b'{"event": "test"}', 1_767_355_200
    header = sign(secret, body, at)
    assert is_ours(secret, body, header, at + 300) is True
    assert is_ours(secret, body, header, at + 301) is False
    assert is_ours(secret, body + b" ", header, at) is False
    assert is_ours(b"another secret!!", body, header, at) is False
    for other in ("", "t=1", "nothing at all"):
        with pytest.raises((KeyError, ValueError)):
            is_ours(secret, body, other, at)
