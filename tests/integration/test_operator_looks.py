"""What operators look at: projects, spares, leases, histories, configurations."""

from __future__ import annotations

from typing import Any

from octavia_tx.db import amphorae, leases, load_balancers, statistics
from octavia_tx.db.statistics import CounterRow
from octavia_tx.model.amphora import Vip
from octavia_tx.model.statuses import AmphoraState
from tests.integration.api import NETWORK, SUBNET, UNKNOWN, new_id
from tests.integration.test_operator_amphorae import OperatorCase

_LEASE = "load_balancer_id holder expires_at due_at settled fence attempts step last_error last_error_at pending_since"


class ProjectsTests(OperatorCase):
    """Who has what."""

    quotas = {"load_balancer": 5}

    async def test_a_projects_load_balancers_are_listed_as_ever(self) -> None:
        dashless = "3f" * 16  # as keystone spells ids
        mine = [await self.make("loadbalancer", vip_subnet_id=SUBNET, name=n, project_id=dashless) for n in "ab"]
        await self.make("loadbalancer", vip_subnet_id=SUBNET, project_id="p2")
        path = f"/v2/octavia/projects/{dashless}/loadbalancers"
        self.assertEqual((await self.ask("GET", path)).body, {"loadbalancers": mine, "loadbalancers_links": []})
        reply = await self.ask("GET", f"{path}?name=b&fields=id")
        self.assertEqual(reply.body["loadbalancers"], [{"id": mine[1]["id"]}])
        page = (await self.ask("GET", f"{path}?limit=1")).body
        following = page["loadbalancers_links"][0]["href"].removeprefix(self.base)
        self.assertTrue(following.startswith(path))
        self.assertEqual((await self.ask("GET", following)).body["loadbalancers"], mine[1:])
        self.assertEqual((await self.ask("GET", f"{path}?project_id=p2")).body["loadbalancers"], [])
        nobodys = await self.ask("GET", "/v2/octavia/projects/nobody/loadbalancers")
        self.assertEqual((nobodys.status, nobodys.body["loadbalancers"]), (200, []))
        for no_project in ("%00", "a%0Ab", "x" * 37):
            reply = await self.ask("GET", f"/v2/octavia/projects/{no_project}/loadbalancers")
            self.assertEqual(reply.status, 400)
            self.assertIn("for project_id:", reply.sentence)

    async def test_usage_is_counted(self) -> None:
        made = await self.load_balancer(project_id="p1")
        listener = await self.listener(made["id"])
        pool = await self.pool(made["id"])
        await self.make("member", f"pools/{pool['id']}/members", address="192.0.2.9", protocol_port=80)
        amphora = await self.amphora(made["id"])
        gone = await self.make("loadbalancer", vip_subnet_id=SUBNET, project_id="p1")
        await self.ask("DELETE", f"loadbalancers/{gone['id']}")
        await self.ask("PUT", "quotas/p1", {"quota": {"listener": 7}})
        async with self.database.transaction() as tx:
            row = CounterRow(listener_id=listener["id"], amphora_id=amphora.id, epoch="a", bytes_out=5)
            await statistics.merge(tx, [row])
        kinds = ("load_balancer", "listener", "pool", "member", "health_monitor", "l7policy", "l7rule")
        used = dict.fromkeys(kinds, 0) | {"load_balancer": 1, "listener": 1, "pool": 1, "member": 1}
        limits = dict.fromkeys(kinds, -1) | {"load_balancer": 5, "listener": 7}
        carried = {
            "active_connections": 0, "bytes_in": 0, "bytes_out": 5, "request_errors": 0, "total_connections": 0
        }  # fmt: skip
        self.assertEqual(
            (await self.ask("GET", "/v2/octavia/projects/p1/usage")).body["usage"],
            {"project_id": "p1", "used": used, "limits": limits, "amphorae": 1, "statistics": carried},
        )
        nothing = (await self.ask("GET", "/v2/octavia/projects/p9/usage")).body["usage"]
        self.assertEqual((set(nothing["used"].values()), nothing["amphorae"]), ({0}, 0))

    async def test_projects_come_in_pages(self) -> None:
        for project in ("b", "a", "c", "c"):
            await self.make("loadbalancer", vip_subnet_id=SUBNET, project_id=project)
        reply = await self.ask("GET", "/v2/octavia/projects?limit=2")
        self.assertEqual([(p["id"], p["load_balancer"]) for p in reply.body["projects"]], [("a", 1), ("b", 1)])
        following = reply.body["projects_links"][0]["href"].removeprefix(self.base)
        reply = await self.ask("GET", following)
        self.assertEqual([(p["id"], p["load_balancer"]) for p in reply.body["projects"]], [("c", 2)])
        before = reply.body["projects_links"][0]
        self.assertEqual(before["rel"], "previous")
        reply = await self.ask("GET", before["href"].removeprefix(self.base))
        self.assertEqual([p["id"] for p in reply.body["projects"]], ["a", "b"])
        reply = await self.ask("GET", "/v2/octavia/projects?sort=load_balancer:desc&limit=1&fields=id")
        self.assertEqual(reply.body["projects"], [{"id": "c"}])


class SparesTests(OperatorCase):
    """Amphorae of nobody."""

    async def test_they_are_told_by_flavor(self) -> None:
        made = await self.load_balancer()
        ready = await self.amphora(None, AmphoraState.READY)
        await self.amphora(None, AmphoraState.BOOTING)
        await self.amphora(None, AmphoraState.REQUESTED, compute_flavor="large")
        await self.amphora(None, AmphoraState.DELETING)
        await self.amphora(made["id"], AmphoraState.READY)
        usual, large = (await self.ask("GET", "/v2/octavia/spares")).body["spares"]
        counted = [(each["compute_flavor"], each["wanted"], each["ready"], each["booting"]) for each in (usual, large)]
        self.assertEqual(counted, [(None, 0, 1, 1), ("large", 0, 0, 1)])
        self.assertEqual(usual["amphorae"][0], await self.shown(f"/v2/octavia/amphorae/{ready.id}"))

    async def test_none_is_none(self) -> None:
        (usual,) = (await self.ask("GET", "/v2/octavia/spares")).body["spares"]
        self.assertEqual(usual, {"compute_flavor": None, "wanted": 0, "ready": 0, "booting": 0, "amphorae": []})


class LeasesTests(OperatorCase):
    """Who works on what."""

    async def listed_leases(self, query: str) -> list[dict[str, Any]]:
        reply = await self.ask("GET", f"/v2/octavia/leases{query}")
        self.assertEqual(reply.status, 200, reply)
        return list(reply.body["leases"])

    async def test_what_holds_a_load_balancer_up_is_told(self) -> None:
        made = await self.load_balancer(project_id="p1")
        (waiting,) = await self.listed_leases("")
        self.assertEqual(waiting.keys(), set(_LEASE.split()))
        self.assertEqual((waiting["load_balancer_id"], waiting["holder"], waiting["fence"]), (made["id"], None, 0))
        holder = new_id()
        async with self.database.transaction() as tx:
            lease = await leases.claim(tx, holder, 60)
            assert lease is not None
            await leases.progress(tx, lease, "await agent")
        (held,) = await self.listed_leases(f"?holder={holder}&settled=false&load_balancer_id={made['id']}")
        self.assertEqual((held["holder"], held["fence"], held["step"]), (holder, 1, "await agent"))
        self.assertIsNotNone(held["expires_at"])
        async with self.database.transaction() as tx:
            await leases.postpone(tx, lease, 60, "await agent", "It doesn't answer.")
        (failed,) = await self.listed_leases("?holder=&sort=attempts:desc&project_id=p1")
        self.assertEqual((failed["attempts"], failed["last_error"]), (1, "It doesn't answer."))
        self.assertIsNotNone(failed["last_error_at"])
        for query in ("?settled=true", f"?holder={UNKNOWN}", "?project_id=p2"):
            self.assertEqual(await self.listed_leases(query), [])
        self.assertEqual((await self.ask("GET", "/v2/octavia/leases?holder=x")).status, 400)

    async def test_they_come_in_pages(self) -> None:
        ids = sorted([(await self.make("loadbalancer", vip_subnet_id=SUBNET))["id"] for _ in range(3)])
        reply = await self.ask("GET", "/v2/octavia/leases?limit=2")
        self.assertEqual([each["load_balancer_id"] for each in reply.body["leases"]], ids[:2])
        reply = await self.ask("GET", reply.body["leases_links"][0]["href"].removeprefix(self.base))
        self.assertEqual([each["load_balancer_id"] for each in reply.body["leases"]], ids[2:])


class HistoryTests(OperatorCase):
    """What happened."""

    async def history(self, identifier: str, query: str = "") -> dict[str, Any]:
        reply = await self.ask("GET", f"/v2/octavia/history/{identifier}{query}")
        self.assertEqual(reply.status, 200, reply)
        return dict(reply.body["history"])

    def statuses(self, history: dict[str, Any]) -> list[str]:
        return [event["provisioning_status"] for event in history["events"]]

    async def test_a_load_balancers_life_is_told_to_its_end(self) -> None:
        made = await self.load_balancer(project_id="p1")
        listener = await self.listener(made["id"])
        await self.apply(made["id"])
        path = f"loadbalancers/{made['id']}?cascade=true"
        self.assertEqual((await self.ask("DELETE", path)).status, 204)
        async with self.database.transaction() as tx:
            await load_balancers.forget(tx, made["id"])
        history = await self.history(made["id"])
        self.assertEqual(self.statuses(history), ["PENDING_CREATE", "ACTIVE", "PENDING_DELETE", "DELETED"])
        about = {"kind": "load_balancer", "id": made["id"], "load_balancer_id": made["id"], "project_id": "p1"}
        self.assertEqual(history["object"], history["object"] | about | {"provisioning_status": "DELETED"})
        tree = await self.history(made["id"], "?below=true")
        self.assertEqual({event["kind"] for event in tree["events"]}, {"load_balancer", "listener"})
        self.assertEqual(len(tree["events"]), 8)
        self.assertEqual(self.statuses(await self.history(listener["id"]))[-1], "DELETED")
        self.assertEqual((await self.ask("GET", f"/v2/octavia/history/{UNKNOWN}")).status, 404)
        self.assertEqual((await self.ask("GET", "/v2/octavia/history/x")).status, 404)

    async def test_the_last_error_is_told_with_its_time(self) -> None:
        made = await self.load_balancer()
        listener = await self.listener(made["id"])
        async with self.database.transaction() as tx:
            lease = await leases.claim(tx, new_id(), 60)
            assert lease is not None
            await leases.postpone(tx, lease, 60, "apply", "No answer.")
        for identifier in (made["id"], listener["id"]):
            told = (await self.history(identifier))["object"]
            self.assertEqual((told["last_error"], told["step"]), ("No answer.", "apply"))
            self.assertIsNotNone(told["last_error_at"])
        async with self.database.transaction() as tx:
            await load_balancers.failed(tx, made["id"], "It gave up.")
        await self.apply(made["id"])
        async with self.database.transaction() as tx:
            await tx.fetch("lease.wake", load_balancer_id=made["id"])
            lease = await leases.claim(tx, new_id(), 60)
            assert lease is not None
            await leases.settle(tx, lease)
        told = (await self.history(made["id"]))["object"]
        self.assertEqual((told["last_error"], told["step"]), ("It gave up.", None))
        self.assertIsNotNone(told["last_error_at"])

    async def test_amphorae_have_histories(self) -> None:
        made = await self.load_balancer(project_id="p1")
        amphora = await self.amphora(made["id"], AmphoraState.BOOTING)
        async with self.database.transaction() as tx:
            await amphorae.change(tx, amphora.id, AmphoraState.BOOTING, AmphoraState.FAILED, error="It never came.")
        history = await self.history(amphora.id)
        self.assertEqual(self.statuses(history), ["BOOTING", "FAILED"])
        self.assertEqual((history["object"]["kind"], history["object"]["project_id"]), ("amphora", "p1"))
        self.assertEqual(history["object"]["last_error"], "It never came.")
        self.assertIn("amphora", [event["kind"] for event in (await self.history(made["id"], "?below=1"))["events"]])

    async def test_it_comes_in_pages_from_either_end(self) -> None:
        made = await self.load_balancer()
        for _ in range(3):
            await self.apply(made["id"])
            await self.ask("PUT", f"loadbalancers/{made['id']}", {"loadbalancer": {"name": "x"}})
        path = f"/v2/octavia/history/{made['id']}"
        every = [event["id"] for event in (await self.history(made["id"]))["events"]]
        self.assertEqual(len(every), 7)
        for query, relation, ordered in (
            ("?limit=3", "next", every),
            ("?limit=3&page_reverse=true", "previous", every[::-1]),
        ):
            url, seen = path + query, []
            while url:
                body = (await self.ask("GET", url)).body
                page = [event["id"] for event in body["history"]["events"]]
                seen += page if relation == "next" else page[::-1]
                links = {link["rel"]: link["href"].removeprefix(self.base) for link in body["history_links"]}
                url = links.get(relation, "")
            self.assertEqual(seen, ordered)
        for query in ("limit=0", "limit=x", "marker=1", "marker=1-2-3", "page_reverse=x", "below=x", "nme=a"):
            self.assertEqual((await self.ask("GET", f"{path}?{query}")).status, 400, query)


class ConfigurationTests(OperatorCase):
    """What the amphorae should run."""

    async def configuration(self, identifier: str) -> dict[str, Any]:
        reply = await self.ask("GET", f"/v2/octavia/loadbalancers/{identifier}/configuration")
        self.assertEqual(reply.status, 200, reply)
        return dict(reply.body["configuration"])

    async def test_it_is_shown_for_each_amphora(self) -> None:
        made = await self.load_balancer()
        await self.listener(made["id"], protocol_port=8081)
        pool = await self.pool(made["id"])
        await self.make("member", f"pools/{pool['id']}/members", address="192.0.2.9", protocol_port=80)
        both = [await self.amphora(made["id"]), await self.amphora(made["id"], AmphoraState.DRAINING)]
        await self.amphora(made["id"], AmphoraState.DELETING)
        shown = await self.configuration(made["id"])
        self.assertEqual((shown["load_balancer_id"], shown["revision"]), (made["id"], 4))
        self.assertEqual(shown["applied_revision"], 0)
        self.assertEqual([each["id"] for each in shown["amphorae"]], [amphora.id for amphora in both])
        for each in shown["amphorae"]:
            self.assertIn("bind 192.0.2.10:8081", each["haproxy"])
            self.assertIsNone(each["problem"])

    async def test_it_is_shown_before_there_is_an_amphora_or_an_address(self) -> None:
        made = await self.make("loadbalancer", vip_subnet_id=SUBNET)
        await self.listener(made["id"])
        (amphora,) = (await self.configuration(made["id"]))["amphorae"]
        self.assertEqual(amphora["id"], "00000000-0000-0000-0000-000000000000")
        self.assertIn("bind 0.0.0.0:80", amphora["haproxy"])
        async with self.database.transaction() as tx:
            vip = Vip(address="192.0.2.77", port_id=new_id(), subnet_id=SUBNET, network_id=NETWORK)
            await load_balancers.record_vip(tx, made["id"], vip, ())
        (amphora,) = (await self.configuration(made["id"]))["amphorae"]
        self.assertIn("bind 192.0.2.77:80", amphora["haproxy"])

    async def test_one_that_goes_or_serves_nothing_has_none(self) -> None:
        made = await self.load_balancer()
        self.assertEqual((await self.configuration(made["id"]))["amphorae"][0]["haproxy"], "")
        await self.listener(made["id"])
        await self.ask("DELETE", f"loadbalancers/{made['id']}?cascade=true")
        self.assertEqual((await self.configuration(made["id"]))["amphorae"][0]["haproxy"], "")
        reply = await self.ask("GET", f"/v2/octavia/loadbalancers/{UNKNOWN}/configuration")
        self.assertEqual(reply.status, 404)


class UnrenderableTests(OperatorCase):
    """Where more is accepted than haproxy can do."""

    accept_all = True

    async def test_why_there_is_no_configuration_is_told(self) -> None:
        made = await self.load_balancer()
        await self.listener(made["id"], protocol="UDP")
        reply = await self.ask("GET", f"/v2/octavia/loadbalancers/{made['id']}/configuration")
        (amphora,) = reply.body["configuration"]["amphorae"]
        self.assertIsNone(amphora["haproxy"])
        self.assertIn("UDP", amphora["problem"])
