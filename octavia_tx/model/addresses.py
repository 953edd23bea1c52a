"""Addresses chosen by hash: the same key gets the same in every process, and two keys hardly ever meet."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network


def sequence(cidr: str, key: str) -> Iterator[str]:
    """All host addresses of a network, each once, in an order that depends on the key alone."""
    network = ip_network(cidr)
    size = network.num_addresses
    digest = sha256(key.encode()).digest()
    start = int.from_bytes(digest[:16], "big") % size
    stride = int.from_bytes(digest[16:], "big") % size | 1  # odd: meets every remainder of a power of two
    for step in range(size):
        offset = (start + step * stride) % size
        if _is_host(network, offset):
            yield str(network[offset])


def is_host(address: str, cidr: str) -> bool:
    """Whether a machine may have this address in this network: inside it, and neither its name nor its broadcast."""
    network, given = ip_network(cidr), ip_address(address)
    if given.version != network.version or given not in network:
        return False
    return _is_host(network, int(given) - int(network.network_address))


def _is_host(network: IPv4Network | IPv6Network, offset: int) -> bool:
    if network.max_prefixlen - network.prefixlen < 2:
        return True
    return offset > 0 and (network.version == 6 or offset < network.num_addresses - 1)


def unmapped(address: str) -> IPv4Address | IPv6Address:
    """Where packets for an address go: C{::ffff:192.0.2.1} is another spelling of C{192.0.2.1} (RFC 4291, 2.5.5.2)."""
    given = ip_address(address)
    return getattr(given, "ipv4_mapped", None) or given
