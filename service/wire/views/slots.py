"""Slots as a server tells of them: which it has, and what does not work."""

from service.wire.views.studies import View


class SlotView(View):
    """A place for a worker; `cause` says why it is out, where it has stopped working.

    `memory_bytes` is that of its device, or the most of a worker on a core; `labels` are what
    whoever runs it has given it (`METAOPT_LABELS`).  Studies may require all three.
    """

    name: str
    place: str
    cause: str | None = None
    device: str | None = None
    memory_bytes: int | None = None
    labels: dict[str, str] = {}


class BrokenView(View):
    """A device that is listed or asked for, and was found not to work."""

    name: str
    cause: str


class SlotsView(View):
    """The slots of a dispatcher; `cores` says why it has not as many as the machine has cores.

    `worker_bytes` is the most private memory of a worker, where slots are cores.
    """

    slots: list[SlotView]
    broken: list[BrokenView] = []
    cores: str | None = None
    worker_bytes: int | None = None

    def working(self) -> list[SlotView]:
        """Those that are not out."""
        return [slot for slot in self.slots if slot.cause is None]
