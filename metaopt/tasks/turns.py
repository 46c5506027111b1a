"""Quarter turns and mirror images of square images, as gathers of pixels."""

import torch
from torch import Tensor


def turned_pixels(side: int) -> Tensor:
    """Where each pixel of a turned image comes from: (4, side²) int64, turns of 90°.

    `image[turned_pixels(side)[k]]` is `image` turned k times counter-clockwise.
    """
    places = torch.arange(side * side).view(side, side)
    return torch.stack([places.rot90(k).reshape(-1) for k in range(4)])


def mirrored_pixels(places: Tensor, width: int) -> Tensor:
    """Where each pixel comes from if the images that `places` (…, pixels) makes are mirrored."""
    return places.reshape(*places.shape[:-1], -1, width).flip(-1).reshape(places.shape)
