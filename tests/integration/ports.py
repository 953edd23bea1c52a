"""Ports for what a test starts."""

from __future__ import annotations

import random
import socket

from octavia_tx.demo import processes

_OURS = range(20000, 32768)
"""Below those that Linux gives to connections, any of which could otherwise get one between our look and its use."""


def free_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    """A port of loopback that nobody has; not one of the usual ones, which tests that run beside these would want."""
    for port in random.sample(_OURS, 100):
        if processes.free_port(port, kind) == port:
            return port
    raise OSError("no free port on loopback")
