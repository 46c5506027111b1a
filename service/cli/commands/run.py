"""The command `run`: a study without a server, in this process and one directory."""

import hashlib
import json as jsonlib
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from service.cli.commands.server import DataDirectory, settings_with
from service.cli.commands.submit import tell_warnings
from service.cli.commands.watch import wait_for_verdict
from service.cli.console import say
from service.cli.options import Events, Json, Junit, Report, Summary, Timeout
from service.cli.outputs.results import Outputs
from service.cli.own_data import with_own_data
from service.cli.own_plugins import Import, paths_of
from service.cli.processes.in_process import in_process
from service.cli.spec_options import (
    BaselineName,
    GateRules,
    PromoteOn,
    Settings,
    SpecFile,
    Undecided,
)
from service.cli.specs import changed_spec, read_spec
from service.client.client import ENDED, Client
from service.wire.views.studies import StudyView


def run(
    spec: SpecFile,
    data_directory: DataDirectory = None,
    import_: Import = None,
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
        typer.Option(
            metavar="K",
            help="Run only once under this name. By default the same spec goes on where it "
            "stopped, and begins anew once it has ended.",
        ),
    ] = None,
) -> None:
    """Run a study here, without a server, in a directory; stopped, it goes on the next time."""
    document = changed_spec(read_spec(spec), settings, gate, baseline, promote_on, undecided)
    own = settings_with(data_directory=data_directory).model_copy(
        update={"database_url": None, "api_keys_file": None}
    )
    outputs = Outputs(
        json,
        junit,
        summary,
        report,
        events,
        resume_command=_resume_command(spec, own.data_directory),
    )
    outputs.check()
    document = with_own_data(document, own.data_sets())
    with in_process(own, paths_of(import_)) as (client, check):
        study = _submitted(client, document, idempotency_key)
        say(f"study {study.study_id} in {own.data_directory}: {study.status}")
        tell_warnings(study)
        wait_for_verdict(client, study, timeout, outputs, check=check)


def _submitted(client: Client, document: Mapping[str, Any], key: str | None) -> StudyView:
    """The study that the spec began here and that has not ended, or a new one.

    One that has ended is not returned: what it was judged with, code and baseline, may be another
    by now.  Under a key of the caller's it is.  One that was begun with other plug-ins, as before a
    file was changed, cannot go on and is cancelled.
    """
    if key is not None:
        return client.submit(document, key)
    text = jsonlib.dumps(document, sort_keys=True, default=str)
    name, times = hashlib.sha256(text.encode()).hexdigest(), 0
    while True:
        begun = client.submit(document, f"run {name} {times}")  # answered as it was the first time
        study = client.study(begun.study_id)
        if study.status not in ENDED and not _was_of_other_plugins(client, study):
            return study
        times += 1


def _was_of_other_plugins(client: Client, study: StudyView) -> bool:
    if study.waits is None or study.waits.reason != "plugins":
        return False
    say(f"study {study.study_id} {study.waits.sentence}: it is cancelled, and a new one begins")
    client.cancel(study.study_id)
    return True


def _resume_command(spec: Path, directory: Path) -> str:
    return shlex.join(["metaopt", "run", str(spec), "--data-directory", str(directory), "…"])
