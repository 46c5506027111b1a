"""What lies between somebody's data and a model: how they were packed and scaled for training.

    file ──packing──▶ values as packed ──(v − μ) / σ──▶ inputs ──model──▶ z ──σ z + μ──▶ numbers

Plain data, so that a model file says it (`metaopt.population.model_file`) and whoever adapts the
model needs neither the data set nor the study.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, get_args

from metaopt.data.manifest import Kind
from metaopt.errors import InvalidData
from metaopt.messages import shown

BYTE = 255.0


class Moments(NamedTuple):
    """Means μ and deviations σ by channel, feature, or number to predict; v becomes (v − μ) / σ."""

    mean: tuple[float, ...]
    deviation: tuple[float, ...]


@dataclass(frozen=True)
class Preparation:
    """How data become what a model takes, and its outputs become numbers in their unit.

    Args:
        kind: What the data are.
        inputs: What values as packed are scaled by: of images by channel, else by feature.
        numbers: What the numbers to predict are scaled by; None of classes.
        packing: How files became values: of images size, channels, invert.
        features: Names of a table's features, in order.
        targets: Names of the numbers to predict, in order.
        white: Of images, the value that a byte of 255 becomes.
    """

    kind: Kind
    inputs: Moments
    numbers: Moments | None = None
    packing: Mapping[str, Any] = field(default_factory=dict)
    features: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    white: float = BYTE

    def to_json(self) -> dict[str, Any]:
        """Return plain data."""
        return {
            "kind": self.kind,
            "inputs": self.inputs._asdict(),
            "numbers": self.numbers and self.numbers._asdict(),
            "packing": dict(self.packing),
            "features": list(self.features),
            "targets": list(self.targets),
            "white": self.white,
        }

    @classmethod
    def from_json(cls, data: Any) -> "Preparation":
        """The preparation that `to_json` gave.

        Raises:
            InvalidData: It is none.
        """
        try:
            if data["kind"] not in get_args(Kind):
                raise ValueError
            numbers = data["numbers"]
            return cls(
                kind=data["kind"],
                inputs=_moments(**data["inputs"]),
                numbers=None if numbers is None else _moments(**numbers),
                packing=dict(data["packing"]),
                features=tuple(map(str, data["features"])),
                targets=tuple(map(str, data["targets"])),
                white=float(data["white"]),
            )
        except (LookupError, TypeError, ValueError):
            raise InvalidData(f"it says no preparation of data: {shown(data)}") from None


def _moments(mean: Sequence[Any], deviation: Sequence[Any]) -> Moments:
    moments = Moments(tuple(map(float, mean)), tuple(map(float, deviation)))
    if len(moments.mean) != len(moments.deviation) or not all(s > 0 for s in moments.deviation):
        raise ValueError
    return moments
