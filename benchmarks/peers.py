"""Make the environment of the peers, and say which of them do not install here.

    python -m benchmarks.peers [arguments for pip]

It is `benchmarks/.venv`, with the same torch as this one; nothing of it is a dependency of metaopt.
Each peer is installed by itself and imported once; one that fails is left out and its reason kept
for the table.  A second call installs again what is missing.
"""

import json
import subprocess
import sys
import tarfile
import tempfile
from importlib.metadata import version
from pathlib import Path

from service.output_file import write_output

ROOT = Path(__file__).resolve().parents[1]
PEERS = ROOT / "benchmarks" / ".venv"
SKIPPED = "skipped.json"
LEARN2LEARN = "0.2.0"


class NotInstalled(Exception):
    """A package does not install, for the reason in the message."""


def main() -> None:
    """Install all peers and print what became of each."""
    arguments = sys.argv[1:]
    if not (PEERS / "bin" / "python").exists():
        _run([sys.executable, "-m", "venv", str(PEERS)])
    torch = f"torch=={version('torch').split('+')[0]}"
    _pip("install", torch, "numpy", *arguments)
    skipped = {}
    for peer in ("higher", "torchopt", "jax", "learn2learn", "optuna"):
        print(f"{peer} ... ", end="", flush=True)
        try:
            if peer == "learn2learn":
                _unpack_learn2learn(arguments)
            elif peer == "optuna":
                _pip("install", f"optuna=={version('optuna')}", *arguments)
            else:
                _pip("install", peer, torch, *arguments)  # naming torch keeps it as it is
            # Optuna trains nothing; it is what `end_to_end` searches with.
            module = peer if peer == "optuna" else f"benchmarks.suite.contenders.{peer}"
            _run([_python(), "-c", f"import {module}"])
            print("installed")
        except NotInstalled as error:
            skipped[peer] = f"does not install: {error}"
            print(skipped[peer])
    write_output(PEERS / SKIPPED, json.dumps(skipped, indent=2) + "\n")


def reasons(peers: Path) -> dict[str, str]:
    """Return why peers are not in an environment, by peer."""
    try:
        kept: dict[str, str] = json.loads((peers / SKIPPED).read_text())
    except FileNotFoundError:
        return {}
    return kept


def _unpack_learn2learn(arguments: list[str]) -> None:
    """Lay its sources into the environment.

    It does not build on Python 3.11 (C files made by an old Cython) and, whole, it would import gym
    and torchvision; its MAML wrapper is plain Python on torch (`contenders/learn2learn.py`).
    """
    with tempfile.TemporaryDirectory() as folder:
        _pip(
            "download", "--no-deps", "--no-binary", "learn2learn", "--dest", folder,
            f"learn2learn=={LEARN2LEARN}", *arguments,
        )  # fmt: skip
        with tarfile.open(next(Path(folder).glob("*.tar.gz"))) as archive:
            archive.extractall(folder, filter="data")
        source = Path(folder) / f"learn2learn-{LEARN2LEARN}" / "learn2learn"
        code = "import sysconfig; print(sysconfig.get_path('purelib'))"
        target = Path(_run([_python(), "-c", code]).strip()) / "learn2learn"
        if not target.exists():
            source.rename(target)


def _python() -> str:
    return str(PEERS / "bin" / "python")


def _pip(*arguments: str) -> None:
    _run([_python(), "-m", "pip", "--quiet", "--disable-pip-version-check", *arguments])


def _run(command: list[str]) -> str:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        errors = [line for line in lines if "error" in line.lower()] or lines or ["no message"]
        raise NotInstalled(errors[-1].strip()[:200])
    return done.stdout


if __name__ == "__main__":
    try:
        main()
    except NotInstalled as error:
        sys.exit(f"the peers' environment could not be made: {error}")
