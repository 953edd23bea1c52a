"""Changes that are tried and not made."""

from __future__ import annotations

from typing import Any

from twisted.internet import reactor
from twisted.internet.task import deferLater

from octavia_tx.model.statuses import AmphoraState
from tests.integration.api import SUBNET, UNKNOWN, Reply
from tests.integration.test_operator_amphorae import OperatorCase

_TABLES = (
    "load_balancer", "listener", "pool", "member", "health_monitor", "l7policy", "l7rule", "amphora", "convergence",
    "quota", "event",
)  # fmt: skip


class DryRunCase(OperatorCase):
    """With one load balancer that serves, and all that could be changed of it."""

    async def _prepare(self) -> None:
        await super()._prepare()
        self.notified: list[str] = []
        for channel in ("octavia_tx_work", "octavia_tx_amphora", "octavia_tx_event"):
            await self.database.listen(channel, self.notified.append)
        made = await self.load_balancer(name="lb")
        self.lb = made["id"]
        self.web = await self.listener(self.lb)
        self.one = await self.pool(self.lb, name="one")
        at = f"pools/{self.one['id']}/members"
        self.back = await self.make("member", at, address="192.0.2.20", protocol_port=8080)
        self.serving = await self.amphora(self.lb, role="STANDALONE")
        await self.apply(self.lb)
        await deferLater(reactor, 0.05)  # type: ignore[arg-type]  until what was notified so far has been heard
        self.notified.clear()

    def rows(self) -> dict[str, list[Any]]:
        """All that is written."""
        name = self.dsn.rpartition("=")[2]
        return {t: self.server.ask(f"SELECT t::text, xmin::text FROM {t} t ORDER BY 1", name) for t in _TABLES}

    async def tried(self, method: str, path: str, body: Any = None, **headers: str) -> Reply:
        """A dry run that leaves everything as it was."""
        before = self.rows()
        mark = "&" if "?" in path else "?"
        reply = await self.ask(method, f"{path}{mark}dry_run=true", body, headers)
        self.assertEqual(self.rows(), before)
        self.assertNotIn("etag", reply.headers)
        return reply

    async def would(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        """What it would come to."""
        reply = await self.tried(method, path, body)
        self.assertEqual(reply.status, 200, reply)
        self.assertEqual(reply.body.keys(), {"dry_run"})
        told: dict[str, Any] = reply.body["dry_run"]
        self.assertEqual(told.keys(), {"status", "would_answer", "configuration", "steps"})
        return told


class ToldTests(DryRunCase):
    """What is told of them."""

    async def test_every_change_is_tried_and_leaves_no_trace(self) -> None:
        listener = {"loadbalancer_id": self.lb, "protocol": "HTTP", "protocol_port": 8081}
        pool = {"loadbalancer_id": self.lb, "protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN"}
        member = {"address": "192.0.2.21", "protocol_port": 1}
        check = {"type": "TCP", "delay": 1, "timeout": 1, "max_retries": 1, "pool_id": self.one["id"]}
        policy = {"listener_id": self.web["id"], "action": "REJECT"}
        members, one = f"pools/{self.one['id']}/members", f"pools/{self.one['id']}"
        for method, path, body, status in (
            ("POST", "loadbalancers", {"loadbalancer": {"vip_subnet_id": SUBNET, "listeners": [
                {"protocol": "HTTP", "protocol_port": 80, "default_pool": {"name": "p"}}], "pools": [
                {"name": "p", "protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN", "members": [member]}]}}, 201),
            ("PUT", f"loadbalancers/{self.lb}", {"loadbalancer": {"name": "x", "admin_state_up": False}}, 200),
            ("PUT", f"loadbalancers/{self.lb}/failover", None, 202),
            ("DELETE", f"loadbalancers/{self.lb}?cascade=true", None, 204),
            ("POST", "listeners", {"listener": listener}, 201),
            ("PUT", f"listeners/{self.web['id']}", {"listener": {"default_pool_id": self.one["id"]}}, 200),
            ("DELETE", f"listeners/{self.web['id']}", None, 204),
            ("POST", "pools", {"pool": pool}, 201),
            ("PUT", one, {"pool": {"lb_algorithm": "SOURCE_IP"}}, 200),
            ("DELETE", one, None, 204),
            ("POST", members, {"member": member}, 201),
            ("PUT", members, {"members": [member]}, 202),
            ("PUT", f"{members}/{self.back['id']}", {"member": {"weight": 9}}, 200),
            ("DELETE", f"{members}/{self.back['id']}", None, 204),
            ("POST", "healthmonitors", {"healthmonitor": check}, 201),
            ("POST", "l7policies", {"l7policy": policy}, 201),
        ):  # fmt: skip
            told = await self.would(method, path, body)
            self.assertEqual(told["status"], status, (method, path))
            self.assertEqual(told["would_answer"] is None, status in (202, 204), (method, path))
            self.assertTrue(told["steps"], (method, path))
        await deferLater(reactor, 0.1)  # type: ignore[arg-type]
        self.assertEqual(self.notified, [])
        self.assertEqual((await self.shown(f"loadbalancers/{self.lb}"))["provisioning_status"], "ACTIVE")

    async def test_the_difference_in_the_configuration_is_told(self) -> None:
        await self.ask("PUT", f"listeners/{self.web['id']}", {"listener": {"default_pool_id": self.one["id"]}})
        path = f"pools/{self.one['id']}/members/{self.back['id']}"
        told = await self.would("PUT", path, {"member": {"weight": 77}})
        self.assertEqual(told["would_answer"]["member"]["weight"], 77)
        configuration = told["configuration"]
        self.assertEqual(configuration["amphora_id"], self.serving.id)
        self.assertIn("weight 77", configuration["after"])
        self.assertNotIn("weight 77", configuration["before"])
        changed = [line for line in configuration["diff"].splitlines() if line[0] in "+-"][2:]
        self.assertEqual([line[0] for line in changed], ["-", "+"])
        self.assertIn("weight 77", changed[1])
        self.assertEqual(told["steps"][-1], "apply")
        shown = await self.ask("GET", f"/v2/octavia/loadbalancers/{self.lb}/configuration")
        self.assertEqual(shown.body["configuration"]["amphorae"][0]["haproxy"], configuration["before"])
        real = await self.ask("PUT", path, {"member": {"weight": 77}})
        self.assertEqual(told["would_answer"].keys(), real.body.keys())
        shown = await self.ask("GET", f"/v2/octavia/loadbalancers/{self.lb}/configuration")
        self.assertEqual(shown.body["configuration"]["amphorae"][0]["haproxy"], configuration["after"])

    async def test_what_comes_and_goes_is_told(self) -> None:
        listener = {"protocol": "HTTP", "protocol_port": 81}
        made = await self.would(
            "POST", "loadbalancers", {"loadbalancer": {"vip_subnet_id": SUBNET, "listeners": [listener]}}
        )
        self.assertEqual(made["configuration"]["before"], "")
        self.assertIn("bind 0.0.0.0:81", made["configuration"]["after"])
        self.assertIn("request amphora", made["steps"])
        gone = await self.would("DELETE", f"loadbalancers/{self.lb}?cascade=true")
        self.assertEqual(gone["configuration"]["after"], "")
        self.assertIn("-frontend", gone["configuration"]["diff"])
        self.assertEqual(gone["steps"][-1], "forget load balancer")
        moved = await self.would("PUT", f"loadbalancers/{self.lb}/failover")
        self.assertEqual(moved["configuration"]["diff"], "")
        self.assertIn("drain amphora", moved["steps"])
        self.assertEqual((await self.state(self.serving)).state, AmphoraState.ALLOCATED)  # type: ignore[union-attr]

    async def test_what_would_change_nothing_is_told_as_that(self) -> None:
        await self.ask("DELETE", f"listeners/{self.web['id']}")
        told = await self.would("DELETE", f"listeners/{self.web['id']}")
        self.assertEqual(told, {"status": 204, "would_answer": None, "configuration": None, "steps": []})

    async def test_what_is_not_asked_to_be_dry_is_done(self) -> None:
        path = f"loadbalancers/{self.lb}"
        reply = await self.ask("PUT", f"{path}?dry_run=false", {"loadbalancer": {"name": "done"}})
        self.assertEqual((reply.status, (await self.shown(path))["name"]), (200, "done"))


class RefusedTests(DryRunCase):
    """Errors are those of the change itself."""

    quotas = {"listener": 1}

    async def test_a_dry_run_fails_as_the_change_would(self) -> None:
        listener = {"loadbalancer_id": self.lb, "protocol": "HTTP"}
        address = {"vip_subnet_id": SUBNET, "vip_address": "192.0.2.10"}
        for method, path, body, status in (
            ("POST", "listeners", {"listener": {**listener, "protocol_port": 81}}, 403),  # quota
            ("POST", "listeners", {"listener": {**listener, "protocol_port": 0}}, 400),
            ("POST", "loadbalancers", {"loadbalancer": address}, 409),
            ("POST", "loadbalancers", {"loadbalancer": {"vip_subnet_id": UNKNOWN}}, 400),
            ("PUT", f"listeners/{self.web['id']}", {"listener": {"default_pool_id": UNKNOWN}}, 404),
            ("PUT", f"pools/{self.one['id']}/members", {"members": [{"address": "192.0.2.1"}]}, 400),
            ("DELETE", f"loadbalancers/{self.lb}", None, 400),  # it has children
            ("DELETE", f"loadbalancers/{UNKNOWN}", None, 404),
            ("DELETE", "loadbalancers/x", None, 404),
            ("PUT", f"loadbalancers/{UNKNOWN}/failover", None, 404),
            ("PUT", "loadbalancers/x/failover", None, 404),
        ):
            told = await self.tried(method, path, body)
            self.assertEqual(told.status, status, (method, path, told))
            real = await self.ask(method, path, body)
            self.assertEqual((told.status, told.body), (real.status, real.body))

    async def test_a_listeners_port_is_taken_in_a_dry_run_too(self) -> None:
        await self.ask("PUT", "quotas/default", {"quota": {"listener": -1}})
        taken = {"listener": {"loadbalancer_id": self.lb, "protocol": "HTTP", "protocol_port": 80}}
        self.assertEqual((await self.tried("POST", "listeners", taken)).status, 409)

    async def test_revisions_are_held_against(self) -> None:
        body = {"loadbalancer": {"name": "x"}}
        reply = await self.tried("PUT", f"loadbalancers/{self.lb}", body, **{"If-Match": '"99"'})
        self.assertEqual(reply.status, 412)
        reply = await self.tried("PUT", f"loadbalancers/{self.lb}", body, **{"If-Match": b"\xff"})  # type: ignore[arg-type]
        self.assertEqual(reply.status, 400)

    async def test_what_cannot_be_tried_is_not_done(self) -> None:
        for method, path, body in (
            ("PUT", "quotas/p1", {"quota": {"listener": 3}}),
            ("DELETE", f"/v2/octavia/amphorae/{self.serving.id}", None),
            ("GET", f"loadbalancers/{self.lb}", None),
        ):
            self.assertEqual((await self.tried(method, path, body)).status, 400, path)
        reply = await self.ask("PUT", f"loadbalancers/{self.lb}?dry_run=maybe", {"loadbalancer": {"name": "x"}})
        self.assertEqual(reply.status, 400)
        self.assertEqual((await self.shown(f"loadbalancers/{self.lb}"))["name"], "lb")
