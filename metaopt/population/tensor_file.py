"""Tensor files: safetensors, the same bytes for the same content, read whole from a regular file.

The library writes its metadata in an order that differs from process to process, so the SHA-256 of
a file would say nothing of what is in it.
"""

import errno
import json
import os
import stat
from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

ALIGNED = 8  # the tensors begin at a multiple of it


def to_bytes(tensors: Mapping[str, Tensor], texts: Mapping[str, str]) -> bytes:
    """A safetensors file of these tensors, with these texts as its metadata, in their order."""
    from safetensors.torch import save  # here, so that training alone needs only torch

    content = save(
        {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()},
        dict(texts),
    )
    begin = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:begin])
    header["__metadata__"] = dict(texts)
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % ALIGNED)
    return len(text).to_bytes(8, "little") + text + content[begin:]


def read_regular(path: Path) -> bytes:
    """The content of a file.

    Raises:
        IsADirectoryError: It is none, or something else that is no file: a pipe or a device would
            be waited for, or never end.
        OSError: It is not there, or cannot be read.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise IsADirectoryError(errno.EISDIR, "not a regular file", str(path))
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            return file.read()
    finally:
        os.close(descriptor)
