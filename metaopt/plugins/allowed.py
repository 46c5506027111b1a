"""Which installed packages may bring plug-ins, each in one version (METAOPT_PLUGINS)."""

import re
from typing import NamedTuple

from metaopt.errors import InvalidPlugin
from metaopt.messages import shown

_ENTRY = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)==([A-Za-z0-9][A-Za-z0-9._+!-]*)")


class Allowed(NamedTuple):
    """A package that may be imported, in this version alone.

    Args:
        package: Its normalized name (PEP 503), as "metaopt-wavelets".
        version: As its metadata has it.
    """

    package: str
    version: str

    def __str__(self) -> str:
        """As in the setting."""
        return f"{self.package}=={self.version}"


def parse_allowed(text: str) -> tuple[Allowed, ...]:
    """The packages of a list as "one==1.0, other==2.3.1"; none where it is empty.

    Raises:
        InvalidPlugin: an entry has another form, or a package stands twice.

    Example:
        >>> parse_allowed("My_Net==1.0")
        (Allowed(package='my-net', version='1.0'),)
    """
    found: dict[str, Allowed] = {}
    for entry in filter(None, re.split(r"[\s,]+", text)):
        match = _ENTRY.fullmatch(entry)
        if match is None:
            raise InvalidPlugin(
                f"an allowed plug-in must be written as package==version, got {shown(entry)}"
            )
        allowed = Allowed(normalized(match[1]), match[2])
        if allowed.package in found:
            raise InvalidPlugin(f"{allowed.package} is allowed twice: name one version of it")
        found[allowed.package] = allowed
    return tuple(found.values())


def normalized(package: str) -> str:
    """A package's name as indexes compare it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", package).lower()
