"""Where traffic flows, as the agent's settings say."""

from __future__ import annotations

import re
from typing import Final

from attrs import frozen

KNOWN: Final = ("namespace", "topology")
TOPOLOGIES: Final = ("SINGLE", "ACTIVE_STANDBY")
# A number would be taken for a process's.
_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,63}").fullmatch


@frozen
class NetworkSettings:
    """
    How the amphora's network is plugged.

    @ivar namespace: the network namespace where traffic flows; C{None}: the agent's own.
    @ivar topology: one of L{TOPOLOGIES}. In a pair, keepalived and not the agent sets the VIPs and their routes.
    """

    namespace: str | None = None
    topology: str = TOPOLOGIES[0]


def namespace(value: object) -> str:
    """A namespace's name; empty for none."""
    if not isinstance(value, str) or (value and not _NAME(value)):
        raise ValueError("must begin with a letter, and hold up to 64 letters, digits, and any of _ . -")
    return value


def topology(value: object) -> str:
    """One of those that there are."""
    if value not in TOPOLOGIES:
        raise ValueError(f"{value!r} isn't known; accepted: {', '.join(TOPOLOGIES)}")
    return str(value)
