"""Signatures: how a receiver knows that a notification is ours, and new.

    Metaopt-Signature: t=1767355200,v1=5257a8…       v1 = HMAC-SHA256(secret, "{t}.{body}") in hex

`t` is when the attempt was made, in seconds since 1970, so that a body which somebody recorded
cannot be sent again later.  A header may hold several v1; one that fits is enough.
"""

import hashlib
import hmac
import re

HEADER = "Metaopt-Signature"
TOLERANCE_SECONDS = 300


def sign(secret: bytes, body: bytes, at: int) -> str:
    """The header's value for a body sent `at` so many seconds after 1970."""
    return f"t={at},v1={_digest(secret, body, at)}"


def verify(
    secret: bytes,
    body: bytes,
    header: str,
    *,
    now: float,
    tolerance_seconds: float = TOLERANCE_SECONDS,
) -> bool:
    """Tell whether `body` was signed with `secret`, not longer ago than the tolerance.

    Args:
        secret: What sender and receiver both know.
        body: The bytes as they came; JSON that was parsed and written again does not fit.
        header: Value of `Metaopt-Signature`; whatever it is, this raises nothing.
        now: Seconds since 1970.
        tolerance_seconds: Largest difference of the clocks plus time on the way.

    Example:
        >>> verify(b"secret", b"{}", sign(b"secret", b"{}", 1000), now=1060)
        True
        >>> verify(b"secret", b"{}", sign(b"secret", b"{}", 1000), now=9000)
        False
    """
    parts = [part.strip().partition("=") for part in header.split(",")]
    times = [value for name, _, value in parts if name == "t"]
    if len(times) != 1 or not re.fullmatch("[0-9]{1,12}", times[0]):
        return False
    at = int(times[0])
    wanted = _digest(secret, body, at).encode()
    signatures = [value.encode("utf-8", "replace") for name, _, value in parts if name == "v1"]
    fits = [hmac.compare_digest(wanted, signature) for signature in signatures]
    return any(fits) and abs(now - at) <= tolerance_seconds


def _digest(secret: bytes, body: bytes, at: int) -> str:
    return hmac.new(secret, b"%d.%s" % (at, body), hashlib.sha256).hexdigest()
