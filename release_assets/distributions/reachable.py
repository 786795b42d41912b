"""Decide what build code may reach: no metadata server of a cloud, nothing of this machine. Pure."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection, Iterable

# Metadata servers that have no link-local address: Alibaba, Oracle's earlier one, Azure's WireServer, AWS and
# Google over IPv6.
METADATA = frozenset(
    ipaddress.ip_address(address)
    for address in (
        "100.100.100.200",
        "192.0.0.192",
        "168.63.129.16",
        "fd00:ec2::254",
        "fd00:ec2::23",
        "fd20:ce::254",
    )
)
METADATA_NAMES = re.compile(
    r"(metadata|metadata\.goog|metadata\.google\.internal|instance-data(\.[\w.-]*)?)", re.IGNORECASE
)
NAT64 = ipaddress.ip_network("64:ff9b::/96")
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def refusal(
    host: str, port: int, addresses: Iterable[Address], local: Collection[tuple[str, int]]
) -> str | None:
    """Return why build code may not reach a host at these addresses, or None where it may."""
    if METADATA_NAMES.fullmatch(host.rstrip(".")):
        return "it is a cloud's metadata server"
    for address in map(_innermost, addresses):
        if address in METADATA or address.is_link_local:
            return f"{address} is a cloud's metadata server, or next to one"
        if (address.is_loopback or address.is_unspecified) and (host, port) not in local:
            return f"{address} is this machine"
        if address.is_multicast:
            return f"{address} is not one machine"
    return None


def _innermost(address: Address) -> Address:
    """Return the IPv4 address that an IPv6 one leads to, or the address itself."""
    if isinstance(address, ipaddress.IPv6Address):
        if address in NAT64:
            return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        return address.ipv4_mapped or address.sixtofour or address
    return address
