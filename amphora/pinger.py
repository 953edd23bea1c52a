"""
The program that pings members for haproxy, which can't: one for each load balancer that wants it.

C{python -I -S pinger.py DIRECTORY}, in the load balancer's. haproxy's health checks connect to its socket and say a
member's name in one line. Once the member has answered a ping they hear C{UP}; until then nothing, and haproxy knows
how long to wait. What address a name stands for is read from the configurations in the directory.

It goes on when the agent ends, as haproxy does, and ends by itself when no configuration wants it any more. It needs
nothing but the standard library, so that it takes little memory.
"""

from __future__ import annotations

import fcntl
import os
import re
import selectors
import socket
import struct
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final

PLACE: Final = "ping"  # below a load balancer's directory
SOCKET: Final = "socket"  # there
LOCK: Final = "lock"  # there; holds the pid of who serves
WANTED: Final = f"{PLACE}/{SOCKET}"  # what a configuration says that wants this
LOOK: Final = 5.0  # seconds between looks whether it is wanted
_CONFIGURATIONS: Final = ("../haproxy.cfg", "../loaded.cfg")
_SERVER: Final = re.compile(r"^[ \t]*server[ \t]+(\S+)[ \t]+(\S+):\d+(?:.*?[ \t]addr[ \t]+(\S+))?", re.MULTILINE)
_LIMIT: Final = 256  # bytes of a line, and of what an answer to a ping may hold
_TOKEN: Final = 16  # bytes by which an answer is told from others
# What a request and its answer are called, by the address's family.
_ECHO: Final = {socket.AF_INET: (8, 0), socket.AF_INET6: (128, 129)}
_PROTOCOLS: Final = {socket.AF_INET: socket.IPPROTO_ICMP, socket.AF_INET6: socket.IPPROTO_ICMPV6}


class Echo:
    """
    Sends pings to addresses of one family.

    The system lets whom it is told to send pings (C{net.ipv4.ping_group_range}), and root anything.

    @raise OSError: it lets us not.
    """

    def __init__(self, family: socket.AddressFamily) -> None:
        self._family = family
        self._raw = False
        try:
            self.socket = socket.socket(family, socket.SOCK_DGRAM, _PROTOCOLS[family])
        except PermissionError:
            self.socket = socket.socket(family, socket.SOCK_RAW, _PROTOCOLS[family])
            self._raw = True
        self.socket.setblocking(False)

    def send(self, address: str, token: bytes) -> None:
        """One ping, whose answer holds the token."""
        kind = _ECHO[self._family][0]
        own = os.getpid() & 0xFFFF
        total = checksum(struct.pack("!BBHHH", kind, 0, 0, own, 1) + token)
        self.socket.sendto(struct.pack("!BBHHH", kind, 0, total, own, 1) + token, (address, 0))

    def receive(self) -> tuple[str, bytes] | None:
        """Who answered, and the answer's token; C{None}: it's something else."""
        packet, sender = self.socket.recvfrom(_LIMIT)
        if self._raw and self._family == socket.AF_INET:
            packet = packet[(packet[0] & 0xF) * 4 :]
        if len(packet) != 8 + _TOKEN or packet[0] != _ECHO[self._family][1]:
            return None
        return sender[0].partition("%")[0], packet[8:]


def checksum(packet: bytes) -> int:
    """The checksum of RFC 1071. With IPv6 the system makes it."""
    total: int = sum(struct.unpack(f"!{len(packet) // 2}H", packet))
    total = (total >> 16) + (total & 0xFFFF)
    return ~(total + (total >> 16)) & 0xFFFF


class Members:
    """Which address to ping for a name: its monitor's where it has one, else its own."""

    def __init__(self) -> None:
        self._read: dict[str, tuple[object, dict[str, str]]] = {}

    def address(self, name: str) -> str | None:
        """By the configuration in place, or by the one that haproxy goes by until then."""
        for path in _CONFIGURATIONS:
            if name in (found := self._of(path)):
                return found[name]
        return None

    def _of(self, path: str) -> dict[str, str]:
        try:
            state = os.stat(path)
            version = state.st_ino, state.st_mtime_ns
            if self._read.get(path, (None,))[0] != version:
                with open(path, encoding="utf-8", errors="replace") as file:
                    found = {name: other or own for name, own, other in _SERVER.findall(file.read())}
                self._read[path] = version, {name: address.strip("[]") for name, address in found.items()}
        except FileNotFoundError:
            return {}
        return self._read[path][1]


class Pinger:
    """Serves haproxy's checks until nobody wants it."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._members = Members()
        self._echoes: dict[socket.AddressFamily, Echo] = {}
        self._waiting: dict[bytes, tuple[str, socket.socket]] = {}
        self._listening = socket.socket(socket.AF_UNIX)

    def listen(self) -> None:
        """Be there for haproxy."""
        with suppress(FileNotFoundError):
            os.unlink(SOCKET)
        self._listening.bind(SOCKET)
        self._listening.listen(1024)
        self._listening.setblocking(False)
        self._selector.register(self._listening, selectors.EVENT_READ, self._accept)

    def serve(self) -> None:
        """Until no configuration wants it."""
        look = time.monotonic() + LOOK  # who wants it may be about to be put in place
        while True:
            if time.monotonic() >= look:
                if not _is_wanted():
                    return
                look = time.monotonic() + LOOK
            for key, _events in self._selector.select(LOOK):
                act: Callable[[], None] = key.data
                # What one check does wrong, or a network, is no other check's harm.
                with suppress(OSError):
                    act()

    def _accept(self) -> None:
        asking, _ = self._listening.accept()
        asking.setblocking(False)
        token = os.urandom(_TOKEN)
        self._selector.register(asking, selectors.EVENT_READ, lambda: self._asked(asking, token))

    def _asked(self, asking: socket.socket, token: bytes) -> None:
        try:
            said = asking.recv(_LIMIT)
            # haproxy says it in one piece, and says nothing more.
            address = self._members.address(said.decode(errors="replace").strip()) if said else None
            if address is None or token in self._waiting:
                self._end(asking, token)
                return
            self._waiting[token] = address, asking
            self._echo(address).send(address, token)
        except OSError:
            self._end(asking, token)  # no way to there

    def _echo(self, address: str) -> Echo:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        if family not in self._echoes:
            echo = self._echoes[family] = Echo(family)
            self._selector.register(echo.socket, selectors.EVENT_READ, lambda: self._answered(echo))
        return self._echoes[family]

    def _answered(self, echo: Echo) -> None:
        answer = echo.receive()
        if answer is None:
            return
        address, asking = self._waiting.get(answer[1], ("", None))
        if asking is not None and _same(address, answer[0]):
            with suppress(OSError):
                asking.send(b"UP\n")
            self._end(asking, answer[1])

    def _end(self, asking: socket.socket, token: bytes) -> None:
        self._waiting.pop(token, None)
        if asking.fileno() >= 0:  # else it ended a moment ago
            self._selector.unregister(asking)
            asking.close()


def _same(one: str, other: str) -> bool:
    family = socket.AF_INET6 if ":" in one else socket.AF_INET
    return one == other or socket.inet_pton(family, one) == socket.inet_pton(family, other)


def _is_wanted() -> bool:
    for path in _CONFIGURATIONS:
        with suppress(FileNotFoundError), open(path, encoding="utf-8", errors="replace") as file:
            if WANTED in file.read():
                return True
    return False


def main(directory: str) -> None:
    """Serve, unless another one does."""
    os.umask(0o077)
    os.chdir(os.path.join(directory, PLACE))
    lock = os.open(LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    if not _held(lock):
        return
    os.truncate(lock, 0)
    pinger = Pinger()
    pinger.listen()
    os.pwrite(lock, str(os.getpid()).encode(), 0)
    pinger.serve()


def _held(lock: int) -> bool:
    """Whether it is ours now. Who looks whether somebody has it has it for a moment, so it's tried a few times."""
    for _ in range(5):
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(0.01)
        else:
            return True
    return False


if __name__ == "__main__":
    main(sys.argv[1])
