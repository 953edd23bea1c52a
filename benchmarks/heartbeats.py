"""
What a heartbeat costs its receiver: processor time of a receiver that writes it through, per datagram taken in.

Each heartbeat tells of a listener whose counters grew and of ten members. They are sent at a rate that the receiver
can follow, so that none is lost, and the time that the receiver's processes have used is read from the kernel.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

from attrs import frozen

from benchmarks.processes import cpu_seconds
from benchmarks.service import NOOP, Ours, Service, ours
from benchmarks.table import Row
from octavia_tx.demo import processes
from octavia_tx.wire import envelope, openstack
from octavia_tx.wire.heartbeat import Counters, ListenerReport, MemberReport, Report, split
from octavia_tx.wire.keys import amphora_key

AMPHORAE = 20
MEMBERS = 10


@frozen
class Beating:
    """One amphora that sends heartbeats."""

    amphora_id: str
    listener_id: str
    pool_id: str
    member_ids: tuple[str, ...]

    def report(self, count: int) -> Report:
        """Its C{count}th: each brings a connection more."""
        counters = Counters("1-1", 1, 100 * count, 1000 * count, 0, count)
        members = tuple(MemberReport(self.pool_id, member, "UP") for member in self.member_ids)
        return Report((ListenerReport(self.listener_id, "OPEN", (counters,)),), members)


def _tree() -> dict[str, object]:
    members = [{"address": "192.0.2.1", "protocol_port": 8000 + n} for n in range(MEMBERS)]
    pool = {"name": "p", "protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN", "members": members}
    return {"listeners": [{"protocol": "HTTP", "protocol_port": 80, "default_pool": pool}]}


def beating(service: Service, amphorae: Callable[[], dict[str, str]]) -> list[Beating]:
    """Load balancers, and the amphorae that serve them."""
    created = [service.create(**_tree()) for _ in range(AMPHORAE)]
    for load_balancer in created:
        service.wait_active(load_balancer, 0.05)
    serving = amphorae()
    found = []
    for load_balancer in created:
        shown = service.call("GET", f"lbaas/loadbalancers/{load_balancer}")["loadbalancer"]
        pool = shown["pools"][0]["id"]
        members = service.call("GET", f"lbaas/pools/{pool}/members")["members"]
        found.append(
            Beating(serving[load_balancer], shown["listeners"][0]["id"], pool, tuple(m["id"] for m in members))
        )
    return found


def cost(address: tuple[str, int], datagrams: list[bytes], rate: float, pids: Callable[[], list[int]]) -> float:
    """Milliseconds of processor time per datagram. C{pids} is asked twice: a receiver may start further processes."""
    out = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    before, begun = cpu_seconds(pids()), time.perf_counter()
    for number, datagram in enumerate(datagrams):
        ahead = begun + number / rate - time.perf_counter()
        if ahead > 0:
            time.sleep(ahead)
        out.sendto(datagram, address)
    time.sleep(1.0)  # what is under way is written
    out.close()
    return (cpu_seconds(pids()) - before) * 1000 / len(datagrams)


def our_cost(count: int, rate: float) -> tuple[float, float]:
    """For our receiver, alone in its process: milliseconds per heartbeat, and whether all connections were counted."""
    port = processes.free_port(0, socket.SOCK_DGRAM)
    with ours({**NOOP, "OCTAVIA_TX_HEALTH__LISTEN": f"udp:{port}:interface=127.0.0.1"}, "--without-health") as service:
        receiver = service.start("octavia-health")
        senders = beating(service, lambda: _known(service))
        time.sleep(1.0)
        key = (service.directory / "state" / "authority" / "heartbeat.key").read_bytes()
        datagrams = list(_sealed(senders, key, count))
        per_heartbeat = cost(("127.0.0.1", port), datagrams, rate, lambda: [receiver.pid])
        counted = sum(
            service.call("GET", f"lbaas/listeners/{s.listener_id}/stats")["stats"]["total_connections"] for s in senders
        )
        return per_heartbeat, counted / count


def _known(service: Ours) -> dict[str, str]:
    command = [sys.executable, "-m", "benchmarks.known", str(service.directory / "state")]
    told: dict[str, str] = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    return told


def _sealed(senders: list[Beating], master: bytes, count: int) -> Iterator[bytes]:
    boot = str(uuid.uuid4())
    for number in range(count):
        sender = senders[number % len(senders)]
        beat = number // len(senders) + 1
        (body,) = split(sender.report(beat), envelope.BODY_LIMIT)
        header = envelope.Header(sender.amphora_id, boot, beat, time.time())
        yield envelope.seal(amphora_key(master, sender.amphora_id), header, body)


def their_cost(service: Service, address: tuple[str, int], key: bytes, count: int, rate: float) -> float:
    """For OpenStack's health manager, on this host, in its envelope."""
    listed: Callable[[], dict[str, str]] = lambda: {  # noqa: E731
        a["loadbalancer_id"]: a["id"] for a in service.call("GET", "octavia/amphorae")["amphorae"]
    }
    senders = beating(service, listed)
    datagrams = []
    for number in range(count):
        sender = senders[number % len(senders)]
        report = sender.report(1)
        datagrams.append(openstack.seal(key, sender.amphora_id, number, report, {sender.pool_id: sender.listener_id}))
    return cost(address, datagrams, rate, _health_managers)


def _health_managers() -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                if b"octavia-health-manager" in (entry / "cmdline").read_bytes():
                    found.append(int(entry.name))
            except OSError:
                continue
    return found


def rows(other: Service | None, address: tuple[str, int], key: bytes) -> Iterator[Row]:
    """Heartbeats a second that one core bears."""
    mine, counted = our_cost(20000, 2000.0)
    if counted != 1.0:
        raise RuntimeError(f"{counted:.1%} of the connections were counted")
    theirs = their_cost(other, address, key, 400, 40.0) if other else None
    yield Row(
        what=f"heartbeats of {MEMBERS} members a second and core, written through",
        ours=1000 / mine, theirs=1000 / theirs if theirs else None, unit="/s", more_is_better=True, goal="≥ 50 ×",
    )  # fmt: skip
