"""Load balancers over HTTP: their shapes, their life, and whole trees at once."""

from __future__ import annotations

from typing import Any

from octavia_tx.db import load_balancers
from tests.integration.api import NETWORK, SUBNET, SUBNET6, UNKNOWN, ApiCase, new_id

_KEYS = (
    "additional_vips admin_state_up availability_zone created_at description flavor_id id listeners name "
    "operating_status pools project_id provider provisioning_status tags tenant_id updated_at vip_address "
    "vip_network_id vip_port_id vip_qos_policy_id vip_sg_ids vip_subnet_id vip_vnic_type"
)
KEYS = set(_KEYS.split())


class LoadBalancerTests(ApiCase):
    """C{/v2/lbaas/loadbalancers}."""

    async def test_a_new_one_is_pending_with_all_fields_filled_in(self) -> None:
        made = await self.load_balancer(name="größer", tags=["a"], tenant_id="p1")
        self.assertEqual(made.keys(), KEYS)
        self.assertRegex(made["created_at"], r"\A\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\Z")
        for key, expected in (
            ("name", "größer"),
            ("tags", ["a"]),
            ("project_id", "p1"),
            ("tenant_id", "p1"),
            ("provisioning_status", "PENDING_CREATE"),
            ("operating_status", "OFFLINE"),
            ("provider", "amphora"),
            ("vip_subnet_id", SUBNET),
            ("vip_network_id", NETWORK),
            ("vip_vnic_type", "normal"),
            ("admin_state_up", True),
            ("updated_at", None),
            ("listeners", []),
            ("additional_vips", []),
            ("flavor_id", None),
        ):
            self.assertEqual(made[key], expected, key)
        self.assertEqual(await self.shown(f"loadbalancers/{made['id']}"), made)
        self.assertEqual(await self.shown(f"/v2.0/lbaas/loadbalancers/{made['id']}/"), made)

    async def test_it_belongs_to_the_project_of_the_body_or_the_header_or_the_default_one(self) -> None:
        body: dict[str, Any] = {"loadbalancer": {"vip_subnet_id": SUBNET}}
        named = {"loadbalancer": {**body["loadbalancer"], "project_id": "b"}}
        for given, headers, expected in (
            (body, {}, "default"),
            (body, {"X-Project-Id": "h"}, "h"),
            (named, {"X-Project-Id": "h"}, "b"),
        ):
            reply = await self.ask("POST", "loadbalancers", given, headers)
            self.assertEqual(reply.body["loadbalancer"]["project_id"], expected)

    async def test_a_network_alone_gives_the_first_ipv4_subnet_or_the_one_with_the_address(self) -> None:
        for fields, subnet in (
            ({}, SUBNET),
            ({"vip_address": "192.0.2.77"}, SUBNET),
            ({"vip_address": "2001:db8::77"}, SUBNET6),
        ):
            made = await self.make("loadbalancer", vip_network_id=NETWORK, **fields)
            self.assertEqual((made["vip_subnet_id"], made["vip_network_id"]), (subnet, NETWORK))

    async def test_a_port_alone_is_left_to_the_network(self) -> None:
        port = new_id()
        made = await self.make("loadbalancer", vip_port_id=port)
        self.assertEqual((made["vip_port_id"], made["vip_subnet_id"]), (port, None))

    async def test_a_vip_that_cannot_be_is_refused(self) -> None:
        for fields, words in (
            ({}, ("vip_subnet_id", "vip_network_id", "vip_port_id")),
            ({"vip_subnet_id": UNKNOWN}, ("Subnet", "vip_subnet_id", UNKNOWN)),
            ({"vip_network_id": UNKNOWN}, ("Network", "vip_network_id", UNKNOWN)),
            ({"vip_subnet_id": SUBNET, "vip_address": "198.51.100.1"}, ("vip_address", "192.0.2.0/24")),
            ({"vip_network_id": NETWORK, "vip_address": "198.51.100.1"}, ("vip_address",)),
            ({"vip_subnet_id": SUBNET, "vip_address": "192.0.2.300"}, ("vip_address",)),
            ({"vip_subnet_id": SUBNET, "additional_vips": [{"subnet_id": UNKNOWN}]}, ("additional_vips[0]",)),
            ({"vip_subnet_id": SUBNET, "additional_vips": [{"subnet_id": SUBNET}]}, ("additional_vips[0]",)),
            ({"vip_subnet_id": SUBNET, "additional_vips": [{}]}, ("additional_vips[0]",)),
        ):
            reply = await self.ask("POST", "loadbalancers", {"loadbalancer": fields})
            self.assertEqual(reply.status, 400, reply)
            for word in words:
                self.assertIn(word, reply.sentence)
        self.assertEqual((await self.ask("GET", "loadbalancers")).body["loadbalancers"], [])

    async def test_what_is_not_there_to_be_chosen_is_refused(self) -> None:
        for fields, word in (
            ({"flavor_id": UNKNOWN}, "Flavor"),
            ({"availability_zone": "az1"}, "Availability zone az1"),
            ({"provider": "f5"}, "amphora, octavia"),
        ):
            reply = await self.ask("POST", "loadbalancers", {"loadbalancer": {"vip_subnet_id": SUBNET, **fields}})
            self.assertEqual(reply.status, 400)
            self.assertIn(word, reply.sentence)

    async def test_the_alias_of_the_provider_is_kept(self) -> None:
        self.assertEqual((await self.load_balancer(provider="octavia"))["provider"], "octavia")

    async def test_what_the_provider_cannot_do_is_not_implemented(self) -> None:
        fields = {"vip_subnet_id": SUBNET, "listeners": [{"protocol": "UDP", "protocol_port": 53}]}
        reply = await self.ask("POST", "loadbalancers", {"loadbalancer": fields})
        self.assertEqual(reply.status, 501)
        self.assertIn("does not support a requested option: listener.protocol", reply.sentence)
        self.assertEqual((await self.ask("GET", "loadbalancers")).body["loadbalancers"], [])

    async def test_a_taken_address_is_a_conflict(self) -> None:
        await self.load_balancer()
        body = {"loadbalancer": {"vip_subnet_id": SUBNET, "vip_address": "192.0.2.10"}}
        self.assertEqual((await self.ask("POST", "loadbalancers", body)).status, 409)

    async def test_a_change_raises_the_revision_and_is_pending_until_applied(self) -> None:
        made = await self.load_balancer(name="a")
        path = f"loadbalancers/{made['id']}"
        await self.apply(made["id"])
        self.assertEqual((await self.shown(path))["provisioning_status"], "ACTIVE")
        reply = await self.ask("PUT", path, {"loadbalancer": {"name": "b", "admin_state_up": False}})
        self.assertEqual(reply.status, 200)
        changed = reply.body["loadbalancer"]
        self.assertEqual((changed["name"], changed["admin_state_up"]), ("b", False))
        self.assertEqual(changed["provisioning_status"], "PENDING_UPDATE")
        self.assertEqual((await self.shown(path)).keys(), KEYS)
        again = await self.ask("PUT", path, {"loadbalancer": {"name": None}})
        self.assertEqual((again.status, again.body["loadbalancer"]["name"]), (200, ""))
        await self.apply(made["id"])
        self.assertEqual((await self.shown(path))["provisioning_status"], "ACTIVE")

    async def test_what_is_set_for_good_is_named_when_one_tries(self) -> None:
        made = await self.load_balancer()
        for field in ("vip_address", "vip_subnet_id", "provider", "listeners", "project_id"):
            reply = await self.ask("PUT", f"loadbalancers/{made['id']}", {"loadbalancer": {field: "x"}})
            self.assertEqual(reply.status, 400)
            self.assertIn(f"loadbalancer.{field}", reply.sentence)

    async def test_lists_are_ordered_and_filtered(self) -> None:
        first = await self.make("loadbalancer", vip_subnet_id=SUBNET, name="a", project_id="p1", tags=["x"])
        second = await self.make("loadbalancer", vip_subnet_id=SUBNET, name="b", project_id="p2")
        for query, expected in (
            ("", [first, second]),
            ("?name=b", [second]),
            ("?project_id=p1", [first]),
            ("?tenant_id=p3", []),
            ("?tags=x", [first]),
            ("?provisioning_status=ACTIVE", []),
            ("?admin_state_up=true&name=a", [first]),
        ):
            reply = await self.ask("GET", f"loadbalancers{query}")
            self.assertEqual(reply.body["loadbalancers"], expected, query)
        reply = await self.ask("GET", "loadbalancers?fields=id&fields=name&name=a")
        self.assertEqual(reply.body["loadbalancers"], [{"id": first["id"], "name": "a"}])
        for query in ("?nme=a", "?name=%ff", "?fields=nme"):
            self.assertEqual((await self.ask("GET", f"loadbalancers{query}")).status, 400)

    async def test_one_with_children_is_deleted_only_in_cascade(self) -> None:
        made = await self.load_balancer()
        path = f"loadbalancers/{made['id']}"
        listener = await self.listener(made["id"])
        reply = await self.ask("DELETE", path)
        self.assertEqual(reply.status, 400)
        self.assertIn("cascade", reply.sentence)
        self.assertEqual((await self.ask("DELETE", f"{path}?cascade=maybe")).status, 400)
        self.assertEqual((await self.ask("DELETE", f"{path}?force=true")).status, 400)
        self.assertNotEqual((await self.shown(path))["provisioning_status"], "PENDING_DELETE")
        gone = await self.ask("DELETE", f"{path}?cascade=true")
        self.assertEqual((gone.status, gone.body), (204, None))
        self.assertEqual((await self.shown(path))["provisioning_status"], "PENDING_DELETE")
        self.assertEqual((await self.shown(f"listeners/{listener['id']}"))["provisioning_status"], "PENDING_DELETE")

    async def test_one_whose_children_are_on_their_way_out_can_be_deleted(self) -> None:
        made = await self.load_balancer()
        listener = await self.listener(made["id"])
        self.assertEqual((await self.ask("DELETE", f"listeners/{listener['id']}")).status, 204)
        self.assertEqual((await self.ask("DELETE", f"loadbalancers/{made['id']}")).status, 204)

    async def test_one_on_its_way_out_accepts_nothing_but_its_deletion(self) -> None:
        made = await self.load_balancer()
        path = f"loadbalancers/{made['id']}"
        pool = await self.pool(made["id"])
        self.assertEqual((await self.ask("DELETE", f"{path}?cascade=true")).status, 204)
        self.assertEqual((await self.ask("DELETE", path)).status, 204)
        listener = {"listener": {"loadbalancer_id": made["id"], "protocol": "TCP", "protocol_port": 1}}
        member = {"member": {"address": "192.0.2.1", "protocol_port": 1}}
        for method, where, body in (
            ("PUT", path, {"loadbalancer": {"name": "x"}}),
            ("POST", "listeners", listener),
            ("POST", f"pools/{pool['id']}/members", member),
            ("PUT", f"pools/{pool['id']}", {"pool": {"name": "x"}}),
        ):
            self.assertEqual((await self.ask(method, where, body)).status, 409, where)
        self.assertEqual((await self.ask("DELETE", f"pools/{pool['id']}")).status, 204)

    async def test_what_is_gone_is_not_found(self) -> None:
        made = await self.load_balancer()
        path = f"loadbalancers/{made['id']}"
        await self.ask("DELETE", path)
        async with self.database.transaction() as tx:
            await load_balancers.forget(tx, made["id"])
        for method, where in (("GET", path), ("DELETE", path), ("GET", f"{path}/status"), ("GET", f"{path}/stats")):
            reply = await self.ask(method, where)
            self.assertEqual(reply.status, 404)
            self.assertEqual(reply.sentence, f"Load balancer {made['id']} not found.")
        self.assertEqual((await self.ask("PUT", path, {"loadbalancer": {}})).status, 404)


class FullTreeTests(ApiCase):
    """A load balancer and all that hangs on it, in one request."""

    def tree(self, **fields: Any) -> dict[str, Any]:
        """Two listeners that share a pool, and a pool that nobody uses."""
        pool = {
            "name": "p",
            "protocol": "HTTP",
            "lb_algorithm": "LEAST_CONNECTIONS",
            "session_persistence": {"type": "APP_COOKIE", "cookie_name": "JSESSIONID"},
            "healthmonitor": {"type": "HTTP", "delay": 1, "timeout": 1, "max_retries": 2, "name": "h"},
            "members": [{"address": f"192.0.2.{n}", "protocol_port": 80, "subnet_id": SUBNET} for n in (20, 21)],
        }
        return {
            "vip_subnet_id": SUBNET,
            "vip_address": "192.0.2.10",
            "listeners": [
                {"protocol": "HTTP", "protocol_port": 80, "default_pool": pool, "name": "l1"},
                {"protocol": "TCP", "protocol_port": 81, "default_pool": {"name": "p"}, "l7policies": []},
            ],
            "pools": [{"protocol": "TCP", "lb_algorithm": "ROUND_ROBIN"}],
            **fields,
        }

    async def test_all_of_it_is_there(self) -> None:
        made = await self.make("loadbalancer", **self.tree())
        self.assertEqual(made.keys(), KEYS)
        self.assertEqual((len(made["listeners"]), len(made["pools"])), (2, 2))
        status = (await self.shown(f"loadbalancers/{made['id']}/status"))["loadbalancer"]
        self.assertEqual((await self.shown(f"loadbalancers/{made['id']}/statuses"))["loadbalancer"], status)
        names = {"id", "name", "provisioning_status", "operating_status"}
        self.assertEqual(status.keys(), names | {"listeners"})
        shared = {pool["id"] for listener in status["listeners"] for pool in listener["pools"]}
        self.assertEqual(len(shared), 1)
        (pool,) = next(x["pools"] for x in status["listeners"] if x["name"] == "l1")
        self.assertEqual(pool.keys(), names | {"health_monitor", "members"})
        self.assertEqual(pool["health_monitor"].keys(), names | {"type"})
        self.assertEqual(pool["members"][0].keys(), names | {"address", "protocol_port"})
        self.assertEqual({m["address"] for m in pool["members"]}, {"192.0.2.20", "192.0.2.21"})

    async def test_it_fails_as_a_whole_and_says_where(self) -> None:
        good = self.tree()
        vip = {"address": "192.0.2.10", "protocol_port": 80}
        lost = {"address": "192.0.2.20", "protocol_port": 80, "subnet_id": UNKNOWN}
        pool = {"protocol": "TCP", "lb_algorithm": "ROUND_ROBIN"}
        front = {"protocol": "TCP", "protocol_port": 9}
        for fields, status, word in (
            ({"pools": [{**pool, "members": [vip]}]}, 400, "loadbalancer.pools[0].members[0].address"),
            ({"pools": [{**pool, "members": [lost]}]}, 400, "loadbalancer.pools[0].members[0].subnet_id"),
            ({"pools": [{"protocol": "TCP"}]}, 400, "loadbalancer.pools[0].lb_algorithm"),
            (
                {"listeners": [{**front, "default_pool": {**pool, "members": [lost]}}]},
                400,
                "loadbalancer.listeners[0].default_pool.members[0].subnet_id",
            ),
            ({"listeners": [{**front, "allowed_cidrs": ["::/0"]}]}, 400, "loadbalancer.listeners[0].allowed_cidrs[0]"),
            ({"listeners": [*good["listeners"], good["listeners"][1]]}, 409, "protocol and port"),
            ({"listeners": [{**front, "default_pool": {"name": "q"}}]}, 400, "default_pool"),
        ):
            reply = await self.ask("POST", "loadbalancers", {"loadbalancer": {**good, **fields}})
            self.assertEqual(reply.status, status, reply)
            self.assertIn(word, reply.sentence)
        for kind in ("loadbalancers", "listeners", "pools", "healthmonitors"):
            self.assertEqual((await self.ask("GET", kind)).body[kind], [])


class WithoutAmphoraeTests(ApiCase):
    """With the no-op driver nothing is refused that the API itself knows."""

    accept_all = True

    async def _tls_is_settled(self, balancer: str) -> None:
        """What isn't said of TLS is filled in where it is used; what is said stays where it isn't."""
        listener = await self.listener(
            balancer, protocol="TERMINATED_HTTPS", protocol_port=444, default_tls_container_ref="x"
        )
        pool = await self.pool(balancer, tls_enabled=True, tls_versions=["TLSv1.3"])
        self.assertEqual(listener["tls_versions"], ["TLSv1.2", "TLSv1.3"])
        self.assertEqual(pool["alpn_protocols"], ["h2", "http/1.1", "http/1.0"])
        for path, kind, fields, versions in (
            (f"listeners/{listener['id']}", "listener", {"tls_versions": ["TLSv1.3"]}, ["TLSv1.3"]),
            (f"listeners/{listener['id']}", "listener", {"tls_versions": None}, ["TLSv1.2", "TLSv1.3"]),
            (f"pools/{pool['id']}", "pool", {"tls_enabled": False}, ["TLSv1.3"]),
            (f"pools/{pool['id']}", "pool", {"tls_enabled": True, "tls_versions": None}, ["TLSv1.2", "TLSv1.3"]),
        ):
            reply = await self.ask("PUT", path, {kind: fields})
            self.assertEqual((reply.status, reply.body[kind]["tls_versions"]), (200, versions), fields)
        reply = await self.ask("PUT", f"pools/{pool['id']}", {"pool": {"tls_versions": []}})
        self.assertEqual(reply.status, 400)

    async def test_other_protocols_pass(self) -> None:
        made = await self.load_balancer(additional_vips=[{"subnet_id": SUBNET6, "ip_address": "2001:db8::5"}])
        self.assertEqual(
            made["additional_vips"], [{"subnet_id": SUBNET6, "ip_address": "2001:db8::5", "port_id": None}]
        )
        await self.listener(made["id"], protocol="UDP", protocol_port=53)
        await self.listener(made["id"], protocol="TCP", protocol_port=53)
        tls = {"default_tls_container_ref": "https://secrets/1", "alpn_protocols": ["h2"], "hsts_max_age": 5}
        await self.listener(made["id"], protocol="TERMINATED_HTTPS", protocol_port=443, **tls)
        await self._tls_is_settled(made["id"])
        guarded = await self.load_balancer(vip_address="192.0.2.12", vip_sg_ids=[UNKNOWN])
        body = {"protocol": "TCP", "protocol_port": 5, "allowed_cidrs": ["192.0.2.0/24"]}
        for path, described in (
            ("listeners", {"listener": {**body, "loadbalancer_id": guarded["id"]}}),
            (
                "loadbalancers",
                {"loadbalancer": {"vip_subnet_id": SUBNET, "vip_sg_ids": [UNKNOWN], "listeners": [body]}},
            ),
        ):
            reply = await self.ask("POST", path, described)
            self.assertEqual(reply.status, 400, reply)
            self.assertIn(".allowed_cidrs", reply.sentence)
        pool = await self.pool(made["id"], protocol="UDP", session_persistence={"type": "SOURCE_IP"})
        check = {"type": "UDP-CONNECT", "delay": 1, "timeout": 1, "max_retries": 1}
        await self.make("healthmonitor", pool_id=pool["id"], **check)
