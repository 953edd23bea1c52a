"""
Whether haproxy will be able to bind what a configuration asks for.

haproxy itself finds out too late: while a reload tries for two seconds to bind a port that another program holds, the
old worker accepts no connections, on any port.
"""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Iterator
from ipaddress import ip_address
from typing import Final

from attrs import frozen

_BIND: Final = re.compile(r"^[ \t]*bind[ \t]+(\S+)(.*)$", re.MULTILINE)


@frozen
class Bound:
    """An address and port that a frontend listens on."""

    host: str
    port: int


def bound(configuration: str) -> frozenset[Bound]:
    """All IP addresses with single ports that a configuration binds, but for those that needn't be the machine's."""
    return frozenset(_bound(configuration))


def _bound(configuration: str) -> Iterator[Bound]:
    for addresses, options in _BIND.findall(configuration):
        if "transparent" in options.split():
            continue
        for address in addresses.split(","):
            host, _, port = address.rpartition(":")
            host = host.removeprefix("ipv4@").removeprefix("ipv6@").removeprefix("[").removesuffix("]")
            try:
                yield Bound(str(ip_address(host)), int(port))
            except ValueError:
                continue


def obstacles(wanted: frozenset[Bound]) -> tuple[str, ...]:
    """
    A sentence, in haproxy's words, for each of these that can't be bound.

    Ports that a haproxy of ours holds are no obstacle, since all of them share their ports.
    """
    return tuple(o for o in map(_obstacle, sorted(wanted, key=lambda b: (b.host, b.port))) if o)


def _obstacle(wanted: Bound) -> str | None:
    version = ip_address(wanted.host).version
    with socket.socket(socket.AF_INET6 if version == 6 else socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if version == 6:
            probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        try:
            probe.bind((wanted.host, wanted.port))
        except OSError as e:
            return f"cannot bind socket ({os.strerror(e.errno or 0)}) for [{wanted.host}:{wanted.port}]"
    return None
