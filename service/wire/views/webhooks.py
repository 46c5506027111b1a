"""What the API says about webhooks and their deliveries: never a secret, never a whole URL."""

from typing import Literal

from service.wire.base import Instant
from service.wire.views.notifications import EventName
from service.wire.views.studies import View

DeliveryStatus = Literal["pending", "delivered", "failed"]


class DeliveryView(View):
    """One notification on its way to a webhook; a test has no study.

    `next_attempt_at` is null once nothing more is tried.  `last_status_code` and `last_error` are
    of the latest attempt; the receiver's answer is kept nowhere.
    """

    delivery_id: str
    webhook: str
    event: str
    study_id: str | None
    status: DeliveryStatus
    attempts: int
    next_attempt_at: Instant | None
    last_status_code: int | None
    last_error: str | None
    created_at: Instant
    delivered_at: Instant | None


class WebhookView(View):
    """A webhook of the operator's file, and its latest delivery."""

    name: str
    host: str
    events: list[EventName]
    last_delivery: DeliveryView | None


class WebhookList(View):
    """All webhooks, in the order of the file."""

    items: list[WebhookView]


class DeliveryPage(View):
    """Some deliveries, newest first; `next_cursor` asks for more."""

    items: list[DeliveryView]
    next_cursor: str | None
