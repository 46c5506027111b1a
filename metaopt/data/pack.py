"""A packed data set: one safetensors file of arrays beside its manifest.

    x   (N, *input_shape)  uint8 for images, ink or grey as it came; float32 for features
    y   (N, outputs)       float32, where numbers are to be predicted

Rows lie group by group, in the order of the manifest: group g has the rows from `offsets[g]` to
`offsets[g + 1]`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

from numpy.typing import NDArray

from metaopt.data.manifest import Manifest


@dataclass(frozen=True, eq=False)
class Packed:
    """A data set in memory.

    Args:
        manifest: What it is.
        arrays: `x`, and `y` where there are numbers to predict.
    """

    manifest: Manifest
    arrays: Mapping[str, NDArray[Any]]

    @property
    def offsets(self) -> tuple[int, ...]:
        """Where each group's rows begin, and where the last one's end: groups + 1 numbers."""
        return (0, *accumulate(group.examples for group in self.manifest.groups))
