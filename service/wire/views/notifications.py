"""Notifications: what the outside is told of an event; webhooks and logs of CI share the form.

It names the study and never where it can be found: the server does not know by which URL its
readers reach it.  `data` is the event's own: ids, finite numbers, causes.
"""

from datetime import datetime
from typing import Annotated, Any, Literal, Protocol

from pydantic import JsonValue

from service.events import notifying
from service.wire.base import Instant
from service.wire.one_of import OneOf
from service.wire.views.studies import StudyStatus, View

TEST = "test"

EventName = Annotated[str, OneOf(notifying)]
"""An event that the outside is told of, as `service.events` says."""


class Notification(View):
    """An event of a study; only a test has no study."""

    schema_version: Literal[1] = 1
    event: Annotated[str, OneOf(lambda: [*notifying(), TEST])]
    study_id: str | None
    name: str | None
    status: StudyStatus | None
    data: dict[str, JsonValue] = {}
    created_at: Instant


class WebhookBody(Notification):
    """What a webhook is sent; a `delivery_id` that was seen before is a repetition."""

    delivery_id: str


class EventRow(Protocol):
    """An event, from the table or from the API."""

    @property
    def kind(self) -> str: ...

    @property
    def study_id(self) -> str: ...

    @property
    def data(self) -> dict[str, Any]: ...

    @property
    def created_at(self) -> datetime: ...


class StudyRow(Protocol):
    """A study, from the table or from the API."""

    @property
    def name(self) -> str: ...

    @property
    def status(self) -> str: ...


def notification(event: EventRow, study: StudyRow) -> Notification:
    """The notification of an event, without what only we may know.

    Raises:
        ValidationError: The outside is not told of such events, or its data are not finite.
    """
    return Notification.model_validate(
        {
            "event": event.kind,
            "study_id": event.study_id,
            "name": study.name,
            "status": study.status,
            "data": event.data,
            "created_at": event.created_at,
        }
    )


def notification_of_test(now: datetime) -> Notification:
    """The notification that a test of a webhook sends."""
    return Notification(event=TEST, study_id=None, name=None, status=None, created_at=now)
