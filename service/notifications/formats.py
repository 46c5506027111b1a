"""Formats: what the body of a request has to look like for the receiver to take it.

    metaopt      our own JSON, as programs read it (`service.wire.views.notifications`)
    slack, mattermost, discord, teams, google-chat      a message that a chat room shows
    text         the same message as it is, for receivers of plain text such as ntfy

Names and causes come from users, so a chat must show them and not obey them: each format escapes
what its receiver would take for markup, and parts every @ from what follows, so that nobody is
called by a name.  A sentence is one line.  A message that is too long loses its end, not its link.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from service.notifications.message import Message

OWN = "metaopt"
INVISIBLE = "\u200b"  # a space without a width, which parts what would be read as one
ELLIPSIS = "…"
MOST_CHARACTERS = 4000
_UNSEEN = re.compile("[\x00-\x08\x0e-\x1b\x7f\u202a-\u202e\u2066-\u2069]")  # control, direction


def _units(text: str) -> int:
    return len(text.encode("utf-16-le", "replace")) // 2


def _bytes(text: str) -> int:
    return len(text.encode("utf-8", "replace"))


@dataclass(frozen=True)
class BodyFormat:
    """How a message is written for a receiver.

    Args:
        write: (text, url) -> the body; its length follows from the text's.
        escape: Makes the receiver show a text as it is.
        link: Writes a link at the end of the text; "" where `write` puts it elsewhere.
        most: Length of the text, escaped and with its link.
        length: How the receiver counts it; in doubt as JavaScript does.
    """

    write: Callable[[str, str | None], Any]
    escape: Callable[[str], str] = str
    link: Callable[[str], str] = str
    most: int = MOST_CHARACTERS
    length: Callable[[str], int] = _units
    media_type: str = "application/json"

    def body(self, message: Message) -> bytes:
        """The bytes to send."""
        link = f"\n{self.link(message.url)}" if message.url and self.link(message.url) else ""
        lines = filter(None, map(_line, message.sentences))
        text = self._cut("\n".join(lines), self.most - self.length(link))
        written = self.write(text + link, message.url)
        if not isinstance(written, str):
            written = json.dumps(written, ensure_ascii=False)
        return written.encode("utf-8", "replace")

    def _cut(self, text: str, most: int) -> str:
        """The text, escaped; as much of its beginning as there is room for."""
        escaped = self.escape(text)
        if self.length(escaped) <= most:
            return escaped
        low, high = 0, len(text)
        while low < high:  # what is escaped is cut before, so that no escape is cut in two
            middle = (low + high + 1) // 2
            fits = self.length(self.escape(text[:middle]) + ELLIPSIS) <= most
            low, high = (middle, high) if fits else (low, middle - 1)
        return self.escape(text[:low]) + ELLIPSIS


def _line(sentence: str) -> str:
    return " ".join(_UNSEEN.sub("", sentence).split())


def _parted(text: str) -> str:
    return text.replace("@", f"@{INVISIBLE}")


def _entities(text: str) -> str:
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _parted(escaped)


def _markdown(text: str) -> str:
    return _parted(re.sub(r"([\\`*_~|\[\]()#>:<])", r"\\\1", text))


def _mattermost(text: str) -> str:
    return re.sub(r"([\\`*_~|\[\]()#])", r"\\\1", _entities(text))


def _google_chat(text: str) -> str:
    return _parted(text.replace("<", f"<{INVISIBLE}"))  # <users/all>, <url|text>


def _card(text: str, url: str | None) -> dict[str, Any]:
    # Of a RichTextBlock nothing is read as Markdown, of a TextBlock much.
    body = [
        {"type": "RichTextBlock", "inlines": [{"type": "TextRun", "text": line}]}
        for line in text.split("\n")
    ]
    more = {"type": "Action.OpenUrl", "title": "Open in metaopt", "url": url}
    card = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.2",
        "body": body,
        **({"actions": [more]} if url else {}),
    }
    media_type = "application/vnd.microsoft.card.adaptive"
    attachment = {"contentType": media_type, "contentUrl": None, "content": card}
    return {"type": "message", "attachments": [attachment]}


FORMATS: Mapping[str, BodyFormat | None] = {
    OWN: None,  # the delivery's own body
    "slack": BodyFormat(
        lambda text, url: {"text": text, "mrkdwn": False},
        _entities,
        lambda url: f"<{_entities(url)}>",
    ),
    "mattermost": BodyFormat(lambda text, url: {"text": text}, _mattermost),
    "discord": BodyFormat(
        lambda text, url: {"content": text, "allowed_mentions": {"parse": []}},
        _markdown,
        most=2000,
    ),
    "teams": BodyFormat(_card, _parted, lambda url: ""),
    "google-chat": BodyFormat(lambda text, url: {"text": text}, _google_chat),
    "text": BodyFormat(
        lambda text, url: text, most=4000, length=_bytes, media_type="text/plain; charset=utf-8"
    ),
}
"""By the name that the webhooks file gives."""


def media_type(name: str) -> str:
    """The media type of a format's bodies."""
    chosen = FORMATS[name]
    return chosen.media_type if chosen else "application/json"
