"""The webhooks file: what it means, and how it says what is wrong."""

import json
from pathlib import Path
from typing import Any

import pytest

from service.errors import WebhooksUnreadable
from service.notifications.config import load_listed, load_webhooks

GOOD: dict[str, Any] = {
    "name": "ci",
    "url": "https://hooks.example.com/t0ken-of-path?key=qu3ry",
    "secret": "0123456789-secret",
    "events": ["study_completed", "gate_failed"],
}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "webhooks.yaml"


def write(file: Path, *entries: Any) -> Path:
    file.write_text(json.dumps(list(entries)))
    return file


def test_without_a_file_there_are_none() -> None:
    assert load_webhooks(None) == load_listed(None) == ()


def test_a_file_in_yaml_says_everything(file: Path) -> None:
    (file.parent / "chat.secret").write_text("a secret of its own\n")
    file.write_text("""
- name: ci
  url: https://hooks.example.com/a/b?c=d
  secret: 0123456789-secret
  events: [study_completed]
- name: chat
  url: http://chat.intra:8080
  secret_file: chat.secret
  events: [study_failed, drift_detected, study_failed]
  allow: [chat.intra, 10.1.0.0/16]
""")
    ci, chat = load_webhooks(file)
    assert (ci.name, ci.target.host, ci.target.port) == ("ci", "hooks.example.com", 443)
    assert (ci.target.path, ci.secret) == ("/a/b?c=d", b"0123456789-secret")
    assert (chat.target.port, chat.target.path, chat.secret) == (8080, "/", b"a secret of its own")
    assert chat.events == ("study_failed", "drift_detected")
    listed = ("ci", "hooks.example.com", ("study_completed",), "default")
    assert load_listed(file)[0] == ci.listed() == listed


def test_a_chat_room_needs_no_secret(file: Path) -> None:
    entry = {"name": "chat", "url": GOOD["url"], "events": ["study_failed"], "format": "discord"}
    signed = {**GOOD, "format": "slack", "server_url": "https://metaopt.example.com/lab/"}
    chat, other = load_webhooks(write(file, entry, signed))
    assert (chat.format, chat.secret, chat.server_url) == ("discord", None, None)
    assert (other.format, other.secret) == ("slack", GOOD["secret"].encode())
    assert other.server_url == "https://metaopt.example.com/lab"


def test_nothing_that_shows_a_webhook_shows_its_secret_or_path(file: Path) -> None:
    (webhook,) = load_webhooks(write(file, GOOD))
    for text in (repr(webhook), str(webhook), repr(webhook.listed())):
        assert "secret" not in text and "t0ken" not in text and "qu3ry" not in text


def test_who_only_lists_needs_no_secret_file(file: Path) -> None:
    entry = {**GOOD, "secret": None, "secret_file": "/nowhere/secret"}
    assert load_listed(write(file, entry))[0].name == "ci"
    with pytest.raises(WebhooksUnreadable, match=r"ci\.secret_file /nowhere/secret cannot be read"):
        load_webhooks(file)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            {"name": "c I"},
            r"\[0\]\.name may not have a space, character 2 of 'c I': take a-z, digi",
        ),
        ({"url": None}, r"\[0\]\.url must be text"),
        ({"url": "http://hooks.example.com/t0ken"}, r"ci\.url must begin with https://, got http"),
        ({"url": "https://hooks.example.com:8443/t0ken"}, r"ci\.url must have port 443, got 8443"),
        ({"url": "https://me:t0ken@hooks.example.com"}, r"ci\.url must have no user"),
        ({"url": "https://10.0.0.1/t0ken"}, r"ci\.url 10\.0\.0\.1 is at a private address"),
        ({"url": "https://127.1/t0ken"}, r"ci\.url must write an address as four decimal"),
        ({"secret": "t0ken"}, r"\[0\]: the secret must have at least 16 characters, got 5"),
        ({"secret": 12345678901234567}, r"\[0\]\.secret must be text \(put it in quotes\)"),
        ({"secret": None}, r"\[0\] must have either secret or secret_file"),
        (
            {"format": "irc"},
            r"\[0\]\.format must be one of metaopt, slack, mattermost, discord, teams, google-chat",
        ),
        ({"format": "slack", "secret_file": "x"}, r"\[0\] must have either secret or secret_file"),
        (
            {"format": "slack", "server_url": "javascript:alert(1)"},
            r"\[0\]\.server_url must be like https://metaopt\.example\.com",
        ),
        ({"server_url": "https://me.example"}, r"\[0\]\.server_url is for messages to a chat room"),
        ({"secret_file": "x"}, r"\[0\] must have either secret or secret_file"),
        ({"events": []}, r"\[0\]\.events must name at least one event"),
        ({"events": ["t0ken"]}, r"\[0\]\.events\.0 must be one of study_completed, study_failed"),
        ({"events": "study_failed"}, r"\[0\]\.events must be a list"),
        ({"allow": ["10.0.0.1/8"]}, r"ci\.allow must be host names, addresses or networks: .*host"),
        ({"allow": ["https://x"]}, r"ci\.allow must be host names"),
        ({"evnets": []}, r"\[0\]\.evnets is not a known field, did you mean events\?"),
    ],
)
def test_a_broken_rule_is_named_without_the_value(
    file: Path, change: dict[str, Any], said: str
) -> None:
    for load in (load_webhooks, load_listed):
        with pytest.raises(WebhooksUnreadable, match=said) as raised:
            load(write(file, {**GOOD, **change}))
        assert "t0ken" not in str(raised.value) and "12345678901" not in str(raised.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("- name: [", "is not valid YAML"),
        ("- {name: a, name: b}", r"\[0\]\.name is given twice"),
        ("- {secret: *t0ken}", "has an alias without an anchor: put text that begins with *"),
        ("- {secret: !t0ken x}", "tags are not supported: put text that begins with !"),
        ("# none yet", "is empty"),
        ("name: ci", "must be a list of at most 32 webhooks"),
        ("[1]", r"\[0\] must be an object"),
        (json.dumps([GOOD, GOOD]), r"\[1\]\.name ci is given twice"),
        (json.dumps([{**GOOD, "name": f"w{n}"} for n in range(33)]), "must be a list of at most"),
        ("#" * 200_000, "must have at most 131072 bytes"),
        ("- {secret: 1e999}", r"\[0\]\.secret must be finite$"),
    ],
)
def test_a_file_that_is_no_list_of_webhooks_is_refused(file: Path, text: str, said: str) -> None:
    file.write_text(text)
    with pytest.raises(WebhooksUnreadable, match=said) as raised:
        load_webhooks(file)
    assert str(raised.value).startswith(str(file)) and "t0ken" not in str(raised.value)


def test_a_byte_order_mark_is_part_of_neither_file(file: Path) -> None:
    write(file, {**GOOD, "secret": None, "secret_file": "own"})
    file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes())
    (file.parent / "own").write_text("\ufeffsixteen letters!\r\n", encoding="utf-16-le")
    assert load_webhooks(file)[0].secret == b"sixteen letters!"


def test_a_file_that_is_not_there_is_named(file: Path) -> None:
    with pytest.raises(WebhooksUnreadable, match="webhooks.yaml cannot be read: No such file"):
        load_webhooks(file)


def test_a_secret_file_that_is_empty_or_no_text_is_refused(file: Path) -> None:
    write(file, {**GOOD, "secret": None, "secret_file": "own"})
    for content, said in ((b"\n", "at least 16 characters, got 0"), (b"\xff" * 20, "UTF-8")):
        (file.parent / "own").write_bytes(content)
        with pytest.raises(WebhooksUnreadable, match=said):
            load_webhooks(file)
