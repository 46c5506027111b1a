"""A client that somebody else's generator makes of our document is made, typed and works."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from service.cli.commands.demo import running_server

GENERATORS = Path(sys.prefix) / "generators" / "bin"
PROGRAM = Path(__file__).with_name("use_client.py")


def ran(directory: Path, *command: str | Path) -> str:
    """Run a command of the generators' environment and return all that it says."""
    found = os.pathsep.join([str(GENERATORS), os.environ["PATH"]])
    done = subprocess.run(
        [GENERATORS / command[0], *command[1:]],
        cwd=directory,
        env={**os.environ, "PATH": found, "PYTHONPATH": str(directory), "MYPYPATH": str(directory)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.mark.slow
def test_a_client_is_generated_without_a_warning_and_submits_waits_and_reads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not (GENERATORS / "openapi-python-client").exists():
        pytest.skip(f"no generator of clients in {GENERATORS.parent}: `make setup` installs it")
    monkeypatch.setenv("METAOPT_SLOTS", "1")
    package = tmp_path / "metaopt_client"
    # Its own 5 s are too few for a server that has just been started, and other tests beside it.
    patient = tmp_path / "generator.json"
    patient.write_text('{"http_timeout": 120}')
    with running_server(tmp_path / "data") as url:
        said = ran(
            tmp_path,
            *("openapi-python-client", "generate", "--fail-on-warning"),
            *("--url", f"{url}/openapi.json", "--meta", "none", "--output-path", package),
            *("--config", patient),
        )
        assert said.splitlines() == [f"Generating {package}"]
        assert "Success" in ran(tmp_path, "mypy", "--strict", PROGRAM)
        lines = ran(tmp_path, "python", PROGRAM, url).splitlines()
    assert lines[0] == "refused: study-not-found"
    assert lines[1].startswith("best: reptile 0.") and ", sealed 0." in lines[1]
    assert lines[2] == "compared with default"
    assert float(lines[3].removeprefix("device seconds: ")) > 0
