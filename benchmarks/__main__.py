"""
C{python -m benchmarks [--peer URL] [--peer-heartbeats ADDRESS:PORT] [--peer-key KEY]}: measure, and print one table.

With a peer, an OpenStack Octavia with no-op drivers and no authentication on this host, each measurement that both can
do is made on both in turn.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from benchmarks import amphorae, api, heartbeats
from benchmarks.service import NOOP, Service, ours
from benchmarks.table import Row, table
from octavia_tx.demo import processes


def main() -> None:
    """Measure everything."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks")
    parser.add_argument("--peer", help="endpoint of an OpenStack Octavia with no-op drivers: http://127.0.0.1:9876")
    parser.add_argument("--peer-heartbeats", default="127.0.0.1:5555", help="address:port of its health manager")
    parser.add_argument("--peer-key", default="insecure", help="its heartbeat key")
    options = parser.parse_args()
    other = Service(options.peer) if options.peer else None
    rows: list[Row] = []
    with ours(NOOP) as mine:
        rows += _told(api.rows(mine, other))
    host, _, port = options.peer_heartbeats.rpartition(":")
    rows += _told(heartbeats.rows(other, (host, int(port)), options.peer_key.encode()))
    with tempfile.TemporaryDirectory() as scratch, ours({}) as mine:
        back_end = processes.start(
            [sys.executable, "-m", "octavia_tx.demo.back_end", "member", str(port := processes.free_port(0))],
            {},
            Path(scratch) / "back_end.log",
        )
        try:
            rows += _told(amphorae.rows(mine, int(port)))
        finally:
            mine.delete_all()
            back_end.kill()
            back_end.wait()
    print(table(rows))


def _told(rows: object) -> list[Row]:
    """The rows, each also told on standard error as soon as it is there."""
    told = []
    for row in rows:  # type: ignore[attr-defined]
        print(f"{row.what}: {row.ours:.4g} {row.unit}, theirs {row.theirs}", file=sys.stderr)
        told.append(row)
    return told


if __name__ == "__main__":
    main()
