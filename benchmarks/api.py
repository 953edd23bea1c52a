"""
Requests a second, and from a request to ACTIVE, with drivers that do nothing: what the service itself costs.

Measured with many load balancers of 100 members each in the tables.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

from benchmarks import trees
from benchmarks.load import ADDRESS
from benchmarks.service import CONNECTIONS, SECONDS, Rate, Service
from benchmarks.table import Row

Result = TypeVar("Result")
LIST = ("GET", "loadbalancers?limit=20", None)


def list_of_20(service: Service, seconds: float = SECONDS) -> Rate:
    """The first page of load balancers."""
    return service.load(LIST, seconds=seconds)


def show(service: Service, seconds: float = SECONDS) -> Rate:
    """One load balancer."""
    return service.load(("GET", f"loadbalancers/{trees.one_filled(service).load_balancer}", None), seconds=seconds)


def create(service: Service, seconds: float = SECONDS) -> Rate:
    """Load balancers, answered; the controller works on them meanwhile."""
    return service.load(("POST", "loadbalancers", trees.LOAD_BALANCER), seconds=seconds)


def create_and_apply(service: Service, seconds: float) -> tuple[Rate, float]:
    """How many are answered a second, and how many become ACTIVE a second until all are."""
    begun = time.perf_counter()
    made = create(service, seconds)
    service.settle()
    return made, made.accepted / (time.perf_counter() - begun)


def members(service: Service, seconds: float = SECONDS, pools: int = CONNECTIONS) -> Rate:
    """Members of several load balancers' pools at once; the controller works on them meanwhile."""
    body = {"member": {"address": ADDRESS.decode(), "protocol_port": 8080}}
    requests = [("POST", f"pools/{pool}/members", body) for pool in trees.pools(service, pools)]
    made = service.load(*requests, seconds=seconds, again=True)
    service.settle()
    return made


def create_to_active(service: Service) -> float:
    """Median milliseconds from a request to ACTIVE, on a quiet system."""
    return statistics.median(trees.answer_and_active(service, trees.LOAD_BALANCER)[1] for _ in range(20))


def full_tree(service: Service) -> tuple[float, float]:
    """Median milliseconds to the answer and to ACTIVE, on a quiet system."""
    times = [trees.answer_and_active(service, trees.full_tree(trees.MEASURED)) for _ in range(10)]
    return statistics.median(t for t, _ in times), statistics.median(t for _, t in times)


def member_to_active(service: Service) -> float:
    """Median milliseconds from a change of a member's weight until its load balancer is ACTIVE again."""
    there, times = trees.one_filled(service), []
    path = f"lbaas/pools/{there.pool}/members/{there.members[0]}"
    for weight in range(20):
        begun = time.perf_counter()
        service.call("PUT", path, {"member": {"weight": weight}})
        service.wait_active(there.load_balancer)
        times.append((time.perf_counter() - begun) * 1000)
    return statistics.median(times)


def rows(mine: Service, other: Service | None, seconds: float) -> Iterator[Row]:
    """What leaves the tables as they are, or nearly so; on both services in turn."""
    both = _Both(mine, other)
    yield _times("create → ACTIVE", *both(create_to_active), goal="≥ 10 ×")
    a, b = both(full_tree)
    yield _times(f"full tree of {trees.MEMBERS} members → answer", a[0], b and b[0], goal="≤ 100 ms, ≥ 10 ×")
    yield _times(f"full tree of {trees.MEMBERS} members → ACTIVE", a[1], b and b[1], goal="≥ 10 ×")
    yield _times("change of a member → ACTIVE", *both(member_to_active), goal="≥ 10 ×")
    yield rate("list of 20", *both(lambda s: list_of_20(s, seconds)), goal="≥ 1,500 /s, ≥ 10 ×")
    yield rate("show", *both(lambda s: show(s, seconds)), goal="≥ 10 ×")
    made = both(lambda s: members(s, seconds))
    yield rate(f"create of members, in {CONNECTIONS} pools", *made, goal="≥ 400 /s, ≥ 10 ×")


def last_rows(mine: Service, other: Service | None, seconds: float) -> Iterator[Row]:
    """What leaves much behind."""
    a, b = _Both(mine, other)(lambda s: create_and_apply(s, seconds))
    yield rate("create", a[0], b and b[0], goal="≥ 10 ×")
    yield Row(what="create, all ACTIVE", ours=a[1], theirs=b and b[1], unit="/s", more_is_better=True)
    if other is not None:
        other.delete_all(name=trees.MEASURED)


class _Both:
    def __init__(self, mine: Service, other: Service | None) -> None:
        self._mine = mine
        self._other = other

    def __call__(self, measure: Callable[[Service], Result]) -> tuple[Result, Result | None]:
        return measure(self._mine), measure(self._other) if self._other else None


def rate(what: str, ours: Rate, theirs: Rate | None, goal: str = "") -> Row:
    """A row of a load's answers a second."""
    return Row(
        what=what, unit="/s", more_is_better=True, goal=goal,
        ours=ours.a_second, our_times=ours.times,
        theirs=theirs.a_second if theirs else None, their_times=theirs.times if theirs else None,
    )  # fmt: skip


def _times(what: str, ours: float, theirs: float | None, goal: str) -> Row:
    return Row(what=what, ours=ours, theirs=theirs, unit="ms", more_is_better=False, goal=goal)
