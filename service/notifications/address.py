"""Addresses: where a webhook may point, and to which addresses of its host it may connect.

    url ──parse_target──▶ Target ──resolve, once──▶ addresses ──check──▶ those to connect to

A webhook reaches the public internet by https on port 443, and nothing else: it must not become a
way into the network that the server stands in.  One address of a host that is not public is
enough to refuse the host.  Nothing is resolved a second time, since the second answer may differ.

`allow` opens targets on premises.  A host named there may be private or this machine, on any port,
by http too; a network there opens its addresses, whatever they are, and as literal hosts likewise.
Multicast and unspecified addresses stay closed.
"""

import ipaddress
import re
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple
from urllib.parse import SplitResult, urlsplit

HTTP_PORT = 80
HTTPS_PORT = 443
MAX_URL_LENGTH = 2000

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Resolve = Callable[[str, int], Sequence[str]]

_NAME = re.compile(r"(?=.{1,253}$)([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?\.)*[a-z0-9_-]{1,63}\.?")
_NUMBER = re.compile(r"(.*\.)?([0-9]+|0x[0-9a-f]*)\.?")  # 127.1, 0x7f000001: not as we write them
_GLOBAL_IPV6 = ipaddress.IPv6Network("2000::/3")
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_COMPATIBLE = ipaddress.IPv6Network("::/96")
_OPENED_BY_NAME = frozenset({"loopback", "private", "shared"})
_NEVER = frozenset({"multicast", "unspecified"})
_SPECIAL: tuple[tuple[Network, str], ...] = tuple(
    (ipaddress.ip_network(network), word)
    for word, networks in {
        "unspecified": ("0.0.0.0/8", "::/128"),
        "loopback": ("127.0.0.0/8", "::1/128"),
        "private": ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"),
        "shared": ("100.64.0.0/10",),  # behind a carrier's NAT
        "link-local": ("169.254.0.0/16", "fe80::/10"),
        "multicast": ("224.0.0.0/4", "ff00::/8"),
        "documentation": (
            "192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32", "3fff::/20",
        ),
        "reserved": ("192.0.0.0/24", "192.88.99.0/24", "198.18.0.0/15", "240.0.0.0/4", "2001::/23"),
    }.items()
    for network in networks
)  # fmt: skip


class AddressRefused(Exception):
    """The target breaks a rule; the message names the rule, never the URL's path."""


@dataclass(frozen=True)
class Target:
    """A URL that keeps the rules; the path, which may hold a token, is in no representation."""

    scheme: str
    host: str
    port: int
    path: str = field(repr=False)


class Allow(NamedTuple):
    """What the operator opens: host names, and networks."""

    hosts: frozenset[str] = frozenset()
    networks: tuple[Network, ...] = ()


NOTHING = Allow()


def parse_allow(entries: Sequence[str]) -> Allow:
    """Parse the entries of an allow-list: host names, addresses, and networks such as 10.0.0.0/8.

    Raises:
        AddressRefused: An entry is none of these.
    """
    hosts, networks = set(), []
    for entry in entries:
        try:
            networks.append(ipaddress.ip_network(entry))
        except ValueError as error:
            name = entry.lower()
            if not _NAME.fullmatch(name) or _NUMBER.fullmatch(name):
                raise AddressRefused(
                    f"must be host names, addresses or networks: {str(error)[:200]}"
                ) from None
            hosts.add(name.rstrip("."))
    return Allow(frozenset(hosts), tuple(networks))


def parse_target(url: str, allow: Allow = NOTHING) -> Target:
    """The target of a URL.

    Raises:
        AddressRefused: The URL breaks a rule, or its host is an address that is not public.
    """
    parts, port = _split(url)
    host = _checked_host((parts.hostname or "").lower(), bracketed="[" in parts.netloc)
    _check_way(parts.scheme, port, host, opened=_is_opened(host, allow))
    if (literal := _literal(host)) is not None:
        check(host, [str(literal)], allow)
    path = f"{parts.path or '/'}{'?' + parts.query if parts.query else ''}"
    default = HTTPS_PORT if parts.scheme == "https" else HTTP_PORT
    return Target(parts.scheme, host, default if port is None else port, path)


def resolve_by_system(host: str, port: int) -> Sequence[str]:
    """The addresses of a host, by the system's resolver.

    Raises:
        OSError: It has none, or nobody answers.
    """
    entries = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in entries))


def check(host: str, addresses: Sequence[str], allow: Allow) -> Sequence[str]:
    """The addresses if every one may be connected to.

    Raises:
        AddressRefused: One is not public and not opened, or there is none.
    """
    if not addresses:
        raise AddressRefused(f"{host} has no address")
    for address in addresses:
        word = _refusal(ipaddress.ip_address(address), host, allow)
        if word is not None:
            raise AddressRefused(
                f"{host} is at a {word} address; where that is meant, name the "
                "host or its network in allow"
                if word not in _NEVER
                else f"{host} is at a {word} address, which no webhook may have"
            )
    return addresses


def kind_of(address: Address) -> str | None:
    """Why an address is not public (loopback, private, link-local …); None if it is."""
    plain = _plain(address)
    for network, word in _SPECIAL:
        if plain.version == network.version and plain in network:
            return word
    if isinstance(plain, ipaddress.IPv6Address) and plain not in _GLOBAL_IPV6:
        return "reserved"
    return None


def _plain(address: Address) -> Address:
    """The IPv4 address that an IPv6 one stands for, or the address itself."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if (embedded := address.ipv4_mapped or address.sixtofour) is not None:
        return embedded
    if address in _NAT64 or (address in _COMPATIBLE and int(address) > 1):
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address


def _refusal(address: Address, host: str, allow: Allow) -> str | None:
    word = kind_of(address)
    if word is None or (word not in _NEVER and _in_networks(address, allow)):
        return None
    return None if host.rstrip(".") in allow.hosts and word in _OPENED_BY_NAME else word


def _in_networks(address: Address, allow: Allow) -> bool:
    plain = _plain(address)
    return any(plain.version == network.version and plain in network for network in allow.networks)


def _is_opened(host: str, allow: Allow) -> bool:
    literal = _literal(host)
    return host.rstrip(".") in allow.hosts or (literal is not None and _in_networks(literal, allow))


def _split(url: str) -> tuple[SplitResult, int | None]:
    if len(url) > MAX_URL_LENGTH or not re.fullmatch(r"[!-~]+", url) or "\\" in url:
        raise AddressRefused(
            f"must be at most {MAX_URL_LENGTH} printable ASCII characters, without spaces and "
            "backslashes (write other letters of a host as xn--, of a path as %XX)"
        )
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise AddressRefused("must be a URL such as https://host/path") from None
    if "@" in parts.netloc or "#" in url:
        raise AddressRefused("must have no user, password or fragment")
    return parts, port


def _checked_host(host: str, *, bracketed: bool) -> str:
    if bracketed and ":" not in host:  # urlsplit takes [v1.x] for a name
        raise AddressRefused("must have nothing but an IPv6 address in brackets")
    if _literal(host) is not None and "%" not in host:
        return host
    if not _NAME.fullmatch(host):
        raise AddressRefused("must name a host, such as https://host/path")
    if _NUMBER.fullmatch(host):
        raise AddressRefused("must write an address as four decimal numbers or in brackets")
    return host


def _check_way(scheme: str, port: int | None, host: str, *, opened: bool) -> None:
    if scheme not in ("https", "http"):
        raise AddressRefused("must begin with https://")
    if opened:
        if port == 0:
            raise AddressRefused("must have a port from 1 to 65535, got 0")
        return
    advice = f"where that is meant, name {host} in allow"
    if scheme != "https":
        raise AddressRefused(f"must begin with https://, got http://; {advice}")
    if port not in (None, HTTPS_PORT):
        raise AddressRefused(f"must have port {HTTPS_PORT}, got {port}; {advice}")


def _literal(host: str) -> Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None
