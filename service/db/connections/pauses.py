"""Pauses: how long what runs beside the dispatcher's loop waits after a failure.

Twice as long each time, up to a minute: what has failed may fail for hours.  A database that was
away is used again soon after it is back, and a try costs nothing meanwhile.
"""

from service.db.connections.failures import is_away

LONGEST_SECONDS = 60.0
LONGEST_AWAY_SECONDS = 2.0


def pause_after(error: Exception, before_seconds: float) -> float:
    """Return the seconds to wait after `error`, where it was `before_seconds` the last time."""
    longest = LONGEST_AWAY_SECONDS if is_away(error) else LONGEST_SECONDS
    return min(2 * before_seconds, longest)
