"""
Users who ask at a steady pace, each on a connection that stays open: C{python -m benchmarks.steady ADDRESS PORT}.

Ends when its time is over or its standard input ends, whichever comes first, and prints one line of JSON, see
L{Users.told}. A connection that the server closes while nothing was asked is opened again: that's no failure. All else
that isn't a whole answer 200 is.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections import Counter
from typing import Any, Final

PATIENCE: Final = 5.0
"""Seconds for an answer."""


class Exchange(asyncio.Protocol):
    """One connection, on which at most one request is under way."""

    def __init__(self) -> None:
        self._received = b""
        self._answer: asyncio.Future[bytes] | None = None
        self._transport: asyncio.Transport | None = None

    @property
    def is_open(self) -> bool:
        """Whether something can be asked."""
        return self._transport is not None and not self._transport.is_closing()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def ask(self, request: bytes) -> asyncio.Future[bytes]:
        """Fires with the whole answer; fails where the connection ends before."""
        assert self._transport is not None
        self._received = b""
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return self._answer

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, end, body = self._received.partition(b"\r\n\r\n")
        if not end:
            return
        fields = head.lower()
        length = fields.partition(b"\r\ncontent-length:")[2].partition(b"\r\n")[0]
        if len(body) < int(length or 0):
            return
        if b"\r\nconnection: close" in fields:
            self.close()
        answer, self._answer = self._answer, None
        if answer is not None and not answer.done():
            answer.set_result(self._received)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(ConnectionError(f"hung up on: {exc or 'end of stream'}"))

    def close(self) -> None:
        """End it."""
        if self._transport is not None:
            self._transport.abort()
            self._transport = None


class Users:
    """All of them."""

    def __init__(self, address: str, port: int, path: str, connections: int, rate: float) -> None:
        self._where = (address, port)
        self._request = f"GET {path} HTTP/1.1\r\nHost: steady\r\n\r\n".encode()
        self._connections = connections
        self._pause = connections / rate
        self._times: list[float] = []
        self._failed: Counter[str] = Counter()
        self._served: Counter[str] = Counter()
        self._opened = 0
        self._over = False

    async def run(self, seconds: float) -> None:
        """Ask for so long, or until L{end}."""
        loop = asyncio.get_running_loop()
        loop.call_later(seconds, self.end)
        begun = loop.time()
        await asyncio.gather(
            *(self._user(begun + self._pause * n / self._connections) for n in range(self._connections))
        )

    def end(self) -> None:
        """Ask no more."""
        self._over = True

    def told(self) -> dict[str, Any]:
        """
        How it went: how many requests were C{answered}, by whom they were C{served}, what C{failed} and how often, how
        many connections were C{opened}, and the time until an answer in milliseconds: C{p50}, C{p99}, C{worst}.
        """
        times = sorted(self._times) or [0.0]
        return {
            "answered": len(self._times),
            "served": self._served,
            "failed": self._failed,
            "opened": self._opened,
            "p50": times[len(times) // 2] * 1000,
            "p99": times[len(times) * 99 // 100] * 1000,
            "worst": times[-1] * 1000,
        }

    async def _user(self, due: float) -> None:
        """Ask each time that it is due, or as soon as the answer before is there."""
        loop = asyncio.get_running_loop()
        exchange = Exchange()
        while not self._over:
            await asyncio.sleep(due - loop.time())
            due = max(due + self._pause, loop.time())
            try:
                async with asyncio.timeout(PATIENCE):
                    if not exchange.is_open:
                        _, exchange = await loop.create_connection(Exchange, *self._where)
                        self._opened += 1
                    begun = time.perf_counter()
                    answer = await exchange.ask(self._request)
            except (OSError, TimeoutError) as error:
                self._failed[f"{type(error).__name__}: {error}"] += 1
                exchange.close()
                continue
            self._note(answer, time.perf_counter() - begun)
        exchange.close()

    def _note(self, answer: bytes, seconds: float) -> None:
        head, _, body = answer.partition(b"\r\n\r\n")
        status = head.split(b" ", 2)[1].decode(errors="replace")
        if status == "200":
            self._times.append(seconds)
            self._served[body.decode(errors="replace").strip()] += 1
        else:
            self._failed[status] += 1


async def _serve(options: argparse.Namespace) -> dict[str, Any]:
    users = Users(options.address, options.port, options.path, options.connections, options.rate)
    asyncio.get_running_loop().add_reader(sys.stdin, users.end)
    await users.run(options.seconds)
    return users.told()


def main() -> None:
    """Ask until the end, and tell."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.steady")
    parser.add_argument("address")
    parser.add_argument("port", type=int)
    parser.add_argument("--path", default="/")
    parser.add_argument("--connections", type=int, default=50)
    parser.add_argument("--rate", type=float, default=1000.0, help="requests a second, by all of them")
    parser.add_argument("--seconds", type=float, default=60.0, help="at most; it ends with its standard input")
    print(json.dumps(asyncio.run(_serve(parser.parse_args()))))


if __name__ == "__main__":
    main()
