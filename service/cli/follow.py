"""Follow a study until it ends: its events as they come, its state every second.

A thread reads the event stream into a queue, so that the wait can be timed and Ctrl-C works;
the state decides when the study has ended, the stream only tells the story.
"""

import queue
import threading
import time
from collections.abc import Callable
from typing import Protocol

from service.client.client import ENDED, Client
from service.client.errors import ClientError
from service.wire.views.studies import EventView, StudyView

POLL_SECONDS = 1.0
LAST_EVENTS_SECONDS = 5.0


class Teller(Protocol):
    """What shows a study's way."""

    def event(self, event: EventView) -> None:
        """Show that something happened."""
        ...

    def state(self, study: StudyView) -> None:
        """Show how the study stands."""
        ...


def follow(
    client: Client,
    study_id: str,
    teller: Teller,
    *,
    timeout_seconds: float | None = None,
    check: Callable[[], None] = lambda: None,
    monotonic: Callable[[], float] = time.monotonic,
) -> StudyView:
    """The study once it has ended, or as it stands when the time is up.

    Args:
        client: Of the server that has the study.
        study_id: Which.
        teller: Who shows its way.
        timeout_seconds: How long at most.
        check: Called at every look; what it raises ends the wait.
        monotonic: Seconds.

    Raises:
        ServerUnreachable, ServerRefused: As the client.
    """
    deadline = None if timeout_seconds is None else monotonic() + timeout_seconds
    story = _Story(client, study_id, monotonic)
    while True:
        check()
        study = client.study(study_id)
        teller.state(study)
        if study.status in ENDED:
            story.tell(teller, monotonic() + LAST_EVENTS_SECONDS, to_the_end=True)
            teller.state(study)
            return study
        until = monotonic() + POLL_SECONDS
        if deadline is not None:
            if monotonic() >= deadline:
                return study
            until = min(until, deadline)
        story.tell(teller, until)


class _Story:
    """The events of a study, read by a thread from now on."""

    def __init__(self, client: Client, study_id: str, monotonic: Callable[[], float]) -> None:
        self._client, self._study_id, self._monotonic = client, study_id, monotonic
        self._events: queue.Queue[EventView | None] = queue.Queue()
        self._over = False
        threading.Thread(target=self._read, name="events", daemon=True).start()

    def tell(self, teller: Teller, until: float, *, to_the_end: bool = False) -> None:
        """Tell events as they come until an instant, or until the last one if that is all."""
        while (left := until - self._monotonic()) > 0 and not (self._over and to_the_end):
            try:
                event = self._events.get(timeout=left)
            except queue.Empty:
                return
            if event is None:
                self._over = True
            else:
                teller.event(event)

    def _read(self) -> None:
        try:
            for event in self._client.events(self._study_id):
                self._events.put(event)
        except (ClientError, RuntimeError):
            pass  # the state is asked for anyway, and says what is wrong
        finally:
            self._events.put(None)
