"""The machine: what is installed here, which slots a server here has, and its compiler.

What is there is not said to work before it has: torch computes something, the compiler makes
something.
"""

import os
import sys
import tempfile
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from pydantic import ValidationError

from service.cli.findings.finding import Finding, Level
from service.errors import NoDeviceWorks
from service.executors.answers import answer_of, last_line
from service.executors.proof import prove
from service.executors.slots import Found, find_slots, view_of
from service.settings import Settings
from service.variables import variable
from service.wire.words.slots import broken_in_words, slots_in_words

PACKAGES = ("metaopt", "torch", "numpy", "optuna", "optuna-dashboard", "fastapi", "sqlalchemy")
INSTALL = "pip install -c constraints.txt -e '.[server]'"
DEVICES = "docs/troubleshooting.md#devices; METAOPT_DEVICES=cpu where cores are meant"
COMPILER_SECONDS = 60.0
# What a program of lanes takes: a library, the standard one and that of threads.
PROGRAM = "#include <omp.h>\n#include <vector>\nint main() { return omp_get_max_threads() < 1; }\n"


def installation() -> Iterator[Finding]:
    """Find the versions of Python and of the packages."""
    version = ".".join(map(str, sys.version_info[:3]))
    yield Finding(Level.OK, "python", f"{version} in {sys.prefix}")
    for name in PACKAGES:
        try:
            yield Finding(Level.OK, name, metadata.version(name))
        except metadata.PackageNotFoundError:
            level = Level.WARN if name == "metaopt" else Level.FAIL
            yield Finding(level, name, "is not installed", INSTALL)


def slots() -> Iterator[Finding]:
    """Find the slots as the dispatcher does, and try the cores too if they are these."""
    try:
        settings = Settings()
        found = find_slots(os.environ, settings.slots, settings.devices)
    except ValidationError:
        return  # `storage` says it
    except NoDeviceWorks as error:
        yield Finding(Level.FAIL, "slots", str(error))
        return
    yield from describe_slots(found)


def describe_slots(found: Found) -> Iterator[Finding]:
    """Say which slots a server that is started here has, and what does not work."""
    first = found.slots[0]
    cause = prove(first, os.environ) if first.device == "cpu" else None
    if cause is not None:
        yield Finding(Level.FAIL, "slots", f"torch does not work: {cause}", "install torch again")
    else:
        yield Finding(Level.OK, "slots", f"a server here has {slots_in_words(view_of(found))}")
    for line in broken_in_words(view_of(found)):
        yield Finding(Level.WARN, "devices", line, DEVICES)


def compiler() -> Iterator[Finding]:
    """Find whether the C++ compiler that makes programs of lanes makes one."""
    name = variable(os.environ, "CXX") or "g++"
    slower = "lanes train uncompiled, several times slower"
    remedy = "install g++, or name another one in CXX"
    with tempfile.TemporaryDirectory(prefix="metaopt-") as directory:
        source = Path(directory, "program.cpp")
        source.write_text(PROGRAM)
        command = [name, "-shared", "-fPIC", "-fopenmp", str(source), "-o", f"{directory}/program"]
        try:
            answer = answer_of(command, os.environ, COMPILER_SECONDS)
        except FileNotFoundError:
            yield Finding(Level.WARN, "compiler", f"{name} is not there: {slower}", remedy)
            return
        except OSError as error:
            yield Finding(Level.WARN, "compiler", f"{name}: {error}: {slower}", remedy)
            return
    if answer.code == 0:
        yield Finding(Level.OK, "compiler", f"{name} works")
    else:
        said = last_line(answer.err) or f"it ended with {answer.code}"
        yield Finding(Level.WARN, "compiler", f"{name} compiles nothing: {said}: {slower}", remedy)
