"""Installations: which modules come with `metaopt[server]`, and an interpreter that has none."""

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Any

HEAVY = (
    "torch", "numpy", "scipy", "safetensors", "optuna", "cmaes", "optuna_dashboard", "a2wsgi",
    "fastapi", "fastapi_standalone_docs", "starlette", "uvicorn", "pydantic_settings", "sqlalchemy",
    "alembic", "psycopg", "structlog", "prometheus_client", "PIL", "plotly", "jinja2",
)  # fmt: skip
"""What only a server, or training, needs."""

_WITHOUT = f"""
import contextlib, io, json, sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {HEAVY!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Missing())
"""

_RUN = """
from service.cli.main import run
said = []
for arguments in json.loads(sys.argv[1]):
    with contextlib.redirect_stdout(io.StringIO()) as out:
        with contextlib.redirect_stderr(io.StringIO()) as err:
            code = run(arguments)
    said.append([int(code), out.getvalue(), err.getvalue()])
print(json.dumps(said))
"""


def run_without_server(
    commands: Sequence[Sequence[str]], environment: Mapping[str, str]
) -> list[tuple[int, str, str]]:
    """Run commands where `metaopt[server]` is not installed; return code, stdout, stderr of each.

    No distribution is taken away: an interpreter of its own refuses to find their modules.
    """
    done = python_without_server(_RUN, json.dumps(commands), environment=environment)
    assert done.returncode == 0, done.stderr
    said: list[Any] = json.loads(done.stdout)
    return [(code, out, err) for code, out, err in said]


def python_without_server(
    program: str, *arguments: str, environment: Mapping[str, str]
) -> "subprocess.CompletedProcess[str]":
    """Run a program where `metaopt[server]` is not installed."""
    return subprocess.run(
        [sys.executable, "-c", _WITHOUT + program, *arguments],
        env=dict(environment),
        capture_output=True,
        text=True,
        timeout=100,
    )
