"""Requests a second, and from a request to ACTIVE, with drivers that do nothing: what the service itself costs."""

from __future__ import annotations

import statistics
import time
import uuid
from collections.abc import Callable, Iterator

from benchmarks.service import Service
from benchmarks.table import Row

SECONDS = 5.0
CONNECTIONS = 8


def _rate(service: Service, path: str, body: object = None) -> float:
    told = service.load(path, CONNECTIONS, SECONDS, body)
    bad = {code: count for code, count in told["codes"].items() if not code.startswith("2")}
    if bad:
        raise RuntimeError(f"{path}: answers {bad}")
    return float(told["requests"] / told["seconds"])


def list_of_100(service: Service) -> float:
    """Lists of 100 load balancers a second."""
    service.delete_all()
    for load_balancer in [service.create() for _ in range(100)]:
        service.wait_active(load_balancer, 0.02)
    return _rate(service, "lbaas/loadbalancers")


def show(service: Service) -> float:
    """Shows of one load balancer a second."""
    (first, *_) = service.call("GET", "lbaas/loadbalancers")["loadbalancers"]
    return _rate(service, f"lbaas/loadbalancers/{first['id']}")


def create(service: Service) -> float:
    """Load balancers created a second, answered; the controller works on them meanwhile."""
    return _rate(service, "lbaas/loadbalancers", {"loadbalancer": {"name": "b", "vip_subnet_id": str(uuid.uuid4())}})


def create_to_active(service: Service) -> float:
    """Median milliseconds from a request to ACTIVE, on a quiet system."""
    times = []
    for _ in range(20):
        begun = time.perf_counter()
        service.wait_active(service.create())
        times.append((time.perf_counter() - begun) * 1000)
    return statistics.median(times)


def rows(mine: Service, other: Service | None) -> Iterator[Row]:
    """All of them, on both services in turn."""

    def both(measure: Callable[[Service], float]) -> tuple[float, float | None]:
        return measure(mine), measure(other) if other else None

    a, b = both(create_to_active)
    yield Row(what="create → ACTIVE", ours=a, theirs=b, unit="ms", more_is_better=False, goal="≥ 10 ×")
    a, b = both(list_of_100)
    yield Row(what="list of 100", ours=a, theirs=b, unit="/s", more_is_better=True, goal="≥ 10 ×")
    a, b = both(show)
    yield Row(what="show", ours=a, theirs=b, unit="/s", more_is_better=True)
    a, b = both(create)
    yield Row(what="create", ours=a, theirs=b, unit="/s", more_is_better=True, goal="≥ 10 ×")
