"""What of new settings the agent takes up only when it starts, and whether it could start with that."""

from __future__ import annotations

import re
import socket
from contextlib import closing
from typing import Any, Final

from attrs import frozen

from amphora.namespace import CommandFailed, Namespace
from amphora.settings import Address, BadSettings, Settings

PATIENCE: Final = 5  # seconds that a program may take to tell its version
_HAPROXY: Final = re.compile(r"HA-?Proxy version ", re.IGNORECASE).match
_ALL: Final = {"": (4,), "0.0.0.0": (4,), "::": (4, 6)}  # noqa: S104 - what they stand for


@frozen
class NextStart:
    """
    Refuses what the agent couldn't start with, as far as it isn't as now.

    @ivar now: the settings that it runs with.
    """

    _reactor: Any
    _now: Settings

    async def check(self, settings: Settings) -> None:
        """@raise BadSettings: it couldn't start with these, or would find nothing of what it left."""
        problems = []
        if settings.listen != self._now.listen and (reason := _unheard(settings.listen, self._now.listen)):
            problems.append(f"listen: the agent can't listen there: {reason}.")
        if settings.haproxy != self._now.haproxy and not await self._is_haproxy(settings.haproxy):
            problems.append(f"haproxy: {settings.haproxy} isn't haproxy, by what its -v says.")
        if settings.network.namespace != self._now.network.namespace:
            problems.append(f"network.namespace: must stay {self._now.network.namespace or ''!r}, where traffic flows.")
        if settings.directory != self._now.directory:
            problems.append(f"base_path: must stay {self._now.directory}, where all is kept.")
        if problems:
            raise BadSettings(tuple(problems))

    async def _is_haproxy(self, path: str) -> bool:
        try:
            said = await Namespace().run(self._reactor, ("timeout", str(PATIENCE), path, "-v"), b"")
        except CommandFailed:
            return False
        return _HAPROXY(said) is not None


def _unheard(wanted: Address, now: Address) -> str | None:
    """Why nobody can listen at this address; C{None}: it can be done."""
    version = 6 if ":" in wanted.host else 4
    # Where we listen at all addresses, nobody else has the port: this one need only be there.
    ours = wanted.port == now.port and wanted.host not in _ALL and version in _ALL.get(now.host, ())
    family = socket.AF_INET6 if version == 6 else socket.AF_INET
    try:
        with closing(socket.socket(family)) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((wanted.host, 0 if ours else wanted.port))
            probe.listen()
    except OSError as e:
        return str(e.strerror)
    return None
