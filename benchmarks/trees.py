"""Load balancers with many members: what stands in the tables while the API is measured, and what is made of it."""

from __future__ import annotations

import itertools
import time
import uuid
from typing import Any

from attrs import frozen

from benchmarks.load import ADDRESS, address
from benchmarks.service import Rate, Service

MEMBERS = 100
FILLED = "filled"
"""The name of those that fill the tables; they stay."""
MEASURED = "measured"
"""The name of those that a measurement makes."""
LOAD_BALANCER = {"loadbalancer": {"name": MEASURED, "vip_subnet_id": str(uuid.uuid4())}}
"""One without anything below it."""
_numbers = itertools.count(1_000_000)


def full_tree(name: str, members: int = MEMBERS, *, distinct: bool = False) -> dict[str, Any]:
    """
    A load balancer with a listener, a pool and members.

    @param distinct: with addresses that the load generator puts in, others for each.
    """
    pool = {
        "name": "p", "protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN",
        "members": [
            {"address": (ADDRESS if distinct else address(next(_numbers))).decode(), "protocol_port": 8080}
            for _ in range(members)
        ],
    }  # fmt: skip
    listener = {"protocol": "HTTP", "protocol_port": 80, "default_pool": pool}
    return {"loadbalancer": {"name": name, "vip_subnet_id": str(uuid.uuid4()), "listeners": [listener]}}


def fill(service: Service, load_balancers: int) -> Rate | None:
    """Let there be so many load balancers of 100 members each; gives how fast those that were missing came."""
    missing = load_balancers - len(service.listed(name=FILLED, fields="id"))
    made = None
    if missing > 0:
        tree = full_tree(FILLED, distinct=True)
        made = service.load(("POST", "loadbalancers", tree), connections=4, seconds=3600, count=missing)
    service.settle()
    return made


@frozen
class Filled:
    """One of the load balancers that fill the tables."""

    load_balancer: str
    pool: str
    members: tuple[str, ...]


def one_filled(service: Service) -> Filled:
    """Any of them."""
    found, *_ = service.listed(name=FILLED, limit="1")
    pool = found["pools"][0]["id"]
    members = service.call("GET", f"lbaas/pools/{pool}/members?fields=id")["members"]
    return Filled(found["id"], pool, tuple(each["id"] for each in members))


def pools(service: Service, count: int) -> list[str]:
    """New load balancers with a pool that has no members yet, C{ACTIVE}; gives the pools."""
    made = []
    for _ in range(count):
        body = full_tree(MEASURED, 0)
        load_balancer = service.call("POST", "lbaas/loadbalancers", body)["loadbalancer"]["id"]
        made.append(service.wait_active(load_balancer, 0.02)["pools"][0]["id"])
    return made


def answer_and_active(service: Service, tree: dict[str, Any]) -> tuple[float, float]:
    """Milliseconds until a load balancer is answered to be there, and until it is C{ACTIVE}."""
    begun = time.perf_counter()
    made = service.call("POST", "lbaas/loadbalancers", tree)["loadbalancer"]["id"]
    answered = time.perf_counter()
    service.wait_active(made)
    return (answered - begun) * 1000, (time.perf_counter() - begun) * 1000
