"""What installed packages declare, read from their metadata: nothing of theirs is imported."""

from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import Distribution, distributions
from typing import get_args

from metaopt.plugins.allowed import Allowed, normalized
from metaopt.plugins.described import Described, Family
from metaopt.plugins.digest import digest_of
from metaopt.plugins.sources import Sources

SETTING = "METAOPT_PLUGINS"
GROUPS: dict[str, Family] = {
    f"metaopt.{family}": family for family in get_args(Family) if family != "modules"
}
"""Families by the group of their entry points; classes of modules are declared as models."""


@dataclass(frozen=True)
class Declaration:
    """An entry point of an installed package.

    Args:
        family: "models" of what may as well be a class of modules.
        name: Its own; empty where something is said of the whole package.
        value: Where the object is, as "package.module:KIND".
        package: Normalized name of the distribution.
        version: Of the distribution.
        digest: SHA-256 of its files; "" where it is not allowed.
        refused: Why it may not be imported.
    """

    family: Family
    name: str
    value: str
    package: str
    version: str
    digest: str = ""
    refused: str | None = None

    def described(self) -> Described:
        """What is known of it without an import."""
        named = self._named()
        return Described(*named, self.package, self.version, self.digest, refused=self.refused)

    def _named(self) -> tuple[Family, str]:
        """Family and name in specs.

        A class of modules is named there by its ref, and told from a record by how it is written.
        """
        attribute = self.value.rpartition(":")[2]
        if self.family == "models" and attribute[:1].isupper() and not attribute.isupper():
            return "modules", self.value
        return self.family, self.name


def declared(sources: Sources) -> tuple[Declaration, ...]:
    """All that installed packages declare, and what is allowed and declares nothing.

    In the order of packages, families and names.  `Sources.files` declare nothing before they run.
    """
    allowed = {one.package: one for one in sources.packages}
    installed = _installed()
    found: list[Declaration] = []
    for package in sorted({*installed, *allowed}):
        if package in installed:
            found += _of(package, installed[package], allowed.get(package))
        else:
            refused = f"{allowed[package]} is allowed in {SETTING} and not installed here"
            found.append(Declaration("tasks", "", "", *allowed[package], refused=refused))
    return tuple(found)


def _installed() -> dict[str, Distribution]:
    """By normalized name; as an import has it, the first on the path."""
    found: dict[str, Distribution] = {}
    for distribution in distributions():
        name = distribution.metadata["Name"] if distribution.metadata is not None else None
        if name:
            found.setdefault(normalized(name), distribution)
    return found


def _of(package: str, distribution: Distribution, allowed: Allowed | None) -> list[Declaration]:
    version = str(distribution.metadata["Version"] or "")

    def nothing(why: str) -> list[Declaration]:  # of what nobody asked for nothing is said
        whole = Declaration("tasks", "", "", package, version, refused=why)
        return [whole] if allowed else []

    try:
        points = sorted(_points(distribution))
    except (OSError, ValueError, TypeError) as error:
        return nothing(f"the entry points of {package} {version} cannot be read: {error}")
    refused = _refusal(package, version, allowed)
    if not points:
        groups = " or ".join(GROUPS)
        return nothing(refused or f"{package} {version} has no entry point of {groups}")
    digest = "" if refused else digest_of(distribution, [value for _, _, value in points])
    return [
        Declaration(family, name, value, package, version, digest, refused)
        for family, name, value in points
    ]


def _points(distribution: Distribution) -> Iterator[tuple[Family, str, str]]:
    for point in distribution.entry_points:
        if point.group in GROUPS:
            yield GROUPS[point.group], point.name, point.value


def _refusal(package: str, version: str, allowed: Allowed | None) -> str | None:
    if allowed is None:
        return (
            f"the package {package} {version} is installed and not allowed: add "
            f"{package}=={version} to {SETTING}"
        )
    if allowed.version != version:
        return (
            f"{allowed} is allowed and {version} is installed: install {allowed}, or write "
            f"{package}=={version} in {SETTING}"
        )
    return None
