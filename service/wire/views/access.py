"""Who asks, and who changed what."""

from typing import Any

from service.wire.base import Instant
from service.wire.views.studies import View


class IdentityView(View):
    """Who asks, and what the key may do; a server without keys knows nobody by name.

    `projects` null is every project; `project` is the one that this request was at work in.
    """

    name: str
    scopes: list[str]
    projects: list[str] | None
    project: str
    via: str


class AuditView(View):
    """A change: who made it by which request, of what, and from what to what where that is short.

    `via` is key, session (of a browser), open (a server without keys) or command (of the
    operator).
    """

    audit_id: int
    created_at: Instant
    request_id: str
    api_key_id: str
    key_name: str
    via: str
    project: str
    action: str
    object: str
    changed: dict[str, Any] | None


class AuditPage(View):
    """Some changes, newest first; `next_cursor` asks for more."""

    items: list[AuditView]
    next_cursor: str | None
