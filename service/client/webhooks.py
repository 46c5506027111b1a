"""Webhooks over the API: `client.webhooks`."""

from typing import Any

from service.client.http import Http, in_path
from service.wire.views.webhooks import DeliveryPage, DeliveryView, WebhookList, WebhookView

PAGE_LIMIT = 500


class Webhooks:
    """Who is told of events.

    Args:
        http: The way to the server; its errors are those of `Client`.
    """

    def __init__(self, http: Http) -> None:
        self._http = http

    def configured(self) -> list[WebhookView]:
        """The webhooks of the operator's file."""
        return self._http.call(WebhookList, "GET", "/webhooks").items

    def test(self, name: str) -> DeliveryView:
        """Queue a test; asked for again, it is the same one until it has ended."""
        return self._http.call(DeliveryView, "POST", f"/webhooks/{in_path(name)}:test")

    def deliveries(
        self, *, webhook: str | None = None, status: str | None = None, limit: int = 50
    ) -> list[DeliveryView]:
        """The newest deliveries, at most `limit`."""
        params: dict[str, Any] = {
            k: v for k, v in (("webhook", webhook), ("status", status)) if v is not None
        }
        deliveries: list[DeliveryView] = []
        while len(deliveries) < limit:
            wanted = {**params, "limit": min(limit - len(deliveries), PAGE_LIMIT)}
            page = self._http.call(DeliveryPage, "GET", "/deliveries", params=wanted)
            deliveries += page.items
            if page.next_cursor is None:
                break
            params = {**params, "cursor": page.next_cursor}
        return deliveries
