"""The one place where somebody's code is imported: allowed packages, and files that were named.

    Declaration ──import──▶ record or class of modules ──learn──▶ registry, and a description of it

Whatever goes wrong in one package is said of that package, and the others are as if it were not
there.
"""

import sys
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from metaopt.errors import InvalidPlugin, in_words
from metaopt.messages import shown
from metaopt.models.module_kind import module_kind
from metaopt.plugins.allowed import parse_allowed
from metaopt.plugins.declared import Declaration, declared
from metaopt.plugins.described import Described, Needed
from metaopt.plugins.description import FAMILIES, RECORDS, Kind, describe, family_of
from metaopt.plugins.files import digest_of_file, kinds_of_file
from metaopt.plugins.imports import is_class_of_modules, object_at
from metaopt.plugins.sources import Sources
from metaopt.registry import Origin


def describe_all(sources: Sources) -> tuple[Described, ...]:
    """All that packages declare and files bring, imported where that is allowed.

    In the order of packages, families and names; files come last.
    """
    return load(sources)


def load(
    what: Sources | Iterable[Declaration], needed: Collection[str] | None = None
) -> tuple[Described, ...]:
    """Import what is declared, for use by its name, and say what it is.

    Args:
        what: Sources, of which everything is loaded that is declared; or some declarations.
        needed: Names of kinds, or refs of modules; None is all.  Names that nobody declares are
            left out.

    Returns:
        A description each, in order; one that cannot be used says why.

    Example:
        >>> load(Sources())
        ()
    """
    if isinstance(what, Sources):
        declarations, files = declared(what), what.files
    else:
        declarations, files = tuple(what), ()
    found = [_loaded(one) for one in declarations if _asked(needed, one.name, one.value)]
    for path in files:
        found += [one for one in _of_file(path) if _asked(needed, one.name)]
    return tuple(found)


def load_plugins(*sources: str) -> tuple[Described, ...]:
    """Import plug-ins into this process, to use their kinds by name in `train` and the rest.

    Args:
        sources: Installed packages, as "package" or "package==1.0", and Python files, as
            "./mine.py".

    Returns:
        What they brought.

    Raises:
        InvalidPlugin: one is not there, cannot be imported, or brings nothing.
    """
    files = tuple(one for one in sources if one.endswith(".py"))
    packages = [_versioned(one) for one in sources if one not in files]
    chosen = Sources(parse_allowed(", ".join(packages)), files)
    names = {*files, *(allowed.package for allowed in chosen.packages)}
    found = tuple(one for one in load(chosen) if one.package in names)
    for one in found:
        if one.refused is not None:
            raise InvalidPlugin(f"{one.name or one.package}: {one.refused}")
    return found


def provide(needed: Sequence[Needed], sources: Sources) -> None:
    """Have in this process what an order needs, exactly as it was when its study was submitted.

    What is here already is not looked at again.

    Raises:
        InvalidPlugin: it is not here, not allowed, cannot be imported, or its code is another.
    """
    lacking = [one for one in needed if not _is_here(one)]
    declarations = declared(sources) if lacking else ()
    for one in lacking:
        _provide(one, declarations, sources)
    _PROVIDED.update(dict.fromkeys(needed, sources))


def provided(names: Collection[tuple[str, str]]) -> list[dict[str, Any]]:
    """What `provide` has put here, as plain data for `provide_again` in another process.

    Args:
        names: Family and name of what is asked for.
    """
    return [
        {"needed": needed.to_json(), "sources": sources.to_json()}
        for needed, sources in _PROVIDED.items()
        if (needed.family, needed.name) in names and _is_here(needed)
    ]


def provide_again(data: Iterable[Mapping[str, Any]]) -> None:
    """Have in this process what another one was provided with.

    Raises:
        InvalidPlugin: as `provide`.
    """
    for one in data:
        provide([Needed(**one["needed"])], Sources.from_json(one["sources"]))


_PROVIDED: dict[Needed, Sources] = {}


def _versioned(package: str) -> str:
    if "==" in package:
        return package
    try:
        return f"{package}=={version(package)}"
    except (PackageNotFoundError, ValueError):
        raise InvalidPlugin(
            "a plug-in is an installed package, or a Python file as ./mine.py, got "
            f"{shown(package)}"
        ) from None


def _asked(needed: Collection[str] | None, *names: str) -> bool:
    return needed is None or any(name in needed for name in names)


def _provide(needed: Needed, declarations: Iterable[Declaration], sources: Sources) -> None:
    what = f"{needed.family} {needed.name} of {needed.package} {needed.version}".strip()
    ours = FAMILIES[needed.family].origin(needed.name)
    is_file = needed.package in sources.files
    if ours is not None and ours.imported and ours.package == needed.package and not is_file:
        # Python imports a package once: a newer one needs a new process.
        _check_same(what, needed, ours.version, ours.digest)
    if is_file:
        digest = digest_of_file(needed.package)
        _check_same(what, needed, "", digest)
        found = [one for one in _of_file(needed.package) if one.name == needed.name]
    else:
        fitting = [one for one in declarations if _declares(one, needed)]
        for one in fitting:
            if one.refused is None:
                _check_same(what, needed, one.version, one.digest)
        found = [_loaded(one) for one in fitting]
    if not found:
        raise InvalidPlugin(f"{what} is not installed here, or declares it no more")
    if found[0].refused is not None:
        raise InvalidPlugin(f"{what} cannot be used here: {found[0].refused}")


def _declares(declaration: Declaration, needed: Needed) -> bool:
    if declaration.package != needed.package:
        return False
    if needed.family == "modules":
        return declaration.family == "models" and declaration.value == needed.name
    return (declaration.family, declaration.name) == (needed.family, needed.name)


def _check_same(what: str, needed: Needed, version: str, digest: str) -> None:
    if (version, digest) != (needed.version, needed.digest):
        asked, here = (
            f"{v} (sha256:{d})".strip()
            for v, d in ((needed.version, needed.digest), (version, digest))
        )
        raise InvalidPlugin(f"{what}: the study needs {asked}, here is {here}")


def _is_here(needed: Needed) -> bool:
    origin = Origin(needed.package, needed.version, needed.digest, imported=True)
    return FAMILIES[needed.family].origin(needed.name) == origin


def _loaded(declaration: Declaration) -> Described:
    described = declaration.described()
    if declaration.refused is not None:
        return described
    try:
        _check_fresh(declaration)
        kind = _kind(declaration, object_at(declaration.value))
        return _learnt(kind, described)
    except Exception as error:  # of its import, or of an object that is none of ours
        return replace(described, refused=in_words(error))


_IMPORTED: dict[str, str] = {}
"""Digests of packages as this process first imported them."""


def _check_fresh(declaration: Declaration) -> None:
    """Refuse a package that has changed after its import: Python goes on with what it has."""
    top = declaration.value.partition(":")[0].partition(".")[0].strip()
    before = _IMPORTED.get(declaration.package)
    if top in sys.modules and before not in (None, declaration.digest):
        raise InvalidPlugin(
            f"{declaration.package} {declaration.version} has changed since it was imported here: "
            "begin a new process"
        )
    _IMPORTED[declaration.package] = declaration.digest


def _kind(declaration: Declaration, found: object) -> Kind:
    """The record that an entry point stands for.

    Raises:
        InvalidPlugin: it is none of its family, or of another name.
    """
    if declaration.family == "models" and is_class_of_modules(found):
        return module_kind(declaration.value, found)
    wanted = RECORDS[declaration.family]
    if not isinstance(found, wanted):
        modules = " or a class of torch.nn.Module" if declaration.family == "models" else ""
        raise InvalidPlugin(
            f"{declaration.value} must be of {wanted.__name__}{modules}, got {shown(found)}"
        )
    if found.name != declaration.name:
        raise InvalidPlugin(
            f"the entry point {declaration.name} leads to {shown(found.name)}: they need one name"
        )
    return found


def _learnt(kind: Kind, described: Described) -> Described:
    """Put a record into its registry, and describe it.

    Raises:
        MetaoptError: its name is taken, or it cannot be described.
    """
    family = family_of(kind)
    registry: Any = FAMILIES[family]
    before = registry.origin(kind.name)
    if before is not None and before.package != described.package:
        raise InvalidPlugin(f"{kind.name} is declared by {before.package} already: rename it")
    record = describe(kind)
    registry.learn(
        kind, Origin(described.package, described.version, described.digest, imported=True)
    )
    return replace(described, family=family, name=kind.name, record=record)


def _of_file(path: str) -> Iterator[Described]:
    """A description of each kind that a file brings, or of the file if it brings none."""
    whole = Described("tasks", "", path, "", "")
    try:
        digest = digest_of_file(path)
        whole = replace(whole, digest=digest)
        kinds = kinds_of_file(path, digest)
    except Exception as error:  # of the file, or of an object that is none of ours
        yield replace(whole, refused=in_words(error))
        return
    for kind in kinds:
        named = replace(whole, family=family_of(kind), name=kind.name)
        try:
            yield _learnt(kind, named)
        except Exception as error:
            yield replace(named, refused=in_words(error))
