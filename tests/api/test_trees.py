"""What bodies describe, as model objects."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from attrs import asdict, evolve
from hypothesis import given, reject, settings
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from octavia_tx.amphora_driver.render import Renderer
from octavia_tx.api.loadbalancers import FIELDS
from octavia_tx.api.trees import Planter, full_tree
from octavia_tx.driver.amphora import AmphoraProvider
from octavia_tx.errors import InvalidInput, MissingField, OctaviaError, ParentNotFound, RequestError
from octavia_tx.model.flavor import Terms
from octavia_tx.model.resources import Listener, LoadBalancer, Pool
from octavia_tx.model.tree import Tree
from octavia_tx.testing.strategies import trees

NOW = datetime(2026, 1, 1, tzinfo=UTC)
AMPHORA = "00000000-0000-4000-8000-000000000000"
_OURS = {
    "id",
    "project_id",
    "load_balancer_id",
    "pool_id",
    "provisioning_status",
    "operating_status",
    "revision",
    "created_at",
    "updated_at",
    "health_monitor_id",
    "listener_ids",
    "member_ids",
    "default_pool_id",
    "vnic_type",
    "incomplete",
    "l7policy_ids",
}


def as_body(value: Any) -> dict[str, Any]:
    """An object as a client would describe it, without what it hangs on."""
    given = {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(value).items() if k not in _OURS}
    return {**given, "name": "".join(c for c in given["name"] if c.isprintable())}


def pool_body(tree: Tree, pool: Pool) -> dict[str, Any]:
    """A pool with its members and monitor."""
    monitor = tree.monitor_of(pool.id)
    return {
        **as_body(pool),
        "description": "",
        "name": pool.id,
        "members": [as_body(m) for m in tree.members_of(pool.id)],
        "healthmonitor": None if monitor is None else as_body(monitor),
    }


def listener_body(listener: Listener) -> dict[str, Any]:
    """A listener that names its pool."""
    pool = listener.default_pool_id
    return {**as_body(listener), "description": "", "default_pool": None if pool is None else {"name": pool}}


def balancer(**fields: Any) -> LoadBalancer:
    """A new load balancer."""
    return LoadBalancer(**{"id": AMPHORA, "project_id": "p", "vip_address": "192.0.2.1", "created_at": NOW, **fields})


def fresh_ids() -> Iterator[str]:
    """New ones for ever."""
    while True:
        yield str(uuid4())


def grow(body: dict[str, Any], load_balancer: LoadBalancer | None = None) -> Tree:
    """The tree that a body describes."""
    return full_tree(FIELDS.create(body), Planter(load_balancer or balancer(), NOW, fresh_ids()))


class FullTreeTests(SynchronousTestCase):
    """Load balancers with all that hangs on them, from one body."""

    renderer = Renderer()

    @settings(deadline=None)
    @given(trees())
    def test_what_is_accepted_is_what_was_described_and_can_be_rendered(self, tree: Tree) -> None:
        described = evolve(tree.load_balancer, additional_vips=())
        body = {
            "pools": [pool_body(tree, p) for p in tree.pools],
            "listeners": [listener_body(x) for x in tree.listeners],
        }
        try:
            grown = grow(body, described)
        except RequestError:
            reject()  # the strategies make what only the renderer bears: zero addresses, quotes in paths
        if any(max(check.delay, check.timeout) > 2147483 for check in grown.health_monitors):
            reject()  # seconds that don't fit into haproxy's timers: its provider's to refuse
        self.successResultOf(Deferred.fromCoroutine(AmphoraProvider().check(grown, Terms())))
        self.renderer.render(grown, AMPHORA)
        for mine, theirs in ((grown.pools, tree.pools), (grown.listeners, tree.listeners)):
            self.assertEqual(len(mine), len(theirs))
        by_name = {pool.id: pool.name for pool in grown.pools}
        for mine_, theirs_ in zip(grown.listeners, tree.listeners, strict=True):
            self.assertEqual(by_name.get(mine_.default_pool_id or ""), theirs_.default_pool_id)
            self.assertEqual(mine_.timeout_client_data, theirs_.timeout_client_data)
        self.assertEqual({m.address for m in grown.members}, {m.address for m in tree.members})

    def test_all_parts_belong_together(self) -> None:
        tree = grow(
            {
                "listeners": [
                    {
                        "protocol": "HTTP",
                        "protocol_port": 80,
                        "default_pool": {
                            "protocol": "HTTP",
                            "lb_algorithm": "ROUND_ROBIN",
                            "members": [{"address": "192.0.2.2", "protocol_port": 80}],
                            "healthmonitor": {"type": "HTTP", "delay": 1, "timeout": 1, "max_retries": 1},
                        },
                    }
                ]
            },
            balancer(revision=7),
        )
        (listener,), (pool,), (member,), (monitor,) = tree.listeners, tree.pools, tree.members, tree.health_monitors
        self.assertEqual(tree.load_balancer.listener_ids, (listener.id,))
        self.assertEqual(tree.load_balancer.pool_ids, (pool.id,))
        self.assertEqual(listener.default_pool_id, pool.id)
        self.assertEqual((member.pool_id, monitor.pool_id), (pool.id, pool.id))
        self.assertEqual((pool.member_ids, pool.health_monitor_id), ((member.id,), monitor.id))
        self.assertEqual((monitor.http_method, monitor.url_path, monitor.http_version), ("GET", "/", 1.0))
        self.assertEqual(member.operating_status, "OFFLINE")
        for each in (listener, pool, member, monitor):
            self.assertEqual((each.load_balancer_id, each.revision, each.project_id), (AMPHORA, 7, "p"))

    def test_a_name_means_the_pool_of_that_name_wherever_it_stands(self) -> None:
        pool = {"protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN", "name": "p"}
        front: dict[str, Any] = {"protocol": "HTTP", "default_pool": {"name": "p"}}
        tree = grow(
            {
                "listeners": [
                    {**front, "protocol_port": 80},
                    {**front, "protocol_port": 81, "default_pool": pool},
                ]
            }
        )
        self.assertEqual({x.default_pool_id for x in tree.listeners}, {tree.pools[0].id})

    def test_how_many_pools_have_a_name_is_told(self) -> None:
        pool = {"protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN", "name": "p"}
        front = {"protocol": "HTTP", "protocol_port": 80, "default_pool": {"name": "p"}}
        for pools, told in (([], "no pool has that name"), ([pool, pool], "2 pools have that name")):
            error = self.assertRaises(InvalidInput, grow, {"pools": pools, "listeners": [front]})
            self.assertIn(told, str(error))

    def test_what_is_wrong_is_named_by_its_place(self) -> None:
        pool: dict[str, Any] = {"protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN", "name": "p"}
        front: dict[str, Any] = {"protocol": "HTTP", "protocol_port": 80}
        vip = {"address": "192.0.2.1", "protocol_port": 80}
        other = {"address": "192.0.2.2", "protocol_port": 80}
        check = {"type": "UDP-CONNECT", "delay": 1, "timeout": 1, "max_retries": 1}
        for body, place in (
            ({"pools": [pool, {**pool, "members": [other, vip]}]}, "loadbalancer.pools[1].members[1].address"),
            ({"pools": [{**pool, "members": [other, other]}]}, "loadbalancer.pools[0].members[1]"),
            ({"pools": [{**pool, "healthmonitor": check}]}, "loadbalancer.pools[0].healthmonitor.type"),
            ({"listeners": [{**front, "default_pool": {"name": "q"}}]}, "loadbalancer.listeners[0].default_pool"),
            (
                {"pools": [pool, pool], "listeners": [{**front, "default_pool": {"name": "p"}}]},
                "loadbalancer.listeners[0].default_pool",
            ),
            (
                {"pools": [pool], "listeners": [{**front, "protocol": "HTTPS", "default_pool": {"name": "p"}}]},
                "loadbalancer.listeners[0].default_pool",
            ),
            (
                {"listeners": [{**front, "protocol": "HTTPS", "default_pool": pool}]},
                "loadbalancer.listeners[0].default_pool.protocol",
            ),
            ({"listeners": [{**front, "protocol_port": 0}]}, "loadbalancer.listeners[0].protocol_port"),
            ({"listeners": [{**front, "loadbalancer_id": AMPHORA}]}, "loadbalancer.listeners[0].loadbalancer_id"),
            ({"listeners": [{**front, "default_pool_id": AMPHORA}]}, "loadbalancer.listeners[0].default_pool_id"),
        ):
            error = self.assertRaises(OctaviaError, grow, body)
            assert isinstance(error, RequestError | ParentNotFound)
            self.assertIn(f"{place}", str(error))
            self.assertEqual(error.field, place)  # type: ignore[union-attr]

    def test_a_policy_that_says_nothing_is_refused_where_it_stands_but_no_policies_are_fine(self) -> None:
        front: dict[str, Any] = {"protocol": "HTTP", "protocol_port": 80}
        grow({"listeners": [{**front, "l7policies": []}]})
        error = self.assertRaises(MissingField, grow, {"listeners": [{**front, "l7policies": [{}]}]})
        self.assertEqual(error.field, "loadbalancer.listeners[0].l7policies[0].action")
