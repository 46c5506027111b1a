"""The command that gives a study more budget, or less, while its search goes on."""

from typing import Annotated, Any

import typer

from service.cli.connection import connect
from service.cli.console import data
from service.cli.exits import Exit, Stop
from service.cli.options import Json, StudyId
from service.cli.outputs.answers import answer
from service.wire.spec.budget import Budget
from service.wire.views.document import StudyDocument

HOW = "N, +N more, or none"


def _amount(about: str) -> Any:
    return typer.Option(metavar="N", help=f"{about}: {HOW}.")


def extend(
    study_id: StudyId,
    trials: Annotated[
        str | None, typer.Option(metavar="N", help="Trials in all: N, or +N more.")
    ] = None,
    wall_seconds: Annotated[str | None, _amount("Seconds that the study runs")] = None,
    device_seconds: Annotated[str | None, _amount("Seconds of all segments together")] = None,
    total_meta_iterations: Annotated[
        str | None, _amount("Meta-iterations of all trials together")
    ] = None,
    target_score: Annotated[
        str | None, typer.Option(metavar="X", help="Score that ends the search: X, or none.")
    ] = None,
    stagnation: Annotated[
        str | None, _amount("Trials without a better score that end the search")
    ] = None,
    json: Json = None,
) -> None:
    """Change what a study's search may spend, while it goes on."""
    wanted = {
        "trials": trials,
        "wall_seconds": wall_seconds,
        "device_seconds": device_seconds,
        "total_meta_iterations": total_meta_iterations,
        "target_score": target_score,
        "stagnation": stagnation,
    }
    wanted_amounts = {name: text for name, text in wanted.items() if text is not None}
    if not wanted_amounts:
        flags = ", ".join(_flag(name) for name in wanted)
        raise Stop(Exit.USAGE, f"say what to change: one or more of {flags}")
    with connect() as client:
        study = client.study(study_id)
        changes = {n: new_amount(n, text, study.spec.budget) for n, text in wanted_amounts.items()}
        study = client.change_budget(study.study_id, changes, study.version)
    amounts = " ".join(f"{name}={getattr(study.spec.budget, name)}" for name in changes)
    line = f"{study.study_id} {amounts}"
    answer(json, StudyDocument(study=study), lambda: data(line))


def new_amount(name: str, text: str, budget: Budget) -> int | float | None:
    """The amount that `text` means: a number, +number on top of the present one, or none.

    Raises:
        Stop: It is none of them, or there is nothing to add to.
    """
    if text == "none":
        return None
    flag, adds = _flag(name), text.startswith("+")
    try:
        amount = _number(text)
    except ValueError:
        raise Stop(Exit.USAGE, f"{flag} must be {HOW}, got {text!r}") from None
    if not adds or name == "target_score":
        return amount
    present: int | float | None = getattr(budget, name)
    if present is None:
        raise Stop(
            Exit.USAGE, f"{flag} {text}: the study has no such budget to add to, give a number"
        )
    return present + amount


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _number(text: str) -> int | float:
    try:
        return int(text)
    except ValueError:
        return float(text)
