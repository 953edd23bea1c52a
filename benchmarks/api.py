"""
Requests a second, and from a request to ACTIVE, with drivers that do nothing: what the service itself costs.

Measured with many load balancers of 100 members each in the tables.
"""

from __future__ import annotations

import itertools
import statistics
import time
from collections.abc import Callable, Iterator
from functools import partial

from benchmarks import trees, turns
from benchmarks.load import ADDRESS
from benchmarks.service import CONNECTIONS, SECONDS, Rate, Service
from benchmarks.table import Row

SAMPLES = 15
"""Of each time; the median of them is told."""
_weights = itertools.cycle(range(1, 257))


def list_of_20(service: Service, seconds: float = SECONDS) -> Rate:
    """The first page of load balancers."""
    return service.load(("GET", "loadbalancers?limit=20", None), seconds=seconds)


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


def create_to_active(service: Service) -> tuple[float]:
    """Milliseconds from a request to ACTIVE."""
    return (trees.answer_and_active(service, trees.LOAD_BALANCER)[1],)


def full_tree(service: Service) -> tuple[float, float]:
    """Milliseconds to the answer and to ACTIVE."""
    return trees.answer_and_active(service, trees.full_tree(trees.MEASURED))


def member_to_active(service: Service) -> tuple[float]:
    """Milliseconds from a change of a member's weight until its load balancer is ACTIVE again."""
    there = trees.one_filled(service)
    path = f"lbaas/pools/{there.pool}/members/{there.members[0]}"
    begun = time.perf_counter()
    service.call("PUT", path, {"member": {"weight": next(_weights)}})
    service.wait_active(there.load_balancer)
    return ((time.perf_counter() - begun) * 1000,)


def rows(mine: Service, other: Service | None, seconds: float) -> Iterator[Row]:
    """What leaves the tables as they are, or nearly so."""
    both = _Both(mine, other, seconds)
    for what, measure, goals in TIMES:
        for at, (ours, theirs) in enumerate(both.times(measure)):
            yield Row(what=what[at], ours=ours, theirs=theirs, unit="ms", more_is_better=False, goal=goals[at])
    yield rate("list of 20", *both.rates(list_of_20), goal="≥ 1,500 /s, ≥ 10 ×")
    yield rate("show", *both.rates(show), goal="≥ 10 ×")
    made = both.rates(members)
    yield rate(f"create of members, in {CONNECTIONS} pools", *made, goal="≥ 400 /s, ≥ 10 ×")


def last_rows(mine: Service, other: Service | None, seconds: float) -> Iterator[Row]:
    """What leaves much behind."""
    a = create_and_apply(mine, seconds)
    b = create_and_apply(other, seconds) if other else None
    yield rate("create", a[0], b and b[0], goal="≥ 10 ×")
    yield Row(what="create, all ACTIVE", ours=a[1], theirs=b and b[1], unit="/s", more_is_better=True)
    if other is not None:
        other.delete_all(name=trees.MEASURED)


TIMES: tuple[tuple[tuple[str, ...], Callable[[Service], tuple[float, ...]], tuple[str, ...]], ...] = (
    (("create → ACTIVE",), create_to_active, ("≥ 10 ×",)),
    (
        (f"full tree of {trees.MEMBERS} members → answer", f"full tree of {trees.MEMBERS} members → ACTIVE"),
        full_tree,
        ("≤ 100 ms, ≥ 10 ×", "≥ 10 ×"),
    ),
    (("change of a member → ACTIVE",), member_to_active, ("≥ 10 ×",)),
)
"""What is timed on a quiet system: the rows, how, and their goals."""


class _Both:
    def __init__(self, mine: Service, other: Service | None, seconds: float) -> None:
        self._services = (mine, other) if other is not None else (mine,)
        self._seconds = seconds

    def times(self, measure: Callable[[Service], tuple[float, ...]]) -> list[tuple[float, float | None]]:
        """For each number that a measure gives: our median, theirs."""
        found = turns.in_turn(SAMPLES, *(partial(measure, service) for service in self._services))
        medians = [[statistics.median(values) for values in zip(*results, strict=True)] for results in found]
        return [(ours, medians[1][at] if len(medians) > 1 else None) for at, ours in enumerate(medians[0])]

    def rates(self, measure: Callable[[Service, float], Rate]) -> tuple[Rate, Rate | None]:
        """Our rate, theirs."""
        ours, *theirs = turns.rates(self._seconds, *(partial(measure, service) for service in self._services))
        return ours, theirs[0] if theirs else None


def rate(what: str, ours: Rate, theirs: Rate | None, goal: str = "") -> Row:
    """A row of a load's answers a second."""
    return Row(
        what=what, unit="/s", more_is_better=True, goal=goal,
        ours=ours.a_second, our_times=ours.times,
        theirs=theirs.a_second if theirs else None, their_times=theirs.times if theirs else None,
    )  # fmt: skip
