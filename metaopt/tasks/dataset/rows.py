"""The examples of a packed data set on a device, and where each group's lie."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from metaopt.data.manifest import Manifest
from metaopt.data.pack import Packed
from metaopt.errors import InvalidTasks
from metaopt.messages import shown
from metaopt.tasks.base import Unit
from metaopt.tasks.dataset.scaling import Scaling, chunks, scaling_of, unscaled
from metaopt.tasks.dataset.splits import noun
from metaopt.tasks.description import Ink

WHITE = 255.0


@dataclass(frozen=True, eq=False)
class Rows:
    """Examples on a device.

    Args:
        values: (N, C, pixels): uint8 of images, which are scaled as they are drawn; others are
            scaled already, in the float type of episodes, and have one pixel.
        numbers: To predict (N, outputs), scaled; None of classes.
        begins: First row of each group, or of each class of a task in turn (G,).
        sizes: Examples of each (G,).
        support: How many of each group's first ones are its support set (G,); None of most data.
        largest: Of `sizes`.
        unit: Of the numbers to predict.
        inputs: What they are scaled by, on the host.
        targets: What the numbers to predict are scaled by, likewise; None of classes.
        affine: Mean and deviation (C, 1) of images, in the float type of episodes.
        ink: How to see inputs that are images: see `metaopt.tasks.description.Ink`.
    """

    values: Tensor
    numbers: Tensor | None
    begins: Tensor
    sizes: Tensor
    support: Tensor | None
    largest: int
    unit: Unit | None
    inputs: Scaling
    targets: Scaling | None
    affine: tuple[Tensor, Tensor] | None = None
    ink: Ink | None = None

    def x(self, rows: Tensor, places: Tensor | None = None) -> Tensor:
        """Inputs (*B, K, C, pixels) of `rows` (*B, K).

        Args:
            places: Where each pixel comes from (*B, 1 or K, pixels); None leaves them.
        """
        x = self.values[rows]
        if places is not None:
            x = _gathered(x, places)
        if self.affine is None:
            return x
        mean, deviation = self.affine
        return x.to(mean.dtype).sub_(mean).div_(deviation)


def _gathered(x: Tensor, places: Tensor) -> Tensor:
    """Pixels of x (*B, K, C, pixels) from `places`; in three axes it takes half as long."""
    *_, shots, channels, pixels = x.shape
    index = places.reshape(-1, 1, pixels)
    together = channels * (shots if places.shape[-2] == 1 else 1)
    flat = x.reshape(len(index), together, pixels)
    return flat.gather(-1, index.expand(flat.shape)).reshape(x.shape)


def rows_of(
    packed: Packed,
    train: Sequence[int],
    *,
    normalise: str,
    device: str | torch.device,
    dtype: torch.dtype,
) -> Rows:
    """The examples of `packed`, scaled by those of the groups `train`.

    Args:
        train: Groups of meta-training.
        normalise: "train", or "none" for v / 255 of images and anything else as it is.

    Raises:
        InvalidTasks: some groups have a support set of their own and others have none.
    """
    offsets, x, y = packed.offsets, packed.arrays["x"], packed.arrays.get("y")
    images = x.dtype == np.uint8 and x.ndim == 4
    inputs = unscaled(x.shape[1])
    if normalise == "train":
        inputs = scaling_of(x, offsets, train)
    elif images:
        inputs = Scaling(inputs.mean, np.full_like(inputs.deviation, WHITE))
    sizes = [size for group in packed.manifest.groups for size in group.parts]
    values = torch.tensor(x) if images else _scaled(x, inputs, dtype)
    support, numbers, unit, targets = _support(packed.manifest), None, None, None
    if y is not None:
        own = scaling_of(y, offsets, train)
        targets = own if normalise == "train" else unscaled(y.shape[1])
        numbers, unit = _scaled(y, targets, dtype).to(device), _unit(own, targets, device, dtype)
    return Rows(
        values.reshape(*x.shape[:2], -1).to(device),
        numbers,
        torch.tensor([0, *accumulate(sizes)][:-1], device=device),
        torch.tensor(sizes, device=device),
        None if support is None else torch.tensor(support, device=device),
        max(sizes),
        unit,
        inputs,
        targets,
        _affine(inputs, device, dtype) if images else None,
        _ink(x, inputs) if images else None,
    )


def _scaled(array: NDArray[Any], scaling: Scaling, dtype: torch.dtype) -> Tensor:
    """Return the array (N, C, …) scaled in float64, a chunk at a time, and then rounded."""
    scaled = torch.empty(array.shape, dtype=dtype)
    for part in chunks(array, 0, len(array)):
        scaled[part] = torch.from_numpy(scaling.apply(array[part]))
    return scaled


def _support(manifest: Manifest) -> list[int] | None:
    own = [group for group in manifest.groups if (group.support, group.supports) != (None, None)]
    given = [n for group in own for n in (group.supports or (group.support or 0,))]
    if own and len(own) < len(manifest.groups):
        without = next(group.name for group in manifest.groups if group not in own)
        raise InvalidTasks(
            f"{len(own)} of the {noun(manifest, 2)} have a support set of their own, "
            f"{shown(without)} has none: pack all with one, or all without"
        )
    return given or None


def _unit(own: Scaling, targets: Scaling, device: str | torch.device, dtype: torch.dtype) -> Unit:
    """The unit of numbers with moments `own` in meta-training that are scaled by `targets`."""
    scale = torch.tensor(targets.deviation, dtype=dtype, device=device)
    return Unit(scale, float(np.sqrt(np.square(own.deviation).mean())))


def _affine(
    scaling: Scaling, device: str | torch.device, dtype: torch.dtype
) -> tuple[Tensor, Tensor]:
    mean, deviation = (torch.tensor(part, dtype=dtype, device=device)[:, None] for part in scaling)
    return mean, deviation


def _ink(x: NDArray[Any], scaling: Scaling) -> Ink:
    """Paper is what there is more of, so that white on black is seen as black on white."""
    dark = bool(x.mean(dtype=np.float64) < WHITE / 2)

    def ink(inputs: NDArray[Any]) -> NDArray[Any]:
        mean, deviation = (part[:, None, None] for part in scaling)
        grey: NDArray[Any] = np.clip((inputs * deviation + mean).mean(1) / WHITE, 0.0, 1.0)
        return grey if dark else 1.0 - grey

    return ink
