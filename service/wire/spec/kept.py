"""Kept: what is made of long texts once in a process, as much of it as has room."""

from collections import OrderedDict
from collections.abc import Hashable
from threading import Lock
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class Kept(Generic[Key, Value]):
    """Values by key, of which those go first that nobody asked for in the longest time.

    Args:
        most: Of all their weights together.
        longest: Of one: what is heavier is not kept.
    """

    def __init__(self, most: int, longest: int) -> None:
        """Keep nothing yet."""
        self._most, self._longest = most, longest
        self._values: OrderedDict[Key, tuple[Value, int]] = OrderedDict()
        self._weight = 0
        self._lock = Lock()

    def get(self, key: Key) -> Value | None:
        """The value; None where it is not kept."""
        with self._lock:
            found = self._values.get(key)
            if found is None:
                return None
            self._values.move_to_end(key)
            return found[0]

    def keep(self, key: Key, value: Value, weight: int) -> None:
        """Keep it, in the place of others if there is no room."""
        if weight > self._longest:
            return
        with self._lock:
            if key in self._values:
                self._weight -= self._values.pop(key)[1]
            self._values[key] = value, weight
            self._weight += weight
            while self._weight > self._most:
                self._weight -= self._values.popitem(last=False)[1][1]

    def clear(self) -> None:
        """Keep nothing any more."""
        with self._lock:
            self._values.clear()
            self._weight = 0
