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
        found = client.webhooks.configured()
    rows = [
        (one.name, one.host, ",".join(one.events), _outcome(one.last_delivery)) for one in found
    ]
    console.table("", ("name", "host", "events", "last delivery"), rows)
    if not found:
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
        found = client.webhooks.deliveries(webhook=webhook, status=status, limit=limit)
    header = ("delivery_id", "created", "webhook", "event", "study_id", "attempts", "outcome")
    if json is None or str(json) != "-":
        console.table("", header, [_row(one) for one in found])
    console.write_json(json, {"deliveries": [one.model_dump(mode="json") for one in found]})


def _row(one: DeliveryView) -> tuple[str, ...]:
    return (
        one.delivery_id,
        words.instant(one.created_at),
        one.webhook,
        one.event,
        one.study_id or "-",
        str(one.attempts),
        _outcome(one),
    )


def _outcome(one: DeliveryView | None) -> str:
    if one is None:
        return "-"
    parts = [str(one.status)]
    if one.status == "pending" and one.attempts:
        parts.append(f"again at {words.instant(one.next_attempt_at)}")
    if one.last_error:
        parts.append(f"({one.last_error})")
    return " ".join(parts)
