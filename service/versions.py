"""Versions: of the software that trains and judges, so that results can be told apart by it."""

import hashlib
import platform
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from metaopt import errors


@cache
def versions() -> dict[str, str]:
    """Return versions by name; `code` is a digest of the source of `metaopt` and of its data.

    The digest tells a changed checkout from another, where the version number stays the same.
    """
    packages = {name: _version(name) for name in ("metaopt", "torch", "numpy")}
    return {**packages, "python": platform.python_version(), "code": _code()}


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:  # run from a checkout that is not installed
        return "unknown"


def _code() -> str:
    digest = hashlib.sha256()
    root = Path(errors.__file__).parent  # of the package, whose own module names torch
    for path in sorted(p for p in root.rglob("*") if p.is_file() and p.suffix != ".pyc"):
        digest.update(str(path.relative_to(root)).encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:12]
