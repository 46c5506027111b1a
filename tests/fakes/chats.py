"""Chat rooms that take only what their documentation says, and show it as their readers see it.

    slack, mattermost   docs.slack.dev, docs.mattermost.com: incoming webhooks, formatting
    discord             docs.discord.com: Execute Webhook, Allowed Mentions
    teams               learn.microsoft.com: Workflows webhooks; adaptivecards.io: RichTextBlock
    google-chat         developers.google.com/workspace/chat: incoming webhooks, text messages
    text                docs.ntfy.sh/publish

A room returns what it shows, or raises `Refused` where it would answer 400, or where a reader would
see something else than text: markup, a mention, a link that is not ours.
"""

import html
import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from tests.fakes.receiver import Got

INVISIBLE = "\u200b"
CARD = "application/vnd.microsoft.card.adaptive"


class Refused(Exception):
    """The room does not take it, for this reason."""


def slack(got: Got) -> str:
    document = _object(got, required={"text"}, known={"text", "mrkdwn", "blocks", "attachments"})
    text = _text(document["text"], most=4000)
    if document.get("mrkdwn") is not False:
        raise Refused("formatting of names is not switched off")
    return _html(_without_links(text, r"<(https?://[^<>|]+)>"))


def mattermost(got: Got) -> str:
    document = _object(got, required={"text"}, known={"text", "channel", "username", "props"})
    text = _text(document["text"], most=4000)
    text, link = _last_line_link(text)
    return _html(_markdown(text, r"\\`*_~|[]()#")) + link


def discord(got: Got) -> str:
    known = {"content", "allowed_mentions", "username", "avatar_url", "embeds", "flags"}
    document = _object(got, required={"content"}, known=known)
    if document.get("allowed_mentions") != {"parse": []}:
        raise Refused("mentions are not switched off")
    text, link = _last_line_link(_text(document["content"], most=2000))
    return _markdown(text, r"\\`*_~|[]()#>:<") + link


def teams(got: Got) -> str:
    if len(got.body) > 28 * 1024:
        raise Refused(f"{len(got.body)} bytes are more than 28 KB")
    document = _object(got, required={"type", "attachments"}, known={"type", "attachments"})
    (attachment,) = document["attachments"]
    card = attachment["content"]
    if (document["type"], attachment["contentType"], card["type"]) != (
        "message", CARD, "AdaptiveCard",
    ):  # fmt: skip
        raise Refused("it is no message with an adaptive card")
    if card["version"] not in ("1.2", "1.3", "1.4", "1.5"):
        raise Refused("Teams knows no such version, or it has no RichTextBlock yet")
    lines = []
    for block in card["body"]:
        if block["type"] != "RichTextBlock" or set(block) != {"type", "inlines"}:
            raise Refused("a TextBlock would be read as Markdown")
        lines.append("".join(run["text"] for run in block["inlines"]))
    links = [_action(action) for action in card.get("actions", [])]
    return "\n".join([_text("\n".join(lines), most=28 * 1024), *links])


def google_chat(got: Got) -> str:
    document = _object(got, required={"text"}, known={"text", "cardsV2", "thread"})
    text = _text(document["text"], most=4096)
    if re.search(r"<(users/|https?:)", text):
        raise Refused("it mentions somebody, or hides a link")
    return text


def plain(got: Got) -> str:
    if not got.headers["Content-Type"].startswith("text/plain") or len(got.body) > 4096:
        raise Refused("it would become an attachment")
    return got.body.decode()


ROOMS: Mapping[str, Callable[[Got], str]] = {
    "slack": slack,
    "mattermost": mattermost,
    "discord": discord,
    "teams": teams,
    "google-chat": google_chat,
    "text": plain,
}


def shown(room: str, got: Got) -> str:
    """What readers of the room see, without the spaces that have no width."""
    text = ROOMS[room](got)
    if room != "text" and re.search("@(everyone|here|channel|all)", text):
        raise Refused("it calls everybody")
    return text.replace(INVISIBLE, "")


def judge(room: str) -> Callable[[Got], int]:
    """How the room's server answers."""

    def answer(got: Got) -> int:
        try:
            shown(room, got)
        except (Refused, KeyError, ValueError):
            return 400
        return 204 if room == "discord" else 200

    return answer


def _object(got: Got, *, required: set[str], known: set[str]) -> dict[str, Any]:
    if got.headers["Content-Type"] != "application/json":
        raise Refused(f"no JSON: {got.headers['Content-Type']}")
    document = json.loads(got.body)
    if not isinstance(document, dict) or not required <= set(document) <= known:
        raise Refused(f"has {set(document)}, must have {required}")
    return document


def _text(text: Any, *, most: int) -> str:
    if not isinstance(text, str) or not text.strip():
        raise Refused("no text")
    if len(text.encode("utf-16-le")) // 2 > most:
        raise Refused(f"longer than {most}")
    return text


def _without_links(text: str, pattern: str) -> str:
    text = re.sub(pattern, r"\1", text)
    if re.search("[<>]", text):
        raise Refused("it holds a mention, or a link that is not ours")
    return text


def _html(text: str) -> str:
    if re.search(r"[<>]|&(?!(amp|lt|gt);)", text):
        raise Refused("&, < and > must be entities")
    return html.unescape(text)


def _markdown(text: str, special: str) -> str:
    bare = re.sub(r"\\(.)", "", text)
    if set(bare) & set(special):
        raise Refused(f"{sorted(set(bare) & set(special))} would be markup")
    return re.sub(r"\\(.)", r"\1", text)


def _last_line_link(text: str) -> tuple[str, str]:
    """A link of its own at the end, which Markdown leaves as it is, apart from the rest."""
    body, _, last = text.rpartition("\n")
    return (f"{body}\n", last) if re.fullmatch(r"https?://\S+", last) else (text, "")


def _action(action: dict[str, Any]) -> str:
    if action["type"] != "Action.OpenUrl" or not action["title"]:
        raise Refused("an action of a webhook's card can only open a URL")
    return str(action["url"])
