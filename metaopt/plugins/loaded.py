"""Which plug-ins somebody's file needs, and whether they are loaded here."""

import warnings
from collections.abc import Iterable, Mapping

from metaopt.errors import CorruptModel, InvalidPlugin
from metaopt.plugins.described import Needed
from metaopt.plugins.description import FAMILIES


def check_plugins(needed: Iterable[Mapping[str, str]], *, needs_tasks: bool) -> None:
    """Demand the plug-ins that a model file names.

    Args:
        needs_tasks: Whether also those of its tasks.

    Raises:
        InvalidPlugin: one is not loaded here.
        CorruptModel: what is named is no plug-in.

    Warns:
        UserWarning: it is of another version, or its code is another.
    """
    for one in needed:
        try:
            plugin = Needed(**one)  # type: ignore[arg-type]
            registry = FAMILIES[plugin.family]
        except (TypeError, KeyError):
            raise CorruptModel(f"the model file names a plug-in that is none: {one}") from None
        if plugin.family == "tasks" and not needs_tasks:
            continue
        origin = registry.origin(plugin.name)
        if plugin.name not in registry.names() or (origin is not None and not origin.imported):
            raise InvalidPlugin(
                f"the model needs {_words(plugin)}, which is not loaded here: install it and call "
                f"metaopt.load_plugins({_source(plugin)!r}) first"
            )
        if origin is not None and (origin.version, origin.digest) != _version(plugin):
            warnings.warn(
                f"the model was trained with {_words(plugin)} (sha256:{plugin.digest[:12]}), here "
                f"is {origin.package} {origin.version} (sha256:{origin.digest[:12]}): it may "
                "compute something else",
                stacklevel=3,
            )


def _version(plugin: Needed) -> tuple[str, str]:
    return plugin.version, plugin.digest


def _words(plugin: Needed) -> str:
    return f"{plugin.family} {plugin.name} of {plugin.package} {plugin.version}".strip()


def _source(plugin: Needed) -> str:
    return f"{plugin.package}=={plugin.version}" if plugin.version else plugin.package
