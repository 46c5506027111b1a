"""The command `submit`, and what follows once a study is submitted."""

from typing import Annotated

import typer

from service.cli.commands.watch import wait_for_verdict
from service.cli.connection import FOLLOWING_SECONDS, connect
from service.cli.console import data, say
from service.cli.exits import Exit, Stop
from service.cli.options import Events, Json, Junit, Report, Summary, Timeout
from service.cli.outputs.answers import answer
from service.cli.outputs.results import Outputs
from service.cli.own_data import with_data_sent
from service.cli.spec_options import (
    BaselineName,
    GateRules,
    PromoteOn,
    Settings,
    SpecFile,
    Undecided,
)
from service.cli.specs import changed_spec, read_spec
from service.wire.views.document import StudyDocument
from service.wire.views.studies import StudyView


def submit(
    spec: SpecFile,
    wait: Annotated[
        bool, typer.Option("--wait", help="Wait for the verdict, and for the gates.")
    ] = False,
    timeout: Timeout = None,
    gate: GateRules = None,
    baseline: BaselineName = None,
    promote_on: PromoteOn = None,
    undecided: Undecided = None,
    settings: Settings = None,
    json: Json = None,
    junit: Junit = None,
    summary: Summary = None,
    report: Report = None,
    events: Events = False,
    idempotency_key: Annotated[
        str | None,
        typer.Option(metavar="K", help="Submit only once under this name, however often called."),
    ] = None,
    cancel_on_interrupt: Annotated[
        bool, typer.Option("--cancel-on-interrupt", help="Ctrl-C and SIGTERM cancel the study.")
    ] = False,
) -> None:
    """Submit a study; print its id, or with --wait its verdict and what its gates say."""
    outputs = Outputs(json, junit, summary, report, events)
    if not wait:
        refuse_without_wait(
            timeout=timeout,
            junit=junit,
            report=report,
            summary=summary,
            events=events,
            cancel_on_interrupt=cancel_on_interrupt,
        )
    document = changed_spec(read_spec(spec), settings, gate, baseline, promote_on, undecided)
    outputs.check()  # before the study is on its way: nobody should submit twice
    with connect() as client:
        study = client.submit(with_data_sent(document, client), idempotency_key)
    tell_submitted(study, outputs, wait=wait, timeout=timeout, cancel=cancel_on_interrupt)


def refuse_without_wait(**options: object) -> None:
    """Refuse options that need --wait.

    Raises:
        Stop: One was given; names it.
    """
    for name, value in options.items():
        if value is not None and value is not False:
            raise Stop(Exit.USAGE, f"--{name.replace('_', '-')} needs --wait")


def tell_submitted(
    study: StudyView,
    outputs: Outputs,
    *,
    wait: bool,
    timeout: float | None,
    cancel: bool = False,
) -> None:
    """Print the id of a study just submitted, or wait for its verdict and print that."""
    tell_warnings(study)
    if wait:
        say(f"submitted {study.study_id}")
        with connect(FOLLOWING_SECONDS) as client:
            wait_for_verdict(client, study, timeout, outputs, cancel=cancel)
        return
    answer(outputs.json, StudyDocument(study=study), lambda: data(study.study_id))


def tell_warnings(study: StudyView) -> None:
    """Say, on stderr, what about a study may not be meant so."""
    for warning in study.warnings:
        say(f"warning: {warning}")
