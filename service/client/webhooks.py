"""Webhooks, by the API: which there are, testing one, and how deliveries went."""

from typing import Any, Protocol, TypeVar

from pydantic import BaseModel

from service.wire.webhooks import DeliveryPage, DeliveryView, WebhookList, WebhookView

PAGE_LIMIT = 500

Model = TypeVar("Model", bound=BaseModel)


class Call(Protocol):
    """What asks the server."""

    def __call__(self, model: type[Model], method: str, path: str, **arguments: Any) -> Model:
        """Return the answer as a `model`."""


class Webhooks:
    """The webhooks of a server; `Client.webhooks` is one.

    Args:
        call: What asks the server; raises as every method of a client does.
    """

    def __init__(self, call: Call) -> None:
        self._call = call

    def configured(self) -> list[WebhookView]:
        """Return the webhooks of the operator's file."""
        return self._call(WebhookList, "GET", "/webhooks").items

    def test(self, name: str) -> DeliveryView:
        """Queue a test; asked for again, it is the same one until it has ended."""
        return self._call(DeliveryView, "POST", f"/webhooks/{name}:test")

    def deliveries(
        self, *, webhook: str | None = None, status: str | None = None, limit: int = 50
    ) -> list[DeliveryView]:
        """Return the newest deliveries, at most `limit`."""
        params: dict[str, Any] = {
            k: v for k, v in (("webhook", webhook), ("status", status)) if v is not None
        }
        found: list[DeliveryView] = []
        while len(found) < limit:
            wanted = {**params, "limit": min(limit - len(found), PAGE_LIMIT)}
            page = self._call(DeliveryPage, "GET", "/deliveries", params=wanted)
            found += page.items
            if page.next_cursor is None:
                break
            params = {**params, "cursor": page.next_cursor}
        return found
