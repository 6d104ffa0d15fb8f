"""`rules.crawl.address_guard` and `address_table`: the addresses that may be dialled."""

from __future__ import annotations

import csv
import hashlib
from ipaddress import IPv4Address, IPv6Address, ip_network
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgfetch.model.result import ErrorKind
from imgfetch.rules.crawl import address_guard, address_table

if TYPE_CHECKING:
    from collections.abc import Iterator

INTERNAL = [
    "127.0.0.1", "127.8.8.8", "10.1.2.3", "172.16.0.1", "172.31.255.255", "192.168.0.1", "169.254.169.254",
    "100.64.0.1", "0.0.0.0", "255.255.255.255", "224.0.0.1", "192.0.2.1", "198.18.0.1", "240.0.0.1",
    "::", "::1", "fc00::1", "fd12::1", "fe80::1", "fe80::1%eth0", "ff02::1", "2001:db8::1",
    "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::127.0.0.1", "2002:7f00:1::", "2002:c0a8:1::", "64:ff9b::a00:1",
    "64:ff9b:1::7f00:1", "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    # What depends on the version of Python where its own tables are asked, or passes on all.
    "192.0.0.192", "168.63.129.16", "192.88.99.1", "64:ff9b:1::808:808", "fec0::1", "feff::1",
    "::ffff:0:7f00:1", "::ffff:0:808:808", "64:ff9b::a83f:8110", "100:0:0:1::1", "3fff::1", "5f00::1",
    "200::1", "ff0e::1", "233.252.0.1", "2002:808:808::1", "2001:0:808:808::f7f7:f7f7", "4000::1", "3ffe::1",
]  # fmt: skip
PUBLIC = [
    "8.8.8.8", "1.1.1.1", "172.32.0.1", "192.169.0.1", "168.63.129.17", "2606:4700::1111", "64:ff9b::808:808",
    "192.0.0.9", "2001:4:112::1", "2a00:1450:4001:81b::2003",
]  # fmt: skip


@pytest.mark.parametrize("ip", INTERNAL)
def test_an_internal_address_is_refused_in_every_dress(ip: str) -> None:
    defect = address_guard.judge("name.example", [ip])
    assert defect is not None
    assert defect.kind is ErrorKind.BLOCKED
    assert defect.message == f"name.example is at {ip}, an internal address"


@pytest.mark.parametrize("ip", PUBLIC)
def test_a_public_address_may_be_dialled(ip: str) -> None:
    assert address_guard.judge("name.example", [ip]) is None


def test_one_internal_address_among_public_ones_refuses_the_host() -> None:
    assert address_guard.judge("name.example", ["8.8.8.8", "127.0.0.1"]) is not None


def test_only_an_allowed_internal_address_may_be_dialled() -> None:
    def allowed(host: str, ip: str, *names: str) -> bool:
        return address_guard.judge(host, [ip], allowed=names) is None

    assert allowed("intranet.example", "10.0.0.1", "Intranet.Example")
    assert allowed("127.0.0.1", "127.0.0.1", "127.0.0.1")
    assert allowed("::1", "::1", "[::1]")
    assert allowed("any.example", "10.9.8.7", "10.0.0.0/8")
    assert not allowed("other.example", "10.0.0.1", "intranet.example")
    assert not allowed("any.example", "192.168.0.1", "10.0.0.0/8", "intranet.example")
    assert not allowed("any.example", "10.0.0.1", "::/0")
    assert allowed("any.example", "fec0::1", "fec0::/10")
    assert allowed("any.example", "224.0.0.9", "224.0.0.9")


def test_an_allowed_network_does_not_allow_the_ipv4_addresses_that_are_embedded_in_it() -> None:
    def allowed(ip: str, *names: str) -> bool:
        return address_guard.judge("name.example", [ip], allowed=names) is None

    for prefix, public, internal in (
        ("64:ff9b:1::/48", "64:ff9b:1:808:8:800::", "64:ff9b:1:a00:0:100::"),
        ("64:ff9b:1:ff00::/56", "64:ff9b:1:ff08:8:808::", "64:ff9b:1:ff0a:0:1::"),
        ("64:ff9b:1:fffe::/64", "64:ff9b:1:fffe:8:808:800:0", "64:ff9b:1:fffe:a:0:100:0"),
        ("64:ff9b:1:fffe::/96", "64:ff9b:1:fffe::808:808", "64:ff9b:1:fffe::a00:1"),
    ):
        assert not allowed(public)
        assert allowed(public, prefix)
        assert not allowed(internal, prefix)
        assert allowed(internal, prefix, "10.0.0.0/8")
        assert allowed(internal, internal)
    assert not allowed("::ffff:10.0.0.1", "::ffff:0:0/96")
    assert allowed("::ffff:8.8.8.8", "::ffff:0:0/96")


# The registries of IANA: tests/vectors/iana/README.md

REGISTRIES = Path(__file__).with_name("vectors") / "iana"
DIGESTS = {
    4: "e3e39e76d00b1677335db8e9a805c7b9480ea2f4dc9e33f0b93cd3a905128d73",
    6: "775feea0621dec8735a44fbf30f762e721e8f0a1b3ab7eb341961a88cfce2139",
}


def registry(version: int) -> Iterator[tuple[str, bool]]:
    """Give each block of a registry, and whether the registry calls it globally reachable."""
    data = (REGISTRIES / f"iana-ipv{version}-special-registry-1.csv").read_bytes()
    assert hashlib.sha256(data).hexdigest() == DIGESTS[version]
    for row in csv.DictReader(data.decode().splitlines(keepends=True)):
        said = row["Globally Reachable"].partition(" ")[0]
        assert said in ("True", "False", "N/A", "")
        for block in row["Address Block"].partition(" [")[0].split(", "):
            yield block, said == "True"


@pytest.mark.parametrize("version", [4, 6])
def test_the_table_equals_the_registry(version: int) -> None:
    said = list(registry(version))
    table = address_table.IANA_IPV4 if version == 4 else address_table.IANA_IPV6
    assert [(block.network, block.reachable) for block in table] == said
    blocks = {ip_network(block): reachable for block, reachable in said}
    for block, reachable in blocks.items():
        for ip in (block[0], block[-1], block[block.num_addresses // 2]):
            inner = any(ip in other for other in blocks if other != block and other.subnet_of(block))  # type: ignore[arg-type] # of one version
            if not inner and not any(ip in ip_network(own.network) for own in address_table.OWN):
                assert address_table.is_reachable(ip) is reachable, ip
                if not reachable:
                    assert address_guard.judge("name.example", [str(ip)]) is not None


def test_each_block_of_our_own_is_refused_and_has_a_source() -> None:
    for block in address_table.OWN:
        assert not block.reachable
        assert block.source
        assert address_guard.judge("name.example", [str(ip_network(block.network)[0])]) is not None, block


# The same guard, said in another way: in digits.


def embeddings(v4: IPv4Address, filler: int) -> Iterator[IPv6Address]:
    """Give the addresses that RFCs make of an IPv4 address, with bits of `filler` where those are free."""
    octets = v4.packed
    digits = octets.hex()
    other = IPv4Address(filler & 0xFFFFFFFF).packed
    free = (filler & 0xFFFF).to_bytes(2, "big").hex()
    for text in (
        "0" * 24 + digits,
        "0" * 20 + "ffff" + digits,
        "0" * 16 + "ffff0000" + digits,
        "0064ff9b" + "0" * 16 + digits,
        # RFC 6052, figure 1, for /48, /56, /64 and /96
        "0064ff9b0001" + digits[:4] + "00" + digits[4:] + free + "000000",
        "0064ff9b0001" + free[:2] + digits[:2] + "00" + digits[2:] + free + "0000",
        "0064ff9b0001" + free + "00" + digits + free[:2] + "0000",
        "0064ff9b0001" + free + "0000" * 2 + digits,
        "2002" + digits + free + "0" * 16,
        "20010000" + digits + free + "1234" + bytes(255 - octet for octet in other).hex(),
        "2a00" + free * 3 + "00005efe" + digits,
        "2a00" + free * 3 + "02005efe" + digits,
        "20010000" + other.hex() + free + "1234" + bytes(255 - octet for octet in octets).hex(),
    ):
        assert len(text) == 32, text
        yield IPv6Address(bytes.fromhex(text))


SPECIAL = [network for network, _ in registry(4)] + ["224.0.0.0/4", "168.63.129.16/32"]
NEAR_SPECIAL = [
    int(ip_network(network)[place]) + by
    for network in SPECIAL
    for place in (0, -1)
    for by in (-1, 0, 1)
    if 0 <= int(ip_network(network)[place]) + by < 2**32
]


@given(st.one_of(st.integers(0, 2**32 - 1), st.sampled_from(NEAR_SPECIAL)), st.integers(0, 2**32 - 1))
def test_an_address_is_judged_no_milder_where_it_is_embedded_in_another(number: int, filler: int) -> None:
    v4 = IPv4Address(number)
    internal = address_guard.judge("h.example", [str(v4)]) is not None
    holding = [ip_network(network) for network in SPECIAL if v4 in ip_network(network)]
    longest = max(holding, key=lambda network: network.prefixlen, default=None)
    assert internal is (longest is not None and not dict(registry(4)).get(str(longest), False))
    for v6 in embeddings(v4, filler):
        assert v4 in address_table.embedded(v6), v6
        if internal:
            assert address_guard.judge("h.example", [str(v6)]) is not None, v6
