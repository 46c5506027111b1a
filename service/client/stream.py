"""A stream of server-sent events, line by line."""

import json
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from service.wire.views.studies import EventView


class StreamedEvent(NamedTuple):
    """One event as it came."""

    event_id: int
    kind: str
    data: dict[str, Any]

    def view(self) -> EventView:
        """The event in the API's words."""
        own = {"study_id", "created_at"}
        return EventView(
            event_id=self.event_id,
            study_id=self.data["study_id"],
            kind=self.kind,
            data={key: value for key, value in self.data.items() if key not in own},
            created_at=self.data["created_at"],
        )


def read_events(lines: Iterable[str]) -> Iterator[StreamedEvent]:
    """Yield the events of a stream; one that was cut off is left out, and comments are ignored."""
    fields: dict[str, str] = {}
    for line in lines:
        if line:
            name, _, value = line.partition(":")
            fields[name] = value.removeprefix(" ")
            continue
        if fields.keys() >= {"id", "event", "data"}:
            yield StreamedEvent(int(fields["id"]), fields["event"], json.loads(fields["data"]))
        fields = {}
