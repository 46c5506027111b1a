"""Commands about a user's own data: data add, check, list, show, export, remove.

They work on this machine, on `datasets/` in the data directory; with --remote at the server.
"""

from pathlib import Path
from typing import Annotated

import typer

from metaopt.data.names import checked_name, name_of
from service.cli.console import data, say
from service.cli.options import Json
from service.cli.outputs.answers import answer
from service.cli.packing_options import (
    Channels,
    ClassColumn,
    Crop,
    Features,
    Header,
    Invert,
    KindOption,
    Licence,
    Size,
    Split,
    Target,
    Task,
    Text,
    Without,
    packing_of,
)
from service.cli.pages.data import list_page, manifest_page
from service.cli.shelves.choice import packed_here, shelf_of
from service.cli.shelves.refusals import refusals

app = typer.Typer(
    help="Your own data: look at them, pack them, store them here or at a server.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Source = Annotated[
    Path,
    typer.Argument(metavar="PATH", help="A folder or zip of images, a table, or arrays."),
]
Sent = Annotated[
    Path,
    typer.Argument(
        metavar="PATH",
        help="A folder or zip of images, a table, or arrays; for --remote also the name of a data "
        "set of this machine.",
    ),
]
Remote = Annotated[
    bool, typer.Option("--remote", help="At the server, not on this machine (METAOPT_URL).")
]
Reference = Annotated[
    str, typer.Argument(metavar="NAME", help="Name of a data set, or its digest.")
]


@app.command()
def add(
    path: Sent,
    name: Annotated[
        str | None, typer.Option(metavar="N", help="What it is called there; default after PATH.")
    ] = None,
    remote: Remote = False,
    kind: KindOption = None,
    licence: Licence = None,
    size: Size = None,
    crop: Crop = False,
    channels: Channels = None,
    invert: Invert = False,
    task: Task = None,
    target: Target = None,
    class_column: ClassColumn = None,
    split: Split = None,
    text: Text = None,
    features: Features = None,
    without: Without = None,
    header: Header = "auto",
    json: Json = None,
) -> None:
    """Pack data and store them under a name; print the digest that a spec can name."""
    with refusals():
        packing = packing_of(kind, licence, size, crop, channels, invert, task, target,
                             class_column, split, text, features, without, header)  # fmt: skip
        called = name_of(path) if name is None else checked_name(name)
        with shelf_of(remote) as shelf:
            view = shelf.add(path, called, packing)
    for notice in view.notices:
        say(f"mind: {notice}")
    say(f"stored as {called}{shelf.place}")
    answer(json, view, lambda: data(view.digest))


@app.command()
def check(
    path: Source,
    kind: KindOption = None,
    licence: Licence = None,
    size: Size = None,
    crop: Crop = False,
    channels: Channels = None,
    invert: Invert = False,
    task: Task = None,
    target: Target = None,
    class_column: ClassColumn = None,
    split: Split = None,
    text: Text = None,
    features: Features = None,
    without: Without = None,
    header: Header = "auto",
    json: Json = None,
) -> None:
    """Say what data were taken for and what looks suspicious; nothing is stored."""
    with refusals():
        packing = packing_of(kind, licence, size, crop, channels, invert, task, target,
                             class_column, split, text, features, without, header)  # fmt: skip
        look, view = packed_here(path, packing)
    document = {"form": look.form, **view.model_dump(mode="json")}
    answer(json, document, lambda: manifest_page(view, look))


@app.command("list")
def list_data(remote: Remote = False, json: Json = None) -> None:
    """List the data sets of this machine, or of the server."""
    with refusals(), shelf_of(remote) as shelf:
        listed = shelf.all()
    answer(json, listed.items, lambda: list_page(listed.items))
    for one in listed.damaged:
        say(f"damaged: {', '.join(one.names) or one.digest}: {one.detail}")
    if not listed.items and not listed.damaged:
        say(f"There is none{shelf.place}: `metaopt data add PATH` packs one (docs/own-data.md).")


@app.command()
def show(reference: Reference, remote: Remote = False, json: Json = None) -> None:
    """Show what a data set is."""
    with refusals(), shelf_of(remote) as shelf:
        view = shelf.show(reference)
    answer(json, view, lambda: manifest_page(view))


@app.command()
def export(
    reference: Reference,
    path: Annotated[
        Path, typer.Argument(metavar="PATH", help="A new folder, for manifest and arrays.")
    ],
    remote: Remote = False,
    json: Json = None,
) -> None:
    """Write a data set into a folder, from which `metaopt data add` takes it elsewhere."""
    with refusals(), shelf_of(remote) as shelf:
        digest = shelf.export(reference, path)
    answer(json, {"folder": str(path), "digest": digest}, lambda: None)
    say(f"wrote {path}")


@app.command()
def remove(reference: Reference, remote: Remote = False, json: Json = None) -> None:
    """Forget a name, and the data set that has no other; by digest, all its names.

    Data that a study which has not ended, or a schedule, names are not removed.
    """
    with refusals(), shelf_of(remote) as shelf:
        gone = shelf.remove(reference)
    answer(json, gone, lambda: None)
    say(f"removed {reference}{shelf.place}")
