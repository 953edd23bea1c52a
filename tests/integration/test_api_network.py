"""The look-ups that clients make before they call us, where no cloud answers them."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from attrs import evolve
from jsonschema import Draft202012Validator, FormatChecker
from zope.interface import implementer

from octavia_tx.api import neighbours
from octavia_tx.db import load_balancers
from octavia_tx.errors import CloudError, DatabaseUnavailable
from octavia_tx.interfaces import IIdentity
from octavia_tx.model.amphora import Vip
from octavia_tx.model.caller import Caller, Presented
from octavia_tx.testing.memory import NETWORK as MEMORY
from octavia_tx.testing.memory import MemoryNetwork
from tests.integration.api import NETWORK, SUBNET, SUBNET6, UNKNOWN, ApiCase, Reply

PROJECT = "9d1f3c5e7a9b4d2c8e6f0a1b2c3d4e5f"
PORT = "b0000000-0000-4000-8000-000000000001"
EMPTY = {"security-groups": "security_groups", "qos/policies": "policies"}


@implementer(IIdentity)
class Members:
    """Everyone is a member of the project that they name."""

    challenge = None

    async def caller(self, presented: Presented) -> Caller:
        return Caller(project_id=presented.project_id, roles=frozenset({"member"}))


class AddressTests(ApiCase):
    """A load balancer that is made has its addresses at once, for clients go on with its port."""

    network = MemoryNetwork()

    async def _prepare(self) -> None:
        self.network = MemoryNetwork()
        await super()._prepare()

    async def asked(self, **fields: Any) -> Reply:
        return await self.ask("POST", "loadbalancers", {"loadbalancer": {"vip_network_id": MEMORY.id, **fields}})

    async def test_the_answer_shows_them(self) -> None:
        reply = await self.asked(additional_vips=[{"subnet_id": MEMORY.subnet_ids[0]}])
        made = reply.body["loadbalancer"]
        (given,) = self.network.allocated.values()
        self.assertEqual((made["vip_address"], made["vip_port_id"]), (given.address, given.port_id))
        self.assertEqual((made["vip_subnet_id"], made["vip_network_id"]), (given.subnet_id, given.network_id))
        (further,) = made["additional_vips"]
        self.assertNotIn(None, further.values())
        self.assertEqual(await self.shown(f"loadbalancers/{made['id']}"), {**made, "tags": []})

    async def test_what_another_has_is_passed_over(self) -> None:
        first = (await self.asked()).body["loadbalancer"]
        wanted = first["vip_address"]
        allocate = self.network.allocate_vip

        async def same(load_balancer: Any, taken: frozenset[str]) -> Any:
            given = await allocate(load_balancer, taken)
            return given if wanted in taken else evolve(given, address=wanted)

        self.network.allocate_vip = same  # type: ignore[method-assign]
        second = await self.asked()
        self.assertEqual(second.status, 201, second)
        self.assertNotEqual(second.body["loadbalancer"]["vip_address"], wanted)
        self.assertEqual((await self.asked(vip_address=wanted)).status, 409)

    async def test_what_was_given_for_nothing_is_given_back(self) -> None:
        self.network.trouble.ahead.clear()
        await self.ask("PUT", f"quotas/{PROJECT}", {"quota": {"load_balancer": 0}})
        self.assertEqual((await self.asked(project_id=PROJECT)).status, 403)
        self.assertEqual(self.network.allocated, {})

    async def test_what_may_have_been_written_keeps_its_addresses(self) -> None:
        def in_doubt(*args: Any) -> Any:
            raise DatabaseUnavailable("Whether the change was made isn't known: look again.")

        self.patch(load_balancers, "insert", in_doubt)
        self.assertEqual((await self.asked()).status, 503)
        self.assertEqual(len(self.network.allocated), 1)

    async def test_without_an_answer_a_controller_asks_later(self) -> None:
        allocate = self.network.allocate_vip

        async def silent(load_balancer: Any, taken: frozenset[str]) -> Any:
            self.network.allocate_vip = allocate  # type: ignore[method-assign]
            raise CloudError("No answer.")

        self.network.allocate_vip = silent  # type: ignore[method-assign]
        reply = await self.asked()
        self.assertEqual((reply.status, reply.body["loadbalancer"]["vip_port_id"]), (201, None))

    async def test_trying_asks_for_none(self) -> None:
        body = {"loadbalancer": {"vip_network_id": MEMORY.id}}
        self.assertEqual((await self.ask("POST", "loadbalancers?dry_run=true", body)).status, 200)
        self.assertEqual(self.network.allocated, {})


class NetworkCase(ApiCase):
    async def listed(self, path: str) -> list[Any]:
        reply = await self.ask("GET", f"/network/v2.0/{path}")
        self.assertEqual(reply.status, 200, reply)
        (found,) = reply.body.values()
        return [each["name"] for each in found]

    async def _with_vip(self) -> dict[str, Any]:
        made = await self.load_balancer(name="x")
        vip = Vip(address="192.0.2.10", port_id=PORT, subnet_id=SUBNET, network_id=NETWORK)
        async with self.database.transaction() as tx:
            await load_balancers.record_vip(tx, made["id"], vip, ())
        return made

    async def hold_against_the_description(self) -> None:
        """Each answer is of the shape that the document tells of, and all that is served beside the rest is in it."""
        await self._with_vip()
        reply = await self.ask("GET", "/v2.0/openapi.json")
        self.assertEqual(reply.body, (await self.ask("GET", "/v2/openapi.json")).body)
        operations = {path: methods["get"] for path, methods in reply.body["paths"].items() if "get" in methods}
        told = {at for path, operation in operations.items() for at in (path, *operation.get("x-also-at", ()))}
        self.assertLessEqual({each.path.replace("<", "{").replace(">", "}") for each in self.further}, told)
        ids = {"networks": NETWORK, "subnets": SUBNET}
        for path in sorted(
            {each.path for each in self.further} & {each.replace("{id}", "<id>") for each in operations}
        ):
            identifier = ids.get(path.split("/")[-2], PORT)
            asked = await self.ask("GET", path.replace("<id>", identifier))
            operation = operations[path.replace("<id>", "{id}")]
            answer = operation["responses"][str(asked.status)]["content"]["application/json"]["schema"]
            schema = {**answer, "components": reply.body["components"]}
            Draft202012Validator(schema, format_checker=FormatChecker()).validate(asked.body)

    def refusal(self, reply: Reply) -> tuple[int, str]:
        self.assertEqual(reply.body.keys(), {"NeutronError"})
        self.assertEqual(reply.body["NeutronError"].keys(), {"type", "message", "detail"})
        return reply.status, reply.body["NeutronError"]["type"]


class NetworkApiTests(NetworkCase):
    """C{/network}, over a network with two subnets."""

    further = neighbours.networks(any_id=False)

    async def test_answers_are_as_the_description_tells(self) -> None:
        await self.hold_against_the_description()

    async def test_clients_discover_the_version(self) -> None:
        for path in ("/network", "/network/"):
            (version,) = (await self.ask("GET", path)).body["versions"]
            self.assertEqual((version["id"], version["status"]), ("v2.0", "CURRENT"))
            self.assertEqual(version["links"], [{"rel": "self", "href": f"{self.base}/network/v2.0/"}])
        self.assertEqual((await self.ask("GET", "/network/v2.0/")).body["version"], version)

    async def test_subnets_and_networks_are_found_by_id_and_by_name(self) -> None:
        self.assertEqual(await self.listed("subnets"), ["six", "four"])
        self.assertEqual(await self.listed("subnets?name=four"), ["four"])
        self.assertEqual(await self.listed(f"subnets?id={SUBNET}"), ["four"])
        self.assertEqual(await self.listed(f"subnets?id={SUBNET}&name=six"), [])
        self.assertEqual(await self.listed(f"subnets?id={SUBNET}&id={SUBNET6}&id=nonsense"), ["four", "six"])
        self.assertEqual(await self.listed("subnets?name=four&name=six"), ["six", "four"])
        self.assertEqual(await self.listed(f"subnets?network_id={NETWORK}&ip_version=6"), ["six"])
        self.assertEqual(await self.listed("subnets?name=nobody"), [])
        self.assertEqual(await self.listed(f"networks?id={NETWORK}"), ["both"])
        self.assertEqual(await self.listed("networks?shared=True&router:external=False"), ["both"])
        self.assertEqual(await self.listed("networks?shared=False"), [])

    async def test_one_subnet_is_shown_as_neutron_shows_it(self) -> None:
        shown = (await self.ask("GET", f"/network/v2.0/subnets/{SUBNET.upper()}")).body["subnet"]
        expected = {"id": SUBNET, "name": "four", "network_id": NETWORK, "cidr": "192.0.2.0/24", "ip_version": 4}
        self.assertEqual({key: shown[key] for key in expected}, expected)
        shown = (await self.ask("GET", f"/network/v2.0/networks/{NETWORK}")).body["network"]
        self.assertEqual((shown["subnets"], shown["status"]), ([SUBNET6, SUBNET], "ACTIVE"))

    async def test_lists_page_and_show_the_fields_asked_for(self) -> None:
        self.assertEqual(await self.listed("subnets?limit=1"), ["six"])
        self.assertEqual(await self.listed(f"subnets?limit=1&marker={SUBNET6}"), ["four"])
        self.assertEqual(await self.listed(f"subnets?limit=1&marker={SUBNET}"), [])
        self.assertEqual(await self.listed(f"subnets?marker={UNKNOWN}"), [])
        reply = await self.ask("GET", "/network/v2.0/subnets?fields=id&fields=cidr&name=four")
        self.assertEqual(reply.body, {"subnets": [{"id": SUBNET, "cidr": "192.0.2.0/24"}]})

    async def test_the_ports_are_those_of_vips(self) -> None:
        made = await self._with_vip()
        await self.load_balancer(vip_address="192.0.2.11", name="has none yet")
        name = f"octavia-lb-{made['id']}"
        for query in ("", f"?id={PORT}", f"?name={name}", f"?device_id=lb-{made['id']}", "?device_owner=Octavia"):
            self.assertEqual(await self.listed(f"ports{query}"), [name], query)
        for query in (f"?name=octavia-lb-{UNKNOWN}", "?name=x", f"?name={made['id']}", f"?id={UNKNOWN}"):
            self.assertEqual(await self.listed(f"ports{query}"), [], query)
        shown = (await self.ask("GET", f"/network/v2.0/ports/{PORT}")).body["port"]
        self.assertEqual(shown["fixed_ips"], [{"subnet_id": SUBNET, "ip_address": "192.0.2.10"}])
        self.assertEqual((shown["network_id"], shown["project_id"]), (NETWORK, "default"))

    async def test_there_are_no_security_groups_and_policies(self) -> None:
        for path, key in EMPTY.items():
            reply = await self.ask("GET", f"/network/v2.0/{path}?name=default")
            self.assertEqual((reply.status, reply.body), (200, {key: []}))
            reply = await self.ask("GET", f"/network/v2.0/{path}/{UNKNOWN}")
            self.assertEqual(self.refusal(reply), (404, "NotFound"))

    async def test_refusals_have_neutrons_shape(self) -> None:
        for identifier in (UNKNOWN, "four", "a%00b"):
            for kind in ("networks", "subnets", "ports"):
                reply = await self.ask("GET", f"/network/v2.0/{kind}/{identifier}")
                self.assertEqual(self.refusal(reply), (404, "NotFound"))
        for query in ("colour=red", "limit=0", "limit=many", "sort_key=name"):
            reply = await self.ask("GET", f"/network/v2.0/subnets?{query}")
            self.assertEqual(self.refusal(reply)[0], 400, query)
        self.assertEqual((await self.ask("POST", "/network/v2.0/subnets", {})).status, 405)

    async def test_who_knows_one_endpoint_alone_finds_them_beside_the_load_balancers(self) -> None:
        for prefix in ("/v2", "/v2.0"):
            reply = await self.ask("GET", f"{prefix}/subnets?name=four")
            self.assertEqual([each["id"] for each in reply.body["subnets"]], [SUBNET])
            self.assertEqual((await self.ask("GET", f"{prefix}/lbaas/loadbalancers")).status, 200)


class MembersTests(NetworkCase):
    """C{/network}, for those who aren't administrators."""

    further = neighbours.networks(any_id=False)
    identity = Members()

    async def test_networks_are_everyones_and_ports_their_projects(self) -> None:
        own, other = {"X-Project-Id": "default"}, {"X-Project-Id": "shop"}
        described = {"vip_subnet_id": SUBNET, "vip_address": "192.0.2.10"}
        made = (await self.ask("POST", "loadbalancers", {"loadbalancer": described}, own)).body["loadbalancer"]
        vip = Vip(address="192.0.2.10", port_id=PORT, subnet_id=SUBNET, network_id=NETWORK)
        async with self.database.transaction() as tx:
            await load_balancers.record_vip(tx, made["id"], vip, ())
        for headers, ports, status in ((own, 1, 200), (other, 0, 404)):
            self.assertEqual(len((await self.ask("GET", "/v2.0/networks", headers=headers)).body["networks"]), 1)
            for path in ("/v2.0/ports", f"/v2.0/ports?id={PORT}"):
                self.assertEqual(len((await self.ask("GET", path, headers=headers)).body["ports"]), ports, path)
            self.assertEqual((await self.ask("GET", f"/v2.0/ports/{PORT}", headers=headers)).status, status)


class AnyIdTests(NetworkCase):
    """C{/network}, where whatever is named exists."""

    further = neighbours.networks(any_id=True)

    async def test_answers_are_as_the_description_tells(self) -> None:
        await self.hold_against_the_description()

    async def test_any_port_group_and_policy_is_there(self) -> None:
        anything = str(uuid4())
        for path, one, many in (
            ("ports", "port", "ports"),
            ("security-groups", "security_group", "security_groups"),
            ("qos/policies", "policy", "policies"),
        ):
            shown = (await self.ask("GET", f"/network/v2.0/{path}/{anything}")).body[one]
            self.assertEqual(shown["id"], anything)
            self.assertEqual((await self.ask("GET", f"/network/v2.0/{path}?id={anything}")).body, {many: [shown]})
            self.assertEqual((await self.ask("GET", f"/network/v2.0/{path}/nonsense")).status, 404)

    async def test_a_vips_port_is_still_the_vips(self) -> None:
        made = await self._with_vip()
        self.assertEqual(await self.listed(f"ports?id={PORT}"), [f"octavia-lb-{made['id']}"])


class WithoutNeighboursTests(NetworkCase):
    """The API beside a real cloud."""

    async def test_networks_and_projects_arent_ours_to_show(self) -> None:
        for path in ("/network", "/network/v2.0/subnets", "/v2.0/subnets", f"/v2/ports/{PORT}", "/projects/shop"):
            self.assertEqual((await self.ask("GET", path)).status, 404, path)
        paths = (await self.ask("GET", "/v2/openapi.json")).body["paths"]
        self.assertEqual([path for path in paths if "network" in path or path.startswith("/projects")], [])


class ProjectsTests(ApiCase):
    """C{/projects}."""

    further = neighbours.identity()

    async def test_every_project_exists_and_its_name_is_its_id(self) -> None:
        for name in ("shop", "größer", str(uuid4())):
            shown = (await self.ask("GET", f"/projects/{name}")).body["project"]
            self.assertEqual((shown["id"], shown["name"], shown["enabled"]), (name, name, True))

    async def test_what_no_object_could_belong_to_is_refused(self) -> None:
        self.assertEqual((await self.ask("GET", f"/projects/{'x' * 37}")).status, 400)
