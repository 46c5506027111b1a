"""Requests that begin at the same moment."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tests.waiting import wait_until


def at_once(count: int, ask: Callable[[], Any]) -> list[Any]:
    """Return the answers to `count` requests.

    Who is told 503 asks again, as clients do: a busy machine's line of writers takes its time.
    """
    ready = threading.Barrier(count)

    def one(_: int) -> Any:
        ready.wait()
        answers: list[Any] = []

        def is_answered() -> bool:
            answers.append(ask())
            return answers[-1].status_code != 503

        wait_until(is_answered, 10, what="an answer other than 503")
        return answers[-1]

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(one, range(count)))
