"""Plug-ins, in words."""

from collections.abc import Iterable

from metaopt.plugins.described import Needed
from service.wire.views.studies import NeededPlugin

DIGITS = 12


def plugin(one: Needed | NeededPlugin) -> str:
    """Which it is, exactly."""
    return f"{one.name} of {source(one)} (sha256:{one.digest[:DIGITS]})"


def source(one: Needed | NeededPlugin) -> str:
    """The package and its version, or the file."""
    return f"{one.package} {one.version}".strip()


def plugins(several: Iterable[NeededPlugin]) -> list[str]:
    """Each of a study's."""
    return [f"plug-in {plugin(one)}" for one in several]
