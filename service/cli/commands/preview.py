"""The command that says what a spec would do."""

from service.cli import console
from service.cli.connection import connect
from service.cli.options import Json
from service.cli.outputs.answers import answer
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
from service.wire.views.preview import BranchPlan, DimensionView, ExpectedCost, Preview
from service.wire.words import numbers
from service.wire.words.branches import beyond_name, with_trained


def preview(
    spec: SpecFile,
    gate: GateRules = None,
    baseline: BaselineName = None,
    promote_on: PromoteOn = None,
    undecided: Undecided = None,
    settings: Settings = None,
    json: Json = None,
) -> None:
    """Say what a spec would do: trials, rungs, cost and space; nothing is started."""
    document = changed_spec(read_spec(spec), settings, gate, baseline, promote_on, undecided)
    with connect() as client:
        plan = client.preview(with_data_sent(document, client))
    answer(json, plan, lambda: _page(plan))


def _page(plan: Preview) -> None:
    rungs = ", ".join(map(str, plan.rungs))
    counts = "; of a trial's models there the best counts" if plan.keep == "best" else ""
    console.data(f"judged after {rungs} meta-iterations{counts}")
    if len(set(plan.bank_tasks)) > 1:
        console.data(f"on {', '.join(map(str, plan.bank_tasks))} tasks of the bank")
    if plan.first_order_until is not None:
        console.data(f"order second: {numbers.first_order(plan.first_order_until)}")
    console.data(f"search: {_cost(plan.search)}")
    if plan.lane_bytes is not None and plan.evaluation_seconds is not None:
        console.data(
            f"a trial needs at most about {plan.lane_bytes / 2**20:.0f} MiB, and one evaluation of "
            f"it takes about {plan.evaluation_seconds:.2g} s "
            f"({plan.evaluation_seconds_from or 'by rule'})"
        )
    if plan.replicas_at_most:
        console.data(f"at most {plan.replicas_at_most} of these trials train its best again")
    console.data(f"verdict, on top: {_cost(plan.verdict)}")
    if plan.gates is not None:
        console.data(f"gates, on top: {_cost(plan.gates)}")
    if plan.slots_from:
        console.data(f"{'trains on' if plan.slots else 'it'} {plan.slots_from}")
    for branch in plan.branches:
        _branch(branch)
    for warning in plan.warnings:
        console.data(f"warning: {warning}")


def _branch(branch: BranchPlan) -> None:
    rows = [(dimension.name, *_space(dimension)) for dimension in branch.searched]
    header = ("parameter", "kind", "from", "to", "scale")
    trained = beyond_name(branch.branch, branch.algorithm, branch.model)
    most = branch.device_seconds
    limit = "" if most is None else f", in at most {numbers.seconds(most)} of devices"
    console.data(f"branch {with_trained(branch.branch, trained)}: {branch.trials} trials{limit}")
    if rows:
        console.table("searched", header, rows)
    console.data(f"fixed: {numbers.params(branch.fixed)}")
    if branch.lane_by_lane is None:
        console.data(f"whether its lanes are one program: {branch.lane_by_lane_from}")
    for start in branch.warm_start:
        console.data(f"begins with: {numbers.params(start.params)}  ({start.source})")


def _cost(cost: ExpectedCost) -> str:
    seconds = "unknown" if cost.device_seconds is None else numbers.seconds(cost.device_seconds)
    return (
        f"{cost.trials} trials, about {cost.meta_iterations_expected} meta-iterations, "
        f"at most {cost.meta_iterations_at_most}; seconds of devices: {seconds} "
        f"({cost.device_seconds_from})"
    )


def _space(dimension: DimensionView) -> tuple[str, str, str, str]:
    if dimension.choices is not None:
        return dimension.kind, ", ".join(map(str, dimension.choices)), "", ""
    assert dimension.low is not None and dimension.high is not None
    scale = "log" if dimension.log else "linear"
    return dimension.kind, numbers.number(dimension.low), numbers.number(dimension.high), scale
