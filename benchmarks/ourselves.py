"""What we do in one way, against what we do in another, both in turn: token checks, further processes, one pool."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from benchmarks import api, trees
from benchmarks.api import list_of_20, rate
from benchmarks.service import Ours, Rate, Service
from benchmarks.table import Row
from tests.integration import keystone

ROUNDS = 3
"""So often each of both is measured, for other work on this machine comes and goes."""


def _in_turn(seconds: float, *measures: Callable[[float], Rate]) -> list[Rate]:
    """The middle one of each one's rates."""
    found: list[list[Rate]] = [[] for _ in measures]
    for _, (rates, measure) in itertools.product(range(ROUNDS), zip(found, measures, strict=True)):
        rates.append(measure(seconds / ROUNDS))
    return [sorted(rates, key=lambda r: r.a_second)[ROUNDS // 2] for rates in found]


@contextmanager
def _with_keystone(mine: Ours) -> Iterator[Service]:
    """An API over the same tables that lets keystone say who asks."""
    there = keystone.Keystone()
    try:
        there.start()
        there.populate()
        known = there.credentials
        settings = {
            "OCTAVIA_TX_API__AUTH": "keystone",
            "OCTAVIA_TX_KEYSTONE__AUTH_URL": known.auth_url,
            "OCTAVIA_TX_KEYSTONE__USERNAME": known.username,
            "OCTAVIA_TX_KEYSTONE__PASSWORD": known.password,
            "OCTAVIA_TX_KEYSTONE__PROJECT_NAME": known.project_name,
        }
        yield mine.api(settings=settings, headers={"X-Auth-Token": there.token("admin", "admin")})
    finally:
        there.remove()


def rows(mine: Ours, seconds: float) -> Iterator[Row]:
    """All of them."""
    if keystone.INSTALLED.exists():
        with _with_keystone(mine) as other:
            one = trees.one_filled(mine).load_balancer
            a, b = _in_turn(seconds, lambda s: list_of_20(other, s), lambda s: list_of_20(mine, s))
            yield rate("list of 20: with keystone's tokens, cached / noauth", a, b)
            shown = ("GET", f"loadbalancers/{one}", None)
            a, b = _in_turn(
                seconds, lambda s: other.load(shown, seconds=s), lambda s: mine.load(shown, seconds=s)
            )  # fmt: skip
            yield rate("show: with keystone's tokens, cached / noauth", a, b)
    two = mine.api("--workers", "2")
    a, b = _in_turn(seconds, lambda s: list_of_20(two, s), lambda s: list_of_20(mine, s))
    yield rate("list of 20: two workers / one process", a, b)
    a, b = _in_turn(seconds, lambda s: api.members(two, s), lambda s: api.members(mine, s))
    yield rate("create of members, in 8 pools: two workers / one process", a, b)
    a, b = _in_turn(seconds, lambda s: api.members(mine, s, pools=1), lambda s: api.members(mine, s))
    yield rate("create of members: by all in one pool / in 8", a, b)
