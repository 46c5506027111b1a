"""A small disk of a test's own, which can be filled for real, made read-only, and taken away."""

import errno
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

NAMESPACE = ["unshare", "--mount", "--map-current-user", "--keep-caps"]
"""What runs a command that may mount, though its user may not."""


class Disk:
    """A tmpfs.

    Args:
        place: Where it is mounted.
    """

    def __init__(self, place: Path) -> None:
        """Nothing is on it yet."""
        self.place = place
        self._ballast = place / ".ballast"

    def fill(self) -> None:
        """Leave no room on it; again, what has become free meanwhile."""
        with self._ballast.open("ab", buffering=0) as ballast:
            for piece in (2**20, 4096):
                try:
                    while ballast.write(bytes(piece)) == piece:
                        pass
                except OSError as error:
                    if error.errno != errno.ENOSPC:
                        raise

    def free(self) -> None:
        """Give the room back."""
        self._ballast.unlink(missing_ok=True)

    def lock(self) -> None:
        """Let nobody write to it, as after an error of a real one."""
        _run("mount", "-o", "remount,ro", str(self.place))

    def unlock(self) -> None:
        """Let everybody write again."""
        _run("mount", "-o", "remount,rw", str(self.place))

    def hide(self) -> None:
        """Let an empty directory be where it was, as if it were not mounted."""
        _run("mount", "-t", "tmpfs", "-o", "size=1m,mode=755", "tmpfs", str(self.place))

    def show(self) -> None:
        """Let it be there again."""
        _run("umount", str(self.place))


@contextmanager
def small_disk(place: Path, megabytes: int) -> Iterator[Disk]:
    """Yield a disk of so many MiB, mounted at a new directory; it is gone afterwards."""
    place.mkdir(parents=True)
    _run("mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=755", "tmpfs", str(place))
    try:
        yield Disk(place)
    finally:
        with suppress(subprocess.CalledProcessError):
            _run("umount", "--lazy", str(place))


@cache
def why_none() -> str | None:
    """Why this process can mount nothing; None if it can."""
    with TemporaryDirectory() as folder:
        try:
            with small_disk(Path(folder) / "disk", 1):
                return None
        except FileNotFoundError:
            return "there is no mount here"
        except subprocess.CalledProcessError as error:
            return f"nothing can be mounted: {error.stderr.strip()}"


def run_where_one_can_be(command: list[str]) -> str | None:
    """Run Python's `command` where it may mount; return why that is impossible, or None.

    Raises:
        subprocess.CalledProcessError: It failed.
    """
    try:
        _run(*NAMESPACE, "true")
    except (FileNotFoundError, subprocess.CalledProcessError) as error:
        return f"{why_none()}, nor in a namespace of this user's: {error}"
    environment = {**os.environ, "METAOPT_TESTS_MOUNT": "1"}
    subprocess.run([*NAMESPACE, sys.executable, *command], check=True, env=environment)
    return None


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, text=True)
