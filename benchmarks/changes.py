"""Changes of members and listeners through the API, while users ask at a steady pace: when each is live, who fails."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from attrs import define

from benchmarks import running
from benchmarks.running import Running, Server
from benchmarks.service import Ours
from benchmarks.table import Row
from octavia_tx.cloud.loopback import IPV4_SUBNET_ID

MEMBER_CHANGES, LISTENER_CHANGES, RATE, PORT = 100, 10, 1000, 8080
_PAUSE = 0.1
"""Seconds between changes, so that each is one of its own."""


@define
class Load:
    """
    Users who ask.

    @ivar told: what C{benchmarks.steady} tells at the end.
    """

    told: dict[str, Any]


@contextmanager
def load(address: str, port: int, path: str = "/") -> Iterator[Load]:
    """Users who ask, until the end."""
    command = [sys.executable, "-m", "benchmarks.steady", address, str(port), "--path", path]
    command += ["--rate", str(RATE), "--seconds", "300"]
    asked = Load({})
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        said = b""
        try:
            yield asked
        finally:
            said, _ = process.communicate()
        asked.told = json.loads(said)


def failures(what: str, users: Load) -> Row:
    """How many of their requests failed; in brackets how long the others took."""
    told = users.told
    if told["failed"]:
        print(told["failed"], file=sys.stderr)
    return Row(
        what=f"{what}, of {told['answered']:,}", ours=sum(told["failed"].values()), unit="", more_is_better=False,
        goal="0", our_times=(told["p50"], told["p99"]),
    )  # fmt: skip


def rows(service: Ours, port: int, another: int) -> Iterator[Row]:
    """
    With the process driver.

    @param port, another: of back ends on loopback.
    """
    members = [{"address": "127.0.0.1", "protocol_port": each} for each in (port, another)]
    pool = {"protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN", "members": members}
    listener = {"protocol": "HTTP", "protocol_port": PORT, "default_pool": pool}
    load_balancer = service.create(vip_subnet_id=IPV4_SUBNET_ID, listeners=[listener])
    shown = service.wait_active(load_balancer, 0.01)
    haproxy = running.find(service.directory / "state", load_balancer)
    before = haproxy.reloads()
    with load(shown["vip_address"], PORT) as users:
        waits = member_changes(service, shown["pools"][0]["id"], shown["listeners"][0]["id"], haproxy, MEMBER_CHANGES)
        reloads = haproxy.reloads() - before
        _listener_changes(service, load_balancer, shown["pools"][0]["id"])
    median, late = (1000 * sorted(waits)[len(waits) * part // 100] for part in (50, 99))
    yield Row(
        what=f"under {RATE:,} requests a second: a change of a member, 2xx → live", ours=median, unit="ms",
        more_is_better=False, goal="≤ 100 ms", our_times=(median, late),
    )  # fmt: skip
    yield Row(what="the same, the worst", ours=1000 * max(waits), unit="ms", more_is_better=False, goal="≤ 100 ms")
    yield Row(what=f"the same: reloads for {len(waits)}", ours=reloads, unit="", more_is_better=False, goal="0")
    yield failures(f"the same, and {LISTENER_CHANGES} changes of listeners: requests that failed", users)


def member_changes(service: Ours, pool: str, listener: str, haproxy: Running, count: int) -> list[float]:
    """Each kind of change, of one member after another; gives the seconds until each was live."""
    members, waits = f"lbaas/pools/{pool}/members", []

    def timed(member: str, holds: Callable[[Server | None], bool]) -> None:
        accepted = time.perf_counter()
        waits.append(haproxy.until(f"{pool}:{listener}", member, holds) - accepted)
        time.sleep(_PAUSE)

    def has(**wanted: str) -> Callable[[Server | None], bool]:
        return lambda server: server is not None and server.items() >= wanted.items()

    while len(waits) < count:
        new = {"address": "127.0.0.2", "protocol_port": 1 + len(waits), "weight": 0}
        made = service.call("POST", members, {"member": new})["member"]["id"]
        timed(made, has(status="no check"))
        for fields, wanted in (
            ({"weight": 5}, has(weight="5")),
            ({"weight": 0}, has(weight="0")),
            ({"backup": True}, has(bck="1", status="no check")),
            ({"backup": False}, has(bck="0", status="no check")),
            ({"admin_state_up": False}, has(status="MAINT")),
            ({"admin_state_up": True}, has(status="no check")),
        ):
            service.call("PUT", f"{members}/{made}", {"member": fields})
            timed(made, wanted)
        service.call("DELETE", f"{members}/{made}")
        timed(made, lambda server: server is None or server["status"] == "MAINT")
    return waits


def _listener_changes(service: Ours, load_balancer: str, pool: str) -> None:
    for number in range(LISTENER_CHANGES // 2):
        new = {
            "loadbalancer_id": load_balancer, "protocol": "HTTP", "protocol_port": 9000 + number,
            "default_pool_id": pool,
        }  # fmt: skip
        made = service.call("POST", "lbaas/listeners", {"listener": new})["listener"]["id"]
        service.wait_active(load_balancer, 0.01)
        service.call("DELETE", f"lbaas/listeners/{made}")
        service.wait_active(load_balancer, 0.01)
