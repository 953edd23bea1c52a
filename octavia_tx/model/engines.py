"""Which engine of an amphora's data plane serves what; the one place to look for who would serve a protocol."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from octavia_tx.model.statuses import Protocol


class Engine(StrEnum):
    """What forwards tenants' traffic in an amphora."""

    HAPROXY = "haproxy"


_SERVED: Final[Mapping[Protocol, Engine]] = dict.fromkeys(
    (
        Protocol.HTTP,
        Protocol.HTTPS,
        Protocol.PROMETHEUS,
        Protocol.PROXY,
        Protocol.PROXYV2,
        Protocol.TCP,
        Protocol.TERMINATED_HTTPS,
    ),
    Engine.HAPROXY,
)


def serving(protocol: Protocol) -> Engine | None:
    """Who serves listeners and pools of a protocol; C{None}: nobody in an amphora can."""
    return _SERVED.get(protocol)
