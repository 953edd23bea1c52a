"""What one large load balancer takes: 1,000 members in 20 pools, 50 L7 rules, with real agents and real haproxy."""

from __future__ import annotations

import statistics
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

from benchmarks.changes import RATE, failures, load
from benchmarks.service import Ours
from benchmarks.table import Row
from octavia_tx.cloud.loopback import IPV4_SUBNET_ID

POOLS, MEMBERS, RULES, CHANGES = 20, 1000, 50, 10
PORT = 8080


def _pool(number: int, port: int) -> dict[str, Any]:
    """One with a member that answers, and others that get nothing."""
    others = [
        {"address": f"127.1.{number}.{each}", "protocol_port": port, "weight": 0} for each in range(1, MEMBERS // POOLS)
    ]
    answering = {"address": "127.0.0.1", "protocol_port": port}
    return {"name": f"p{number}", "protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN", "members": [answering, *others]}


def _policies() -> list[dict[str, Any]]:
    """To each pool but the first; as many rules as there are to be, in turn."""
    made: list[dict[str, Any]] = [
        {"action": "REDIRECT_TO_POOL", "redirect_pool": {"name": f"p{number}"}, "position": number, "rules": []}
        for number in range(1, POOLS)
    ]
    for number in range(RULES):
        policy = made[number % len(made)]
        start = "/" if policy["rules"] else f"/{policy['position']}/"
        policy["rules"].append({"type": "PATH", "compare_type": "STARTS_WITH", "value": start})
    return made


def _answer(address: str, path: str) -> str:
    try:
        with urllib.request.urlopen(f"http://{address}:{PORT}{path}", timeout=2) as answer:
            return str(answer.read().decode().strip())
    except (urllib.error.URLError, ConnectionError):
        return ""


def _until(address: str, path: str, name: str) -> None:
    while _answer(address, path) != name:
        time.sleep(0.002)


def rows(service: Ours, port: int, another: int) -> Iterator[Row]:
    """
    With the process driver.

    @param port: of a back end on loopback that says C{member}.
    @param another: of one that says C{another}.
    """
    pools = [_pool(number, port) for number in range(POOLS)]
    listener = {
        "protocol": "HTTP", "protocol_port": PORT, "default_pool": {"name": "p0"}, "l7policies": _policies(),
    }  # fmt: skip
    begun = time.perf_counter()
    load_balancer = service.create(vip_subnet_id=IPV4_SUBNET_ID, listeners=[listener], pools=pools)
    answered = time.perf_counter() - begun
    address = service.wait_active(load_balancer, 0.01)["vip_address"]
    active = time.perf_counter() - begun
    path = f"/{POOLS - 1}/"
    _until(address, path, "member")
    size = f"{MEMBERS:,} members, {POOLS} pools, {RULES} L7 rules"
    served = time.perf_counter() - begun
    yield Row(what=f"{size}: create → 201", ours=answered, unit="s", more_is_better=False)
    yield Row(what=f"{size}: create → ACTIVE", ours=active, unit="s", more_is_better=False)
    yield Row(what=f"{size}: create → first byte", ours=served, unit="s", more_is_better=False, goal="≤ 3 s")
    last = next(p["id"] for p in service.call("GET", "lbaas/pools?limit=1000")["pools"] if p["name"] == f"p{POOLS - 1}")
    members = f"lbaas/pools/{last}/members"
    yield from _changes(service, members, address, path, another, "the same")
    with load(address, PORT) as users:
        loaded = list(_changes(service, members, address, path, another, f"the same under {RATE:,} requests a second"))
    yield from loaded
    yield failures("the same: requests that failed", users)


def _changes(service: Ours, members: str, address: str, path: str, another: int, where: str) -> Iterator[Row]:
    waits, whole = [], []
    for _ in range(CHANGES):
        begun = time.perf_counter()
        wanted = {"address": "127.0.0.1", "protocol_port": another, "weight": 256}
        made = service.call("POST", members, {"member": wanted})["member"]
        accepted = time.perf_counter()
        _until(address, path, "another")
        waits.append(time.perf_counter() - accepted)
        whole.append(time.perf_counter() - begun)
        service.call("DELETE", f"{members}/{made['id']}")
        while any(_answer(address, path) == "another" for _ in range(3)):
            time.sleep(0.01)
        time.sleep(0.5)  # The next change is one of its own.
    for what, times in (("2xx → live", waits), ("request → live", whole)):
        yield Row(
            what=f"{where}: a member added, {what}", ours=1000 * statistics.median(times), unit="ms",
            more_is_better=False, goal="≤ 200 ms", our_times=(1000 * statistics.median(times), 1000 * max(times)),
        )  # fmt: skip
