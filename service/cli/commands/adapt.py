"""The command `adapt`: a study's winner on a task of the user's own."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from service.cli.console import check_writable, data, say, write_text
from service.cli.exits import Exit, Stop
from service.cli.options import Json, output_path
from service.cli.outputs.answers import answer
from service.cli.outputs.results import check_apart
from service.cli.own_plugins import Import, allowed_here, paths_of
from service.wire.words.numbers import share

if TYPE_CHECKING:
    from metaopt.evaluation.adapted_task import ClassifiedTask, PredictedTask
    from metaopt.winner import Winner


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
            metavar="PATH",
            help="Examples to adapt to: a folder or zip with a folder of pictures for each class, "
            ".csv (inputs, then targets, or columns by name) or .npz (x, y).",
        ),
    ],
    query: Annotated[
        Path | None,
        typer.Option(
            metavar="PATH",
            help="What to predict, in the same forms, with or without classes or targets; by "
            "default the support's own.",
        ),
    ] = None,
    steps: Annotated[
        int | None,
        typer.Option(metavar="N", min=0, help="Inner steps; by default those it was scored with."),
    ] = None,
    import_: Import = None,
    html: Annotated[
        Path | None,
        typer.Option(
            metavar="F",
            parser=output_path,
            help="Also write a page that shows the examples and what was predicted of each.",
        ),
    ] = None,
    json: Json = None,
) -> None:
    """Adapt a winner to examples and print its predictions, one row for each input."""
    from metaopt.adapted import adapted_to
    from metaopt.data.raw.reading import FORMS, PICTURES
    from metaopt.errors import InvalidExamples, MetaoptError
    from metaopt.evaluation.adapted_task import ClassifiedTask
    from metaopt.models.registry import MODELS
    from service.report.pages.predictions import Recipe, predictions_page

    check_apart({"--html": html, "--json": json})
    check_writable(html)
    forms = FORMS
    try:
        winner = _loaded(source, paths_of(import_))
        if winner.card.data is not None and winner.card.data.kind == "images":
            forms = PICTURES
        task = adapted_to(winner, support, query, steps=steps)
    except InvalidExamples as error:
        raise Stop(Exit.USAGE, f"{error}\nA file of examples is {forms}.") from None
    except MetaoptError as error:
        raise Stop(Exit.USAGE, str(error)) from None
    card = winner.card
    recipe = Recipe(
        source,
        card.algorithm,
        card.inner_lr,
        card.steps if steps is None else steps,
        together=card.transductive and MODELS.get(card.model.get("kind")).batch_statistics,
    )
    say(recipe.sentence(len(task.support)))
    if isinstance(task, ClassifiedTask):
        rows, document = _classes(task)
    else:
        rows, document = _numbers(task)
    if html is not None:
        write_text(html, predictions_page(task, recipe))
    answer(json, {**recipe.to_json(), **document}, lambda: _print(rows, html))


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


def _classes(task: "ClassifiedTask") -> tuple[list[list[str]], dict[str, Any]]:
    """What is printed of each query example, and what is written as JSON."""
    told = [example.right for example in task.query if example.right is not None]
    if told:
        say(f"right: {sum(told)} of {len(told)} query examples ({share(sum(told) / len(told))})")
    rows, query = [], []
    for example in task.query:
        assert example.predicted is not None and example.probability is not None
        name = task.classes[example.predicted]
        named = [example.name, name, f"{example.probability:.3f}"]
        rows.append(named if example.name else [name])
        truth = None if example.label is None else task.classes[example.label]
        query.append(
            {
                "name": example.name,
                "predicted": name,
                "probability": example.probability,
                "class": truth,
            }
        )
    return rows, {
        "classes": task.classes,
        "predictions": [[example.predicted] for example in task.query],
        "query": query,
        "accuracy": sum(told) / len(told) if told else None,
    }


def _numbers(task: "PredictedTask") -> tuple[list[list[str]], dict[str, Any]]:
    predictions = [point.after or [] for point in task.query]
    errors = task.errors()
    if errors is not None:
        before, after = errors
        say(f"mean squared error of the query set: {after:.4g}, before adaptation {before:.4g}")
    rows = [[f"{value:.6g}" for value in row] for row in predictions]
    return rows, {"predictions": predictions, "mse": errors and errors[1]}


def _print(rows: list[list[str]], html: Path | None) -> None:
    if str(html) == "-":
        return
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    data(text.getvalue().rstrip("\n"))
