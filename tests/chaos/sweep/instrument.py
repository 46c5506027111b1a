"""Points where a process can die: every commit and every file operation, as they come.

A `sitecustomize.py` beside a `plan.json` calls `begin` in each process of Python that has its
folder on its path.  The product knows nothing of it.  A point is named by what is done, whether
just before or just after, and by whom; the same code at the same place has the same name.

    {"record": FILE}                                  note every point that is passed
    {"crash": {"name": NAME, "nth": N}, "once": FILE}  die, as by SIGKILL, at the N-th of that name
                 … "signal": "SIGSTOP" …               or freeze there
"""

import builtins
import io
import json
import os
import signal
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROLES = {"service.executors.worker": "worker"}
CALLS = ("replace", "rename", "unlink", "rmdir", "mkdir", "fsync")
WRITES = set("wax+")
PASSED_OVER = ("service/db/engine.py", "service/dispatcher/store/steps.py", "tests/chaos/sweep")
ROOT = str(Path(__file__).parents[3]) + os.sep


def begin(folder: str) -> None:
    """Instrument this process, if it is a worker."""
    arguments = sys.orig_argv
    module = arguments[arguments.index("-m") + 1] if "-m" in arguments[:-1] else ""
    if module in ROLES:
        begin_as(ROLES[module], folder)


def begin_as(role: str, folder: str) -> None:
    """Instrument this process, whose role is known."""
    plan = json.loads((Path(folder) / "plan.json").read_text())
    _Points(role, plan).instrument()


class _Points:
    def __init__(self, role: str, plan: dict[str, Any]) -> None:
        self._role, self._plan = role, plan
        self._passed: Counter[str] = Counter()
        self._data = os.environ.get("METAOPT_DATA_DIRECTORY") or plan["data"]
        self._open = os.open
        self._inside = False

    def instrument(self) -> None:
        for name in CALLS:
            setattr(os, name, self._around(f"os.{name}", getattr(os, name)))
        opened = self._around_open(builtins.open)
        builtins.open = io.open = opened  # type: ignore[assignment]
        if self._role == "dispatcher":
            from sqlalchemy.engine import Connection

            commit = self._around("commit", Connection._commit_impl, always=True)
            Connection._commit_impl = commit  # type: ignore[method-assign]

    def _around(
        self, what: str, call: Callable[..., Any], *, always: bool = False
    ) -> Callable[..., Any]:
        def passing(*arguments: Any, **named: Any) -> Any:
            counts = always or what == "os.fsync" or self._is_ours(arguments, named)
            if counts:
                self._pass(f"before {what}")
            result = call(*arguments, **named)
            if counts:
                self._pass(f"after {what}")
            return result

        return passing

    def _around_open(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def passing(file: Any, mode: str = "r", *arguments: Any, **named: Any) -> Any:
            counts = bool(WRITES & set(mode)) and self._is_ours((file,), {})
            if counts:
                self._pass("before open")
            result = call(file, mode, *arguments, **named)
            if counts:
                self._pass("after open")
            return result

        return passing

    def _is_ours(self, arguments: tuple[Any, ...], named: dict[str, Any]) -> bool:
        """Whether it is about the data directory, logs aside; a name in an open folder counts."""
        try:
            path = os.fspath(arguments[0])
        except (TypeError, IndexError):
            return False
        text = os.fsdecode(path)
        if named.get("dir_fd") is not None:
            return True
        return text.startswith(self._data) and not text.endswith(".log")

    def _pass(self, what: str) -> None:
        if self._inside:
            return
        self._inside = True
        try:
            name = f"{self._role}: {what} in {_caller()}"
            self._passed[name] += 1
            if "record" in self._plan:
                self._append(self._plan["record"], f"{name}\t{os.getpid()}\n")
            crash = self._plan.get("crash")
            if crash and crash["name"] == name and crash["nth"] == self._passed[name]:
                self._die()
        finally:
            self._inside = False

    def _append(self, path: str, line: str) -> None:
        number = self._open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        os.write(number, line.encode())
        os.close(number)

    def _die(self) -> None:
        try:
            os.close(self._open(self._plan["once"], os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            return  # it has died here before
        os.kill(os.getpid(), signal.Signals[self._plan["crash"].get("signal", "SIGKILL")])


def _caller() -> str:
    """The nearest two functions of ours, the inner one first."""
    found: list[str] = []
    frame: Any = sys._getframe(2)
    while frame is not None and len(found) < 2:
        path = frame.f_code.co_filename
        if path.startswith(ROOT) and "/.venv/" not in path:
            own = path.removeprefix(ROOT)
            if not own.startswith(PASSED_OVER) and not own.startswith("tests/"):
                found.append(f"{own.removesuffix('.py').replace('/', '.')}:{frame.f_code.co_name}")
        frame = frame.f_back
    return " < ".join(found) or "a library"
