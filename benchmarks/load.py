"""
A load generator in a process of its own: C{python -m benchmarks.load}, with an order as JSON on its standard input.

Each connection sends its next request when the answer to the one before is there. One thread serves all: so it takes
the least from the processors that it shares with what it measures. Prints one line of JSON, see L{Load.told}.
"""

from __future__ import annotations

import heapq
import itertools
import json
import re
import select
import socket
import sys
import time
from collections import Counter
from typing import Any
from urllib.parse import urlsplit

PAUSE = 0.02
"""Seconds until a request that was refused for now (409) is sent again, where an order says so."""
PATIENCE = 60.0
"""Seconds for the answers that are under way when the time is over."""
ADDRESS = b"@address@"
"""In a body: stands for another address with each request."""
_STATUS = re.compile(rb"HTTP/1\.[01] (\d{3})")
_LENGTH = re.compile(rb"(?i)\r\ncontent-length: *(\d+)")
_CLOSES = re.compile(rb"(?i)\r\nconnection: *close")


def request(order: dict[str, Any], what: dict[str, Any]) -> bytes:
    """The bytes of one request of an order."""
    parts = urlsplit(order["endpoint"])
    body: bytes = what["body"].encode()
    length = len(body) + body.count(ADDRESS) * (len(address(0)) - len(ADDRESS))
    head = [
        f"{what['method']} {parts.path}{what['path']} HTTP/1.1",
        f"Host: {parts.netloc}",
        "Content-Type: application/json",
        f"Content-Length: {length}",
        *(f"{name}: {value}" for name, value in order["headers"].items()),
    ]
    return ("\r\n".join(head) + "\r\n\r\n").encode() + body


def address(number: int) -> bytes:
    """One of 1.5 million addresses, all of one length."""
    rest, last = divmod(number, 100)
    return b"10.%d.%d.%d" % (100 + rest // 100 % 150, 100 + rest % 100, 100 + last)


class Connection:
    """One keep-alive connection; opened again when the server closes it."""

    def __init__(self, where: tuple[str, int], template: bytes) -> None:
        self._where = where
        self._template = template
        self._open: socket.socket | None = None
        self._request = b""
        self._got = b""
        self._whole = 0
        self.begun = 0.0

    def prepare(self, numbers: itertools.count[int]) -> None:
        """Make the next request."""
        self.begun = time.perf_counter()
        self._request = self._template
        for _ in range(self._template.count(ADDRESS)):
            self._request = self._request.replace(ADDRESS, address(next(numbers)), 1)

    def send(self) -> int:
        """Send what was prepared; gives the socket's number."""
        if self._open is None:
            self._open = socket.create_connection(self._where, PATIENCE)
            self._open.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._got, self._whole = b"", 0
        self._open.sendall(self._request)
        return self._open.fileno()

    def receive(self) -> int | None:
        """Take what came; gives the answer's status once it is here as a whole."""
        assert self._open is not None
        came = self._open.recv(1 << 18)
        self._got += came
        if not self._whole:
            end = self._got.find(b"\r\n\r\n")
            if end >= 0:
                length = _LENGTH.search(self._got, 0, end)
                self._whole = end + 4 + (int(length[1]) if length else 0)
        if not self._whole or len(self._got) < self._whole:
            if not came:
                raise ConnectionError(f"{self._where} hung up in the middle of an answer")
            return None
        status = _STATUS.match(self._got)
        if status is None:
            raise ConnectionError(f"{self._where} doesn't speak HTTP: {self._got[:80]!r}")
        if _CLOSES.search(self._got, 0, self._whole):
            self.close()
        return int(status[1])

    @property
    def is_open(self) -> bool:
        """Whether the server keeps it."""
        return self._open is not None

    def close(self) -> None:
        """Be opened again by the next request."""
        if self._open is not None:
            self._open.close()
            self._open = None


class Load:
    """What an order asks for, and what came of it."""

    def __init__(self, order: dict[str, Any]) -> None:
        parts = urlsplit(order["endpoint"])
        where = (parts.hostname or "127.0.0.1", parts.port or 80)
        templates = [request(order, what) for what in order["requests"]]
        self._connections = [Connection(where, templates[n % len(templates)]) for n in range(order["connections"])]
        self._again = order["again"]
        self._left = order["count"] or sys.maxsize
        self._seconds = order["seconds"]
        self._numbers = itertools.count()
        self._busy: dict[int, Connection] = {}
        self._pausing: list[tuple[float, int, Connection]] = []
        self._poll = select.epoll()
        self._codes: Counter[int] = Counter()
        self._times: list[float] = []

    def run(self) -> dict[str, Any]:
        """Send requests until the time is over or enough were answered, and wait for the last answers."""
        begun = time.perf_counter()
        self._until = begun + self._seconds
        for connection in self._connections:
            self._next(connection)
        while self._busy or self._pausing:
            now = time.perf_counter()
            if now > self._until + PATIENCE:
                raise TimeoutError(f"{len(self._busy)} requests aren't answered")
            while self._pausing and self._pausing[0][0] <= now:
                self._send(heapq.heappop(self._pausing)[2])
            wait = self._pausing[0][0] - now if self._pausing else 1.0
            for number, _event in self._poll.poll(wait):
                self._take(number)
        return self.told(time.perf_counter() - begun)

    def told(self, seconds: float) -> dict[str, Any]:
        """
        How it went: C{accepted} requests (2xx), C{seconds}, answers by C{codes}, C{p50} and C{p99} in milliseconds of
        accepted ones, counted from when each was first sent, and C{cpu}: seconds that this process itself used.
        """
        times = sorted(self._times) or [0.0]
        return {
            "accepted": len(self._times),
            "seconds": seconds,
            "codes": self._codes,
            "p50": times[len(times) // 2] * 1000,
            "p99": times[len(times) * 99 // 100] * 1000,
            "cpu": time.process_time(),
        }

    def _next(self, connection: Connection) -> None:
        if self._left > 0 and time.perf_counter() < self._until:
            self._left -= 1
            connection.prepare(self._numbers)
            self._send(connection)
        else:
            connection.close()

    def _send(self, connection: Connection) -> None:
        number = connection.send()
        self._busy[number] = connection
        self._poll.register(number, select.EPOLLIN)

    def _take(self, number: int) -> None:
        connection = self._busy[number]
        status = connection.receive()
        if status is None:
            return
        del self._busy[number]
        if connection.is_open:
            self._poll.unregister(number)
        now = time.perf_counter()
        self._codes[status] += 1
        if status == 409 and self._again and now < self._until:
            heapq.heappush(self._pausing, (now + PAUSE, number, connection))
            return
        if 200 <= status < 300:
            self._times.append(now - connection.begun)
        self._next(connection)


if __name__ == "__main__":
    print(json.dumps(Load(json.load(sys.stdin)).run()))
