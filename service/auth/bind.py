"""Where the server may be reached without keys: only from this machine."""

import ipaddress


def is_loopback(host: str) -> bool:
    """Tell whether a host name or address is this machine alone, whatever a resolver says."""
    name = host.strip("[]").rstrip(".").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
