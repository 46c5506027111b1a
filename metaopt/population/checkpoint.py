"""Checkpoints of one lane: a safetensors file whose header holds the rest as JSON.

A file has the lane's tensors (model, moments, numbers, seed, age), those of the best model that it
has had if that is kept (`metaopt.population.kept`), and, in its metadata, the format version, the
signature's digests and the lane's meta-parameters.  It is written whole or not at all (temporary
file, fsync, rename), and read only if its SHA-256 is the one asked for.

A lane may go on under another signature if that has the same state (`Signature.state_digest`):
from first-order meta-gradients to second-order ones.
"""

import hashlib
import json
import os
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from metaopt.errors import CorruptCheckpoint
from metaopt.population import kept as kept_models
from metaopt.population.damage import is_damage
from metaopt.population.kept import Kept
from metaopt.population.lanes import Lanes
from metaopt.population.step import Program
from metaopt.population.tensor_file import read_regular, to_bytes

FORMAT = "1"


class Saved(NamedTuple):
    """A lane (H = 1), and the best model that it has had, if one is kept."""

    lane: Lanes
    kept: Kept | None = None


def write(path: Path, saved: Saved, program: Program, params: dict[str, Any]) -> str:
    """Write one lane to `path` and return the file's SHA-256."""
    metadata = {
        "format": FORMAT,
        "signature": program.signature.digest(),
        "state": _state(program),
        "params": json.dumps(params, sort_keys=True, allow_nan=False),
        "torch": torch.__version__,
    }
    tensors = saved.lane.tensors()
    if saved.kept is not None:
        tensors |= saved.kept.tensors()
        metadata[kept_models.METADATA] = saved.kept.numbers()
    content = to_bytes(tensors, metadata)
    write_whole(path, content)
    return hashlib.sha256(content).hexdigest()


def write_whole(path: Path, content: bytes) -> None:
    """Write a file whole or not at all."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:  # on a full disk it would take the room that the next one needs
        temporary.unlink(missing_ok=True)
        raise
    _sync_directory(path.parent)


def read(path: Path, program: Program, digest: str | None, device: str) -> Saved:
    """What `write` wrote.

    Args:
        digest: SHA-256 the file must have; None takes any.

    Raises:
        CorruptCheckpoint: not there, unreadable, of other bytes, or of a signature with another
            state.
        OSError: The machine does not let it be read: its directory is away, or there is no free
            descriptor.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        content = read_regular(path)
    except OSError as error:
        if not is_damage(path, error):  # of the machine: the file may be as good as it was
            raise
        raise CorruptCheckpoint(f"checkpoint {path} cannot be read: {error}") from None
    actual = hashlib.sha256(content).hexdigest()
    if digest is not None and actual != digest:
        raise CorruptCheckpoint(f"checkpoint {path} must have SHA-256 {digest}, has {actual}")
    try:
        tensors: dict[str, Tensor] = load(content)
        header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
        metadata = header["__metadata__"]
        there = {name: tensor.to(device) for name, tensor in tensors.items()}
        own, kept = kept_models.split(there, metadata)
        lane = Lanes.of(own)
    except (SafetensorError, ValueError, KeyError, TypeError) as error:
        raise CorruptCheckpoint(f"checkpoint {path} is not one of ours: {error}") from None
    fits = metadata.get("signature") == program.signature.digest()  # older files have no "state"
    fits = fits or metadata.get("state") == _state(program)
    if metadata.get("format") != FORMAT or not fits:
        raise CorruptCheckpoint(f"checkpoint {path} belongs to another signature or format")
    return Saved(lane, kept)


def _state(program: Program) -> str:
    return program.signature.state_digest(program.kinds.algorithm)


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
