"""A process that runs contenders: orders are lines of JSON, so are the answers.

    {"do": "example", "work": …, "out": FILE}   tasks and weights on which all must agree
    {"do": "make", "name": "ours_eager_8", "module": "ours", "work": …, "options": {…}}
    {"do": "check", "name": …, "example": FILE, "out": FILE}   its meta-gradient
    {"do": "warm", "name": …, "seconds": 0.3}   how many meta-iterations fill that time
    {"do": "time", "name": …, "meta_iterations": n}   milliseconds per trial and meta-iteration
    {"do": "facts", "name": …}   figures besides
    {"do": "drop", "name": …}

An answer is {"ok": …}, or {"reason": …} where the contender cannot do it.  One order at a time, so
only one contender of a run computes at any moment.
"""

import importlib
import json
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.suite.contender import Contender, Setting, Unavailable, clock
from benchmarks.suite.tasks import read_example, write_example
from benchmarks.suite.works import find

Json = dict[str, Any]


class Server:
    """The contenders of this process."""

    def __init__(self, setting: Setting) -> None:
        self._setting = setting
        self._made: dict[str, Contender] = {}

    def answer(self, order: Json) -> Json:
        """Carry out one order."""
        try:
            return {"ok": getattr(self, "_" + order.pop("do"))(**order)}
        except Unavailable as error:
            return {"reason": str(error)}
        except ImportError as error:
            return {"reason": f"does not import: {error}"}
        except Exception as error:  # whatever a peer raises, the others are still to be measured
            line = (str(error).strip().splitlines() or [""])[0]
            return {"reason": f"{type(error).__name__}: {line}"[:300]}

    def _make(self, name: str, module: str, work: str, options: Json) -> Json:
        code = importlib.import_module(f"benchmarks.suite.contenders.{module}")
        self._made[name] = code.make(find(work), self._setting, **options)
        versions: Json = code.versions()
        return versions

    def _example(self, work: str, out: str) -> None:
        ours = importlib.import_module("benchmarks.suite.contenders.ours")
        item = find(work)
        if item.images:
            np.save(self._setting.drawings, ours.training_drawings(item))
        write_example(Path(out), ours.example(item, self._setting.device))

    def _check(self, name: str, example: str, out: str) -> None:
        gradient = self._made[name].gradient(read_example(Path(example)))
        np.savez(out, **gradient)
        self._made[name].rest()

    def _warm(self, name: str, seconds: float) -> int:
        contender, count = self._made[name], 1
        contender.advance(1)  # compiles, allocates
        now = clock(self._setting.device)
        while True:
            begin = now()
            contender.advance(count)
            passed = now() - begin
            if passed >= seconds / 3:
                break
            count *= 2
        contender.rest()
        return max(1, round(count * seconds / passed))

    def _time(self, name: str, meta_iterations: int) -> float:
        contender = self._made[name]
        if self._setting.device == "cuda":
            contender.advance(1)  # takes its memory again
        milliseconds = contender.milliseconds(meta_iterations)
        contender.rest()
        return milliseconds

    def _facts(self, name: str) -> dict[str, float]:
        return self._made[name].facts()

    def _drop(self, name: str) -> None:
        self._made.pop(name, None)


def main() -> None:
    """Answer orders until there are no more."""
    start: Json = json.loads(sys.argv[1])
    if start["core"] is not None:
        os.sched_setaffinity(0, {start["core"]})
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what libraries print is no answer
    server = Server(Setting(start["device"], Path(start["drawings"])))
    for line in sys.stdin:
        answers.write(json.dumps(server.answer(json.loads(line))) + "\n")


if __name__ == "__main__":
    main()
