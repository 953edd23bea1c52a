"""
C{python -m benchmarks [--peer URL] [--peer-heartbeats ADDRESS:PORT] [--peer-key KEY] …}: measure, and print tables.

With a peer, an OpenStack Octavia with no-op drivers and no authentication on this host, each measurement that both can
do is made on both in turn.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks import agent, amphorae, api, changes, heartbeats, ourselves, size, trees
from benchmarks.service import NOOP, SECONDS, Service, deployment, ours
from benchmarks.table import Row, table
from octavia_tx.demo import processes

PARTS = ("api", "heartbeats", "amphorae", "size", "changes", "agent")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks")
    parser.add_argument("--peer", help="endpoint of an OpenStack Octavia with no-op drivers: http://127.0.0.1:9876")
    parser.add_argument("--peer-heartbeats", default="127.0.0.1:5555", help="address:port of its health manager")
    parser.add_argument("--peer-key", default="insecure", help="its heartbeat key")
    parser.add_argument("--only", choices=PARTS, help="only this part; else all")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="of each load")
    parser.add_argument(
        "--load-balancers", type=int, default=1000, help="of 100 members each, in our tables while the API is measured"
    )
    parser.add_argument("--peer-load-balancers", type=int, default=200, help="and in the peer's; they stay there")
    return parser.parse_args()


def main() -> None:
    """Measure everything."""
    options = _options()
    parts = (options.only,) if options.only else PARTS
    other = Service(options.peer) if options.peer else None
    rows: list[Row] = []
    own: list[Row] = []
    if "api" in parts:
        _measure_api(options, other, rows, own)
    if "heartbeats" in parts:
        host, _, port = options.peer_heartbeats.rpartition(":")
        rows += _told(heartbeats.rows(other, (host, int(port)), options.peer_key.encode()))
    if "amphorae" in parts:
        rows += _measure_served("member", rows=amphorae.rows)
    if "size" in parts:
        rows += _measure_served("member", "another", rows=size.rows)
    if "changes" in parts:
        rows += _measure_served("member", "another", rows=changes.rows)
    if "agent" in parts:
        rows += _told(agent.rows())
    print(table(rows))
    if own:
        print(f"\n{table(own, 'Octavia-TX, the one', 'Octavia-TX, the other')}")


def _measure_api(options: argparse.Namespace, other: Service | None, rows: list[Row], own: list[Row]) -> None:
    with deployment(NOOP) as mine:
        for service, wanted in ((mine, options.load_balancers), (other, options.peer_load_balancers)):
            filled = trees.fill(service, wanted) if service is not None else None
            if filled is not None:
                print(f"full trees made: {filled.a_second:.4g} /s", file=sys.stderr)
        rows += _told(api.rows(mine, other, options.seconds))
        own += _told(ourselves.rows(mine, options.seconds))
        rows += _told(api.last_rows(mine, other, options.seconds))


def _measure_served(*names: str, rows: Callable[..., Iterator[Row]]) -> list[Row]:
    """With real amphorae, and back ends that say these names."""
    ends: list[subprocess.Popen[bytes]] = []
    with tempfile.TemporaryDirectory() as scratch, ours({}) as mine:
        try:
            ports = [processes.free_port(0) for _ in names]
            for name, port in zip(names, ports, strict=True):
                command = [sys.executable, "-m", "octavia_tx.demo.back_end", name, str(port)]
                ends.append(processes.start(command, {}, Path(scratch) / f"{name}.log"))
            return list(_told(rows(mine, *ports)))
        finally:
            mine.delete_all()
            for end in ends:
                end.kill()
                end.wait()


def _told(rows: Iterator[Row]) -> Iterator[Row]:
    """The rows, each also told on standard error as soon as it is there."""
    for row in rows:
        print(f"{row.what}: {', '.join(row.cells())}", file=sys.stderr)
        yield row


if __name__ == "__main__":
    main()
