"""Where plug-ins may come from: packages that are allowed, and files that were named."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from metaopt.plugins.allowed import Allowed


@dataclass(frozen=True)
class Sources:
    """What a process may import.

    Args:
        packages: Installed ones, each in one version (METAOPT_PLUGINS).
        files: Paths of Python files (`--import`).
    """

    packages: tuple[Allowed, ...] = ()
    files: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        """Whether there is any."""
        return bool(self.packages or self.files)

    def to_json(self) -> dict[str, Any]:
        """Return plain data."""
        return {"packages": [list(one) for one in self.packages], "files": list(self.files)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Sources":
        """What `to_json` gave."""
        packages = tuple(Allowed(*one) for one in data["packages"])
        return cls(packages, tuple(data["files"]))
