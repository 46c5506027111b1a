"""Webhooks: which there are, testing one, and the log of deliveries."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy.orm import Session

from service.db import deliveries
from service.db.access import audit
from service.db.access.projects import project_of
from service.db.tables import Delivery
from service.errors import WebhookNotFound
from service.notifications.config import Listed
from service.notifications.notifier import new_delivery
from service.operations import pages
from service.wire.views.notifications import notification_of_test
from service.wire.views.webhooks import DeliveryPage, DeliveryView, WebhookList, WebhookView


def list_webhooks(session: Session, configured: Sequence[Listed]) -> WebhookList:
    """The webhooks of the file, each with its latest delivery."""
    views = []
    for webhook in _own(session, configured):
        row = deliveries.latest(session, webhook.name)
        views.append(
            WebhookView(
                name=webhook.name,
                host=webhook.host,
                events=list(webhook.events),
                last_delivery=delivery_view(row) if row else None,
            )
        )
    return WebhookList(items=views)


def send_test(
    session: Session, configured: Sequence[Listed], name: str, *, delivery_id: str, now: datetime
) -> DeliveryView:
    """Queue a test of the webhook, or return the one that is still on its way.

    Raises:
        WebhookNotFound: The file has no webhook of that name.
    """
    names = [webhook.name for webhook in _own(session, configured)]
    if name not in names:
        rule = f"there are {', '.join(names)}" if names else "METAOPT_WEBHOOKS_FILE names none"
        raise WebhookNotFound(f"there is no webhook of this name; {rule}")
    row = deliveries.pending_test(session, name)
    if row is None:
        row = new_delivery(name, notification_of_test(now), delivery_id, now)
        row.project = project_of(session)
        deliveries.add(session, row)
        audit.note(session, delivery_id=delivery_id)
    return delivery_view(row)


def list_deliveries(
    session: Session, *, webhook: str | None, status: str | None, cursor: str | None, limit: int
) -> DeliveryPage:
    """A page of deliveries, newest first."""
    before = pages.decode_position(cursor) if cursor else None
    rows = deliveries.deliveries_before(
        session, before, webhook=webhook, status=status, limit=limit + 1
    )
    page, last = pages.split_page(rows, limit)
    position = last and pages.Position(last.created_at, last.delivery_id)
    return DeliveryPage(
        items=[delivery_view(row) for row in page],
        next_cursor=pages.encode_position(position) if position else None,
    )


def _own(session: Session, configured: Sequence[Listed]) -> list[Listed]:
    """The webhooks of the session's project."""
    return [webhook for webhook in configured if webhook.project == project_of(session)]


def delivery_view(row: Delivery) -> DeliveryView:
    """A delivery as the API shows it."""
    return DeliveryView.model_validate(row, from_attributes=True)
