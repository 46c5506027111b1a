"""A digest of what a plug-in's code is: its files' contents, whenever and wherever they were put.

Which files is said by the package's RECORD, but for what every build and installation writes anew:
of its metadata the entry points alone count.  An editable installation lists none of its sources
there: then it is the folder of the package.
"""

import hashlib
from collections.abc import Iterable, Iterator
from importlib.machinery import ModuleSpec
from importlib.metadata import Distribution
from importlib.util import find_spec
from pathlib import Path, PurePosixPath

_POINTS = "entry_points.txt"
_BLOCK = 2**20


def digest_of(distribution: Distribution, values: Iterable[str]) -> str:
    """A SHA-256 of the distribution's own files.

    Args:
        values: Of its entry points, as "package.module:KIND": where sources are looked for that
            the distribution does not list.
    """
    files = dict(_listed(distribution))
    for value in sorted(values):
        module = value.partition(":")[0].strip()
        path = PurePosixPath(*module.split("."))
        if not {str(path.with_suffix(".py")), str(path / "__init__.py")} & set(files):
            files |= _sources(module)
    return digest_of_files(files)


def digest_of_files(files: dict[str, Path]) -> str:
    """A SHA-256 of files by the names that they have in it."""
    digest = hashlib.sha256()
    for name, path in sorted(files.items()):
        content = hashlib.sha256()
        try:
            with path.open("rb") as file:
                while block := file.read(_BLOCK):
                    content.update(block)
        except OSError:  # listed and not there is something else than empty
            content.update(b"missing")
        digest.update(f"{name}\0{content.hexdigest()}\n".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def _listed(distribution: Distribution) -> Iterator[tuple[str, Path]]:
    for path in distribution.files or ():
        outside = path.is_absolute() or ".." in path.parts  # scripts name the interpreter
        if outside or not _is_source(path):
            continue
        metadata = path.parts[0].endswith((".dist-info", ".egg-info"))
        if not metadata or path.name == _POINTS:
            name = _POINTS if metadata else path.as_posix()
            yield name, Path(str(distribution.locate_file(path)))


def _sources(module: str) -> dict[str, Path]:
    """The folder of the package that a module is in, or the one file that it is."""
    top, *below = module.split(".")
    try:
        spec = find_spec(top)  # a top-level name is found without an import
    except (ImportError, ValueError, AttributeError):
        return {}
    if spec is None:
        return {}
    if not spec.submodule_search_locations:
        return (
            {Path(spec.origin).name: Path(spec.origin)} if spec.has_location and spec.origin else {}
        )
    return {
        str(path.relative_to(root.parent).as_posix()): path
        for root in _folders(spec, below)
        for path in sorted(root.rglob("*"))
        if path.is_file() and _is_source(PurePosixPath(path.relative_to(root).as_posix()))
    }


def _folders(spec: ModuleSpec, below: list[str]) -> Iterator[Path]:
    """Folders of a package; of one that several distributions share, the part that is meant."""
    for location in spec.submodule_search_locations or ():
        folder = Path(location)
        for part in below:
            if (folder / "__init__.py").exists() or not (folder / part).is_dir():
                break
            folder = folder / part
        yield folder


def _is_source(path: PurePosixPath) -> bool:
    """Whether a file is the package's own: not compiled, hidden, or where an editable one lies."""
    hidden = any(part.startswith((".", "__editable__")) for part in path.parts)
    return not hidden and "__pycache__" not in path.parts and path.suffix not in (".pyc", ".pth")
