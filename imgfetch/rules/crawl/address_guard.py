"""Decide whether to connect to an address: to a public one always, to an internal one if it is allowed.

The guard judges the address of the connection itself, never a name or a spelling: a resolver accepts
`0x7f000002` for 127.0.0.2, and a name may resolve to another address the second time.
"""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TYPE_CHECKING, TypeAlias

from imgfetch.model.image import Defect
from imgfetch.model.result import ErrorKind
from imgfetch.rules.crawl import address_table as table

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from imgfetch.rules.crawl.address_table import IP

Network: TypeAlias = IPv4Network | IPv6Network


def judge(host: str, addresses: Collection[str], *, allowed: Collection[str] = ()) -> Defect | None:
    """Return a Defect if an address of a host is internal and not allowed; None if all may be connected to.

    `allowed` are host names, addresses, or networks (`10.0.0.0/8`) that may be internal. One internal address
    among public ones is enough to refuse the host: an honest name does not resolve to both.
    """
    names = {name.lower().strip("[]") for name in allowed}
    if host.lower().strip("[]") in names:
        return None
    networks = [network for network in map(_network, names) if network is not None]
    for address in addresses:
        if not _may_connect(ip_address(address.partition("%")[0]), networks):
            what = f"{host} is" if address == host else f"{host} is at {address},"
            return Defect(ErrorKind.BLOCKED, f"{what} an internal address")
    return None


def _may_connect(ip: IP, networks: Collection[Network]) -> bool:
    """Return True if an address, and each IPv4 address embedded in it, is public or allowed.

    An allowed address includes the address that is embedded in it. An allowed network does not: behind the
    prefix of a NAT64, internal addresses stay internal.
    """
    containing = [network for network in networks if ip in network]
    if any(network.prefixlen == network.max_prefixlen for network in containing):
        return True
    if not (containing or table.is_reachable(ip)):
        return False
    if not isinstance(ip, IPv6Address):
        return True
    return all(_may_connect(inner, networks) for inner in _embedded(ip, containing))


def _embedded(ip: IPv6Address, containing: Collection[Network]) -> Iterable[IP]:
    """Return the IPv4 addresses embedded in an address that the networks `containing` it allow.

    An allowed part of 64:ff9b:1::/48 is the prefix of a NAT64, so its length locates the IPv4 address.
    """
    lengths = {network.prefixlen for network in containing} & {48, 56, 64, 96}
    if lengths and table.is_local_nat64(ip):
        return [table.nat64(ip, length) for length in lengths]
    return table.embedded(ip)


def _network(name: str) -> Network | None:
    try:
        return ip_network(name, strict=False)
    except ValueError:
        return None
