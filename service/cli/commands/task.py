"""The command `task`: tasks of a study's banks drawn again here, for somebody to look at."""

from pathlib import Path
from typing import Annotated

import typer

from metaopt.evaluation.bank import BankSpec, BankTask
from service.cli.connection import connect
from service.cli.console import STDOUT, check_writable, raw_data, say, write_file
from service.cli.exits import Exit, Stop
from service.cli.options import Json, StudyId, output_path
from service.cli.outputs.answers import answer
from service.cli.pages.verdict import heavy_scores
from service.client.client import Client
from service.db.roles import BankName
from service.planning.signatures import task_bank
from service.wire.spec.study import StudySpec
from service.wire.spec.tasks import TasksSpec
from service.wire.views.studies import StudyView


def task(
    study_id: StudyId,
    tasks: Annotated[
        list[int],
        typer.Argument(
            metavar="TASK", min=0, help="Number of a task in its bank, from 0; or several."
        ),
    ],
    bank: Annotated[
        BankName,
        typer.Option(
            metavar="sealed|validation|gates",
            help="Of the verdict's tasks, the search's, or the gates'.",
        ),
    ] = "sealed",
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="F.png",
            parser=output_path,
            help="Draw the examples into this picture instead; - is stdout.",
        ),
    ] = None,
    json: Json = None,
) -> None:
    """Show tasks of a study: what they are, and their examples as dots, numbers or a picture."""
    if out is not None and out != STDOUT and out.suffix.lower() != ".png":
        raise Stop(Exit.USAGE, f"--out writes a picture, so F must end in .png, got {out}")
    check_writable(out)
    with connect() as client:
        study = client.study(study_id)
        scores = _heavy_scores(client, study) if bank == "sealed" else {}
    spec = study.spec
    drawn = _drawn(spec.tasks, bank, _bank(spec, bank), tasks)
    if out is not None:
        _write(out, drawn, bank)

    def page() -> None:
        from service.cli.pages.tasks import task_page  # numpy is needed here only

        for shown in drawn if out != STDOUT else ():
            task_page(shown, bank, scores.get(shown.number, []), examples=out is None)

    answer(json, [_document(shown, bank) for shown in drawn], page)


def _document(task: BankTask, bank: BankName) -> dict[str, object]:
    parts = {"support": task.support, "query": task.query}
    return {
        "task": task.number,
        "bank": bank,
        "sentence": task.sentence,
        "classes": list(task.classes),
        **{name: {"x": part.x.tolist(), "y": part.y.tolist()} for name, part in parts.items()},
    }


def _bank(spec: StudySpec, bank: BankName) -> BankSpec:
    if bank == "gates" and not spec.gates.rules:
        raise Stop(Exit.USAGE, "the study has no gates: take --bank sealed or --bank validation")
    return task_bank(spec, bank, 0)


def _drawn(spec: TasksSpec, name: BankName, bank: BankSpec, tasks: list[int]) -> list[BankTask]:
    from metaopt.data.shelf import look_in
    from metaopt.errors import DataNotFound, MetaoptError
    from metaopt.evaluation.bank_task import bank_tasks  # torch takes a moment
    from service.settings import Settings

    look_in(Settings().data_sets())

    beyond = [index for index in tasks if index >= bank.tasks]
    if beyond:
        raise Stop(
            Exit.USAGE,
            f"task {beyond[0]} is not in the {name} bank: its {bank.tasks:,} tasks are "
            f"0 to {bank.tasks - 1}",
        )
    try:
        return bank_tasks(spec.chosen(), bank, tasks)
    except DataNotFound as error:
        found = spec.chosen()["dataset"]
        raise Stop(
            Exit.USAGE,
            f"the study's data are not on this machine: {error}; `metaopt data export {found} "
            "FOLDER --remote` and `metaopt data add FOLDER` bring them",
        ) from None
    except (MetaoptError, OSError, ImportError) as error:
        raise Stop(
            Exit.USAGE, f"tasks of kind {spec.kind} cannot be drawn on this machine: {error}"
        ) from None


def _heavy_scores(client: Client, study: StudyView) -> dict[int, list[str]]:
    return heavy_scores(client.result(study.study_id)) if study.status == "completed" else {}


def _write(out: Path, drawn: list[BankTask], bank: BankName) -> None:
    from service.cli.outputs.pictures import NoPicture, png  # Pillow is needed here only

    try:
        picture = png(drawn, bank)
    except NoPicture as error:
        raise Stop(Exit.USAGE, f"{error}: leave out --out to see its examples as a table") from None
    if out == STDOUT:
        raw_data([picture])
    else:
        write_file(out, [picture])
        say(f"wrote {out}")
