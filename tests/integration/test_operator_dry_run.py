"""Changes that are tried and not made."""

from __future__ import annotations

import re
from typing import Any

from twisted.internet import reactor
from twisted.internet.task import deferLater

from octavia_tx.api import root
from octavia_tx.model.statuses import AmphoraState
from tests.integration.api import SUBNET, UNKNOWN, Reply
from tests.integration.test_operator_amphorae import OperatorCase

_TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1"


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
        await self.hear()

    async def hear(self) -> list[str]:
        """All that was notified since this was last asked."""
        await deferLater(reactor, 0.1)  # type: ignore[arg-type]
        heard, self.notified[:] = list(self.notified), []
        return heard

    def rows(self) -> list[tuple[Any, ...]]:
        """All that is written, in every table."""
        name = self.dsn.rpartition("=")[2]
        tables = [table for (table,) in self.server.ask(_TABLES, name)]
        selects = [f"SELECT '{table}' AS at, t::text AS row, xmin::text FROM {table} t" for table in tables]
        return self.server.ask(f"{' UNION ALL '.join(selects)} ORDER BY at, row", name)

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


class EveryRouteTests(DryRunCase):
    """The whole table of routes."""

    async def _prepare(self) -> None:
        await super()._prepare()
        self.bare = await self.pool(self.lb, name="bare")
        check = {"type": "TCP", "delay": 1, "timeout": 1, "max_retries": 1}
        self.check = await self.make("healthmonitor", pool_id=self.one["id"], **check)
        self.policy = await self.make("l7policy", "l7policies", listener_id=self.web["id"], action="REJECT")
        rule = {"type": "PATH", "compare_type": "STARTS_WITH", "value": "/x"}
        self.rule = await self.make("rule", f"l7policies/{self.policy['id']}/rules", **rule)
        self.spare = await self.amphora(state=AmphoraState.READY)
        offered = {"name": "o", "provider_name": "amphora"}
        self.flavor_profile = await self.make("flavorprofile", flavor_data="{}", **offered)
        used = await self.make("flavorprofile", flavor_data="{}", **{**offered, "name": "used"})
        self.flavor = await self.make("flavor", name="f", flavor_profile_id=used["id"])
        zones = "availability_zone_profile", "availabilityzoneprofiles"
        self.zone_profile = await self.make(*zones, availability_zone_data="{}", **offered)
        used = await self.make(*zones, availability_zone_data="{}", **{**offered, "name": "used"})
        zone = {"name": "z", "availability_zone_profile_id": used["id"]}
        self.zone = await self.make("availability_zone", "availabilityzones", **zone)
        await self.ask("PUT", "quotas/p1", {"quota": {"listener": 3}})
        await self.hear()

    def trees(self) -> dict[str, tuple[dict[str, str], Any]]:
        """How each change of a load balancer's tree is asked for: the path's ids, and the body."""
        lb, web, one = ({"id": each} for each in (self.lb, self.web["id"], self.one["id"]))
        pool, policy = {"pool_id": self.one["id"]}, {"l7policy_id": self.policy["id"]}
        member, rule = {**pool, "id": self.back["id"]}, {**policy, "id": self.rule["id"]}
        monitor, named = {"id": self.check["id"]}, {"name": "x"}
        fresh = {"address": "192.0.2.21", "protocol_port": 1}
        made: dict[str, Any] = {
            "listener": {"loadbalancer_id": self.lb, "protocol": "HTTP", "protocol_port": 8081},
            "pool": {"loadbalancer_id": self.lb, "protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN"},
            "healthmonitor": {"type": "TCP", "delay": 1, "timeout": 1, "max_retries": 1, "pool_id": self.bare["id"]},
            "rule": {"type": "PATH", "compare_type": "EQUAL_TO", "value": "/"},
        }
        return {
            "POST loadbalancers": ({}, {"loadbalancer": {"vip_subnet_id": SUBNET}}),
            "PUT loadbalancers/<id>": (lb, {"loadbalancer": named}),
            "DELETE loadbalancers/<id>": (lb, None),
            "PUT loadbalancers/<id>/failover": (lb, None),
            "POST listeners": ({}, {"listener": made["listener"]}),
            "PUT listeners/<id>": (web, {"listener": named}),
            "DELETE listeners/<id>": (web, None),
            "POST pools": ({}, {"pool": made["pool"]}),
            "PUT pools/<id>": (one, {"pool": named}),
            "DELETE pools/<id>": (one, None),
            "POST pools/<pool_id>/members": (pool, {"member": fresh}),
            "PUT pools/<pool_id>/members": (pool, {"members": [fresh]}),
            "PUT pools/<pool_id>/members/<id>": (member, {"member": named}),
            "DELETE pools/<pool_id>/members/<id>": (member, None),
            "POST healthmonitors": ({}, {"healthmonitor": made["healthmonitor"]}),
            "PUT healthmonitors/<id>": (monitor, {"healthmonitor": named}),
            "DELETE healthmonitors/<id>": (monitor, None),
            "POST l7policies": ({}, {"l7policy": {"listener_id": self.web["id"], "action": "REJECT"}}),
            "PUT l7policies/<id>": ({"id": self.policy["id"]}, {"l7policy": named}),
            "DELETE l7policies/<id>": ({"id": self.policy["id"]}, None),
            "POST l7policies/<l7policy_id>/rules": (policy, {"rule": made["rule"]}),
            "PUT l7policies/<l7policy_id>/rules/<id>": (rule, {"rule": made["rule"]}),
            "DELETE l7policies/<l7policy_id>/rules/<id>": (rule, None),
            "PUT amphorae/<id>/failover": ({"id": self.serving.id}, None),
            "PUT amphorae/<id>/config": ({"id": self.serving.id}, None),
        }

    def others(self) -> dict[str, tuple[dict[str, str], Any]]:
        """The same of changes that no load balancer has to do with."""
        named, of = {"name": "x"}, {"flavor_profile_id": self.flavor_profile["id"]}
        within = {"availability_zone_profile_id": self.zone_profile["id"]}
        offered = {"name": "x", "provider_name": "amphora"}
        flavored, zoned = {"id": self.flavor_profile["id"]}, {"id": self.zone_profile["id"]}
        return {
            "PUT quotas/<project_id>": ({"project_id": "p1"}, {"quota": {"listener": 7}}),
            "DELETE quotas/<project_id>": ({"project_id": "p1"}, None),
            "POST flavorprofiles": ({}, {"flavorprofile": {**offered, "flavor_data": "{}"}}),
            "PUT flavorprofiles/<id>": (flavored, {"flavorprofile": named}),
            "DELETE flavorprofiles/<id>": (flavored, None),
            "POST flavors": ({}, {"flavor": {**named, **of}}),
            "PUT flavors/<id>": ({"id": self.flavor["id"]}, {"flavor": named}),
            "DELETE flavors/<id>": ({"id": self.flavor["id"]}, None),
            "POST availabilityzoneprofiles": (
                {},
                {"availability_zone_profile": {**offered, "availability_zone_data": "{}"}},
            ),
            "PUT availabilityzoneprofiles/<id>": (zoned, {"availability_zone_profile": named}),
            "DELETE availabilityzoneprofiles/<id>": (zoned, None),
            "POST availabilityzones": ({}, {"availability_zone": {**named, **within}}),
            "PUT availabilityzones/<name>": ({"name": "z"}, {"availability_zone": {"description": "x"}}),
            "DELETE availabilityzones/<name>": ({"name": "z"}, None),
            "DELETE amphorae/<id>": ({"id": self.spare.id}, None),
        }

    async def test_each_change_can_be_tried_and_writes_nothing(self) -> None:
        trees, others = self.trees(), self.others()
        changes = [each for each in root.served() if each.route.method != "GET"]
        self.assertEqual({f"{each.route.method} {each.route.path}" for each in changes}, {*trees, *others})
        for each in changes:
            name = f"{each.route.method} {each.route.path}"
            ids, body = (trees | others)[name]
            path = "".join(ids.get(part, part) for part in re.split("[<>]", each.path))
            if name == "DELETE loadbalancers/<id>":
                path += "?cascade=true"
            told = await self.would(each.route.method, path, body)
            assert each.route.document is not None
            self.assertEqual(told["status"], each.route.document.status, name)
            self.assertEqual(
                told["would_answer"] is None, body is None or told["status"] == 202 and name in trees, name
            )
            if name in trees:
                self.assertIsNotNone(told["configuration"], name)
                self.assertTrue(told["steps"], name)
            else:
                self.assertEqual((told["configuration"], told["steps"]), (None, []), name)
        self.assertEqual(await self.hear(), [])

    async def test_what_amphorae_would_go_through_is_told(self) -> None:
        path = f"/v2/octavia/amphorae/{self.serving.id}"
        moved = await self.would("PUT", f"{path}/failover")
        self.assertEqual((moved["would_answer"], moved["configuration"]["diff"]), (None, ""))
        self.assertIn("drain amphora", moved["steps"])
        self.assertEqual((await self.would("PUT", f"{path}/config"))["steps"][-1], "renew settings")

    async def test_what_would_be_answered_is_told(self) -> None:
        told = await self.would("PUT", "quotas/p1", {"quota": {"listener": 7}})
        self.assertEqual(told["would_answer"]["quota"]["listener"], 7)
        self.assertEqual((await self.shown("quotas/p1"))["listener"], 3)
        change = {"flavor": {"description": "Fast."}}
        told = await self.would("PUT", f"flavors/{self.flavor['id']}", change)
        self.assertEqual(told["would_answer"]["flavor"], {**self.flavor, "description": "Fast."})

    async def test_what_would_be_refused_is_refused(self) -> None:
        profile = f"flavorprofiles/{self.flavor['flavor_profile_id']}"
        for method, path, body, status in (
            ("DELETE", profile, None, 409),
            ("PUT", profile, {"flavorprofile": {"flavor_data": '{"x": 1}'}}, 501),
            ("POST", "flavors", {"flavor": {"name": "x", "flavor_profile_id": UNKNOWN}}, 400),
            ("POST", "flavors", {"flavor": {"name": "f", "flavor_profile_id": self.flavor_profile["id"]}}, 409),
            ("DELETE", "availabilityzones/nowhere", None, 404),
            ("PUT", "quotas/p1", {"quota": {"listener": -2}}, 400),
            ("DELETE", f"/v2/octavia/amphorae/{self.serving.id}", None, 409),
            ("PUT", f"/v2/octavia/amphorae/{UNKNOWN}/failover", None, 404),
            ("PUT", f"/v2/octavia/amphorae/{UNKNOWN}/config", None, 404),
        ):
            told = await self.tried(method, path, body)
            self.assertEqual(told.status, status, (method, path, told))
            real = await self.ask(method, path, body)
            self.assertEqual((told.status, told.body), (real.status, real.body))


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
        self.assertEqual((await self.tried("GET", f"loadbalancers/{self.lb}")).status, 400)
        for asked in ("maybe", "", "true&dry_run=true", "false&dry_run=true", "true&dry_run=false"):
            reply = await self.ask("PUT", f"loadbalancers/{self.lb}?dry_run={asked}", {"loadbalancer": {"name": "x"}})
            self.assertEqual(reply.status, 400, asked)
            self.assertIn("dry_run", reply.sentence)
        self.assertEqual((await self.shown(f"loadbalancers/{self.lb}"))["name"], "lb")
