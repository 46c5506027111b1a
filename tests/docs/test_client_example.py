"""The script of docs/client.md runs against a real server, and prints what it says."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from service.cli.commands.demo import running_server

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_the_client_s_example_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("METAOPT_SLOTS", "1")
    with running_server(tmp_path / "data") as url:
        ran = subprocess.run(
            [sys.executable, str(ROOT / "examples" / "client.py")],
            cwd=tmp_path,
            env={**os.environ, "METAOPT_URL": url, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            timeout=300,
        )
    assert ran.returncode == 0, ran.stderr
    lines = ran.stdout.splitlines()
    assert sum(line.startswith("trial ") for line in lines) >= 6  # four, and fresh trainings
    assert re.fullmatch(r"best: (maml|reptile) [\d.]+, sealed MSE [\d.]+", lines[-2])
    assert re.fullmatch(r"f\(0\.5\) = -?[\d.]+", lines[-1])
    assert (tmp_path / "winner" / "winner.safetensors").stat().st_size > 1000
