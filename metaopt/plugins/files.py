"""A Python file of one's own (`--import ./mine.py`): run once, and all it declares is taken."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

from metaopt.errors import InvalidPlugin
from metaopt.messages import shown
from metaopt.models.module_kind import module_kind
from metaopt.plugins.description import FAMILIES, Kind, family_of
from metaopt.plugins.digest import digest_of_files
from metaopt.plugins.imports import is_class_of_modules, only_its_own

_RUN: dict[Path, tuple[str, ModuleType]] = {}
"""What has been run, and from which contents."""


def digest_of_file(path: str) -> str:
    """A SHA-256 of the file's contents.

    Raises:
        InvalidPlugin: it is none that Python could import.
    """
    file = Path(path)
    if not file.is_file() or file.suffix != ".py" or not file.stem.isidentifier():
        raise InvalidPlugin(
            f"a file to import must be a Python file, as ./mine.py, got {shown(path)}"
        )
    return digest_of_files({file.name: file})


def kinds_of_file(path: str, digest: str) -> list[Kind]:
    """The records at the file's module level, and its classes of modules under "mine:Net".

    Args:
        digest: Of its contents: they are run again where these are others than before.

    Raises:
        InvalidPlugin: what running it raises, or it declares nothing.
    """
    module = _module(Path(path).resolve(), digest)
    kinds: dict[int, Kind] = {}
    for name, value in vars(module).items():
        if isinstance(value, Kind):
            if not _is_ours(value):
                kinds[id(value)] = value
        elif is_class_of_modules(value) and value.__module__ == module.__name__:
            if not name.startswith("_"):
                kinds[id(value)] = module_kind(f"{module.__name__}:{name}", value)
    if not kinds:
        raise InvalidPlugin(
            f"{path} declares nothing: it has no TaskKind, ModelKind, Algorithm or class of "
            "torch.nn.Module"
        )
    return list(kinds.values())


def _is_ours(kind: Kind) -> bool:
    registry = FAMILIES[family_of(kind)]
    return registry.is_ours(kind.name) and registry.get(kind.name) is kind


def _module(path: Path, digest: str) -> ModuleType:
    before = _RUN.get(path)
    if before is not None and before[0] == digest:
        return before[1]
    _check_free(path)
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module  # a class finds its module by its name
    try:
        with only_its_own(path.name):
            # Not by the loader, which takes compiled code by the file's time and size alone.
            exec(compile(path.read_bytes(), str(path), "exec", dont_inherit=True), vars(module))  # noqa: S102  # a file that the operator named is to be run
    except BaseException:
        del sys.modules[path.stem]
        raise
    _RUN[path] = digest, module
    return module


def _check_free(path: Path) -> None:
    """Refuse a file that would stand in the place of another module."""
    there = sys.modules.get(path.stem)
    file = getattr(there, "__file__", None)
    if there is None:
        try:
            spec = importlib.util.find_spec(path.stem)
        except (ImportError, ValueError):
            return
        if spec is None:
            return
        file = spec.origin
    if file is None or Path(file).resolve() != path:
        raise InvalidPlugin(f"{path.name} has the name of another module, {path.stem}: rename it")
