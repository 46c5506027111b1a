"""Commands about schedules: schedule add, list, show, pause, resume, run-now, remove, history."""

import re
from pathlib import Path
from typing import Annotated

import typer

from service.cli.connection import connect
from service.cli.console import data, say
from service.cli.options import Full, Json
from service.cli.outputs.answers import answer
from service.cli.own_data import with_data_sent
from service.cli.pages import schedules
from service.cli.spec_options import (
    BaselineName,
    GateRules,
    PromoteOn,
    Settings,
    SpecFile,
    Undecided,
)
from service.cli.specs import changed_spec, read_spec
from service.client.client import Client
from service.wire.views.schedules import CatchUp, Overlap, ScheduleView, SeedPolicy
from service.wire.words.instants import stamp

LONGEST_NAME = 64

app = typer.Typer(
    help="Submit a spec again and again.", no_args_is_help=True, rich_markup_mode=None
)

Schedule = Annotated[str, typer.Argument(metavar="SCHEDULE", help="Name or id of the schedule.")]
Limit = Annotated[int, typer.Option(metavar="N", min=1, max=500, help="At most this many.")]


@app.command()
def add(
    spec: SpecFile,
    cron: Annotated[
        str, typer.Option(metavar="CRON", help="When: minute hour day month day-of-week.")
    ],
    tz: Annotated[
        str, typer.Option("--tz", metavar="ZONE", help="Time zone of CRON, as Europe/Berlin.")
    ] = "UTC",
    name: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Its name; default is the spec's, with dashes."),
    ] = None,
    gate: GateRules = None,
    baseline: BaselineName = None,
    promote_on: PromoteOn = None,
    undecided: Undecided = None,
    settings: Settings = None,
    catch_up: Annotated[
        CatchUp,
        typer.Option(metavar="WHICH", help="Missed fire times that run later: skip, once, all."),
    ] = "skip",
    overlap: Annotated[
        Overlap,
        typer.Option(
            metavar="HOW", help="While the study before goes on: skip, queue, or cancel it."
        ),
    ] = "skip",
    seed: Annotated[
        SeedPolicy,
        typer.Option(metavar="SEED", help="fresh: each study has its own seed; or fixed."),
    ] = "fresh",
    json: Json = None,
) -> None:
    """Add a schedule; print its id.  Adding the very same again changes nothing."""
    document = changed_spec(read_spec(spec), settings, gate, baseline, promote_on, undecided)
    wanted = {
        "name": name or _default_name(document.get("name")),
        "cron": cron,
        "time_zone": tz,
        "catch_up": catch_up,
        "overlap": overlap,
        "seed": seed,
    }
    with connect() as client:
        view = client.schedules.add({**wanted, "spec": with_data_sent(document, client)})
    for warning in view.warnings:
        say(f"warning: {warning}")
    answer(json, view, lambda: data(view.schedule_id))
    if str(json) != "-":
        say(f"{view.name} fires next: {schedules.next_fire(view)}")


@app.command("list")
def list_schedules(json: Json = None) -> None:
    """List schedules with their next fire times and last runs."""
    with connect() as client:
        listed = client.schedules.all()
    answer(json, listed, lambda: schedules.schedules_page(listed))


@app.command()
def show(schedule: Schedule, limit: Limit = 20, full: Full = False, json: Json = None) -> None:
    """Show a schedule: when it fires, its last runs, and what its spec says."""
    with connect() as client:
        view = client.schedules.find(schedule)
        runs = client.schedules.runs(view.schedule_id, limit=limit)
    document = {"schedule": view, "runs": runs}
    answer(json, document, lambda: schedules.schedule_page(view, runs, full=full))


@app.command()
def pause(schedule: Schedule, json: Json = None) -> None:
    """Let a schedule fire no more until it is resumed."""
    with connect() as client:
        view = client.schedules.pause(_id_of(client, schedule))
    _tell(view, json)


@app.command()
def resume(schedule: Schedule, json: Json = None) -> None:
    """Let a paused schedule fire again; nothing is caught up."""
    with connect() as client:
        view = client.schedules.resume(_id_of(client, schedule))
    _tell(view, json)


@app.command("run-now")
def run_now(schedule: Schedule, json: Json = None) -> None:
    """Ask for a run now, beside the fire times; print its time."""
    with connect() as client:
        view = client.schedules.find(schedule)
        run = client.schedules.run_now(view.schedule_id)
    answer(json, run, lambda: data(f"{stamp(run.fire_at)} {run.status}"))
    say(f"the dispatcher submits it: `metaopt schedule show {view.name}` to see it")


@app.command()
def remove(schedule: Schedule, json: Json = None) -> None:
    """Remove a schedule and the list of its runs; its studies stay."""
    with connect() as client:
        view = client.schedules.remove(_id_of(client, schedule))
    answer(json, view, lambda: data(f"{view.schedule_id} removed"))


@app.command()
def history(schedule: Schedule, limit: Limit = 100, json: Json = None) -> None:
    """Print a schedule's control chart: scores over time, gates, and drift of the incumbent."""
    with connect() as client:
        chart = client.schedules.history(_id_of(client, schedule), limit=limit)
    answer(json, chart, lambda: schedules.history_page(chart))


def _default_name(name: object) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "-", str(name)).strip("-._")[:LONGEST_NAME]


def _id_of(client: Client, schedule: str) -> str:
    return client.schedules.find(schedule).schedule_id


def _tell(schedule: ScheduleView, json: Path | None) -> None:
    line = f"{schedule.schedule_id} {'paused' if schedule.paused else 'active'}"
    answer(json, schedule, lambda: data(line))
