"""Commands about a user's own data: data add, check, list, show, export, remove.

They work on this machine, on `datasets/` in the data directory; no server is asked.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from metaopt.data.manifest import Manifest
from metaopt.data.names import checked_name, name_of
from metaopt.data.reading import read
from metaopt.data.store import DataStore
from metaopt.errors import InvalidData
from service.cli.console import data, say
from service.cli.exits import Exit, Stop, unwritable
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
from service.settings import Settings

app = typer.Typer(
    help="Your own data: look at them, pack and store them.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Source = Annotated[
    Path,
    typer.Argument(metavar="PATH", help="A folder or zip of images, a table, or arrays."),
]
Reference = Annotated[
    str, typer.Argument(metavar="NAME", help="Name of a data set, or its digest.")
]


@app.command()
def add(
    path: Source,
    name: Annotated[
        str | None, typer.Option(metavar="N", help="What it is called here; default after PATH.")
    ] = None,
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
    with _refusals():
        called = name_of(path) if name is None else checked_name(name)
        packing = packing_of(kind, licence, size, crop, channels, invert, task, target,
                             class_column, split, text, features, without, header)  # fmt: skip
        _, packed = read(path, packing)
        digest = _store().add(packed, called)
    for notice in packed.manifest.notices:
        say(f"mind: {notice}")
    say(f"stored as {called}")
    answer(json, _document(packed.manifest, (called,)), lambda: data(f"sha256:{digest}"))


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
    with _refusals():
        packing = packing_of(kind, licence, size, crop, channels, invert, task, target,
                             class_column, split, text, features, without, header)  # fmt: skip
        look, packed = read(path, packing)
    document = {"form": look.form, **_document(packed.manifest, ())}
    answer(json, document, lambda: manifest_page(packed.manifest, (), look))


@app.command("list")
def list_data(json: Json = None) -> None:
    """List the data sets of this machine."""
    with _refusals():
        entries = _store().entries()
    documents = [_document(entry.manifest, entry.names) for entry in entries]
    answer(json, documents, lambda: list_page(entries))
    if not entries:
        say("There is none: `metaopt data add PATH` packs one (docs/own-data.md).")


@app.command()
def show(reference: Reference, json: Json = None) -> None:
    """Show what a data set is."""
    store = _store()
    with _refusals():
        manifest = store.get(reference)
    names = store.names_of(manifest.digest)
    answer(json, _document(manifest, names), lambda: manifest_page(manifest, names))


@app.command()
def export(
    reference: Reference,
    path: Annotated[
        Path, typer.Argument(metavar="PATH", help="A new folder, for manifest and arrays.")
    ],
    json: Json = None,
) -> None:
    """Write a data set into a folder, from which `metaopt data add` takes it elsewhere."""
    store = _store()
    with _refusals():
        folder = store.export(reference, path)
        manifest = store.get(reference)
    answer(json, {"folder": str(folder), "digest": f"sha256:{manifest.digest}"}, lambda: None)
    say(f"wrote {folder}")


@app.command()
def remove(reference: Reference, json: Json = None) -> None:
    """Forget a name, and the data set that has no other; by digest, all its names."""
    with _refusals():
        digest = _store().remove(reference)
    answer(json, {"digest": f"sha256:{digest}"}, lambda: None)
    say(f"removed {reference}")


@contextmanager
def _refusals() -> Iterator[None]:
    """Have what is wrong with data, or with where they are stored, end the command in words."""
    try:
        yield
    except InvalidData as error:
        raise Stop(Exit.USAGE, str(error)) from None
    except OSError as error:
        raise unwritable(error.filename or "the data set", error) from None


def _store() -> DataStore:
    return DataStore(Settings().data_sets())


def _document(manifest: Manifest, names: tuple[str, ...]) -> dict[str, Any]:
    """A data set as JSON: its manifest, its digest, and what it is called here."""
    document = {"digest": f"sha256:{manifest.digest}", "names": list(names), **asdict(manifest)}
    return {key: list(one) if isinstance(one, tuple) else one for key, one in document.items()}
