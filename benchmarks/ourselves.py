"""What we do in one way, against what we do in another: token checks, further processes, one pool."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks import api, trees
from benchmarks.api import list_of_20, rate
from benchmarks.service import Ours, Service
from benchmarks.table import Row
from benchmarks.turns import rates
from tests.integration import keystone


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
            a, b = rates(seconds, lambda s: list_of_20(other, s), lambda s: list_of_20(mine, s))
            yield rate("list of 20: with keystone's tokens, cached / noauth", a, b)
            shown = ("GET", f"loadbalancers/{one}", None)
            a, b = rates(
                seconds, lambda s: other.load(shown, seconds=s), lambda s: mine.load(shown, seconds=s)
            )  # fmt: skip
            yield rate("show: with keystone's tokens, cached / noauth", a, b)
    two = mine.api("--workers", "2")
    a, b = rates(seconds, lambda s: list_of_20(two, s), lambda s: list_of_20(mine, s))
    yield rate("list of 20: two workers / one process", a, b)
    a, b = rates(seconds, lambda s: api.members(two, s), lambda s: api.members(mine, s))
    yield rate("create of members, in 8 pools: two workers / one process", a, b)
    a, b = rates(seconds, lambda s: api.members(mine, s, pools=1), lambda s: api.members(mine, s))
    yield rate("create of members: by all in one pool / in 8", a, b)
