"""
Whether memory stays flat: C{python -m benchmarks.soak [--minutes 10]}.

Clients list, show, create, change and delete at a bounded rate, all the time as many load balancers at once; meanwhile
the kernel tells how large the processes of the API and of the controller are. Each minute their sizes are told, and at
the end how they grew.
"""

from __future__ import annotations

import argparse
import http.client
import itertools
import json
import random
import sys
import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from urllib.parse import urlsplit

from attrs import field, frozen

from benchmarks import trees
from benchmarks.load import address
from benchmarks.processes import resident
from benchmarks.service import NOOP, Ours, Service, deployment

EVERY = 10.0
"""Seconds between samples."""
ALIVE = 25
"""Load balancers of each client at once."""
MEMBERS = 10
"""Of each of them."""
WARM = 0.2
"""The share of the time at whose end caches and pools are taken to be full: of 10 minutes, 2."""


class Client(threading.Thread):
    """
    One that does a bit of everything with load balancers of its own, at a steady rate.

    @ivar codes: answers by method and status.
    """

    def __init__(self, service: Service, a_second: float, until: float) -> None:
        super().__init__(daemon=True)
        parts = urlsplit(service.endpoint)
        self._http = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=60)
        self._headers = {**service.headers, "Content-Type": "application/json"}
        self._step = 1 / a_second
        self._until = until
        self._there: deque[tuple[str, str]] = deque()
        self._numbers = itertools.count()
        self.codes: Counter[tuple[str, int]] = Counter()
        self.late = 0.0

    def run(self) -> None:
        """Until the time is over."""
        due = time.monotonic()
        for do in itertools.cycle((self._list, self._show, self._create, self._grow, self._change, self._delete)):
            due += self._step
            pause = due - time.monotonic()
            self.late = max(self.late, -pause)
            time.sleep(max(0.0, pause))
            if time.monotonic() > self._until:
                break
            do()
        self._http.close()

    def _call(self, method: str, path: str, body: object = None) -> dict[str, object]:
        given = json.dumps(body) if body is not None else None
        self._http.request(method, f"/v2/lbaas/{path}", given, self._headers)
        answer = self._http.getresponse()
        content = answer.read()
        self.codes[method, answer.status] += 1
        return json.loads(content) if content else {}

    def _list(self) -> None:
        self._call("GET", "loadbalancers?limit=20")

    def _show(self) -> None:
        if self._there:
            self._call("GET", f"loadbalancers/{random.choice(self._there)[0]}")

    def _create(self) -> None:
        if len(self._there) < ALIVE:
            self._there.append(self._made(self._call("POST", "loadbalancers", trees.full_tree("soak", MEMBERS))))

    @staticmethod
    def _made(answer: dict[str, object]) -> tuple[str, str]:
        made = answer["loadbalancer"]
        assert isinstance(made, dict)
        return made["id"], made["pools"][0]["id"]

    def _change(self) -> None:
        if self._there:
            body = {"loadbalancer": {"description": str(next(self._numbers))}}
            self._call("PUT", f"loadbalancers/{random.choice(self._there)[0]}", body)

    def _grow(self) -> None:
        if self._there:
            new = {"address": address(next(self._numbers)).decode(), "protocol_port": 8080}
            self._call("POST", f"pools/{random.choice(self._there)[1]}/members", {"member": new})

    def _delete(self) -> None:
        if len(self._there) == ALIVE:
            self._call("DELETE", f"loadbalancers/{self._there.popleft()[0]}?cascade=true")


@frozen
class Watch:
    """
    What was seen of the size of one process.

    @ivar samples: seconds since the beginning, and MiB.
    """

    name: str
    pid: int
    samples: list[tuple[float, float]] = field(factory=list)

    def look(self, at: float) -> None:
        """Take one more sample."""
        self.samples.append((at, resident(self.pid)))

    def size(self, at: float) -> float:
        """MiB at the sample closest to that second."""
        return min(self.samples, key=lambda sample: abs(sample[0] - at))[1]

    def slope(self, after: float) -> float:
        """MiB a minute: the line through the samples after that second from which they differ least."""
        seen = [sample for sample in self.samples if sample[0] >= after]
        x, y = (sum(values) / len(seen) for values in zip(*seen, strict=True))
        spread = sum((at - x) ** 2 for at, _ in seen)
        return 60 * sum((at - x) * (size - y) for at, size in seen) / spread if spread else 0.0

    def told(self, seconds: float) -> str:
        """For people."""
        warm = WARM * seconds
        return (
            f"{self.name}: {self.samples[0][1]:.1f} MiB at the start, {self.size(60):.1f} after a minute, "
            f"{self.samples[-1][1]:.1f} at the end; {self.slope(warm):+.3f} MiB/min over the last "
            f"{(seconds - warm) / 60:.3g} minutes"
        )


def soak(service: Ours, seconds: float, a_second: float, clients: int, tell: Callable[[str], None]) -> list[Watch]:
    """Load it for that time, and watch its daemons."""
    watches = [Watch(name, daemon.pid) for name, daemon in service.daemons.items()]
    begun = time.monotonic()
    threads = [Client(service, a_second / clients, begun + seconds) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for number in range(int(seconds / EVERY) + 1):
        time.sleep(max(0.0, begun + number * EVERY - time.monotonic()))
        for watch in watches:
            watch.look(time.monotonic() - begun)
        if number % 6 == 0:
            tell(f"{number // 6} min: " + ", ".join(f"{w.name} {w.samples[-1][1]:.1f} MiB" for w in watches))
    for thread in threads:
        thread.join()
    codes = sum((thread.codes for thread in threads), Counter())
    tell(", ".join(f"{method} {code}: {count}" for (method, code), count in sorted(codes.items())))
    tell(f"{codes.total() / seconds:.4g} requests a second, late by up to {max(t.late for t in threads):.3g} s")
    bad = {key: count for key, count in codes.items() if key[1] >= 400}
    if bad:
        raise RuntimeError(f"answers {bad}")
    return watches


def main() -> None:
    """Load, watch, and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak")
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--rate", type=float, default=60, help="requests a second")
    parser.add_argument("--clients", type=int, default=4)
    parser.add_argument("--most", type=float, help="MiB a minute that the API may grow at the end; else exit code 1")
    options = parser.parse_args()
    seconds = options.minutes * 60
    with deployment(NOOP) as service:
        watches = soak(service, seconds, options.rate, options.clients, lambda line: print(line, file=sys.stderr))
    for watch in watches:
        print(watch.told(seconds))
    grown = max(watch.slope(WARM * seconds) for watch in watches if watch.name == "octavia-api")
    if options.most is not None and grown > options.most:
        sys.exit(f"The API grows by more than {options.most} MiB a minute.")


if __name__ == "__main__":
    main()
