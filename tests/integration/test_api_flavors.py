"""Flavors, availability zones and their profiles over HTTP."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

from twisted.internet import reactor
from twisted.internet.defer import Deferred, gatherResults

from octavia_tx.driver.amphora import AmphoraProvider
from octavia_tx.driver.registry import Providers
from octavia_tx.model.caller import Caller, Presented
from octavia_tx.testing.provider import MemoryProvider
from tests.integration.api import UNKNOWN, ApiCase, Reply


class OfferCase(ApiCase):
    """@ivar memory: a provider beside C{amphora}."""

    def providers(self) -> Providers:
        self.memory = MemoryProvider()
        return Providers((AmphoraProvider(), self.memory), reactor)

    async def profile(self, **fields: Any) -> dict[str, Any]:
        """A new flavor profile of amphorae in C{SINGLE}, unless told otherwise."""
        data = json.dumps(fields.pop("data", {"loadbalancer_topology": "SINGLE"}))
        return await self.make(
            "flavorprofile", **{"name": "p", "provider_name": "amphora", "flavor_data": data, **fields}
        )

    async def flavor(self, profile: dict[str, Any], **fields: Any) -> dict[str, Any]:
        """A new flavor of a profile."""
        return await self.make("flavor", **{"name": "f", "flavor_profile_id": profile["id"], **fields})

    async def zone_profile(self, **fields: Any) -> dict[str, Any]:
        """A new profile of zones, unless told otherwise of C{nova}'s."""
        data = json.dumps(fields.pop("data", {"compute_zone": "nova"}))
        given = {"name": "p", "provider_name": "amphora", "availability_zone_data": data, **fields}
        return await self.make("availability_zone_profile", "availabilityzoneprofiles", **given)

    async def zone(self, profile: dict[str, Any], **fields: Any) -> dict[str, Any]:
        """A new zone of a profile."""
        given = {"name": "z", "availability_zone_profile_id": profile["id"], **fields}
        return await self.make("availability_zone", "availabilityzones", **given)

    async def refused(self, status: int, method: str, path: str, body: Any = None) -> str:
        """The sentence with which a request is refused."""
        reply = await self.ask(method, path, body)
        self.assertEqual(reply.status, status, reply)
        return reply.sentence


class FlavorTests(OfferCase):
    """C{flavors} and C{flavorprofiles}."""

    async def test_a_profile_is_made_shown_renamed_and_deleted(self) -> None:
        made = await self.profile(name="gold", data={"loadbalancer_topology": "SINGLE", "spares": 2})
        self.assertEqual(made.keys(), {"id", "name", "provider_name", "flavor_data"})
        self.assertEqual(json.loads(made["flavor_data"]), {"loadbalancer_topology": "SINGLE", "spares": 2})
        path = f"flavorprofiles/{made['id']}"
        self.assertEqual(await self.shown(path), made)
        changed = await self.ask("PUT", path, {"flavorprofile": {"name": "silver", "flavor_data": "{}"}})
        self.assertEqual(
            (changed.status, changed.body), (200, {"flavorprofile": {**made, "name": "silver", "flavor_data": "{}"}})
        )
        self.assertEqual((await self.ask("GET", f"{path}?fields=name")).body, {"flavorprofile": {"name": "silver"}})
        reply = await self.ask("DELETE", path)
        self.assertEqual((reply.status, reply.body), (204, None))
        self.assertIn("Flavor profile", await self.refused(404, "GET", path))
        await self.refused(404, "DELETE", path)
        await self.refused(404, "PUT", path, {"flavorprofile": {"name": "x"}})

    async def test_a_flavor_is_made_shown_changed_and_deleted(self) -> None:
        profile = await self.profile()
        made = await self.flavor(profile, name="gold")
        expected = {"name": "gold", "description": "", "enabled": True, "flavor_profile_id": profile["id"]}
        self.assertEqual(made, {**expected, "id": made["id"]})
        path = f"flavors/{made['id']}"
        self.assertEqual(await self.shown(path), made)
        given = {"enabled": False, "description": "two\nlines", "name": "silver"}
        changed = await self.ask("PUT", path, {"flavor": given})
        self.assertEqual((changed.status, changed.body), (200, {"flavor": {**made, **given}}))
        self.assertEqual(await self.shown(path), {**made, **given})
        self.assertIn(
            "flavor.flavor_profile_id", await self.refused(400, "PUT", path, {"flavor": {"flavor_profile_id": UNKNOWN}})
        )
        self.assertEqual((await self.ask("DELETE", path)).status, 204)
        await self.refused(404, "GET", path)

    async def test_a_profile_is_held_against_what_its_provider_publishes(self) -> None:
        async def refused(status: int, data: str, provider: str = "amphora") -> str:
            body = {"flavorprofile": {"name": "p", "provider_name": provider, "flavor_data": data}}
            return await self.refused(status, "POST", "flavorprofiles", body)

        sentence = await refused(501, '{"lb_topology": "SINGLE"}')
        self.assertIn("Provider 'amphora' does not support a requested option: ", sentence)
        self.assertIn("'lb_topology'", sentence)
        self.assertIn("Known: loadbalancer_topology", sentence)
        self.assertIn(
            "flavorprofile.flavor_data.loadbalancer_topology", await refused(400, '{"loadbalancer_topology": 2}')
        )
        for data in ("", "fish", "[]", "1", '{"a": NaN}', '{"spares": 1, "spares": 2}', "[" * 4000):
            self.assertIn("flavorprofile.flavor_data", await refused(400, data))
        self.assertIn("amphora, memory, octavia", await refused(400, "{}", "f5"))
        self.assertIn("'memory'", await refused(501, '{"loadbalancer_topology": "SINGLE"}', "memory"))
        self.memory.ahead.append(ZeroDivisionError())
        self.assertIn("Provider 'memory' reports error: ", await refused(500, "{}", "memory"))
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        reply = await self.ask("GET", "flavorprofiles")
        self.assertEqual(reply.body, {"flavorprofiles": [], "flavorprofile_links": []})

    async def test_an_alias_names_a_provider_too(self) -> None:
        made = await self.profile(provider_name="octavia")
        self.assertEqual(made["provider_name"], "octavia")

    async def test_a_change_of_a_profile_is_judged_as_a_whole(self) -> None:
        made = await self.profile()
        path = f"flavorprofiles/{made['id']}"
        await self.refused(501, "PUT", path, {"flavorprofile": {"provider_name": "memory"}})
        await self.refused(400, "PUT", path, {"flavorprofile": {"flavor_data": "fish"}})
        for field in ("name", "provider_name", "flavor_data"):
            self.assertIn(field, await self.refused(400, "PUT", path, {"flavorprofile": {field: None}}))
        self.assertEqual(await self.shown(path), made)
        given = {"provider_name": "memory", "flavor_data": '{"memory": "fast"}'}
        changed = await self.ask("PUT", path, {"flavorprofile": given})
        self.assertEqual(changed.body["flavorprofile"], {**made, **given})

    async def test_what_is_in_use_stays_as_it_is(self) -> None:
        profile = await self.profile()
        flavor = await self.flavor(profile)
        path = f"flavorprofiles/{profile['id']}"
        for given in ({"flavor_data": "{}"}, {"provider_name": "octavia"}):
            self.assertIn("used by a flavor", await self.refused(409, "PUT", path, {"flavorprofile": given}))
        self.assertIn("used by a flavor", await self.refused(409, "DELETE", path))
        same = {"flavor_data": profile["flavor_data"], "name": "renamed"}
        self.assertEqual((await self.ask("PUT", path, {"flavorprofile": same})).status, 200)
        await self.load_balancer(flavor_id=flavor["id"])
        self.assertIn("used by a load balancer", await self.refused(409, "DELETE", f"flavors/{flavor['id']}"))

    async def test_names_are_taken_once(self) -> None:
        profile = await self.profile()
        other = await self.profile(name="other")
        flavor = await self.flavor(profile)
        body = {"name": "p", "provider_name": "amphora", "flavor_data": "{}"}
        self.assertIn("name", await self.refused(409, "POST", "flavorprofiles", {"flavorprofile": body}))
        self.assertIn(
            "name", await self.refused(409, "PUT", f"flavorprofiles/{other['id']}", {"flavorprofile": {"name": "p"}})
        )
        body = {"name": "f", "flavor_profile_id": profile["id"]}
        self.assertIn("name", await self.refused(409, "POST", "flavors", {"flavor": body}))
        again = await self.ask("PUT", f"flavors/{flavor['id']}", {"flavor": {"name": "f"}})
        self.assertEqual(again.status, 200, "its own name")

    async def test_a_flavor_needs_a_profile_that_is_there(self) -> None:
        sentence = await self.refused(400, "POST", "flavors", {"flavor": {"name": "f", "flavor_profile_id": UNKNOWN}})
        self.assertIn("flavor.flavor_profile_id", sentence)
        for body in (
            {"name": "f"},
            {"flavor_profile_id": UNKNOWN},
            {"name": "x" * 256, "flavor_profile_id": UNKNOWN},
            {},
        ):
            await self.refused(400, "POST", "flavors", {"flavor": body})

    async def test_two_changes_at_once_lose_nothing(self) -> None:
        flavor = await self.flavor(await self.profile())
        path = f"flavors/{flavor['id']}"
        changes: list[Deferred[Reply]] = [
            Deferred.fromCoroutine(self.ask("PUT", path, {"flavor": given}))
            for given in ({"name": "new"}, {"description": "new"}, {"enabled": False})
        ]
        for reply in await gatherResults(changes):
            self.assertEqual(reply.status, 200)
        shown = await self.shown(path)
        self.assertEqual((shown["name"], shown["description"], shown["enabled"]), ("new", "new", False))

    async def test_a_profile_does_not_change_while_a_flavor_of_it_is_made(self) -> None:
        for at in range(8):
            profile = await self.profile(name=f"p{at}")
            given = {"name": f"f{at}", "flavor_profile_id": profile["id"]}
            making = Deferred.fromCoroutine(self.ask("POST", "flavors", {"flavor": given}))
            path = f"flavorprofiles/{profile['id']}"
            changing = Deferred.fromCoroutine(self.ask("PUT", path, {"flavorprofile": {"flavor_data": "{}"}}))
            made, changed = await gatherResults([making, changing])
            self.assertEqual(made.status, 201)
            self.assertIn(changed.status, (200, 409))
            shown = await self.shown(path)
            self.assertEqual(shown["flavor_data"] == "{}", changed.status == 200)

    async def test_lists_page_sort_filter_and_choose_fields(self) -> None:
        profile = await self.profile()
        made = [
            await self.flavor(profile, name=name, enabled=enabled)
            for name, enabled in (("b", True), ("c", False), ("a", True))
        ]
        by_id = [each["name"] for each in sorted(made, key=lambda each: each["id"])]

        async def names(query: str) -> list[str]:
            reply = await self.ask("GET", f"flavors?{query}")
            self.assertEqual(reply.status, 200, reply)
            return [each["name"] for each in reply.body["flavors"]]

        self.assertEqual(await names(""), by_id)
        self.assertEqual(await names("sort=name:desc"), ["c", "b", "a"])
        self.assertEqual(await names("enabled=false"), ["c"])
        self.assertEqual(await names("name=a&enabled=True"), ["a"])
        self.assertEqual(await names(f"flavor_profile_id={profile['id']}&sort=name"), ["a", "b", "c"])
        reply = await self.ask("GET", "flavors?fields=name&limit=2")
        self.assertEqual(reply.body["flavors"], [{"name": name} for name in by_id[:2]])
        (link,) = reply.body["flavors_links"]
        self.assertEqual(link["rel"], "next")
        following = await self.ask("GET", link["href"].removeprefix(self.base))
        self.assertEqual(following.body["flavors"], [{"name": by_id[2]}])
        for query in ("nme=a", "sort=flavour", "tags=a", "fields=created_at", "enabled=perhaps"):
            self.assertEqual((await self.ask("GET", f"flavors?{query}")).status, 400, query)

    async def test_a_list_goes_on_where_it_was_when_the_last_one_seen_is_deleted(self) -> None:
        for name in "abc":
            await self.profile(name=name)
        reply = await self.ask("GET", "flavorprofiles?limit=1&sort=name")
        (first,), (link,) = reply.body["flavorprofiles"], reply.body["flavorprofile_links"]
        self.assertEqual((await self.ask("DELETE", f"flavorprofiles/{first['id']}")).status, 204)
        following = await self.ask("GET", link["href"].removeprefix(self.base))
        self.assertEqual([each["name"] for each in following.body["flavorprofiles"]], ["b"])


class ZoneTests(OfferCase):
    """C{availabilityzones} and C{availabilityzoneprofiles}."""

    async def test_a_profile_is_made_shown_changed_and_deleted(self) -> None:
        made = await self.zone_profile(data={"compute_zone": "az", "valid_vip_networks": [UNKNOWN]})
        self.assertEqual(made.keys(), {"id", "name", "provider_name", "availability_zone_data"})
        path = f"availabilityzoneprofiles/{made['id']}"
        changed = await self.ask("PUT", path, {"availability_zone_profile": {"availability_zone_data": "{}"}})
        expected = {**made, "availability_zone_data": "{}"}
        self.assertEqual((changed.status, changed.body), (200, {"availability_zone_profile": expected}))
        listed = await self.ask("GET", "availabilityzoneprofiles")
        self.assertEqual(listed.body, {"availability_zone_profiles": [expected], "availability_zone_profile_links": []})
        await self.refused(501, "PUT", path, {"availability_zone_profile": {"availability_zone_data": '{"zone": 1}'}})
        zone = await self.zone(made)
        await self.refused(
            409, "PUT", path, {"availability_zone_profile": {"availability_zone_data": '{"compute_zone": "a"}'}}
        )
        await self.refused(409, "DELETE", path)
        self.assertEqual((await self.ask("DELETE", f"availabilityzones/{zone['name']}")).status, 204)
        self.assertEqual((await self.ask("DELETE", path)).status, 204)
        await self.refused(404, "GET", path)

    async def test_a_zone_is_known_by_its_name(self) -> None:
        profile = await self.zone_profile()
        names = ("z", "eu-west 1", "zürich", "100%", "A0000000-0000-4000-8000-00000000000A", "x" * 255)
        for name in names:
            made = await self.zone(profile, name=name)
            expected = {"name": name, "description": "", "enabled": True, "availability_zone_profile_id": profile["id"]}
            self.assertEqual(made, expected)
            path = f"availabilityzones/{quote(name, safe='')}"
            self.assertEqual(await self.shown(path), made)
            changed = await self.ask("PUT", path, {"availability_zone": {"enabled": False}})
            self.assertEqual(changed.body, {"availability_zone": {**made, "enabled": False}})
        listed = await self.ask("GET", "availabilityzones?fields=name")
        self.assertEqual(
            listed.body, {"availability_zones": [{"name": n} for n in names], "availability_zones_links": []}
        )
        for name in names:
            path = f"availabilityzones/{quote(name, safe='')}"
            self.assertEqual((await self.ask("DELETE", path)).status, 204)
            await self.refused(404, "GET", path)

    async def test_its_name_stays_and_is_taken_once(self) -> None:
        profile = await self.zone_profile()
        await self.zone(profile)
        self.assertIn(
            "availability_zone.name",
            await self.refused(400, "PUT", "availabilityzones/z", {"availability_zone": {"name": "y"}}),
        )
        body = {"name": "z", "availability_zone_profile_id": profile["id"]}
        self.assertIn("name", await self.refused(409, "POST", "availabilityzones", {"availability_zone": body}))
        for name in ("", "a/b", "a\nb", "x" * 256, 1, None):
            body = {"name": name, "availability_zone_profile_id": profile["id"]}
            await self.refused(400, "POST", "availabilityzones", {"availability_zone": body})
        for path in ("availabilityzones/nowhere", "availabilityzones/a%00b"):
            reply = await self.ask("GET", path)
            self.assertIn(reply.status, (400, 404), path)

    async def test_a_zone_needs_a_profile_that_is_there(self) -> None:
        body = {"name": "z", "availability_zone_profile_id": UNKNOWN}
        sentence = await self.refused(400, "POST", "availabilityzones", {"availability_zone": body})
        self.assertIn("availability_zone.availability_zone_profile_id", sentence)

    async def test_lists_go_on_after_a_name_as_after_a_link(self) -> None:
        profile = await self.zone_profile()
        for name in "abc":
            await self.zone(profile, name=name)
        by_name = await self.ask("GET", "availabilityzones?marker=a")
        self.assertEqual([each["name"] for each in by_name.body["availability_zones"]], ["b", "c"])
        reply = await self.ask("GET", "availabilityzones?limit=1")
        (link,) = reply.body["availability_zones_links"]
        following = await self.ask("GET", link["href"].removeprefix(self.base))
        self.assertEqual([each["name"] for each in following.body["availability_zones"]], ["b"])
        self.assertEqual({each["rel"] for each in following.body["availability_zones_links"]}, {"next", "previous"})
        await self.refused(400, "GET", "availabilityzones?marker=nowhere")


class CapabilityTests(OfferCase):
    """C{providers/<name>/flavor_capabilities} and C{availability_zone_capabilities}."""

    async def test_they_are_what_the_driver_publishes(self) -> None:
        reply = await self.ask("GET", "providers/memory/flavor_capabilities")
        expected = [
            {"name": "memory", "description": "How it is noted: fast or slow."},
            {"name": "copies", "description": "How often, an integer from 1 to 9."},
        ]
        self.assertEqual((reply.status, reply.body), (200, {"flavor_capabilities": expected}))
        reply = await self.ask("GET", "providers/octavia/availability_zone_capabilities?fields=name")
        names = {each["name"] for each in reply.body["availability_zone_capabilities"]}
        self.assertTrue({"compute_zone", "management_network", "valid_vip_networks"} <= names)
        self.assertEqual({key for each in reply.body["availability_zone_capabilities"] for key in each}, {"name"})

    async def test_pages_are_not_asked_for(self) -> None:
        for path in ("providers", "providers/memory/flavor_capabilities"):
            paged = await self.ask("GET", f"{path}?limit=1&sort=name&marker=x&page_reverse=true")
            self.assertEqual((paged.status, paged.body), (200, (await self.ask("GET", path)).body))

    async def test_they_are_filtered(self) -> None:
        path = "providers/memory/flavor_capabilities"
        for query, names in (
            ("name=copies", ["copies"]),
            ("description=How%20often,%20an%20integer%20from%201%20to%209.", ["copies"]),
            ("name=memory&description=x", []),
            ("name=x&fields=description", []),
        ):
            found = (await self.ask("GET", f"{path}?{query}")).body["flavor_capabilities"]
            self.assertEqual([each["name"] for each in found], names)
        await self.refused(400, "GET", f"{path}?tags=a")
        await self.refused(400, "GET", f"{path}?fields=colour")

    async def test_of_a_provider_that_is_not_enabled_nothing_is_told(self) -> None:
        for kind in ("flavor_capabilities", "availability_zone_capabilities"):
            self.assertIn("amphora, memory, octavia", await self.refused(400, "GET", f"providers/f5/{kind}"))


class Named:
    """Everyone is who the header C{X-Project-Id} says, with that as a role."""

    challenge = None

    async def caller(self, presented: Presented) -> Caller:
        return Caller(project_id="p", roles=frozenset({presented.project_id or ""}))


class RightsTests(ApiCase):
    """Who may see and change what operators offer."""

    identity = Named()

    async def test_tenants_see_flavors_and_zones_and_admins_do_the_rest(self) -> None:
        async def allowed(role: str, method: str, path: str) -> bool:
            return (
                await self.ask(method, path, {} if method in ("POST", "PUT") else None, {"X-Project-Id": role})
            ).status != 403

        for path in ("flavors", "availabilityzones", "flavorprofiles", "availabilityzoneprofiles"):
            open_to_all = path in ("flavors", "availabilityzones")
            for role in ("reader", "load-balancer_member"):
                self.assertEqual(await allowed(role, "GET", path), open_to_all)
                self.assertEqual(await allowed(role, "GET", f"{path}/{UNKNOWN}"), open_to_all)
                for method, one in (("POST", path), ("PUT", f"{path}/{UNKNOWN}"), ("DELETE", f"{path}/{UNKNOWN}")):
                    self.assertFalse(await allowed(role, method, one), (role, method, path))
                    self.assertTrue(await allowed("admin", method, one), (role, method, path))
        self.assertFalse(await allowed("member", "GET", "providers/amphora/flavor_capabilities"))
        self.assertTrue(await allowed("admin", "GET", "providers/amphora/flavor_capabilities"))
