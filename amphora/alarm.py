"""haproxy's own word that something has happened: it logs each change of a server's state at once."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from twisted.internet.error import CannotListenError
from twisted.internet.protocol import DatagramProtocol
from twisted.logger import Logger

SOCKET: Final = "alarm.sock"


class _Ear(DatagramProtocol):
    """What haproxy says is in its statistics too, so only that it says something counts."""

    noisy = False

    def __init__(self, ring: Callable[[], None]) -> None:
        self._ring = ring

    def datagramReceived(self, datagram: bytes, addr: Any) -> None:
        self._ring()


class Alarm:
    """
    The socket to which one load balancer's haproxy logs. It does without if there's none, and finds a new one.

    @param ring: called for each line.
    """

    log = Logger()

    def __init__(self, reactor: Any, directory: Path, ring: Callable[[], None]) -> None:
        self._reactor = reactor
        self._directory = directory
        self._ring = ring
        self._port: Any = None
        self._inode = 0

    def ensure(self) -> None:
        """Be there, also if somebody removed the socket, or took its place. Can't be: no error."""
        if self._port is not None and self._there() == self._inode:
            return
        self.close()
        try:
            # A descriptor, because a socket's whole path may not have more than 107 bytes.
            descriptor = os.open(self._directory, os.O_PATH | os.O_DIRECTORY)
        except OSError:
            return
        try:
            with suppress(FileNotFoundError):
                os.unlink(SOCKET, dir_fd=descriptor)
            path = f"/proc/self/fd/{descriptor}/{SOCKET}"
            self._port = self._reactor.listenUNIXDatagram(path, _Ear(self._ring), mode=0o600)
            self._inode = self._there()
        except (OSError, CannotListenError) as e:
            self.log.warn("{directory}: haproxy's word isn't heard: {e}", directory=str(self._directory), e=e)
        finally:
            os.close(descriptor)

    def close(self) -> None:
        """Hear no more."""
        port, self._port = self._port, None
        if port is not None:
            port.stopListening()

    def _there(self) -> int:
        """The number of what lies at the socket's place; 0: no socket does."""
        try:
            found = os.lstat(self._directory / SOCKET)
        except OSError:
            return 0
        return found.st_ino if stat.S_ISSOCK(found.st_mode) else 0
