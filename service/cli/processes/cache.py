"""The user's cache: where compiled programs of short-lived servers are kept."""

import os
import stat
from collections.abc import Mapping
from pathlib import Path

from service.variables import variable


def programs_cache(environment: Mapping[str, str]) -> Path | None:
    """A directory for compiled programs that only this user can write to, made if need be.

    Programs are machine code, so one that somebody else could have written is never loaded.

    Args:
        environment: `XDG_CACHE_HOME`, else `.cache` of `HOME`.

    Returns:
        None where there is no such directory, as for a user without a home.
    """
    home = variable(environment, "HOME")
    base = variable(environment, "XDG_CACHE_HOME") or (f"{home}/.cache" if home else None)
    if base is None or not Path(base).is_absolute():
        return None
    ours = Path(base) / "metaopt"  # who can write there can put another directory in its place
    directory = ours / "programs"
    try:
        ours.mkdir(mode=0o700, parents=True, exist_ok=True)
        directory.mkdir(mode=0o700, exist_ok=True)
        private = all(map(_is_private, (ours, directory)))
    except (OSError, ValueError):
        return None
    return directory if private and os.access(directory, os.W_OK | os.X_OK) else None


def _is_private(directory: Path) -> bool:
    found = directory.stat()
    return found.st_uid == os.geteuid() and not found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
