"""The command `plugins`: what workers may import, and what of it can be used."""

import os
from collections.abc import Sequence

from metaopt.plugins.described import Described
from metaopt.plugins.sources import Sources
from service.cli import console
from service.cli.connection import connect
from service.cli.options import Json
from service.cli.outputs.answers import answer
from service.cli.own_plugins import Import, allowed_here, paths_of
from service.wire.views.plugins import PluginView

HEADER = ("family", "name", "package", "digest")
DIGITS = 12


def plugins(import_: Import = None, json: Json = None) -> None:
    """List the server's plug-ins, and why some cannot be used; with --import, those of a file."""
    if import_:
        described = _described_here(paths_of(import_))
        data = [one.to_json() for one in described]
        answer(json, data, lambda: _print(described))
        return
    with connect() as client:
        listed = client.plugins.there()
    answer(json, listed, lambda: _print(listed))
    if not listed:
        console.say(
            "The server has none: METAOPT_PLUGINS names the packages that it may import "
            "(docs/plugins.md)."
        )


def _described_here(files: Sequence[str]) -> tuple[Described, ...]:
    """What workers of this machine would say of files, and of what METAOPT_PLUGINS allows."""
    from service.executors.plugins import describe_plugins  # only who asks for it needs it
    from service.executors.slots import cpu_slots

    sources = Sources(allowed_here(), tuple(files))
    return describe_plugins(sources, cpu_slots(1), os.environ).described()


def _print(listed: Sequence[PluginView | Described]) -> None:
    usable = [one for one in listed if one.refused is None]
    rows = [
        (
            one.family,
            one.name,
            f"{one.package} {one.version}".strip(),
            f"sha256:{one.digest[:DIGITS]}…",
        )
        for one in usable
    ]
    console.table("", HEADER, rows)
    for one in listed:
        if one.refused is not None:
            console.data(f"{one.name or one.package} cannot be used: {one.refused}")
