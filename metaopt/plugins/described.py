"""What a worker says of a plug-in: plain data that others validate a spec by, without its code."""

from dataclasses import asdict, dataclass
from typing import Any, Literal

Family = Literal["tasks", "models", "modules", "algorithms"]


@dataclass(frozen=True)
class Described:
    """One kind that a package, or a file, declares.

    Args:
        family: "tasks", "models" and "algorithms" are records of these registries; "modules" are
            classes of `torch.nn.Module`, which `model: {kind: module, ref: …}` names.
        name: Of the kind; of a module "package.module:Class".
        package: Distribution that declares it, or the path of the imported file.
        version: Of the distribution; "" of a file.
        digest: SHA-256 of the sources; "" of a package that is not allowed.
        record: The record as plain data, without its functions; None where it
            cannot be used.
        refused: Why it cannot be used: not allowed, another version, or what its code raised.
    """

    family: Family
    name: str
    package: str
    version: str
    digest: str
    record: dict[str, Any] | None = None
    refused: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return plain data."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "Described":
        """What `to_json` gave."""
        return cls(**data)


@dataclass(frozen=True)
class Needed:
    """A plug-in that a study needs, as it was when the study was submitted."""

    family: Family
    name: str
    package: str
    version: str
    digest: str

    def to_json(self) -> dict[str, Any]:
        """Return plain data."""
        return asdict(self)
