"""Devices on which a population trains."""

import contextlib

import torch

from metaopt.errors import InvalidPopulation
from metaopt.messages import shown


def checked_device(device: object) -> str:
    """The name of a device that torch has here.

    Args:
        device: "cpu", "cuda" or "cuda:1", or torch's own object.

    Raises:
        InvalidPopulation: it is none of these, or torch has no such device here.
    """
    found = None
    if isinstance(device, str | torch.device):
        with contextlib.suppress(RuntimeError):  # a word that names no device
            found = torch.device(device)
    if found is None or found.type not in ("cpu", "cuda"):
        raise InvalidPopulation(f"device must be cpu, cuda or cuda:N, got {shown(device)}")
    if found.type == "cpu":
        return "cpu"
    count = torch.cuda.device_count()
    if (found.index or 0) >= count:
        has = f"{count} GPU{'s' if count > 1 else ''}, from 0" if count else "no GPU"
        raise InvalidPopulation(f"device {found} is not here: torch has {has}, take cpu")
    return str(found)
