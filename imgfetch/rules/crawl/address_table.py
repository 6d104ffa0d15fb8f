"""Addresses of the public internet: a table of address blocks, and IPv4 embedded in IPv6.

    address ─▶ is_reachable: the longest block that contains it
            └▶ embedded: the IPv4 addresses that a packet to it may be forwarded to

The blocks are those of the two IANA special-purpose address registries, as of `REGISTRY_DATE`, and a list
of our own. tests/vectors/iana has the registries; a test compares every row. `ipaddress.is_global` and
`is_private` are not used: their answers change with the version of Python.
"""

from __future__ import annotations

from functools import cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator

IP: TypeAlias = IPv4Address | IPv6Address

REGISTRY_DATE = "2025-10-09"
"""When IANA last updated both registries."""


class Block(NamedTuple):
    """A range of addresses with one purpose."""

    network: str
    reachable: bool
    """Whether a host in this block can be reached from anywhere on the public internet."""
    source: str


def is_reachable(ip: IP) -> bool:
    """Return True if an address itself is on the public internet; `embedded` addresses are not examined.

    The block with the longest prefix decides. An address outside all blocks is reachable.
    """
    value = int(ip)
    for shift, blocks in _by_length(ip.version):
        reachable = blocks.get(value >> shift)
        if reachable is not None:
            return reachable
    return True


def embedded(ip: IPv6Address) -> tuple[IPv4Address, ...]:
    """Return the IPv4 addresses that a packet to this IPv6 address may be forwarded to."""
    value = int(ip)
    if value >> 32 in _BEFORE_IPV4:
        return (IPv4Address(value & _LAST_32_BITS),)
    if is_local_nat64(ip):
        return tuple(nat64(ip, length) for length in (48, 56, 64, 96))
    if value >> 112 == 0x2002:  # 6to4 (RFC 3056 §2)
        return (IPv4Address(value >> 80 & _LAST_32_BITS),)
    if value >> 96 == 0x20010000:  # Teredo (RFC 4380 §4): the server, and the client with all bits inverted
        return (IPv4Address(value >> 64 & _LAST_32_BITS), IPv4Address(~value & _LAST_32_BITS))
    if value >> 32 & _LAST_32_BITS in (0x00005EFE, 0x02005EFE):  # ISATAP, behind any prefix (RFC 5214 §6.1)
        return (IPv4Address(value & _LAST_32_BITS),)
    return ()


def canonical(address: str) -> str:
    """Return the canonical spelling of an address; that of the IPv4 address for an IPv4-mapped one."""
    ip = ip_address(address.partition("%")[0])
    return str(getattr(ip, "ipv4_mapped", None) or ip)


def is_local_nat64(ip: IPv6Address) -> bool:
    """Return True if an address is in the block for the NAT64 of a local network (RFC 8215)."""
    return int(ip) >> 80 == 0x0064FF9B0001


def nat64(ip: IPv6Address, length: int) -> IPv4Address:
    """Return the IPv4 address that follows a NAT64 prefix of `length` bits (RFC 6052 §2.2).

    Bits 64 to 71 are reserved and are not part of it. A translator ignores the bits that follow it (§2.3).
    """
    octets = ip.packed
    return IPv4Address(bytes(octets[index] for index in range(length // 8, 16) if index != 8)[:4])


_LAST_32_BITS = 0xFFFFFFFF

_BEFORE_IPV4 = frozenset(
    {
        0,  # ::/96, IPv4-compatible (RFC 4291 §2.5.5.1)
        0xFFFF,  # ::ffff:0:0/96, IPv4-mapped (RFC 4291 §2.5.5.2)
        0xFFFF_0000,  # ::ffff:0:0:0/96, IPv4-translated (RFC 2765 §2.1)
        0x0064_FF9B << 64,  # 64:ff9b::/96, NAT64's well-known prefix (RFC 6052 §2.1)
    }
)
"""The first 96 bits of the addresses that end with an IPv4 address."""


@cache
def _by_length(version: int) -> tuple[tuple[int, dict[int, bool]], ...]:
    """Return pairs of a shift and the blocks by their shifted address, the longest prefixes first.

    Built at the first connection, because a run without connections does not need it.
    """
    by_shift: dict[int, dict[int, bool]] = {}
    for block in _blocks(version):
        network = ip_network(block.network)
        shift = network.max_prefixlen - network.prefixlen
        by_shift.setdefault(shift, {})[int(network.network_address) >> shift] = block.reachable
    return tuple(sorted(by_shift.items()))


def _blocks(version: int) -> Iterator[Block]:
    yield from IANA_IPV4 if version == 4 else IANA_IPV6
    yield from (block for block in OWN if (":" in block.network) == (version == 6))


# A block is reachable where the registry says True. False, N/A and nothing at all (of a block that was given
# back) are not True: https://www.iana.org/assignments/iana-ipv4-special-registry/
IANA_IPV4 = (
    Block("0.0.0.0/8", False, "This network: RFC 791 §3.2"),
    Block("0.0.0.0/32", False, "This host on this network: RFC 1122 §3.2.1.3"),
    Block("10.0.0.0/8", False, "Private use: RFC 1918"),
    Block("100.64.0.0/10", False, "Shared address space: RFC 6598"),
    Block("127.0.0.0/8", False, "Loopback: RFC 1122 §3.2.1.3"),
    Block("169.254.0.0/16", False, "Link local: RFC 3927"),
    Block("172.16.0.0/12", False, "Private use: RFC 1918"),
    Block("192.0.0.0/24", False, "IETF protocol assignments: RFC 6890 §2.1"),
    Block("192.0.0.0/29", False, "IPv4 service continuity prefix: RFC 7335"),
    Block("192.0.0.8/32", False, "IPv4 dummy address: RFC 7600"),
    Block("192.0.0.9/32", True, "Port Control Protocol anycast: RFC 7723"),
    Block("192.0.0.10/32", True, "Traversal Using Relays around NAT anycast: RFC 8155"),
    Block("192.0.0.170/32", False, "NAT64/DNS64 discovery: RFC 8880, RFC 7050 §2.2"),
    Block("192.0.0.171/32", False, "NAT64/DNS64 discovery: RFC 8880, RFC 7050 §2.2"),
    Block("192.0.2.0/24", False, "Documentation (TEST-NET-1): RFC 5737"),
    Block("192.31.196.0/24", True, "AS112-v4: RFC 7535"),
    Block("192.52.193.0/24", True, "AMT: RFC 7450"),
    Block("192.88.99.0/24", False, "6to4 relay anycast, given back in 2015: RFC 7526"),
    Block("192.88.99.2/32", False, "6a44 relay anycast address: RFC 6751"),
    Block("192.168.0.0/16", False, "Private use: RFC 1918"),
    Block("192.175.48.0/24", True, "Direct delegation AS112 service: RFC 7534"),
    Block("198.18.0.0/15", False, "Benchmarking: RFC 2544"),
    Block("198.51.100.0/24", False, "Documentation (TEST-NET-2): RFC 5737"),
    Block("203.0.113.0/24", False, "Documentation (TEST-NET-3): RFC 5737"),
    Block("240.0.0.0/4", False, "Reserved: RFC 1112 §4"),
    Block("255.255.255.255/32", False, "Limited broadcast: RFC 8190, RFC 919 §7"),
)

# https://www.iana.org/assignments/iana-ipv6-special-registry/
IANA_IPV6 = (
    Block("::1/128", False, "Loopback address: RFC 4291"),
    Block("::/128", False, "Unspecified address: RFC 4291"),
    Block("::ffff:0:0/96", False, "IPv4-mapped address: RFC 4291"),
    Block("64:ff9b::/96", True, "IPv4-IPv6 translation: RFC 6052"),
    Block("64:ff9b:1::/48", False, "IPv4-IPv6 translation of a local network: RFC 8215"),
    Block("100::/64", False, "Discard-only address block: RFC 6666"),
    Block("100:0:0:1::/64", False, "Dummy IPv6 prefix: RFC 9780"),
    Block("2001::/23", False, "IETF protocol assignments: RFC 2928"),
    Block("2001::/32", False, "Teredo: RFC 4380, RFC 8190"),
    Block("2001:1::1/128", True, "Port Control Protocol anycast: RFC 7723"),
    Block("2001:1::2/128", True, "Traversal Using Relays around NAT anycast: RFC 8155"),
    Block("2001:1::3/128", True, "DNS-SD service registration protocol anycast: RFC 9665"),
    Block("2001:2::/48", False, "Benchmarking: RFC 5180, erratum 1752"),
    Block("2001:3::/32", True, "AMT: RFC 7450"),
    Block("2001:4:112::/48", True, "AS112-v6: RFC 7535"),
    Block("2001:10::/28", False, "ORCHID, given back in 2014: RFC 4843"),
    Block("2001:20::/28", True, "ORCHIDv2: RFC 7343"),
    Block("2001:30::/28", True, "Drone Remote ID protocol entity tags: RFC 9374"),
    Block("2001:db8::/32", False, "Documentation: RFC 3849"),
    Block("2002::/16", False, "6to4: RFC 3056"),
    Block("2620:4f:8000::/48", True, "Direct delegation AS112 service: RFC 7534"),
    Block("3fff::/20", False, "Documentation: RFC 9637"),
    Block("5f00::/16", False, "Segment Routing (SRv6) SIDs: RFC 9602"),
    Block("fc00::/7", False, "Unique local: RFC 4193, RFC 8190"),
    Block("fe80::/10", False, "Link-local unicast: RFC 4291"),
)

# Blocks that the registries do not have, or only as parts of others.
OWN = (
    Block("224.0.0.0/4", False, "Multicast: RFC 5771"),
    Block("168.63.129.16/32", False, "Azure's platform services: Microsoft Learn, What is IP 168.63.129.16?"),
    Block("192.0.0.192/32", False, "Metadata: Oracle, Compute Classic, Retrieving Instance Metadata"),
    Block("::/3", False, "Not allocated: IANA, Internet Protocol Version 6 Address Space"),
    Block("::/96", False, "IPv4-compatible address, deprecated: RFC 4291 §2.5.5.1"),
    Block("::ffff:0:0:0/96", False, "IPv4-translated address: RFC 2765 §2.1"),
    Block("200::/7", False, "OSI NSAP mapping, deprecated, and used by overlay networks: RFC 4048"),
    Block("3ffe::/16", False, "6bone, given back in 2006: RFC 3701"),
    Block("4000::/2", False, "Not allocated: IANA, Internet Protocol Version 6 Address Space"),
    Block("8000::/1", False, "Not allocated: IANA, Internet Protocol Version 6 Address Space"),
    Block("fec0::/10", False, "Site-local unicast, deprecated: RFC 3879"),
    Block("ff00::/8", False, "Multicast: RFC 4291 §2.7"),
)
