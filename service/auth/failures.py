"""Wrong keys, counted by the address that they come from.

Ten in a minute are told what is wrong with them, more are told to wait.  A right key is never
refused for what others at its address did: it is looked at first.
"""

import ipaddress
import math
import threading
from collections import OrderedDict, deque
from collections.abc import Callable

from service.errors import TooManyFailures

MOST_FAILURES = 10
SECONDS = 60.0
MOST_ADDRESSES = 10_000


class Failures:
    """How often each address came with a wrong key lately; those that came last are kept.

    Args:
        monotonic: A clock in seconds.
    """

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._at: OrderedDict[str, deque[float]] = OrderedDict()

    def count(self, host: str) -> None:
        """Count a wrong key.

        Raises:
            TooManyFailures: There were too many from there in the last minute; says how long to
                wait.
        """
        address, now = _network(host), self._monotonic()
        with self._lock:
            times = self._at.setdefault(address, deque(maxlen=MOST_FAILURES))
            self._at.move_to_end(address)
            if len(self._at) > MOST_ADDRESSES:
                self._at.popitem(last=False)
            if len(times) == MOST_FAILURES and now - times[0] < SECONDS:
                raise TooManyFailures(math.ceil(times[0] + SECONDS - now))
            times.append(now)


def _network(host: str) -> str:
    """The address; of version 6 its /64, which one machine has all of."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    if address.version == 4:
        return host
    return str(ipaddress.ip_network((address, 64), strict=False))
