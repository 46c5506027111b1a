"""Addresses: what a webhook may point at, and a long table of what it may not."""

import ipaddress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.notifications.address import (
    AddressRefused,
    Target,
    check,
    kind_of,
    parse_allow,
    parse_target,
)
from service.notifications.config import Webhook
from service.notifications.sender import Sender
from tests.fakes.receiver import SECRET, receiving
from tests.fakes.rows import NOON

BAD_URLS = [
    # other ways than https on 443
    "http://hooks.example.com/", "http://hooks.example.com:443/", "https://hooks.example.com:80/",
    "https://hooks.example.com:{port}/", "https://hooks.example.com:0/", "ftp://hooks.example.com/",
    "file:///etc/passwd", "gopher://127.0.0.1:{port}/_POST", "unix:///run/socket", "data:,x",
    "javascript:alert(1)", "//hooks.example.com/", "hooks.example.com", "https:hooks.example.com",
    "https:///path", "https://", "https://:443/", "", "https://hooks.example.com:99999/",
    "https://hooks.example.com:port/", "ws://hooks.example.com/",
    # who is meant?
    "https://me@hooks.example.com/", "https://me:pass@hooks.example.com/",
    "https://hooks.example.com@127.0.0.1:{port}/", "https://hooks.example.com/#fragment",
    "https://hooks.example.com#@127.0.0.1/", "https://hooks.example.com\\@127.0.0.1:{port}/",
    "https://hooks.example.com /", " https://hooks.example.com/",
    "https://hooks.example.com/\r\nX: y",
    "https://hooks.example.com/\tx", "https://hooks.example.com/\0", "https://h\u00f6oks.example.com/",
    "https://127.0.0.\uff11/", "https://\u2460\u2461.example.com/", "https://-hooks.example.com/",
    "https://hooks..example.com/", "https://.example.com/", "https://hooks.example.com../",
    "https://" + "a" * 64 + ".example.com/", "https://" + "a." * 127 + "com/",
    "https://hooks.example.com/" + "a" * 2000, "https://hooks.exa%6dple.com/", "https://a,b.com/",
    "https://[::1", "https://::1/", "https://[hooks.example.com]/", "https://[fe80::1%25eth0]/",
    "https://[v1.x]/",
    # this machine, as addresses and in disguise
    "https://127.0.0.1/", "https://127.0.0.1:{port}/", "http://127.0.0.1:{port}/", "https://127.1/",
    "https://127.0.1/", "https://2130706433/", "https://0x7f000001/", "https://0x7f.1/",
    "https://0177.0.0.1/", "https://017700000001/", "https://127.0.0.1./", "https://0/",
    "https://0.0.0.0/", "https://[::1]/", "https://[::]/", "https://[0:0:0:0:0:0:0:1]:{port}/",
    "https://[::ffff:127.0.0.1]/", "https://[::ffff:7f00:1]/", "https://[::127.0.0.1]/",
    "https://[64:ff9b::7f00:1]/", "https://[2002:7f00:1::]/", "https://hooks.example.com.127.1/",
    # other networks
    "https://10.0.0.1/", "https://172.16.0.1/", "https://172.31.255.254/", "https://192.168.1.1/",
    "https://100.64.0.1/", "https://169.254.169.254/latest/meta-data/", "https://[fd00:ec2::254]/",
    "https://[fe80::1]/", "https://224.0.0.1/", "https://255.255.255.255/", "https://[ff02::1]/",
]  # fmt: skip

BAD_ADDRESSES = [
    "127.0.0.1", "127.0.0.53", "127.255.255.254", "0.0.0.0", "0.1.2.3", "10.0.0.1",
    "10.255.255.255", "172.16.0.1", "172.31.255.255", "192.168.0.1", "100.64.0.1",
    "100.100.100.200",
    "100.127.255.255", "169.254.0.1", "169.254.169.254", "192.0.0.1", "192.0.0.170", "192.0.2.1",
    "192.88.99.1", "198.18.0.1", "198.19.255.255", "198.51.100.7", "203.0.113.9", "224.0.0.1",
    "239.255.255.250", "240.0.0.1", "255.255.255.255", "::", "::1", "::2", "::7f00:1", "::a00:1",
    "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::ffff:0:7f00:1",
    "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::1", "64:ff9b:1::808:808", "100::1",
    "2001::1", "2001:0:4136:e378:8000:63bf:3fff:fdd2", "2001:10::1", "2001:20::1", "2001:db8::1",
    "2002:7f00:1::", "2002:a00:1::1", "2002:a9fe:a9fe::", "2002:c0a8:101::", "3fff::1", "4000::1",
    "5f00::1", "fc00::1", "fd00:ec2::254", "fe80::1", "fe80::1%1", "febf::1", "fec0::1", "ff02::1",
    "ff0e::1",
]  # fmt: skip

PUBLIC = [
    "1.1.1.1", "8.8.8.8", "93.184.216.34", "100.63.255.255", "100.128.0.0", "126.255.255.255",
    "128.0.0.1", "172.15.255.255", "172.32.0.1", "192.167.0.1", "223.255.255.255",
    "2606:4700::1111", "2a00:1450::1", "::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::1",
]  # fmt: skip


def pointing_at(host: str, port: int, allow: tuple[str, ...] = ()) -> Webhook:
    """Return a webhook whose URL nobody has checked, so that only the sender stands in its way."""
    target = Target("http", host, port, "/")
    return Webhook("evil", target, ("study_completed",), parse_allow(allow), SECRET)


def test_the_table_is_long() -> None:
    assert len(set(BAD_URLS)) + len(set(BAD_ADDRESSES)) == len(BAD_URLS) + len(BAD_ADDRESSES) > 140


def test_no_bad_url_is_a_target() -> None:
    for url in BAD_URLS:
        try:
            pytest.fail(f"{url!r} became {parse_target(url.replace('{port}', '8080'))}")
        except AddressRefused as error:
            assert "meta-data" not in str(error) and "pass@" not in str(error)


def test_no_bad_address_is_connected_to() -> None:
    with receiving() as sentinel:
        for address in BAD_ADDRESSES:
            for answers in ([address], ["93.184.216.34", address], [address, "93.184.216.34"]):
                sender = Sender(resolve=lambda host, port, found=answers: found)
                webhook = pointing_at("evil.test", sentinel.port)
                outcome = sender.send(webhook, "d", b"{}", NOON)
                assert outcome.is_final and "refused: evil.test is at a" in str(outcome.error)
        assert sentinel.got == []


def test_the_systems_resolver_is_no_way_around() -> None:
    with receiving() as sentinel:
        for host in ("localhost", "127.0.0.1", "127.1", "2130706433", "0x7f000001", "0177.0.0.1"):
            outcome = Sender().send(pointing_at(host, sentinel.port), "d", b"{}", NOON)
            assert outcome.is_final, host
        assert sentinel.got == []


def test_public_addresses_are_public() -> None:
    for address in PUBLIC:
        assert kind_of(ipaddress.ip_address(address)) is None, address
    assert check("hooks.example.com", PUBLIC, parse_allow([])) == PUBLIC


@given(st.ip_addresses(v=4) | st.ip_addresses(v=6))
def test_what_is_let_through_is_global_by_pythons_table_too(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    if kind_of(address) is None and address.version == 4:
        assert address.is_global and not address.is_multicast
    # Newer tables of Python call all of 6to4 private; here the IPv4 address in it decides (below).
    native = ipaddress.ip_network("2000::/3"), ipaddress.ip_network("2002::/16")
    if kind_of(address) is None and address in native[0] and address not in native[1]:
        assert not address.is_private and not address.is_reserved


@given(st.ip_addresses(v=4))
def test_an_ipv6_address_that_stands_for_an_ipv4_one_is_judged_as_it(
    plain: ipaddress.IPv4Address,
) -> None:
    number = int(plain)
    for embedded in (0xFFFF << 32 | number, 0x64FF9B << 96 | number, 0x2002 << 112 | number << 80):
        assert kind_of(ipaddress.IPv6Address(embedded)) == kind_of(plain)


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("https://hooks.example.com", ("https", "hooks.example.com", 443, "/")),
        ("HTTPS://Hooks.Example.com:443/A?b=C", ("https", "hooks.example.com", 443, "/A?b=C")),
        ("https://xn--hks-6qa.example./x", ("https", "xn--hks-6qa.example.", 443, "/x")),
        ("https://93.184.216.34/", ("https", "93.184.216.34", 443, "/")),
        ("https://[2606:4700::1111]/", ("https", "2606:4700::1111", 443, "/")),
        ("https://hooks.example.com:/?", ("https", "hooks.example.com", 443, "/")),
    ],
)
def test_a_good_url_is_a_target(url: str, target: tuple[str, str, int, str]) -> None:
    found = parse_target(url)
    assert (found.scheme, found.host, found.port, found.path) == target


def test_a_host_that_is_named_may_be_private_on_any_port_by_http() -> None:
    allow = parse_allow(["Hooks.intra", "10.1.0.0/16", "fd00::/8", "127.0.0.1"])
    assert parse_target("http://hooks.intra:8080/x", allow).port == 8080
    assert parse_target("http://10.1.2.3/", allow).port == 80
    assert parse_target("http://[fd00::1]:99/", allow).port == 99
    assert parse_target("http://[::ffff:127.0.0.1]:99/", allow).port == 99
    for address in ("10.9.9.9", "127.0.0.1", "100.64.0.1", "fd00::1", "::ffff:10.0.0.1"):
        assert check("hooks.intra", [address], allow) == [address]
    for url in ("http://other.intra/", "http://10.2.0.1/", "https://hooks.example.com:8080/"):
        with pytest.raises(AddressRefused, match="name|allow"):
            parse_target(url, allow)


def test_a_name_opens_no_link_local_address_but_a_network_does() -> None:
    metadata = ["169.254.169.254"]
    with pytest.raises(AddressRefused, match="link-local"):
        check("hooks.intra", metadata, parse_allow(["hooks.intra"]))
    assert check("hooks.intra", metadata, parse_allow(["169.254.169.254/32"])) == metadata


def test_nothing_opens_multicast_and_unspecified_addresses() -> None:
    allow = parse_allow(["0.0.0.0/0", "::/0", "hooks.intra"])
    for address in ("0.0.0.0", "224.0.0.1", "::", "ff02::1", "::ffff:0.0.0.0"):
        with pytest.raises(AddressRefused, match="which no webhook may have"):
            check("hooks.intra", [address], allow)


def test_a_network_opens_a_host_that_is_in_it_but_not_other_ports(tmp_path: Path) -> None:
    allow = parse_allow(["10.0.0.0/8"])
    assert check("hooks.example.com", ["10.0.0.1"], allow)
    with pytest.raises(AddressRefused, match="must have port 443"):
        parse_target("https://hooks.example.com:8443/", allow)


def test_a_host_without_an_address_is_refused() -> None:
    with pytest.raises(AddressRefused, match="has no address"):
        check("hooks.example.com", [], parse_allow([]))


@pytest.mark.parametrize("entry", ["10.0.0.1/8", "127.1", "https://x", "*", "*.intra", "", "a b"])
def test_what_is_no_host_and_no_network_opens_nothing(entry: str) -> None:
    with pytest.raises(AddressRefused, match="must be host names, addresses or networks"):
        parse_allow([entry])
