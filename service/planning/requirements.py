"""Requirements: which slots have what a study requires, and what the others lack.  Pure."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from service.wire.requires import Requires
from service.wire.words.numbers import byte_count


class Offer(Protocol):
    """A slot, as whoever asks knows it."""

    @property
    def device(self) -> str | None: ...

    @property
    def memory_bytes(self) -> int | None: ...

    @property
    def labels(self) -> Mapping[str, str]: ...


def lacks(offer: Offer, requires: Requires) -> list[str]:
    """What a slot lacks of what is required, in words; nothing if it has all."""
    found = []
    if requires.device is not None and offer.device != requires.device:
        found.append(f"device {requires.device}")
    if requires.memory is not None and (offer.memory_bytes or 0) < requires.memory:
        found.append(f"{byte_count(requires.memory)} of memory")
    for name, value in requires.labels.items():
        if offer.labels.get(name) != value:
            found.append(f"label {name}={value}")
    return found


def has(offer: Offer, requires: Requires) -> bool:
    """Whether a slot has all that is required."""
    return not requires or not lacks(offer, requires)


def lacking(offers: Sequence[Offer], requires: Requires) -> str | None:
    """What no slot has of what is required, in words; None if there is one that has all.

    Where each thing is found on some slot, and all on none, all are told.
    """
    each = [lacks(offer, requires) for offer in offers]
    if not requires or any(not missing for missing in each):
        return None
    everywhere = [one for one in each[0] if all(one in missing for missing in each)] if each else []
    named = everywhere or [*dict.fromkeys(one for missing in each for one in missing)]
    return " and ".join(named) if named else "a slot"
