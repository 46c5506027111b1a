"""A whole study where nothing around it is as usual: no account, home, locale, folder for files.

And with a GPU that is listed and not there.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.fakes.specs import TINY
from tests.service.executors.test_devices import stand_in

CHECKOUT = Path(__file__).parents[2]
NOBODY = 54321  # no account has this number


def as_nobody() -> dict[str, int]:
    """Arguments for a process of a user without an account, where one can be started."""
    if os.getuid() != 0:
        return {}
    user = {"user": NOBODY, "group": NOBODY}
    try:
        subprocess.run([sys.executable, "-c", "import torch"], check=True, cwd="/", **user)
    except (OSError, subprocess.CalledProcessError):
        return {}  # Python lies in a folder of root's
    return user


@pytest.fixture
def folder() -> Iterator[Path]:
    """Return a folder that anybody may write to; pytest's own is closed to others."""
    with tempfile.TemporaryDirectory(prefix="metaopt-bare-") as name:
        path = Path(name)
        path.chmod(0o777)
        yield path


@pytest.mark.slow
def test_a_study_completes_in_bare_surroundings(folder: Path) -> None:
    spec = folder / "spec.yaml"
    spec.write_text(yaml.safe_dump(TINY))
    environment = {
        **stand_in(folder, "echo 'GPU 0: A (UUID: GPU-aaaa-1)'"),
        "PYTHONPATH": str(CHECKOUT),
        "PYTHONOPTIMIZE": "2",
        "PYTHONDONTWRITEBYTECODE": "1",
        "TMPDIR": str(folder / "nowhere"),
        "METAOPT_SLOTS": "1",
    }
    command = [sys.executable, "-m", "service.cli", "run", "spec.yaml", "--json", "result.json"]
    done = subprocess.run(
        command, env=environment, cwd=folder, umask=0o077, capture_output=True, text=True,
        **as_nobody(),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert (folder / "result.json").is_file()
    assert "warning: GPU 0 (A) does not work: " in done.stderr
    assert "training goes on with 1 slot on CPU cores" in done.stderr
    written = [path for path in folder.rglob("*") if path != spec and "bin" not in str(path)]
    assert [path for path in written if path.stat().st_mode & 0o077] == []
