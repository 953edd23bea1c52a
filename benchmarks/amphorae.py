"""What a tenant and an operator wait for: the first byte through a VIP, an agent's start, its memory."""

from __future__ import annotations

import statistics
import time
import urllib.error
import urllib.request
from collections.abc import Iterator

from benchmarks.processes import resident
from benchmarks.service import Ours
from benchmarks.table import Row
from octavia_tx.cloud.loopback import IPV4_SUBNET_ID
from octavia_tx.demo import processes


def first_byte(service: Ours, port: int) -> float:
    """Seconds from a request for a whole tree until a member's answer comes through the VIP."""
    pool = {
        "name": "p", "protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN",
        "members": [{"address": "127.0.0.1", "protocol_port": port}],
    }  # fmt: skip
    listener = {"protocol": "HTTP", "protocol_port": 8080, "default_pool": pool}
    begun = time.perf_counter()
    load_balancer = service.create(vip_subnet_id=IPV4_SUBNET_ID, listeners=[listener])
    shown = service.wait_active(load_balancer, 0.01)
    while True:
        try:
            with urllib.request.urlopen(f"http://{shown['vip_address']}:8080/", timeout=2) as answer:
                answer.read(1)
            return time.perf_counter() - begun
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.005)


def agent_memory(service: Ours) -> list[float]:
    """Resident MiB of each agent that runs."""
    sizes = []
    for pid, command in processes.belonging(service.directory).items():
        if "octavia-amphora-agent" in command:
            sizes.append(resident(pid))
    return sizes


def agent_start(service: Ours) -> float:
    """Median seconds from an agent's process until it answers, as the controller's log has it for each boot."""
    waits = []
    for line in (service.directory / "octavia-controller.log").read_text().splitlines():
        if "Step done: await agent" in line:
            waits.append(float(line.rsplit(",", 1)[1].split()[0]) / 1000)
    return statistics.median(waits)


def rows(service: Ours, port: int) -> Iterator[Row]:
    """With the process driver: real agents, real haproxy."""
    times = [first_byte(service, port) for _ in range(7)]
    yield Row(
        what="create → first byte through the VIP", ours=statistics.median(times), unit="s", more_is_better=False,
        goal="≤ 2 s",
    )  # fmt: skip
    yield Row(
        what="agent: start until it answers", ours=agent_start(service), unit="s", more_is_better=False, goal="≤ 0.5 s"
    )
    yield Row(
        what="agent: resident memory", ours=max(agent_memory(service)), unit="MiB", more_is_better=False,
        goal="≤ 60 MiB",
    )  # fmt: skip
