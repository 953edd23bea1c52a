"""
Where the time of requests goes: C{python -m benchmarks.hotspots http|list|show|create|member|one-pool|tree …}.

Starts the system as it is deployed, with load balancers of 100 members each in the tables, and tells under load what
each request costs each process, in milliseconds of processor time. That hardly depends on what else this machine does.
Then it tells where the API and the controller spend it, function by function.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from signal import SIGUSR2

from benchmarks import api, statements, trees
from benchmarks.processes import below, cpu_seconds
from benchmarks.service import NOOP, Ours, Rate, deployment

LOADS: dict[str, Callable[[Ours, float], Rate]] = {
    "http": lambda service, seconds: service.load(("GET", "", None), seconds=seconds),  # versions: no database
    "list": api.list_of_20,
    "show": api.show,
    "create": api.create,
    "member": api.members,
    "one-pool": lambda service, seconds: api.members(service, seconds, 1),
    "tree": lambda service, seconds: service.load(
        ("POST", "loadbalancers", trees.full_tree(trees.MEASURED, distinct=True)), connections=4, seconds=seconds
    ),
}
WIDTH = 70
"""Characters shown of a statement at either end."""
DAEMONS = ("octavia-api", "octavia-controller")


def costs(service: Ours, load: Callable[[Ours, float], Rate], seconds: float) -> tuple[Rate, dict[str, float]]:
    """
    What was answered, and milliseconds of processor time that each request cost, by process, until all is C{ACTIVE}.
    """
    api_pid, controller = (service.daemons[name].pid for name in ("octavia-api", "octavia-controller"))
    before = cpu_seconds([api_pid]), cpu_seconds([controller]), cpu_seconds(below(controller))
    rate = load(service, seconds)
    service.settle()
    after = cpu_seconds([api_pid]), cpu_seconds([controller]), cpu_seconds(below(controller))
    spent = [*(b - a for a, b in zip(before, after, strict=True)), rate.cpu]
    names = ("API", "controller", "PostgreSQL", "load generator")
    return rate, {name: used * 1000 / rate.accepted for name, used in zip(names, spent, strict=True)}


def sampled(service: Ours, during: Callable[[], object]) -> dict[str, list[tuple[list[str], int]]]:
    """What each daemon does meanwhile: stacks of functions, and how often each was seen."""
    files = {name: service.directory / f"{name}.samples" for name in DAEMONS}
    for name, file in files.items():
        file.unlink(missing_ok=True)
        service.daemons[name].send_signal(SIGUSR2)
    during()
    service.settle()
    for name in files:
        service.daemons[name].send_signal(SIGUSR2)
    return {name: list(_samples(file)) for name, file in files.items()}


def _samples(file: Path) -> Iterator[tuple[list[str], int]]:
    while not file.exists():
        time.sleep(0.05)
    for line in file.read_text().splitlines():
        stack, _, count = line.rpartition(" ")
        yield stack.split(";"), int(count)


def _package(frame: str) -> str:
    module = frame.partition("(")[2].rstrip(")").split("/")
    return "/".join(module[: 2 if module[0] in ("octavia_tx", "twisted") else 1])


def tell(name: str, samples: list[tuple[list[str], int]], most: int) -> None:
    """Print the shares of packages and functions."""
    whole = sum(count for _, count in samples)
    if not whole:
        return
    itself: Counter[str] = Counter()
    inside: Counter[str] = Counter()
    packages: Counter[str] = Counter()
    for stack, count in samples:
        itself[stack[-1]] += count
        packages[_package(stack[-1])] += count
        for function in set(stack):
            inside[function] += count
    tables = (("itself, by package", packages, 12), ("with what it calls", inside, most), ("itself", itself, most))
    for title, counted, rows in tables:
        print(f"\n{name}, {title}:")
        # What everything is inside of tells nothing.
        for what, count in [pair for pair in counted.most_common() if pair[1] < 0.99 * whole][:rows]:
            print(f"  {count / whole:6.1%}  {what}")


def tell_statements(found: list[statements.Statement], requests: int) -> None:
    """Print what one request costs PostgreSQL."""
    print("\nPostgreSQL, ms for each request: calls, planning, execution, statement:")
    for each in found:
        told = f"{each.calls / requests:6.2f} {each.plan / requests:7.3f} {each.run / requests:7.3f}"
        print(f"  {told}  {each.text[:WIDTH]} … {each.text[-WIDTH:]}")


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.hotspots")
    parser.add_argument("what", choices=LOADS, nargs="+")
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--load-balancers", type=int, default=200, help="of 100 members each, in the tables")
    parser.add_argument("--most", type=int, default=40, help="lines of each kind")
    options = parser.parse_args()
    with deployment(NOOP, sampled=True) as service:
        statements.count(service)
        trees.fill(service, options.load_balancers)
        for what in options.what:
            statements.forget(service)
            rate, spent = costs(service, LOADS[what], options.seconds)
            told = ", ".join(f"{name} {cost:.3g}" for name, cost in spent.items())
            print(f"\n# {what}: {rate.a_second:.4g} /s ({rate.p50:.3g} / {rate.p99:.3g} ms)")
            print(f"ms of processor time for each: {told}")
            tell_statements(list(statements.counted(service))[: options.most], rate.accepted)
            for daemon, samples in sampled(service, partial(LOADS[what], service, options.seconds)).items():
                tell(daemon, samples, options.most)


if __name__ == "__main__":
    main()
