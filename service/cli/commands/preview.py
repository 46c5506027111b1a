"""The command that says what a spec would do."""

from pathlib import Path
from typing import Annotated

import typer

from service.cli import console
from service.cli.commands.studies import read_spec
from service.cli.connection import connect
from service.cli.options import Json
from service.wire.views.preview import BranchPlan, Cost, DimensionView, Preview
from service.wire.words import numbers


def preview(
    spec: Annotated[Path, typer.Argument(metavar="SPEC.yaml", help="The spec, YAML or JSON.")],
    json: Json = None,
) -> None:
    """Say what a spec would do: trials, rungs, cost and space; nothing is started."""
    document = read_spec(spec)
    with connect() as client:
        found = client.preview(document)
    console.write_json(json, found.model_dump(mode="json"))
    if str(json) != "-":
        _page(found)


def _page(found: Preview) -> None:
    rungs = ", ".join(map(str, found.rungs))
    console.data(f"judged after {rungs} meta-iterations")
    if len(set(found.bank_tasks)) > 1:
        console.data(f"on {', '.join(map(str, found.bank_tasks))} tasks of the bank")
    if found.first_order_until is not None:
        console.data(f"order second: {numbers.first_order(found.first_order_until)}")
    console.data(f"search: {_cost(found.search)}")
    if found.replicas_at_most:
        console.data(f"at most {found.replicas_at_most} of these trials train its best again")
    console.data(f"verdict, on top: {_cost(found.verdict)}")
    if found.gates is not None:
        console.data(f"gates, on top: {_cost(found.gates)}")
    for branch in found.branches:
        _branch(branch)


def _branch(branch: BranchPlan) -> None:
    rows = [(one.name, *_space(one)) for one in branch.searched]
    header = ("parameter", "kind", "from", "to", "scale")
    console.data(f"branch {branch.algorithm}: {branch.trials} trials")
    if rows:
        console.table("searched", header, rows)
    console.data(f"fixed: {numbers.params(branch.fixed)}")
    for one in branch.warm_start:
        console.data(f"begins with: {numbers.params(one.params)}  ({one.source})")


def _cost(cost: Cost) -> str:
    seconds = "unknown" if cost.device_seconds is None else numbers.seconds(cost.device_seconds)
    return (
        f"{cost.trials} trials, about {cost.meta_iterations_expected} meta-iterations, "
        f"at most {cost.meta_iterations_at_most}; seconds of devices: {seconds} "
        f"({cost.device_seconds_from})"
    )


def _space(one: DimensionView) -> tuple[str, str, str, str]:
    if one.choices is not None:
        return one.kind, ", ".join(map(str, one.choices)), "", ""
    assert one.low is not None and one.high is not None
    scale = "log" if one.log else "linear"
    return one.kind, numbers.number(one.low), numbers.number(one.high), scale
