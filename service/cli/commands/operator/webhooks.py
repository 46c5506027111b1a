"""Commands about webhooks: webhooks list, webhooks test, webhooks deliveries."""

import re
from typing import Annotated

import typer

from service.cli import console
from service.cli.connection import connect
from service.cli.exits import Exit, Stop
from service.cli.options import Json
from service.cli.outputs.answers import answer
from service.cli.pages import words
from service.wire.views.webhooks import DeliveryView

app = typer.Typer(
    help="Show and test who is told of events.", no_args_is_help=True, rich_markup_mode=None
)

HEADER = ("name", "host", "events", "last delivery")
DELIVERIES = ("delivery_id", "created", "webhook", "event", "study_id", "attempts", "outcome")


@app.command("list")
def list_webhooks(json: Json = None) -> None:
    """List the webhooks of the server's file, each with its latest delivery."""
    with connect() as client:
        listed = client.webhooks.configured()
    rows = [
        (webhook.name, webhook.host, ",".join(webhook.events), _outcome(webhook.last_delivery))
        for webhook in listed
    ]
    answer(json, listed, lambda: console.table("", HEADER, rows))
    if not listed:
        console.say("The server has none: METAOPT_WEBHOOKS_FILE names the file (docs/webhooks.md).")


@app.command()
def test(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the webhook.")],
    json: Json = None,
) -> None:
    """Queue a test delivery, and print its id; `metaopt webhooks deliveries` tells how it went."""
    if not re.fullmatch("[a-z0-9_-]+", name):
        raise Stop(Exit.USAGE, f"{name!r} cannot be the name of a webhook")
    with connect() as client:
        delivery = client.webhooks.test(name)
    answer(json, delivery, lambda: console.data(delivery.delivery_id))


@app.command()
def deliveries(
    webhook: Annotated[
        str | None, typer.Option(metavar="N", help="Only those to the webhook of this name.")
    ] = None,
    status: Annotated[
        str | None, typer.Option(metavar="S", help="Only those: pending, delivered or failed.")
    ] = None,
    limit: Annotated[int, typer.Option(metavar="N", min=1, help="At most this many.")] = 50,
    json: Json = None,
) -> None:
    """List deliveries, newest first."""
    with connect() as client:
        listed = client.webhooks.deliveries(webhook=webhook, status=status, limit=limit)
    rows = [_row(delivery) for delivery in listed]
    answer(json, listed, lambda: console.table("", DELIVERIES, rows))


def _row(delivery: DeliveryView) -> tuple[str, ...]:
    return (
        delivery.delivery_id,
        words.instant(delivery.created_at),
        delivery.webhook,
        delivery.event,
        delivery.study_id or "-",
        str(delivery.attempts),
        _outcome(delivery),
    )


def _outcome(delivery: DeliveryView | None) -> str:
    if delivery is None:
        return "-"
    parts = [str(delivery.status)]
    if delivery.status == "pending" and delivery.attempts:
        parts.append(f"again at {words.instant(delivery.next_attempt_at)}")
    if delivery.last_error:
        parts.append(f"({delivery.last_error})")
    return " ".join(parts)
