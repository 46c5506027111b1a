"""Options of the commands that pack data: what is said of them (`metaopt.data.packing`)."""

from typing import Annotated, Literal

import typer

from metaopt.data.manifest import Kind
from metaopt.data.packing import Packing, parse_size

KindOption = Annotated[
    Kind | None,
    typer.Option(
        "--kind",
        metavar="images|table|episodes|text",
        help="What the data are; by default what they look like.",
    ),
]
Licence = Annotated[
    str | None,
    typer.Option(metavar="SPDX", help="Licence of the data, as CC-BY-4.0; kept with them."),
]
Size = Annotated[
    str | None,
    typer.Option(
        metavar="N|HxW", help="Bring images to this size in pixels; needed if theirs differ."
    ),
]
Crop = Annotated[
    bool,
    typer.Option("--crop", help="Of images: cut to the form of --size, do not stretch them."),
]
Channels = Annotated[
    Literal["1", "3"] | None,
    typer.Option(metavar="1|3", help="Of images: grey or colour; by default grey if all are."),
]
Invert = Annotated[
    bool, typer.Option("--invert", help="Of images: make dark light, so that ink is bright.")
]
Task = Annotated[
    str | None,
    typer.Option(metavar="COLUMN", help="Of a table: which task a row is of; default task."),
]
Target = Annotated[
    list[str] | None,
    typer.Option(
        metavar="COLUMN",
        help="Of a table: a number to predict; may be given again; default target.",
    ),
]
ClassColumn = Annotated[
    str | None,
    typer.Option(
        "--class",
        metavar="COLUMN",
        help="Of a table: a row's class; default class or label. "
        "With --task, every task tells the same ones apart.",
    ),
]
Split = Annotated[
    str | None,
    typer.Option(
        metavar="COLUMN",
        help="Of a table: train, validation or test; default split, if there is one.",
    ),
]
Text = Annotated[
    str | None,
    typer.Option(metavar="COLUMN", help="Of a table: texts to tell apart, as hashed n-grams."),
]
Features = Annotated[
    int | None,
    typer.Option(metavar="N", help="Numbers that a text becomes; default 256."),
]
Without = Annotated[
    list[str] | None,
    typer.Option(metavar="COLUMN", help="Of a table: leave this column out; may be given again."),
]
Header = Annotated[
    Literal["auto", "yes", "no"],
    typer.Option(
        metavar="auto|yes|no", help="Of a CSV file: whether its first row names the columns."
    ),
]


def packing_of(
    kind: Kind | None,
    licence: str | None,
    size: str | None,
    crop: bool,
    channels: str | None,
    invert: bool,
    task: str | None,
    target: list[str] | None,
    class_column: str | None,
    split: str | None,
    text: str | None,
    features: int | None,
    without: list[str] | None,
    header: Literal["auto", "yes", "no"],
) -> Packing:
    """The packing that a command line says.

    Raises:
        InvalidData: An option breaks its rule.
    """
    return Packing(
        kind=kind,
        size=None if size is None else parse_size(size),
        crop=crop,
        channels=None if channels is None else (1 if channels == "1" else 3),
        invert=invert,
        task=task,
        target=tuple(target or ()),
        class_column=class_column,
        split=split,
        text=text,
        features=features,
        without=tuple(without or ()),
        header=header,
        licence=licence,
    )
