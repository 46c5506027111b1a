"""Commands about baselines: promote, list, show, diff, rollback."""

from collections.abc import Iterator
from typing import Annotated

import typer

from service.cli import console
from service.cli.connection import connect
from service.cli.exits import Exit, Stop
from service.cli.options import Json, StudyId
from service.cli.outputs.answers import answer
from service.cli.pages import words
from service.client.client import Client
from service.wire.spec.gates import parse_label
from service.wire.views.baselines import BaselineView
from service.wire.words import numbers
from service.wire.words.branches import beyond_name, with_trained

app = typer.Typer(help="Results that later studies are compared with.", no_args_is_help=True)

HEADER = ("baseline", "branch", "score", "95 %", "judged by", "tasks", "study", "made", "origin")

Label = Annotated[str, typer.Argument(metavar="NAME[@VERSION]", help="By default the present one.")]


@app.command()
def promote(
    study_id: StudyId,
    name: Annotated[str, typer.Option(metavar="NAME", help="Name of the baseline.")],
    json: Json = None,
) -> None:
    """Make a completed study's best finalist the next version of a baseline."""
    with connect() as client:
        _tell(client.baselines.promote(study_id, name), json)


@app.command(name="list")
def list_baselines(
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="List every version of this one.")
    ] = None,
    json: Json = None,
) -> None:
    """List baselines at their present versions, or one with all its versions."""
    with connect() as client:
        versions = client.baselines.all() if name is None else client.baselines.versions(name)
    rows = [_row(version) for version in versions]
    answer(json, versions, lambda: console.table("", HEADER, rows))


@app.command()
def show(label: Label, json: Json = None) -> None:
    """Show one version of a baseline; its scores by task are in the JSON."""
    with connect() as client:
        version = _version(client, label)
    answer(json, version, lambda: console.data("\n".join(_lines(version))))


@app.command()
def diff(
    label: Label,
    other: Annotated[
        str,
        typer.Argument(
            metavar="NAME[@VERSION]",
            help="Beside it; by default the first, beside its version before.",
        ),
    ] = "",
    json: Json = None,
) -> None:
    """Show what differs between two baselines: the first to the left, or the version before."""
    with connect() as client:
        left = _version(client, label)
        right = _version(client, other) if other else left
        if not other and left.version == 1:
            raise Stop(Exit.USAGE, f"there is no version before {left.label()}: name another one")
        if not other:
            left = client.baselines.show(right.name, right.version - 1)
    rows = list(_differences(_facts(left), _facts(right)))
    header = ("", str(left.label()), str(right.label()))
    document = {
        "baselines": [left, right],
        "differences": [{"name": name, "values": values} for name, *values in rows],
    }
    answer(json, document, lambda: console.table("", header, rows))


@app.command()
def rollback(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the baseline.")],
    to: Annotated[
        int | None,
        typer.Option(metavar="VERSION", min=1, help="By default the one before the present."),
    ] = None,
    json: Json = None,
) -> None:
    """Repeat an older version as the next one; nothing is deleted."""
    with connect() as client:
        _tell(client.baselines.roll_back(name, to), json)


def _tell(version: BaselineView, json: Json) -> None:
    answer(json, version, lambda: console.data(f"{version.label()} {version.origin}"))


def _version(client: Client, label: str) -> BaselineView:
    try:
        return client.baselines.show(*parse_label(label))
    except ValueError as error:
        raise Stop(Exit.USAGE, f"a baseline {error}") from None


def _row(version: BaselineView) -> tuple[str, ...]:
    return (
        str(version.label()),
        _branch(version),
        numbers.score(version.score.value, version.metric),
        numbers.interval(version.score.low, version.score.high, version.metric),
        version.judged_by,
        str(version.tasks),
        version.study_id[:8],
        words.instant(version.created_at),
        version.origin,
    )


def _branch(version: BaselineView) -> str:
    return with_trained(version.branch, beyond_name(version.branch, version.algorithm, None))


def _lines(version: BaselineView) -> Iterator[str]:
    facts = _facts(version)
    width = max(map(len, facts))
    yield f"{version.label()}: {version.origin}"
    for name, value in facts.items():
        yield f"  {name.ljust(width)}  {value}"


def _facts(version: BaselineView) -> dict[str, str]:
    """Facts about a version, by name."""
    trainings = len(version.scores or [])
    value, low, high = version.score.value, version.score.low, version.score.high
    score = numbers.score_with_interval(value, low, high, version.metric)
    return {
        "made": words.instant(version.created_at),
        "study": f"{version.study_id} ({version.study_name}), trial {version.trial_number}",
        "spec SHA-256": version.spec_sha256[:12],
        version.metric: f"{score}, {trainings} trainings on {version.tasks} tasks",
        "judged by": f"{version.judged_by}, bank {version.bank[:12]}",
        "branch": _branch(version),
        **{name: numbers.param(value) for name, value in version.params.items()},
        "model": numbers.params(_plain(version.model.model_dump(mode="json"))),
        "tasks": numbers.params(_plain(version.task_distribution.model_dump(mode="json"))),
        "meta-iterations": f"{version.meta_iterations:,}",
        "weights SHA-256": (version.weights_sha256 or "none kept")[:12],
        "versions": ", ".join(f"{name} {number}" for name, number in version.versions.items()),
        "device": version.device,
    }


def _plain(values: dict[str, object]) -> dict[str, str]:
    return {name: str(value).replace(" ", "") for name, value in values.items()}


def _differences(old: dict[str, str], new: dict[str, str]) -> Iterator[tuple[str, str, str]]:
    for name in dict.fromkeys([*old, *new]):
        if old.get(name) != new.get(name):
            yield name, old.get(name, "-"), new.get(name, "-")
