"""The webhooks file: who is told what, and by which secret that can be proved.

    - name: ci                                  a YAML or JSON list of these
      url: https://hooks.example.com/metaopt
      secret_file: ci.secret                    or secret: at least 16 characters
      events: [study_completed, gate_failed]
      allow: [10.1.0.0/16]                      only for targets on premises
      format: slack                             for a chat room, instead of our own JSON
      server_url: https://metaopt.example.com   only for chat rooms: where their readers reach us
      project: vision                           of whose studies it is told; without, `default`

A chat room checks no signature, so it needs no secret; whoever knows the URL can write there.
The dispatcher reads all of it; the API reads the same file, but opens no secret_file and keeps
only what it may show.  No message repeats a value of the file but names, hosts and event names.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, NamedTuple

from pydantic import Field, SecretStr, StrictStr, ValidationError

from metaopt.messages import did_you_mean
from service.default_project import DEFAULT_PROJECT
from service.errors import InvalidRequest, ServiceError, WebhooksUnreadable
from service.events import notifying
from service.notifications.address import (
    AddressRefused,
    Allow,
    Target,
    parse_allow,
    parse_target,
)
from service.notifications.formats import FORMATS, OWN
from service.wire.base import Wire
from service.wire.names import PROJECT_NAME, WEBHOOK_NAME
from service.wire.one_of import OneOf
from service.wire.parsing.encoding import NotText, decode
from service.wire.parsing.plain_data import parse_yaml
from service.wire.views.notifications import EventName

MAX_WEBHOOKS = 32  # each has a thread of its own
MIN_SECRET_CHARACTERS = 16
SERVER_URL = r"^https?://[A-Za-z0-9.:\[\]_-]+(/[A-Za-z0-9._~/-]*)?$"


class Listed(NamedTuple):
    """What anybody may know of a webhook."""

    name: str
    host: str
    events: tuple[EventName, ...]
    project: str = DEFAULT_PROJECT


@dataclass(frozen=True)
class Webhook:
    """One receiver of notifications; its secret is in no representation."""

    name: str
    target: Target
    events: tuple[EventName, ...]
    allow: Allow
    secret: bytes | None = field(repr=False)
    format: str = OWN
    server_url: str | None = None
    project: str = DEFAULT_PROJECT

    def listed(self) -> Listed:
        """The webhook without its secret and path."""
        return Listed(self.name, self.target.host, self.events, self.project)


class _Entry(Wire):
    name: Annotated[str, WEBHOOK_NAME]
    url: StrictStr
    secret: SecretStr | None = None
    secret_file: StrictStr | None = None
    events: Annotated[list[EventName], Field(min_length=1)]
    allow: list[StrictStr] = []
    format: Annotated[str, OneOf(lambda: list(FORMATS))] = OWN
    server_url: Annotated[str, Field(pattern=SERVER_URL, max_length=500)] | None = None
    project: Annotated[str, PROJECT_NAME] = DEFAULT_PROJECT


def load_webhooks(path: Path | None) -> tuple[Webhook, ...]:
    """The webhooks of the file with their secrets; none without a file.

    Raises:
        WebhooksUnreadable: The file, or a secret_file, cannot be read or breaks a rule.
    """
    return tuple(_webhook(place, entry, path) for place, entry in _entries(path)) if path else ()


def load_listed(path: Path | None) -> tuple[Listed, ...]:
    """The webhooks of the file without their secrets and paths.

    Raises:
        WebhooksUnreadable: The file cannot be read or breaks a rule.
    """
    if path is None:
        return ()
    return tuple(
        Listed(entry.name, _target(place, entry)[0].host, tuple(entry.events), entry.project)
        for place, entry in _entries(path)
    )


def secret_files(path: Path) -> tuple[Path, ...]:
    """The files beside the webhooks file that hold the secrets of some of them.

    Raises:
        WebhooksUnreadable: The file cannot be read or breaks a rule.
    """
    named = (entry.secret_file for _, entry in _entries(path))
    return tuple(path.parent / name for name in named if name is not None)


def _entries(path: Path) -> Iterator[tuple[str, _Entry]]:
    """Yield each entry with the words that errors begin with."""
    data = _read(path)
    if not isinstance(data, list) or len(data) > MAX_WEBHOOKS:
        raise WebhooksUnreadable(f"{path}: must be a list of at most {MAX_WEBHOOKS} webhooks")
    names: set[str] = set()
    for index, raw in enumerate(data):
        entry = _entry(f"{path}: [{index}]", raw)
        if entry.name in names:
            raise WebhooksUnreadable(f"{path}: [{index}].name {entry.name} is given twice")
        names.add(entry.name)
        yield f"{path}: {entry.name}", entry


def _read(path: Path) -> object:
    try:
        return parse_yaml(path.read_bytes())  # JSON is YAML, too
    except OSError as error:
        raise WebhooksUnreadable(f"the webhooks file {path} {_reason(error)}") from None
    except InvalidRequest as error:
        broken = error.errors[0]
        rule = broken.message.partition(", got")[0]
        place = "" if broken.field == "spec" else f"{broken.field} "
        raise WebhooksUnreadable(f"{path}: {place}{rule}") from None
    except ServiceError as error:
        raise WebhooksUnreadable(f"{path}: {error}") from None


def _entry(place: str, raw: object) -> _Entry:
    try:
        entry = _Entry.model_validate(raw)
    except ValidationError as error:
        broken = error.errors(include_url=False, include_input=False)[0]
        field_path = "".join(f".{part}" for part in broken["loc"])
        rule = _FIELD_RULES.get(field_path) or _rule(broken)
        raise WebhooksUnreadable(f"{place}{field_path} {rule}") from None
    secrets = (entry.secret is not None) + (entry.secret_file is not None)
    if secrets > 1 or (secrets == 0 and entry.format == OWN):
        raise WebhooksUnreadable(f"{place} must have either secret or secret_file")
    if entry.server_url is not None and entry.format == OWN:
        raise WebhooksUnreadable(
            f"{place}.server_url is for messages to a chat room: give a format, or leave it out"
        )
    if entry.secret is not None:
        _secret(place, entry.secret.get_secret_value())
    return entry


_FIELD_RULES = {
    ".format": f"must be one of {', '.join(FORMATS)}",
    ".server_url": "must be like https://metaopt.example.com, at most 500 characters",
}


def _rule(broken: Mapping[str, Any]) -> str:
    kind, name = broken["type"], broken["loc"][-1] if broken["loc"] else ""
    if kind == "value_error":  # of the name, the only value that may be repeated
        return str(broken["ctx"]["error"])
    meant = did_you_mean(name, _Entry.model_fields)
    return {
        "missing": "is required",
        "extra_forbidden": f"is not a known field{meant}",
        "string_type": "must be text (put it in quotes)",
        "literal_error": f"must be one of {', '.join(notifying())}",
        "list_type": "must be a list",
        "too_short": "must name at least one event",
        "model_type": "must be an object",
    }.get(kind, "breaks a rule")


def _target(place: str, entry: _Entry) -> tuple[Target, Allow]:
    try:
        allow = parse_allow(entry.allow)
    except AddressRefused as error:
        raise WebhooksUnreadable(f"{place}.allow {error}") from None
    try:
        return parse_target(entry.url, allow), allow
    except AddressRefused as error:
        raise WebhooksUnreadable(f"{place}.url {error}") from None


def _webhook(place: str, entry: _Entry, path: Path) -> Webhook:
    target, allow = _target(place, entry)
    return Webhook(
        name=entry.name,
        target=target,
        events=tuple(dict.fromkeys(entry.events)),
        allow=allow,
        secret=_secret_of(place, entry, path),
        format=entry.format,
        server_url=entry.server_url.rstrip("/") if entry.server_url else None,
        project=entry.project,
    )


def _secret_of(place: str, entry: _Entry, path: Path) -> bytes | None:
    if entry.secret is not None:
        return entry.secret.get_secret_value().encode()
    if entry.secret_file is not None:
        return _read_secret(place, path.parent / entry.secret_file)
    return None


def _read_secret(place: str, path: Path) -> bytes:
    try:
        text = decode(path.read_bytes()).strip()
    except OSError as error:
        raise WebhooksUnreadable(f"{place}.secret_file {path} {_reason(error)}") from None
    except NotText:
        raise WebhooksUnreadable(f"{place}.secret_file {path} must be UTF-8 text") from None
    return _secret(f"{place}.secret_file", text)


def _secret(place: str, secret: str) -> bytes:
    if len(secret) < MIN_SECRET_CHARACTERS:
        rule = f"must have at least {MIN_SECRET_CHARACTERS} characters, got {len(secret)}"
        raise WebhooksUnreadable(f"{place}: the secret {rule}")
    return secret.encode()


def _reason(error: OSError) -> str:
    return f"cannot be read: {error.strerror or error}"
