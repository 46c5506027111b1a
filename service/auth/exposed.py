"""Files of secrets on this machine: who else can read or change them.

    webhooks file, its secret files    secrets: others may do neither
    API keys file                      SHA-256s of keys: others may read it, not change it
    data directory                     a warning where others may write

What a container runtime mounts below /run/secrets is in a file system of the container alone, and
by default open to everybody there.
"""

import stat
from collections.abc import Iterator
from pathlib import Path
from shlex import quote

from service.errors import SecretsExposed
from service.notifications.config import secret_files
from service.settings import Settings

MOUNTED = Path("/run/secrets")


def check_files(settings: Settings) -> None:
    """Return if nobody else can read secrets, or change who comes in.

    Raises:
        SecretsExposed: Somebody can; says how to mend it.
        WebhooksUnreadable: The webhooks file breaks a rule.
    """
    if settings.api_keys_file is not None:
        _check(settings.api_keys_file, stat.S_IWOTH, "o-w", "add keys of their own to")
    if settings.webhooks_file is not None:
        for path in (settings.webhooks_file, *secret_files(settings.webhooks_file)):
            _check(path, stat.S_IRWXO, "o-rwx", "read the secrets of")


def warnings_of(settings: Settings) -> Iterator[str]:
    """Yield what is not refused, and should be mended."""
    directory = settings.data_directory
    if _mode(directory) & stat.S_IWOTH:
        yield (
            f"everybody on this machine can write to the data directory {directory.resolve()}, and "
            f"so change studies and what workers load: chmod o-w {quote(str(directory))}"
        )


def _check(path: Path, forbidden: int, mends: str, could: str) -> None:
    if MOUNTED in path.resolve().parents:
        return
    if _mode(path) & forbidden:
        raise SecretsExposed(
            f"refusing to start: everybody on this machine can {could} {path}; "
            f"chmod {mends} {quote(str(path))}"
        )


def _mode(path: Path) -> int:
    try:
        return path.stat().st_mode
    except OSError:
        return 0  # whoever reads it says why it cannot be
