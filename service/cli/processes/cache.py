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
    directory = Path(base) / "metaopt" / "programs"
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = directory.stat()
    except (OSError, ValueError):
        return None
    others_write = found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    if found.st_uid != os.geteuid() or others_write or not os.access(directory, os.W_OK | os.X_OK):
        return None
    return directory
