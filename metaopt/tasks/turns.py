"""Quarter turns, mirror images and cuts of images, as gathers of pixels."""

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


def cut_pixels(crop: Tensor, border: int, height: int, width: int) -> Tensor:
    """Where each pixel comes from if images are cut out of ones with a border: (*B, pixels).

    The border repeats the outermost pixels.

    Args:
        crop: Which of the (2 · border + 1)² places each is cut from (*B,), row by row; the one in
            the middle leaves it as it is.
    """
    side = 2 * border + 1
    down, right = crop // side - border, crop % side - border
    rows = (torch.arange(height, device=crop.device) + down[..., None]).clamp(0, height - 1)
    columns = (torch.arange(width, device=crop.device) + right[..., None]).clamp(0, width - 1)
    return (rows[..., None] * width + columns[..., None, :]).flatten(-2)
