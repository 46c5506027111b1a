"""Webhooks of the operator's file, tests of them, and the log of deliveries."""

import uuid
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from service.api.context import Ctx
from service.api.openapi import PROBLEMS
from service.api.studies import Cursor, Limit, link_next
from service.auth.policy import ADMIN, READ
from service.db.states import DeliveryStatus
from service.operations import webhooks
from service.wire.names import WEBHOOK_NAME
from service.wire.views.webhooks import DeliveryPage, DeliveryView, WebhookList

router = APIRouter(prefix="/api/v1", tags=["webhooks"], responses=PROBLEMS)


@router.get(
    "/webhooks", dependencies=READ, response_model=WebhookList, operation_id="list_webhooks"
)
def list_webhooks(context: Ctx) -> WebhookList:
    """Return the webhooks: name, host and events; secrets and paths are shown to nobody."""
    with context.reading() as session:
        return webhooks.list_webhooks(session, context.webhooks)


@router.post(
    "/webhooks/{name}:test",
    dependencies=ADMIN,
    status_code=202,
    response_model=DeliveryView,
    operation_id="send_webhook_test",
)
def send_test(name: str, context: Ctx) -> DeliveryView:
    """Queue a test; the dispatcher delivers it, and the log of deliveries tells how that went."""
    with context.changing() as session:
        return webhooks.send_test(
            session, context.webhooks, name, delivery_id=uuid.uuid4().hex, now=context.now()
        )


@router.get(
    "/deliveries", dependencies=READ, response_model=DeliveryPage, operation_id="list_deliveries"
)
def list_deliveries(
    request: Request,
    response: Response,
    context: Ctx,
    webhook: Annotated[
        Annotated[str, WEBHOOK_NAME] | None, Query(description="Of this webhook only.")
    ] = None,
    status: DeliveryStatus | None = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> DeliveryPage:
    """Return deliveries, newest first; also those of webhooks that are configured no more."""
    with context.reading() as session:
        page = webhooks.list_deliveries(
            session, webhook=webhook, status=status, cursor=cursor, limit=limit
        )
    link_next(request, response, page.next_cursor)
    return page
