"""Amphorae over HTTP, as operators and their clients see them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import openstack
from twisted.internet.threads import deferToThread

from octavia_tx.api.amphorae import STATUSES
from octavia_tx.db import amphorae, statistics
from octavia_tx.db.statistics import CounterRow
from octavia_tx.model.amphora import Amphora
from octavia_tx.model.caller import Caller, Presented
from octavia_tx.model.statuses import AmphoraRole, AmphoraState
from tests.integration.api import UNKNOWN, ApiCase, new_id

_KEYS = (
    "id loadbalancer_id compute_id lb_network_ip vrrp_ip ha_ip vrrp_port_id ha_port_id cert_expiration cert_busy role "
    "status vrrp_interface vrrp_id vrrp_priority cached_zone created_at updated_at image_id compute_flavor"
)
STATES = [state for state in AmphoraState if state is not AmphoraState.DELETED]


class OperatorCase(ApiCase):
    """The API with amphorae, which nobody runs."""

    async def amphora(
        self, load_balancer_id: str | None = None, state: AmphoraState = AmphoraState.ALLOCATED, **fields: Any
    ) -> Amphora:
        """A new one, which is written as it is."""
        amphora = Amphora(
            id=new_id(), load_balancer_id=load_balancer_id, state=state, created_at=datetime.now(UTC), **fields
        )
        async with self.database.transaction() as tx:
            await amphorae.insert(tx, amphora)
        return amphora

    async def state(self, amphora: Amphora) -> Amphora | None:
        """As it is now."""
        async with self.database.transaction(read_only=True) as tx:
            return await amphorae.get(tx, amphora.id)

    async def listed(self, query: str = "") -> list[str]:
        """Ids of the amphorae of a list."""
        reply = await self.ask("GET", f"/v2/octavia/amphorae{query}")
        self.assertEqual(reply.status, 200, reply)
        return [each["id"] for each in reply.body["amphorae"]]


class ShownTests(OperatorCase):
    """How they are shown."""

    async def test_one_is_shown_in_the_words_that_clients_know(self) -> None:
        made = await self.load_balancer()
        amphora = await self.amphora(
            made["id"],
            role=AmphoraRole.STANDALONE,
            lb_network_ip="127.0.0.9",
            compute_id="c",
            cert_expiration=datetime(2030, 1, 2, 3, 4, 5, 600000, tzinfo=UTC),
        )
        for prefix in ("/v2/octavia", "/v2.0/octavia"):
            shown = await self.shown(f"{prefix}/amphorae/{amphora.id}")
            self.assertEqual(shown.keys(), set(_KEYS.split()))
            self.assertEqual(shown["loadbalancer_id"], made["id"])
            self.assertEqual((shown["status"], shown["role"]), ("ALLOCATED", "STANDALONE"))
            self.assertEqual(shown["cert_expiration"], "2030-01-02T03:04:05")
            self.assertIs(shown["cert_busy"], False)
            self.assertIsNone(shown["vrrp_id"])
        self.assertEqual((await self.ask("GET", f"/v2/octavia/amphorae/{UNKNOWN}")).status, 404)
        fields = await self.shown(f"/v2/octavia/amphorae/{amphora.id}?fields=id&fields=status")
        self.assertEqual(fields, {"id": amphora.id, "status": "ALLOCATED"})

    async def test_they_are_filtered_by_what_is_shown(self) -> None:
        first = await self.load_balancer(project_id="p1")
        second = await self.make("loadbalancer", vip_subnet_id=first["vip_subnet_id"], project_id="p2")
        one = await self.amphora(first["id"], role=AmphoraRole.MASTER, lb_network_ip="127.0.0.9")
        two = await self.amphora(second["id"], AmphoraState.DRAINING, role=AmphoraRole.BACKUP, image_id="i")
        spare = await self.amphora(None, AmphoraState.READY, vrrp_ip="192.0.2.9")
        for query, expected in (
            ("", [one, two, spare]),
            (f"?loadbalancer_id={first['id']}", [one]),
            (f"?load_balancer_id={second['id']}", [two]),
            ("?loadbalancer_id=", [spare]),
            ("?project_id=p2", [two]),
            ("?project_id=p3", []),
            ("?status=ALLOCATED", [one, two]),
            ("?status=READY", [spare]),
            ("?status=FAILOVER_STOPPED", []),
            ("?role=BACKUP", [two]),
            ("?lb_network_ip=127.0.0.9", [one]),
            ("?image_id=i", [two]),
            ("?vrrp_ip=192.0.2.9", [spare]),
            ("?cert_busy=false", [one, two, spare]),
            ("?cert_busy=true", []),
            ("?vrrp_priority=100", []),
            (f"?id={two.id}", [two]),
            ("?sort=role:desc", [spare, one, two]),
            ("?sort=status:asc,id:asc", sorted([one, two, spare], key=lambda a: (a.state, a.id))),
        ):
            self.assertEqual(await self.listed(query), [a.id for a in expected], query)
        for query in ("?loadbalancer_id=x", "?nme=a", "?tags=a", "?lb_network_ip=x"):
            self.assertEqual((await self.ask("GET", f"/v2/octavia/amphorae{query}")).status, 400, query)

    async def test_each_state_is_found_by_the_word_that_it_is_shown_with(self) -> None:
        self.assertEqual(set(STATUSES), set(AmphoraState))
        made = {state: await self.amphora(None, state) for state in STATES}
        for amphora in made.values():
            status = (await self.shown(f"/v2/octavia/amphorae/{amphora.id}"))["status"]
            alike = [each.id for state, each in made.items() if STATUSES[state] == status]
            self.assertEqual(await self.listed(f"?status={status}"), alike)

    async def test_they_come_in_pages(self) -> None:
        made = [(await self.amphora(None, AmphoraState.READY)).id for _ in range(5)]
        for query in ("status=READY", "sort=status", "sort=status:desc"):
            url, seen = f"/v2/octavia/amphorae?limit=2&{query}", []
            while url:
                reply = await self.ask("GET", url)
                self.assertEqual(reply.status, 200, reply)
                seen += [each["id"] for each in reply.body["amphorae"]]
                following = [link["href"] for link in reply.body["amphorae_links"] if link["rel"] == "next"]
                url = following[0].removeprefix(self.base) if following else ""
            self.assertEqual(seen, made, query)

    async def test_traffic_is_told_by_listener(self) -> None:
        made = await self.load_balancer()
        listener = await self.listener(made["id"])
        amphora, other = await self.amphora(made["id"]), await self.amphora(made["id"])
        path = f"/v2/octavia/amphorae/{amphora.id}/stats"
        self.assertEqual((await self.ask("GET", path)).status, 404)
        self.assertEqual((await self.ask("GET", f"/v2/octavia/amphorae/{UNKNOWN}/stats")).status, 404)
        async with self.database.transaction() as tx:
            rows = [
                CounterRow(listener_id=listener["id"], amphora_id=owner.id, epoch=epoch, bytes_in=count)
                for owner, epoch, count in ((amphora, "a", 1), (amphora, "b", 2), (other, "a", 40))
            ]
            await statistics.merge(tx, rows)
        reply = await self.ask("GET", path)
        self.assertEqual(
            reply.body,
            {
                "amphora_stats": [
                    {
                        "id": amphora.id,
                        "listener_id": listener["id"],
                        "loadbalancer_id": made["id"],
                        "active_connections": 0,
                        "bytes_in": 3,
                        "bytes_out": 0,
                        "request_errors": 0,
                        "total_connections": 0,
                    }
                ]
            },
        )


class DoneTests(OperatorCase):
    """What is done with them."""

    async def test_one_that_serves_nobody_is_deleted(self) -> None:
        spare = await self.amphora(None, AmphoraState.READY)
        for _ in range(2):
            self.assertEqual((await self.ask("DELETE", f"/v2/octavia/amphorae/{spare.id}")).status, 204)
            self.assertEqual((await self.state(spare)).state, AmphoraState.DELETING)  # type: ignore[union-attr]
        self.assertEqual((await self.ask("DELETE", f"/v2/octavia/amphorae/{UNKNOWN}")).status, 404)

    async def test_one_that_serves_is_not_deleted(self) -> None:
        made = await self.load_balancer()
        amphora = await self.amphora(made["id"])
        reply = await self.ask("DELETE", f"/v2/octavia/amphorae/{amphora.id}")
        self.assertEqual(reply.status, 409)
        self.assertIn("failover", reply.sentence)
        self.assertEqual((await self.state(amphora)).state, AmphoraState.ALLOCATED)  # type: ignore[union-attr]

    async def test_one_is_replaced(self) -> None:
        made = await self.load_balancer()
        amphora, other = await self.amphora(made["id"]), await self.amphora(made["id"])
        await self.apply(made["id"])
        reply = await self.ask("PUT", f"/v2/octavia/amphorae/{amphora.id}/failover")
        self.assertEqual((reply.status, reply.body), (202, None))
        self.assertEqual((await self.state(amphora)).state, AmphoraState.DRAINING)  # type: ignore[union-attr]
        self.assertEqual((await self.state(other)).state, AmphoraState.ALLOCATED)  # type: ignore[union-attr]
        shown = await self.shown(f"loadbalancers/{made['id']}")
        self.assertEqual(shown["provisioning_status"], "PENDING_UPDATE")
        self.assertEqual((await self.ask("PUT", f"/v2/octavia/amphorae/{UNKNOWN}/failover")).status, 404)

    async def test_all_of_a_load_balancer_are_replaced(self) -> None:
        made = await self.load_balancer()
        both = [await self.amphora(made["id"]), await self.amphora(made["id"])]
        path = f"loadbalancers/{made['id']}"
        headers = {"If-Match": '"9"'}
        self.assertEqual((await self.ask("PUT", f"{path}/failover", headers=headers)).status, 412)
        self.assertEqual((await self.state(both[0])).state, AmphoraState.ALLOCATED)  # type: ignore[union-attr]
        reply = await self.ask("PUT", f"{path}/failover")
        self.assertEqual((reply.status, reply.body), (202, None))
        for amphora in both:
            self.assertEqual((await self.state(amphora)).state, AmphoraState.DRAINING)  # type: ignore[union-attr]
        self.assertEqual((await self.ask("PUT", f"loadbalancers/{UNKNOWN}/failover")).status, 404)
        self.assertEqual((await self.ask("DELETE", path)).status, 204)
        self.assertEqual((await self.ask("PUT", f"{path}/failover")).status, 409)
        self.assertEqual((await self.ask("PUT", f"/v2/octavia/amphorae/{both[0].id}/failover")).status, 409)

    async def test_an_agents_settings_are_renewed(self) -> None:
        made = await self.load_balancer()
        amphora = await self.amphora(made["id"])
        self.assertEqual((await self.ask("PUT", f"/v2/octavia/amphorae/{amphora.id}/config")).status, 202)
        self.assertTrue((await self.state(amphora)).config_due)  # type: ignore[union-attr]
        self.assertEqual((await self.ask("PUT", f"/v2/octavia/amphorae/{UNKNOWN}/config")).status, 404)


class SdkTests(OperatorCase):
    """openstacksdk, as the judge."""

    async def test_a_user_of_the_sdk_finds_what_it_expects(self) -> None:
        made = await self.load_balancer()
        amphora = await self.amphora(made["id"])

        def use() -> list[Any]:
            options = {"endpoint": self.base, "load_balancer_endpoint_override": f"{self.base}/v2"}
            with openstack.connect(auth_type="none", **options) as cloud:
                service = cloud.load_balancer
                found = [each.id for each in service.amphorae(loadbalancer_id=made["id"], status="ALLOCATED")]
                service.configure_amphora(amphora.id)
                service.failover_amphora(amphora.id)
                return [found, service.get_amphora(amphora.id).status]

        self.assertEqual(await deferToThread(use), [[amphora.id], "ALLOCATED"])
        self.assertEqual((await self.state(amphora)).state, AmphoraState.DRAINING)  # type: ignore[union-attr]


class Tenants:
    """Everyone is a member of one project."""

    challenge = None

    async def caller(self, presented: Presented) -> Caller:
        return Caller(project_id="p1", roles=frozenset({"member"}))


class RightsTests(OperatorCase):
    """Tenants are no operators."""

    identity = Tenants()

    async def test_nothing_of_it_is_a_tenants(self) -> None:
        made = await self.load_balancer()
        spare = await self.amphora(None, AmphoraState.READY)
        for method, path in (
            ("GET", "/v2/octavia/amphorae"),
            ("GET", f"/v2/octavia/amphorae/{spare.id}"),
            ("DELETE", f"/v2/octavia/amphorae/{spare.id}"),
            ("GET", f"/v2/octavia/amphorae/{spare.id}/stats"),
            ("PUT", f"/v2/octavia/amphorae/{spare.id}/failover"),
            ("PUT", f"/v2/octavia/amphorae/{spare.id}/config"),
            ("PUT", f"loadbalancers/{made['id']}/failover"),
            ("GET", "/v2/octavia/projects"),
            ("GET", "/v2/octavia/projects/p1/loadbalancers"),
            ("GET", "/v2/octavia/projects/p1/usage"),
            ("GET", "/v2/octavia/spares"),
            ("GET", "/v2/octavia/leases"),
            ("GET", f"/v2/octavia/history/{made['id']}"),
            ("GET", f"/v2/octavia/loadbalancers/{made['id']}/configuration"),
            ("GET", "/v2/octavia/events"),
            ("PUT", f"loadbalancers/{made['id']}?dry_run=true"),
            ("DELETE", f"loadbalancers/{made['id']}?dry_run=1"),
        ):
            self.assertEqual((await self.ask(method, path)).status, 403, path)
        self.assertEqual((await self.state(spare)).state, AmphoraState.READY)  # type: ignore[union-attr]
        self.assertEqual((await self.shown(f"loadbalancers/{made['id']}"))["provisioning_status"], "PENDING_CREATE")
