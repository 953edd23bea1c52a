"""Pools, members and health monitors over HTTP."""

from __future__ import annotations

from typing import Any

from octavia_tx.model.bounds import Bounds
from tests.integration.api import SUBNET, UNKNOWN, ApiCase

_POOL = (
    "admin_state_up alpn_protocols ca_tls_container_ref created_at crl_container_ref description healthmonitor_id id "
    "lb_algorithm listeners loadbalancers members name operating_status project_id protocol provisioning_status "
    "session_persistence tags tenant_id tls_ciphers tls_container_ref tls_enabled tls_versions updated_at"
)
_MEMBER = (
    "address admin_state_up backup created_at id monitor_address monitor_port name operating_status project_id "
    "protocol_port provisioning_status subnet_id tags tenant_id updated_at vnic_type weight"
)
_MONITOR = (
    "admin_state_up created_at delay domain_name expected_codes http_method http_version id max_retries "
    "max_retries_down name operating_status pools project_id provisioning_status tags tenant_id timeout type "
    "updated_at url_path"
)


class PoolTests(ApiCase):
    """C{/v2/lbaas/pools}."""

    async def test_a_new_one_is_pending_with_all_fields_filled_in(self) -> None:
        balancer = await self.load_balancer()
        made = await self.pool(balancer["id"], session_persistence={"type": "APP_COOKIE", "cookie_name": "c"})
        self.assertEqual(made.keys(), set(_POOL.split()))
        self.assertEqual(
            made["session_persistence"],
            {"type": "APP_COOKIE", "cookie_name": "c", "persistence_timeout": None, "persistence_granularity": None},
        )
        for key, expected in (
            ("loadbalancers", [{"id": balancer["id"]}]),
            ("listeners", []),
            ("members", []),
            ("healthmonitor_id", None),
            ("provisioning_status", "PENDING_CREATE"),
            ("operating_status", "OFFLINE"),
            ("tls_enabled", False),
        ):
            self.assertEqual(made[key], expected, key)
        self.assertEqual(await self.shown(f"pools/{made['id']}"), made)
        self.assertEqual((await self.ask("GET", f"pools?loadbalancer_id={balancer['id']}")).body["pools"], [made])

    async def test_a_listener_gets_it_as_its_default_pool_once(self) -> None:
        balancer = await self.load_balancer()
        listener = await self.listener(balancer["id"])
        await self.apply(balancer["id"])
        body = {"protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN", "listener_id": listener["id"]}
        made = await self.make("pool", **body)
        self.assertEqual(made["listeners"], [{"id": listener["id"]}])
        self.assertEqual(await self.shown(f"pools/{made['id']}"), made)
        shown = await self.shown(f"listeners/{listener['id']}")
        self.assertEqual((shown["default_pool_id"], shown["provisioning_status"]), (made["id"], "PENDING_UPDATE"))
        reply = await self.ask("POST", "pools", {"pool": body})
        self.assertEqual(reply.status, 409)
        self.assertIn(listener["id"], reply.sentence)

    async def test_what_it_hangs_on_is_named_there_and_fits(self) -> None:
        balancer = await self.load_balancer()
        other = await self.load_balancer(vip_address="192.0.2.11")
        listener = await self.listener(balancer["id"])
        base = {"protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN"}
        for fields, status, word in (
            ({}, 400, "listener_id"),
            ({"loadbalancer_id": UNKNOWN}, 404, "pool.loadbalancer_id"),
            ({"listener_id": UNKNOWN}, 404, "pool.listener_id"),
            ({"listener_id": listener["id"], "loadbalancer_id": other["id"]}, 400, "pool.loadbalancer_id"),
            ({"listener_id": listener["id"], "protocol": "TCP"}, 400, "pool.protocol"),
            ({"loadbalancer_id": balancer["id"], "protocol": "UDP"}, 501, "pool.protocol"),
            ({"loadbalancer_id": balancer["id"], "tls_ciphers": "FISH", "tls_enabled": True}, 501, "pool.tls_ciphers"),
        ):
            reply = await self.ask("POST", "pools", {"pool": {**base, **fields}})
            self.assertEqual(reply.status, status, reply)
            self.assertIn(word, reply.sentence)
        self.assertEqual((await self.ask("GET", "pools")).body["pools"], [])

    async def test_it_may_bring_members_and_a_monitor(self) -> None:
        balancer = await self.load_balancer()
        made = await self.pool(
            balancer["id"],
            members=[{"address": "192.0.2.20", "protocol_port": 80}, {"address": "192.0.2.20", "protocol_port": 81}],
            healthmonitor={"type": "TCP", "delay": 1, "timeout": 1, "max_retries": 1},
        )
        shown = await self.shown(f"pools/{made['id']}")
        self.assertEqual(len(shown["members"]), 2)
        self.assertEqual(shown["healthmonitor_id"], made["healthmonitor_id"])
        members = (await self.ask("GET", f"pools/{made['id']}/members")).body["members"]
        self.assertEqual({m["operating_status"] for m in members}, {"OFFLINE"})

    async def test_changes_are_kept(self) -> None:
        balancer = await self.load_balancer()
        made = await self.pool(balancer["id"], session_persistence={"type": "SOURCE_IP"})
        path = f"pools/{made['id']}"
        await self.apply(balancer["id"])
        fields: dict[str, Any] = {"name": "n", "lb_algorithm": "SOURCE_IP", "tags": ["a"], "admin_state_up": False}
        reply = await self.ask("PUT", path, {"pool": {**fields, "session_persistence": {"type": "HTTP_COOKIE"}}})
        self.assertEqual(reply.status, 200)
        shown = await self.shown(path)
        self.assertEqual({key: shown[key] for key in fields}, fields)
        self.assertEqual(shown["session_persistence"]["type"], "HTTP_COOKIE")
        self.assertEqual(shown["provisioning_status"], "PENDING_UPDATE")
        for nothing in (None, {}):
            await self.ask("PUT", path, {"pool": {"session_persistence": nothing}})
            self.assertEqual((await self.shown(path))["session_persistence"], None)
        for given, field in (({"type": "APP_COOKIE"}, "cookie_name"), ({"cookie_name": "y"}, "type")):
            reply = await self.ask("PUT", path, {"pool": {"session_persistence": given}})
            self.assertEqual(reply.status, 400)
            self.assertIn(f"pool.session_persistence.{field}", reply.sentence)

    async def test_a_part_of_session_persistence_may_change(self) -> None:
        balancer = await self.load_balancer()
        made = await self.pool(balancer["id"], session_persistence={"type": "APP_COOKIE", "cookie_name": "x"})
        path = f"pools/{made['id']}"
        for given, kind, cookie in (
            ({"cookie_name": "y"}, "APP_COOKIE", "y"),
            ({"type": "APP_COOKIE"}, "APP_COOKIE", "y"),
            ({"type": "SOURCE_IP"}, "SOURCE_IP", None),
        ):
            reply = await self.ask("PUT", path, {"pool": {"session_persistence": given}})
            self.assertEqual(reply.status, 200, reply)
            kept = (await self.shown(path))["session_persistence"]
            self.assertEqual((kept["type"], kept["cookie_name"]), (kind, cookie), given)

    async def test_a_new_one_has_session_persistence_of_a_type_or_none(self) -> None:
        balancer = await self.load_balancer()
        body = {"loadbalancer_id": balancer["id"], "protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN"}
        reply = await self.ask("POST", "pools", {"pool": {**body, "session_persistence": {}}})
        self.assertEqual(reply.status, 400)
        self.assertIn("pool.session_persistence.type", reply.sentence)
        self.assertIs((await self.pool(balancer["id"], session_persistence=None))["session_persistence"], None)

    async def test_it_takes_its_members_and_monitor_along(self) -> None:
        balancer = await self.load_balancer()
        listener = await self.listener(balancer["id"])
        made = await self.pool(
            balancer["id"],
            listener_id=listener["id"],
            members=[{"address": "192.0.2.20", "protocol_port": 80}],
            healthmonitor={"type": "TCP", "delay": 1, "timeout": 1, "max_retries": 1},
        )
        path = f"pools/{made['id']}"
        self.assertEqual((await self.ask("DELETE", path)).status, 204)
        self.assertEqual(
            (await self.shown(f"{path}/members/{made['members'][0]['id']}"))["provisioning_status"], "PENDING_DELETE"
        )
        self.assertEqual((await self.shown(f"listeners/{listener['id']}"))["default_pool_id"], None)
        member = {"member": {"address": "192.0.2.9", "protocol_port": 1}}
        self.assertEqual((await self.ask("POST", f"{path}/members", member)).status, 409)
        await self.apply(balancer["id"])
        for gone in (path, f"{path}/members", f"healthmonitors/{made['healthmonitor_id']}"):
            self.assertEqual((await self.ask("GET", gone)).status, 404)


class MemberTests(ApiCase):
    """C{/v2/lbaas/pools/<id>/members}."""

    async def _prepare(self) -> None:
        await super()._prepare()
        self.balancer = await self.load_balancer()
        self.listener_made = await self.listener(self.balancer["id"])
        self.pool_made = await self.pool(self.balancer["id"], listener_id=self.listener_made["id"])
        self.path = f"pools/{self.pool_made['id']}/members"
        await self.apply(self.balancer["id"])

    async def member(self, number: int = 20, **fields: Any) -> dict[str, Any]:
        """A new member."""
        given = {"address": f"192.0.2.{number}", "protocol_port": 80, **fields}
        return await self.make("member", self.path, **given)

    async def test_a_new_one_is_pending_and_so_is_all_above_it(self) -> None:
        made = await self.member(subnet_id=SUBNET)
        self.assertEqual(made.keys(), set(_MEMBER.split()))
        for key, expected in (
            ("provisioning_status", "PENDING_CREATE"),
            ("operating_status", "NO_MONITOR"),
            ("weight", 1),
            ("backup", False),
            ("vnic_type", "normal"),
            ("subnet_id", SUBNET),
            ("monitor_port", None),
        ):
            self.assertEqual(made[key], expected, key)
        self.assertEqual(await self.shown(f"{self.path}/{made['id']}"), made)
        self.assertEqual((await self.ask("GET", self.path)).body["members"], [made])
        for above in (
            f"loadbalancers/{self.balancer['id']}",
            f"listeners/{self.listener_made['id']}",
            f"pools/{self.pool_made['id']}",
        ):
            self.assertEqual((await self.shown(above))["provisioning_status"], "PENDING_UPDATE", above)
        await self.apply(self.balancer["id"])
        for each in (f"{self.path}/{made['id']}", f"listeners/{self.listener_made['id']}"):
            self.assertEqual((await self.shown(each))["provisioning_status"], "ACTIVE")

    async def test_what_cannot_be_a_member_is_refused(self) -> None:
        await self.member()
        base = {"address": "192.0.2.30", "protocol_port": 80}
        for fields, status, word in (
            ({"address": "192.0.2.20"}, 409, "address and port"),
            ({"address": "192.0.2.10"}, 400, "member.address"),
            ({"monitor_address": "192.0.2.10"}, 400, "member.monitor_address"),
            ({"subnet_id": UNKNOWN}, 400, "member.subnet_id"),
            ({"weight": 257}, 400, "member.weight"),
            ({"protocol_port": 65536}, 400, "member.protocol_port"),
            ({"request_sriov": True}, 501, "member.request_sriov"),
        ):
            reply = await self.ask("POST", self.path, {"member": {**base, **fields}})
            self.assertEqual(reply.status, status, reply)
            self.assertIn(word, reply.sentence)
        self.assertEqual(len((await self.ask("GET", self.path)).body["members"]), 1)
        reply = await self.ask("POST", f"pools/{UNKNOWN}/members", {"member": base})
        self.assertEqual((reply.status, reply.sentence), (404, f"Pool {UNKNOWN} not found."))

    async def test_it_is_known_in_its_own_pool_alone(self) -> None:
        made = await self.member()
        other = await self.pool(self.balancer["id"])
        for method, body in (("GET", None), ("PUT", {"member": {"weight": 2}}), ("DELETE", None)):
            reply = await self.ask(method, f"pools/{other['id']}/members/{made['id']}", body)
            self.assertEqual(reply.status, 404)

    async def test_changes_are_kept(self) -> None:
        made = await self.member()
        fields = {"weight": 0, "backup": True, "monitor_port": 8080, "monitor_address": "192.0.2.99", "name": "n"}
        reply = await self.ask("PUT", f"{self.path}/{made['id']}", {"member": fields})
        self.assertEqual(reply.status, 200)
        shown = await self.shown(f"{self.path}/{made['id']}")
        self.assertEqual({key: shown[key] for key in fields}, fields)
        reply = await self.ask("PUT", f"{self.path}/{made['id']}", {"member": {"address": "192.0.2.1"}})
        self.assertEqual(reply.status, 400)

    async def test_its_status_follows_from_what_is_asked_until_amphorae_tell_another(self) -> None:
        off, drained, served = {"admin_state_up": False}, {"weight": 0}, {"admin_state_up": True, "weight": 1}
        monitor = {"type": "TCP", "delay": 1, "timeout": 1, "max_retries": 1}
        watched = await self.pool(self.balancer["id"], healthmonitor=monitor)
        for path, unknown in ((self.path, "NO_MONITOR"), (f"pools/{watched['id']}/members", "OFFLINE")):
            statuses = [(off, "OFFLINE"), (drained, "DRAINING"), ({**off, **drained}, "OFFLINE"), (served, unknown)]
            for number, (fields, status) in enumerate(statuses, 30):
                given = {"address": f"192.0.2.{number}", "protocol_port": 80}
                new = await self.make("member", path, **given, **fields)
                self.assertEqual(new["operating_status"], status, fields)
                self.assertEqual((await self.shown(f"{path}/{new['id']}"))["operating_status"], status, fields)
            for fields, status in (*statuses, (off, "OFFLINE"), (served, unknown)):
                changed = await self.ask("PUT", f"{path}/{new['id']}", {"member": fields})
                self.assertEqual(changed.body["member"]["operating_status"], status, fields)
                self.assertEqual((await self.shown(f"{path}/{new['id']}"))["operating_status"], status, fields)
                await self.ask("PUT", f"{path}/{new['id']}", {"member": served})
            for fields, status in statuses:
                await self.ask("PUT", path, {"members": [{**given, **fields}]})
                self.assertEqual((await self.shown(f"{path}/{new['id']}"))["operating_status"], status, fields)

    async def test_its_status_follows_from_whether_anybody_watches(self) -> None:
        fields: list[dict[str, Any]] = [{}, {"admin_state_up": False}, {"weight": 0}]
        for number, more in enumerate(fields, 30):
            await self.make("member", self.path, address=f"192.0.2.{number}", protocol_port=80, **more)

        async def statuses() -> list[str]:
            listed = (await self.ask("GET", self.path)).body["members"]
            return [member["operating_status"] for member in listed]

        self.assertEqual(await statuses(), ["NO_MONITOR", "OFFLINE", "DRAINING"])
        check = {"type": "TCP", "delay": 1, "timeout": 1, "max_retries": 1}
        monitor = await self.make("healthmonitor", pool_id=self.path.split("/")[1], **check)
        self.assertEqual(await statuses(), ["OFFLINE", "OFFLINE", "DRAINING"])
        self.assertEqual((await self.ask("DELETE", f"healthmonitors/{monitor['id']}")).status, 204)
        self.assertEqual(await statuses(), ["NO_MONITOR", "OFFLINE", "DRAINING"])

    async def test_one_on_its_way_out_makes_room_for_another(self) -> None:
        made = await self.member()
        self.assertEqual((await self.ask("DELETE", f"{self.path}/{made['id']}")).status, 204)
        self.assertEqual((await self.shown(f"{self.path}/{made['id']}"))["provisioning_status"], "PENDING_DELETE")
        again = await self.member()
        await self.apply(self.balancer["id"])
        self.assertEqual((await self.ask("GET", f"{self.path}/{made['id']}")).status, 404)
        self.assertEqual((await self.shown(f"{self.path}/{again['id']}"))["provisioning_status"], "ACTIVE")

    async def test_a_batch_becomes_the_members(self) -> None:
        kept = await self.member(20, name="kept", weight=3)
        gone = await self.member(21)
        await self.apply(self.balancer["id"])
        batch = [{"address": f"192.0.2.{n}", "protocol_port": 80, "weight": n} for n in (20, 22)]
        reply = await self.ask("PUT", self.path, {"members": batch})
        self.assertEqual((reply.status, reply.body), (202, None))
        await self.apply(self.balancer["id"])
        members = {m["address"]: m for m in (await self.ask("GET", self.path)).body["members"]}
        self.assertEqual(members.keys(), {"192.0.2.20", "192.0.2.22"})
        now = members["192.0.2.20"]
        self.assertEqual((now["id"], now["weight"], now["name"]), (kept["id"], 20, "kept"))
        self.assertEqual((await self.ask("GET", f"{self.path}/{gone['id']}")).status, 404)

    async def test_an_additive_batch_takes_none_away(self) -> None:
        await self.member(20)
        batch = {"members": [{"address": "192.0.2.22", "protocol_port": 80}]}
        self.assertEqual((await self.ask("PUT", f"{self.path}?additive_only=true", batch)).status, 202)
        self.assertEqual(len((await self.ask("GET", self.path)).body["members"]), 2)

    async def test_a_bad_batch_changes_nothing(self) -> None:
        await self.member(20)
        twice = {"address": "192.0.2.22", "protocol_port": 80}
        for batch, word in (
            ([twice, twice], "members[1]"),
            ([twice, {"address": "x", "protocol_port": 1}], "members[1].address"),
            ([{**twice, "subnet_id": UNKNOWN}], "members[0].subnet_id"),
            (twice, "members"),
            ([5], "members[0]"),
        ):
            reply = await self.ask("PUT", self.path, {"members": batch})
            self.assertEqual(reply.status, 400)
            self.assertIn(word, reply.sentence)
        self.assertEqual(len((await self.ask("GET", self.path)).body["members"]), 1)


class HealthMonitorTests(ApiCase):
    """C{/v2/lbaas/healthmonitors}."""

    async def _prepare(self) -> None:
        await super()._prepare()
        self.balancer = await self.load_balancer()
        self.pool_made = await self.pool(self.balancer["id"])

    def body(self, **fields: Any) -> dict[str, Any]:
        """A monitor by HTTP, unless told otherwise."""
        return {"pool_id": self.pool_made["id"], "type": "HTTP", "delay": 5, "timeout": 3, "max_retries": 2, **fields}

    async def test_a_new_one_is_pending_and_knows_what_to_ask(self) -> None:
        made = await self.make("healthmonitor", **self.body())
        self.assertEqual(made.keys(), set(_MONITOR.split()))
        for key, expected in (
            ("http_method", "GET"),
            ("url_path", "/"),
            ("expected_codes", "200"),
            ("http_version", 1.0),
            ("domain_name", None),
            ("max_retries_down", 3),
            ("pools", [{"id": self.pool_made["id"]}]),
            ("provisioning_status", "PENDING_CREATE"),
            ("operating_status", "OFFLINE"),
        ):
            self.assertEqual(made[key], expected, key)
        self.assertEqual(await self.shown(f"healthmonitors/{made['id']}"), made)
        self.assertEqual((await self.ask("GET", "healthmonitors")).body["healthmonitors"], [made])
        self.assertEqual((await self.shown(f"pools/{self.pool_made['id']}"))["healthmonitor_id"], made["id"])

    async def test_one_that_does_not_speak_http_asks_nothing(self) -> None:
        made = await self.make("healthmonitor", **self.body(type="PING"))
        for key in ("http_method", "url_path", "expected_codes", "http_version", "domain_name"):
            self.assertIsNone(made[key], key)

    async def test_what_does_not_fit_is_refused(self) -> None:
        for fields, status, word in (
            ({"pool_id": UNKNOWN}, 404, "healthmonitor.pool_id"),
            ({"type": "UDP-CONNECT"}, 400, "healthmonitor.type"),
            ({"type": "TCP", "url_path": "/"}, 400, "healthmonitor.url_path"),
            ({"domain_name": "a.example"}, 400, "healthmonitor.domain_name"),
            ({"http_version": 2}, 400, "healthmonitor.http_version"),
            ({"url_path": "/\nserver x"}, 400, "healthmonitor.url_path"),
            ({"expected_codes": "204-200"}, 400, "healthmonitor.expected_codes"),
            ({"max_retries": 11}, 400, "healthmonitor.max_retries"),
            ({"delay": 10**9}, 501, "healthmonitor.delay"),
            ({"delay": 2**31}, 400, "healthmonitor.delay"),
        ):
            reply = await self.ask("POST", "healthmonitors", {"healthmonitor": self.body(**fields)})
            self.assertEqual(reply.status, status, reply)
            self.assertIn(word, reply.sentence)
        self.assertEqual((await self.ask("GET", "healthmonitors")).body["healthmonitors"], [])

    async def test_a_pool_has_one(self) -> None:
        made = await self.make("healthmonitor", **self.body())
        again = {"healthmonitor": self.body()}
        self.assertEqual((await self.ask("POST", "healthmonitors", again)).status, 409)
        self.assertEqual((await self.ask("DELETE", f"healthmonitors/{made['id']}")).status, 204)
        self.assertEqual((await self.ask("POST", "healthmonitors", again)).status, 201)

    async def test_changes_are_kept_and_null_is_what_http_asks(self) -> None:
        made = await self.make("healthmonitor", **self.body())
        path = f"healthmonitors/{made['id']}"
        fields = {
            "http_version": 1.1,
            "domain_name": "a.example",
            "url_path": "/x",
            "delay": 9,
            "expected_codes": "201",
        }
        reply = await self.ask("PUT", path, {"healthmonitor": fields})
        self.assertEqual(reply.status, 200)
        shown = await self.shown(path)
        self.assertEqual({key: shown[key] for key in fields}, fields)
        reply = await self.ask("PUT", path, {"healthmonitor": {"http_version": None}})
        self.assertEqual(reply.status, 400)
        reply = await self.ask(
            "PUT", path, {"healthmonitor": {"http_version": None, "domain_name": None, "url_path": None}}
        )
        self.assertEqual(
            (reply.body["healthmonitor"]["http_version"], reply.body["healthmonitor"]["url_path"]), (1.0, "/")
        )

    async def test_it_goes(self) -> None:
        made = await self.make("healthmonitor", **self.body())
        path = f"healthmonitors/{made['id']}"
        await self.ask("DELETE", path)
        self.assertEqual((await self.shown(path))["provisioning_status"], "PENDING_DELETE")
        await self.apply(self.balancer["id"])
        self.assertEqual((await self.ask("GET", path)).status, 404)
        self.assertEqual((await self.shown(f"pools/{self.pool_made['id']}"))["healthmonitor_id"], None)


class BoundedTests(ApiCase):
    """What the operator doesn't leave to tenants."""

    accept_all = True
    bounds = Bounds(minimum_tls_version="TLSv1.2", ping=False)

    async def test_it_is_refused_wherever_it_is_asked_for(self) -> None:
        balancer = await self.load_balancer()
        pool = await self.pool(balancer["id"], tls_enabled=True)
        monitor = {"type": "PING", "delay": 1, "timeout": 1, "max_retries": 1}
        given = {"loadbalancer_id": balancer["id"], "protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN"}
        old = {"tls_versions": ["TLSv1.1"]}
        for method, path, body, field in (
            ("POST", "healthmonitors", {"healthmonitor": {"pool_id": pool["id"], **monitor}}, "healthmonitor.type"),
            ("POST", "pools", {"pool": {**given, "healthmonitor": monitor}}, "pool.healthmonitor.type"),
            ("POST", "pools", {"pool": {**given, "tls_enabled": True, **old}}, "pool.tls_versions"),
            ("PUT", f"pools/{pool['id']}", {"pool": old}, "pool.tls_versions"),
        ):
            reply = await self.ask(method, path, body)
            self.assertEqual(reply.status, 400, reply)
            self.assertIn(field, reply.sentence)
