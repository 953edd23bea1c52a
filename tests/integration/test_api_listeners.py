"""Listeners over HTTP."""

from __future__ import annotations

from octavia_tx.db import statistics
from octavia_tx.db.statistics import CounterRow
from tests.integration.api import SUBNET, UNKNOWN, ApiCase, new_id

_KEYS = (
    "admin_state_up allowed_cidrs alpn_protocols client_authentication client_ca_tls_container_ref "
    "client_crl_container_ref connection_limit created_at default_pool_id default_tls_container_ref description "
    "hsts_include_subdomains hsts_max_age hsts_preload id insert_headers l7policies loadbalancers name "
    "operating_status project_id protocol protocol_port provisioning_status sni_container_refs tags tenant_id "
    "timeout_client_data timeout_member_connect timeout_member_data timeout_tcp_inspect tls_ciphers tls_versions "
    "updated_at"
)
KEYS = set(_KEYS.split())


class ListenerTests(ApiCase):
    """C{/v2/lbaas/listeners}."""

    async def test_a_new_one_is_pending_with_all_fields_filled_in(self) -> None:
        balancer = await self.load_balancer(project_id="p1")
        made = await self.listener(balancer["id"], insert_headers={"X-Forwarded-For": "true"}, project_id="other")
        self.assertEqual(made.keys(), KEYS)
        for key, expected in (
            ("provisioning_status", "PENDING_CREATE"),
            ("operating_status", "OFFLINE"),
            ("loadbalancers", [{"id": balancer["id"]}]),
            ("project_id", "p1"),
            ("insert_headers", {"X-Forwarded-For": "true"}),
            ("connection_limit", -1),
            ("timeout_client_data", 50000),
            ("timeout_member_connect", 5000),
            ("timeout_member_data", 50000),
            ("timeout_tcp_inspect", 0),
            ("alpn_protocols", None),
            ("tls_ciphers", None),
            ("tls_versions", None),
            ("allowed_cidrs", None),
            ("hsts_include_subdomains", False),
            ("client_authentication", "NONE"),
            ("sni_container_refs", []),
            ("l7policies", []),
            ("default_pool_id", None),
        ):
            self.assertEqual(made[key], expected, key)
        self.assertEqual(await self.shown(f"listeners/{made['id']}"), made)
        self.assertEqual((await self.ask("GET", "listeners")).body["listeners"], [made])
        self.assertEqual((await self.shown(f"loadbalancers/{balancer['id']}"))["listeners"], [{"id": made["id"]}])

    async def test_it_makes_its_load_balancer_pending(self) -> None:
        balancer = await self.load_balancer()
        await self.apply(balancer["id"])
        made = await self.listener(balancer["id"])
        shown = await self.shown(f"loadbalancers/{balancer['id']}")
        self.assertEqual(shown["provisioning_status"], "PENDING_UPDATE")
        await self.apply(balancer["id"])
        self.assertEqual((await self.shown(f"listeners/{made['id']}"))["provisioning_status"], "ACTIVE")

    async def test_it_may_bring_its_pool(self) -> None:
        balancer = await self.load_balancer()
        pool = {
            "protocol": "HTTP",
            "lb_algorithm": "ROUND_ROBIN",
            "members": [{"address": "192.0.2.20", "protocol_port": 80}],
            "healthmonitor": {"type": "TCP", "delay": 1, "timeout": 1, "max_retries": 1},
        }
        made = await self.listener(balancer["id"], default_pool=pool)
        shown = await self.shown(f"pools/{made['default_pool_id']}")
        self.assertEqual((len(shown["members"]), shown["listeners"]), (1, [{"id": made["id"]}]))
        self.assertIsNotNone(shown["healthmonitor_id"])
        body = {"loadbalancer_id": balancer["id"], "protocol": "HTTP", "protocol_port": 81}
        reply = await self.ask("POST", "listeners", {"listener": {**body, "default_pool": {"name": "x"}}})
        self.assertEqual(reply.status, 400)
        self.assertIn("listener.default_pool", reply.sentence)
        lost = {**pool, "members": [{"address": "192.0.2.20", "protocol_port": 80, "subnet_id": UNKNOWN}]}
        reply = await self.ask("POST", "listeners", {"listener": {**body, "default_pool": lost}})
        self.assertIn("listener.default_pool.members[0].subnet_id", reply.sentence)

    async def test_its_pool_is_one_of_its_load_balancer_and_fits(self) -> None:
        balancer = await self.load_balancer()
        other = await self.load_balancer(vip_address="192.0.2.11")
        fitting = await self.pool(balancer["id"])
        foreign = await self.pool(other["id"])
        unfit = await self.pool(balancer["id"], protocol="HTTPS")
        made = await self.listener(balancer["id"])
        path = f"listeners/{made['id']}"
        for pool, status in ((foreign["id"], 404), (UNKNOWN, 404), (unfit["id"], 400), ("x", 400)):
            body = {"loadbalancer_id": balancer["id"], "protocol": "HTTP", "protocol_port": 81}
            for reply in (
                await self.ask("PUT", path, {"listener": {"default_pool_id": pool}}),
                await self.ask("POST", "listeners", {"listener": {**body, "default_pool_id": pool}}),
            ):
                self.assertEqual(reply.status, status, pool)
                self.assertIn("listener.default_pool_id", reply.sentence)
        await self.apply(balancer["id"])
        reply = await self.ask("PUT", path, {"listener": {"default_pool_id": fitting["id"]}})
        self.assertEqual((reply.status, reply.body["listener"]["default_pool_id"]), (200, fitting["id"]))
        shown = await self.shown(f"pools/{fitting['id']}")
        self.assertEqual((shown["listeners"], shown["provisioning_status"]), ([{"id": made["id"]}], "PENDING_UPDATE"))
        reply = await self.ask("PUT", path, {"listener": {"default_pool_id": None}})
        self.assertEqual(reply.body["listener"]["default_pool_id"], None)

    async def test_a_port_is_taken_once(self) -> None:
        balancer = await self.load_balancer()
        made = await self.listener(balancer["id"])
        body = {"listener": {"loadbalancer_id": balancer["id"], "protocol": "TCP", "protocol_port": 80}}
        self.assertEqual((await self.ask("POST", "listeners", body)).status, 409)
        self.assertEqual((await self.ask("DELETE", f"listeners/{made['id']}")).status, 204)
        self.assertEqual((await self.ask("POST", "listeners", body)).status, 201)

    async def test_changes_are_kept_and_null_is_the_default(self) -> None:
        balancer = await self.load_balancer()
        made = await self.listener(balancer["id"])
        fields = {
            "name": "n",
            "connection_limit": 5,
            "timeout_client_data": 1,
            "allowed_cidrs": ["192.0.2.0/24"],
            "insert_headers": {"X-Forwarded-Port": "true"},
            "tags": ["t"],
            "admin_state_up": False,
        }
        reply = await self.ask("PUT", f"listeners/{made['id']}", {"listener": fields})
        self.assertEqual(reply.status, 200, reply)
        shown = await self.shown(f"listeners/{made['id']}")
        self.assertEqual({key: shown[key] for key in fields}, fields)
        await self.ask("PUT", f"listeners/{made['id']}", {"listener": dict.fromkeys(fields)})
        shown = await self.shown(f"listeners/{made['id']}")
        self.assertEqual({key: shown[key] for key in fields}, {key: made[key] for key in fields})

    async def test_ranges_of_another_version_than_the_vips_are_refused(self) -> None:
        for fields in ({"vip_address": "192.0.2.10"}, {"vip_address": None}):
            balancer = await self.load_balancer(**fields)
            body = {"loadbalancer_id": balancer["id"], "protocol": "TCP", "protocol_port": 5}
            reply = await self.ask("POST", "listeners", {"listener": {**body, "allowed_cidrs": ["2001:db8::/32"]}})
            self.assertEqual(reply.status, 400)
            self.assertIn("listener.allowed_cidrs[0]", reply.sentence)
            self.assertEqual(
                (await self.ask("POST", "listeners", {"listener": {**body, "allowed_cidrs": ["10.0.0.0/8"]}})).status,
                201,
            )

    async def test_what_it_hangs_on_has_to_be_there(self) -> None:
        body = {"loadbalancer_id": UNKNOWN, "protocol": "HTTP", "protocol_port": 80}
        reply = await self.ask("POST", "listeners", {"listener": body})
        self.assertEqual(reply.status, 404)
        self.assertEqual(reply.sentence, f"Load balancer {UNKNOWN}, named by listener.loadbalancer_id, not found.")

    async def test_it_leaves_its_pool_behind(self) -> None:
        balancer = await self.load_balancer()
        made = await self.listener(balancer["id"])
        pool = await self.pool(balancer["id"], listener_id=made["id"])
        path = f"listeners/{made['id']}"
        self.assertEqual((await self.ask("DELETE", path)).status, 204)
        self.assertEqual((await self.shown(path))["provisioning_status"], "PENDING_DELETE")
        self.assertEqual((await self.ask("DELETE", path)).status, 204)
        self.assertEqual((await self.ask("PUT", path, {"listener": {"name": "x"}})).status, 409)
        await self.apply(balancer["id"])
        for method in ("GET", "DELETE"):
            self.assertEqual((await self.ask(method, path)).status, 404)
        self.assertEqual((await self.shown(f"pools/{pool['id']}"))["listeners"], [])

    async def test_statistics_are_its_own_and_its_load_balancers(self) -> None:
        balancer = await self.load_balancer()
        rows = []
        counted = {"active_connections": 1, "bytes_out": 3, "request_errors": 4, "total_connections": 5}
        for number in (80, 81):
            made = await self.listener(balancer["id"], protocol_port=number)
            rows.append(CounterRow(listener_id=made["id"], amphora_id=new_id(), epoch="e", **counted, bytes_in=number))
        async with self.database.transaction() as tx:
            await statistics.merge(tx, rows)
        expected = {
            "active_connections": 1,
            "bytes_in": 80,
            "bytes_out": 3,
            "request_errors": 4,
            "total_connections": 5,
        }
        self.assertEqual((await self.ask("GET", f"listeners/{rows[0].listener_id}/stats")).body, {"stats": expected})
        total = await self.shown(f"loadbalancers/{balancer['id']}/stats")
        self.assertEqual((total["bytes_in"], total["total_connections"]), (161, 10))
        self.assertEqual((await self.ask("GET", f"listeners/{UNKNOWN}/stats")).status, 404)

    async def test_those_of_a_load_balancer_can_be_listed(self) -> None:
        one = await self.load_balancer()
        two = await self.load_balancer(vip_address=None, vip_subnet_id=SUBNET)
        mine = await self.listener(one["id"])
        await self.listener(two["id"])
        for name in ("loadbalancer_id", "load_balancer_id"):
            reply = await self.ask("GET", f"listeners?{name}={one['id']}")
            self.assertEqual([x["id"] for x in reply.body["listeners"]], [mine["id"]])
