"""
A load generator in a process of its own: C{python -m benchmarks.load URL CONNECTIONS SECONDS [BODY]}.

Each connection is a thread with a blocking socket that sends the next request when the answer is there (a POST when
there's a body). Prints one line of JSON: requests, seconds, codes, p50 and p99 in milliseconds.
"""

from __future__ import annotations

import json
import socket
import sys
import threading
import time
from collections import Counter
from urllib.parse import urlsplit


class Connection(threading.Thread):
    """One keep-alive connection; opened again when the server closes it."""

    def __init__(self, url: str, body: bytes, until: float) -> None:
        super().__init__(daemon=True)
        parts = urlsplit(url)
        self._address = (parts.hostname or "127.0.0.1", parts.port or 80)
        method = "POST" if body else "GET"
        path = parts.path + (f"?{parts.query}" if parts.query else "")
        head = (
            f"{method} {path} HTTP/1.1\r\nHost: {parts.netloc}\r\nX-Project-Id: benchmark\r\nX-Roles: admin\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        self._request = head.encode() + body
        self._until = until
        self.codes: Counter[int] = Counter()
        self.times: list[float] = []

    def run(self) -> None:
        """Send requests until the time is over."""
        file = None
        while time.perf_counter() < self._until:
            if file is None:
                connection = socket.create_connection(self._address)
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                file = connection.makefile("rwb")
            begun = time.perf_counter()
            file.write(self._request)
            file.flush()
            code, keep = self._answer(file)
            self.codes[code] += 1
            self.times.append(time.perf_counter() - begun)
            if not keep:
                file.close()
                file = None

    @staticmethod
    def _answer(file: socket.SocketIO | object) -> tuple[int, bool]:
        status = file.readline()  # type: ignore[attr-defined]
        code = int(status.split()[1])
        length, keep = 0, True
        while (line := file.readline().strip().lower()) != b"":  # type: ignore[attr-defined]
            if line.startswith(b"content-length:"):
                length = int(line[15:])
            elif line.startswith(b"connection:"):
                keep = b"close" not in line
        file.read(length)  # type: ignore[attr-defined]
        return code, keep


def main() -> None:
    """Run the connections and print what they saw."""
    url, connections, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
    body = sys.argv[4].encode() if len(sys.argv) > 4 else b""
    begun = time.perf_counter()
    threads = [Connection(url, body, begun + seconds) for _ in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    times = sorted(t for thread in threads for t in thread.times)
    print(
        json.dumps(
            {
                "requests": len(times),
                "seconds": time.perf_counter() - begun,
                "codes": sum((thread.codes for thread in threads), Counter()),
                "p50": times[len(times) // 2] * 1000,
                "p99": times[len(times) * 99 // 100] * 1000,
            }
        )
    )


if __name__ == "__main__":
    main()
