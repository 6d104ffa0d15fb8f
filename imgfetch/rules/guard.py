"""Whether an address may be dialled: public ones may, internal ones only where the caller allows it.

Asked for the address a connection is about to be made to, never for a name or a spelling: a resolver
takes `0x7f000002` for 127.0.0.2, and a name may answer differently the second time it is asked.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TYPE_CHECKING, TypeAlias

from imgfetch.model import Defect, Reason

if TYPE_CHECKING:
    from collections.abc import Collection

IP: TypeAlias = IPv4Address | IPv6Address


def judge(host: str, addresses: Collection[str], *, allowed: Collection[str] = ()) -> Defect | None:
    """Refuse a host if any address it resolves to is internal, or None where all may be dialled.

    `allowed` names what may be internal: host names, addresses, or networks (`10.0.0.0/8`). One internal
    address among public ones refuses the host: no honest name answers with both.
    """
    names = {name.lower().strip("[]") for name in allowed}
    if host.lower().strip("[]") in names:
        return None
    networks = [network for network in map(_network, names) if network is not None]
    for address in addresses:
        ip = ip_address(address.partition("%")[0])
        if _is_internal(ip) and not any(ip in network for network in networks):
            what = f"{host} is" if address == host else f"{host} is at {address},"
            return Defect(Reason.BLOCKED, f"{what} an internal address; allow it with --allow-host {host}")
    return None


def _is_internal(ip: IP) -> bool:
    """Whether an address, or the IPv4 address carried inside it, is not one of the public internet."""
    # ip_address().is_global follows the IANA special-purpose registries; multicast is counted global there.
    inner = _carried(ip) if isinstance(ip, IPv6Address) else None
    return not ip.is_global or ip.is_multicast or (inner is not None and _is_internal(inner))


def _carried(ip: IPv6Address) -> IPv4Address | None:
    """The IPv4 address that a packet to this IPv6 address may be taken on to."""
    if ip.ipv4_mapped or ip.sixtofour:
        return ip.ipv4_mapped or ip.sixtofour
    if ip.teredo:
        return ip.teredo[1]
    # NAT64's well-known prefix (RFC 6052 §2.1), the local-use one (RFC 8215), and IPv4-compatible addresses.
    if any(ip in network for network in _LAST_32_BITS):
        return IPv4Address(int(ip) & 0xFFFFFFFF)
    return None


_LAST_32_BITS = (IPv6Network("64:ff9b::/96"), IPv6Network("64:ff9b:1::/48"), IPv6Network("::/96"))


def _network(name: str) -> IPv4Network | IPv6Network | None:
    try:
        return ip_network(name, strict=False)
    except ValueError:
        return None
