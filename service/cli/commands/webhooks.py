"""Commands about webhooks: webhooks list, webhooks test, webhooks deliveries."""

import re
from pathlib import Path
from typing import Annotated

import typer

from service.cli import console
from service.cli.connection import connect
from service.cli.exits import Exit, Stop
from service.cli.pages import words
from service.wire.views.webhooks import DeliveryView

app = typer.Typer(
    help="Show and test who is told of events.", no_args_is_help=True, rich_markup_mode=None
)

Json = Annotated[
    Path | None,
    typer.Option("--json", metavar="F", help="Also write JSON to this file; - is stdout."),
]


@app.command("list")
def list_webhooks() -> None:
    """List the webhooks of the server's file, each with its latest delivery."""
    with connect() as client:
        listed = client.webhooks.configured()
    rows = [
        (webhook.name, webhook.host, ",".join(webhook.events), _outcome(webhook.last_delivery))
        for webhook in listed
    ]
    console.table("", ("name", "host", "events", "last delivery"), rows)
    if not listed:
        console.say("The server has none: METAOPT_WEBHOOKS_FILE names the file (docs/webhooks.md).")


@app.command()
def test(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the webhook.")],
) -> None:
    """Queue a test delivery, and print its id; `metaopt webhooks deliveries` tells how it went."""
    if not re.fullmatch("[a-z0-9_-]+", name):
        raise Stop(Exit.USAGE, f"{name!r} cannot be the name of a webhook")
    with connect() as client:
        delivery = client.webhooks.test(name)
    console.data(delivery.delivery_id)


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
    console.check_writable(json)
    with connect() as client:
        listed = client.webhooks.deliveries(webhook=webhook, status=status, limit=limit)
    header = ("delivery_id", "created", "webhook", "event", "study_id", "attempts", "outcome")
    if json is None or str(json) != "-":
        console.table("", header, [_row(delivery) for delivery in listed])
    console.write_json(
        json, {"deliveries": [delivery.model_dump(mode="json") for delivery in listed]}
    )


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
