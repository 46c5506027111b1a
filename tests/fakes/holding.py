"""A process that is the live dispatcher as far as the database can see, for a test to stop.

    python -m tests.fakes.holding URL

It takes an epoch, says so, and refreshes it ten times a second.  On the line `hold` it begins a
transaction of a dispatcher, says `held`, and stays inside.
"""

import sys
import threading

from service.db.connections.deadlines import DISPATCHER
from service.db.dispatcher import acquire, fence
from service.db.engine import open_engine, transaction
from service.dispatcher.leadership.holder import this_process


def hold(url: str) -> None:
    """Be the live dispatcher."""
    engine = open_engine(url, DISPATCHER)
    with transaction(engine) as session:
        epoch = acquire(session, this_process(), lambda _: True)
    assert epoch is not None
    print("live", flush=True)
    asked = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.readline(), asked.set()), daemon=True).start()
    while not asked.wait(0.1):
        with transaction(engine) as session:
            fence(session, epoch)
    with transaction(engine) as session:
        fence(session, epoch)
        print("held", flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    hold(sys.argv[1])
