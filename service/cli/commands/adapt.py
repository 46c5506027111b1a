"""The command `adapt`: a study's winner on a task of the user's own."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from service.cli.console import data, say
from service.cli.exits import Exit, Stop
from service.cli.options import Json
from service.cli.outputs.answers import answer
from service.cli.own_plugins import Import, allowed_here, paths_of

if TYPE_CHECKING:
    from metaopt.winner import Winner

FORMS = "a .csv file with one example in a row, or an .npz file with arrays x and y"


def adapt(
    source: Annotated[
        str,
        typer.Argument(
            metavar="STUDY|BASELINE|PATH",
            help="A study, a baseline (main or main@3), or a folder or file with a winner.",
        ),
    ],
    support: Annotated[
        Path,
        typer.Option(
            metavar="F",
            help="Examples to adapt to: .csv (inputs, then targets, in each row) or .npz (x, y).",
        ),
    ],
    query: Annotated[
        Path | None,
        typer.Option(
            metavar="F", help="Inputs to predict: .csv or .npz (x); by default the support's own."
        ),
    ] = None,
    steps: Annotated[
        int | None,
        typer.Option(metavar="N", min=0, help="Inner steps; by default those it was scored with."),
    ] = None,
    import_: Import = None,
    json: Json = None,
) -> None:
    """Adapt a winner to examples and print its predictions, one row for each input."""
    from metaopt.errors import InvalidExamples, MetaoptError

    try:
        winner = _loaded(source, paths_of(import_))
        x, y = _support(winner, support)
        adapted = winner.adapt(x, y, steps=steps)
        outputs = adapted.predict(x if query is None else _inputs(query))
    except InvalidExamples as error:
        raise Stop(Exit.USAGE, f"{error}\nA file of examples is {FORMS}.") from None
    except MetaoptError as error:
        raise Stop(Exit.USAGE, str(error)) from None
    card = winner.card
    taken = card.steps if steps is None else steps
    say(
        f"{card.algorithm} adapted to {len(x)} examples by {taken} inner steps at {card.inner_lr:g}"
    )
    rows = outputs.reshape(len(outputs), -1).tolist()
    document = {
        "algorithm": card.algorithm,
        "inner_lr": card.inner_lr,
        "inner_steps": taken,
        "predictions": rows,
    }
    answer(json, document, lambda: data("\n".join(map(_line, rows))))


def _loaded(source: str, files: Sequence[str]) -> "Winner":
    """The winner; what it needs of plug-ins is imported, if that is allowed or named.

    Raises:
        Stop: A plug-in that it needs is neither.
    """
    from metaopt.errors import InvalidPlugin
    from metaopt.plugins.load import load_plugins
    from service.client.winner import load_winner  # torch takes a moment; nobody else needs it

    load_plugins(*files)
    allowed = [str(one) for one in allowed_here()]
    try:
        return load_winner(source)
    except InvalidPlugin as error:
        if not allowed:
            way = "Here it is imported by METAOPT_PLUGINS=package==version, or --import FILE."
            raise Stop(Exit.USAGE, f"{error}\n{way}") from None
    load_plugins(*allowed)
    return load_winner(source)


def _line(row: list[float | int]) -> str:
    return ",".join(f"{value:.6g}" if isinstance(value, float) else str(value) for value in row)


def _support(winner: "Winner", path: Path) -> tuple[Any, Any]:
    """Inputs and targets."""
    arrays = _read(path)
    if isinstance(arrays, dict):
        return _array(arrays, "x", path), _array(arrays, "y", path)
    targets = 1 if winner.card.classification else winner.card.outputs
    if arrays.shape[1] <= targets:
        raise Stop(
            Exit.USAGE,
            f"{path} must have inputs and then {targets} target(s) in each row, got "
            f"{arrays.shape[1]} column(s)",
        )
    x, y = arrays[:, :-targets], arrays[:, -targets:]
    return x, y[:, 0] if winner.card.classification else y


def _inputs(path: Path) -> Any:
    arrays = _read(path)
    return _array(arrays, "x", path) if isinstance(arrays, dict) else arrays


def _read(path: Path) -> Any:
    """An .npz file's arrays by name, or a .csv file's rows (N, columns)."""
    import numpy as np

    try:
        if path.suffix == ".npz":
            with np.load(path, allow_pickle=False) as file:
                return dict(file)
        return np.loadtxt(path, delimiter=",", ndmin=2, comments="#", encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        raise Stop(Exit.USAGE, f"{path} must be {FORMS}: {error}") from None


def _array(arrays: dict[str, Any], name: str, path: Path) -> Any:
    if name not in arrays:
        raise Stop(Exit.USAGE, f"{path} must have an array {name}, got {', '.join(arrays)}")
    return arrays[name]
