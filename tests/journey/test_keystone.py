"""People with tokens of a real keystone's: what each may do, as OpenStack's clients do it and show it."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from openstack import exceptions

from octavia_tx.demo import processes
from tests.integration.keystone import OTHER, TENANT
from tests.journey.client import NOOP
from tests.journey.people import BY_CREDENTIAL, OF_SYSTEM, PeopleCase

DENIED = "Policy does not allow"
INVALID = "expired or revoked"


class TenantTests(PeopleCase):
    """With the command-line client, and traffic; more of it is in L{tests.slow.test_keystone_client}."""

    async def test_a_member_makes_uses_and_removes_a_load_balancer(self) -> None:
        await self.begin("red")
        member = self.client_of("member")
        made = await member.ask("loadbalancer create --name shop --vip-subnet-id loopback-ipv4 --wait")
        self.assertEqual((made["provisioning_status"], made["project_id"]), ("ACTIVE", self.keystone.projects[TENANT]))
        await member.do("loadbalancer listener create --name web --protocol HTTP --protocol-port 8080 shop")
        await member.do("loadbalancer pool create --name backs --listener web --protocol HTTP --lb-algorithm SOURCE_IP")
        place = f"--address 127.0.0.1 --protocol-port {self.system.members['red']}"
        await member.do(f"loadbalancer member create --name red {place} --subnet-id loopback-ipv4 --wait backs")
        self.assertEqual(set(await self.visitors(made["vip_address"], 8080)), {"red"})
        self.assertIn(DENIED, await self.client_of("reader").refused("loadbalancer set --name mine shop"))
        await self.client_of(BY_CREDENTIAL).do("loadbalancer delete --cascade --wait shop")
        self.assertEqual(await member.ask("loadbalancer list"), [])
        self.assertFalse(processes.listens(made["vip_address"], 8080))


class RoleTests(PeopleCase):
    """With the SDK: who sees what, and who changes it."""

    settings = NOOP

    async def _made(self, name: str, person: str = "member") -> Any:
        """A person's load balancer, once it is C{ACTIVE}."""
        service = await self.service_of(person)
        await self.call(service.create_load_balancer, name=name, vip_subnet_id=str(uuid4()))
        return await self.call(service.wait_for_load_balancer, name, interval=0.1, wait=60)

    async def _seen(self, service: Any) -> list[str]:
        return [each.name for each in await self.call(service.load_balancers)]

    async def _changes_nothing(self, service: Any, load_balancer: Any) -> None:
        """Neither that load balancer, nor how many there are in its project."""
        described: dict[Any, dict[str, Any]] = {
            service.update_load_balancer: {"load_balancer": load_balancer.id, "name": "mine"},
            service.delete_load_balancer: {"load_balancer": load_balancer.id, "ignore_missing": False},
            service.failover_load_balancer: {"load_balancer": load_balancer.id},
            service.create_load_balancer: {"vip_subnet_id": str(uuid4()), "project_id": load_balancer.project_id},
        }
        for verb, arguments in described.items():
            self.assertIn(DENIED, await self.fails(exceptions.ForbiddenException, verb, **arguments))

    async def test_a_reader_sees_their_projects_and_changes_nothing(self) -> None:
        await self.begin()
        made = await self._made("shop")
        await self._made("bank", "other-member")
        reader = await self.service_of("reader")
        self.assertEqual(await self._seen(reader), ["shop"])
        self.assertEqual((await self.call(reader.get_load_balancer, made.id)).name, "shop")
        await self._changes_nothing(reader, made)

    async def test_a_member_of_another_project_does_not_see_it(self) -> None:
        await self.begin()
        made = await self._made("shop")
        other = await self.service_of("other-member")
        self.assertEqual(await self._seen(other), [])
        self.assertIsNone(await self.call(other.find_load_balancer, made.id))
        self.assertIn(DENIED, await self.fails(exceptions.ForbiddenException, other.get_load_balancer, made.id))
        await self._changes_nothing(other, made)

    async def test_observers_of_all_projects_see_all_and_change_nothing(self) -> None:
        await self.begin()
        made = await self._made("shop")
        await self._made("bank", "other-member")
        observer = await self.service_of("load-balancer_global_observer")
        self.assertEqual(await self._seen(observer), ["shop", "bank"])
        await self._changes_nothing(observer, made)
        project = self.keystone.projects[OTHER]
        for verb, described in ((observer.update_quota, {"load_balancers": 1}), (observer.delete_quota, {})):
            self.assertIn(DENIED, await self.fails(exceptions.ForbiddenException, verb, project, **described))

    async def test_who_sets_quotas_does_nothing_else_and_the_quota_is_told_when_met(self) -> None:
        await self.begin()
        made = await self._made("shop")
        keeper, member = await self.service_of("load-balancer_quota_admin"), await self.service_of("member")
        project = self.keystone.projects[TENANT]
        changed = await self.call(keeper.update_quota, project, load_balancers=1)
        self.assertEqual(changed.load_balancers, 1)
        create = {"vip_subnet_id": str(uuid4())}
        told = await self.fails(exceptions.ForbiddenException, member.create_load_balancer, **create)
        self.assertIn("Quota has been met for resources: load_balancer. The project may have 1 and has 1", told)
        self.assertEqual((await self.call(member.get_quota, project)).load_balancers, 1)
        more = {"load_balancers": 9}
        self.assertIn(DENIED, await self.fails(exceptions.ForbiddenException, member.update_quota, project, **more))
        self.assertIn(DENIED, await self.fails(exceptions.ForbiddenException, keeper.load_balancers))
        await self._changes_nothing(keeper, made)
        await self.call(keeper.delete_quota, project)
        await self.call(member.create_load_balancer, **create)

    async def test_administrators_see_and_change_all(self) -> None:
        await self.begin()
        made = await self._made("shop")
        await self._made("bank", "other-member")
        for name in ("admin", "load-balancer_admin"):
            admin = await self.service_of(name)
            self.assertEqual(await self._seen(admin), ["shop", "bank"])
            (before,) = await self.call(admin.amphorae, loadbalancer_id=made.id, status="ALLOCATED")
            await self.call(admin.failover_load_balancer, made.id)
            await self.replaced(admin, before)
        await self.call(admin.delete_load_balancer, made, cascade=True)

    async def test_the_systems_administrator_names_a_project(self) -> None:
        await self.begin()
        await self._made("shop")
        await self._made("bank", "other-member")
        system = await self.service_of(OF_SYSTEM)
        self.assertEqual(await self._seen(system), ["shop", "bank"])
        create = {"name": "gift", "vip_subnet_id": str(uuid4())}
        told = await self.fails(exceptions.BadRequestException, system.create_load_balancer, **create)
        self.assertIn("project_id", told)
        await self.call(system.create_load_balancer, project_id=self.keystone.projects[OTHER], **create)
        self.assertEqual(await self._seen(await self.service_of("other-member")), ["bank", "gift"])

    async def test_who_has_no_role_of_ours_is_refused(self) -> None:
        await self.begin()
        made = await self._made("shop")
        service = await self.service_of("service")
        self.assertIn(DENIED, await self.fails(exceptions.ForbiddenException, service.load_balancers))
        self.assertIn(DENIED, await self.fails(exceptions.ForbiddenException, service.get_load_balancer, made.id))
        await self._changes_nothing(service, made)


class TokenTests(PeopleCase):
    """Tokens that are worth nothing any more; and our service is known by an application credential."""

    by_credential = True
    settings = {**NOOP, "OCTAVIA_TX_KEYSTONE__TOKEN_CACHE": "0.5"}

    async def _holding(self, token: str) -> Any:
        """The SDK's load balancers, for who has a token and nothing to get another one with."""
        endpoint = self.tenant.endpoint
        return await self.connected(auth_type="admin_token", auth={"endpoint": endpoint, "token": token})

    async def test_garbage_is_refused(self) -> None:
        await self.begin()
        said = await self.fails(exceptions.HttpException, (await self._holding("garbage")).load_balancers)
        self.assertIn("401", said)
        self.assertIn(INVALID, said)

    async def test_an_expired_token_is_refused(self) -> None:
        await self.begin()
        with self.keystone.lifetime(4):
            holder = await self._holding(self.keystone.token("member", TENANT))
        self.assertEqual(await self.call(holder.load_balancers), [])
        await self.pause(5)
        said = await self.fails(exceptions.HttpException, holder.load_balancers)
        self.assertIn("401", said)
        self.assertIn(INVALID, said)

    async def test_whose_token_is_invalid_meanwhile_gets_another_and_goes_on(self) -> None:
        await self.begin()
        member = await self.service_of("member")
        self.assertEqual(await self.call(member.load_balancers), [])
        first = await self.call(member.get_token)
        self.keystone.revoke(first)
        await self.pause(1)
        made = await self.call(member.create_load_balancer, name="shop", vip_subnet_id=str(uuid4()))
        self.assertEqual(made.project_id, self.keystone.projects[TENANT])
        self.assertNotEqual(await self.call(member.get_token), first)


class OutageTests(PeopleCase):
    """Keystone goes away, and comes back."""

    settings = NOOP

    async def test_who_is_known_goes_on_and_others_are_told(self) -> None:
        await self.begin()
        known, stranger = await self.service_of("member"), await self.service_of("reader")
        self.assertEqual(await self.call(known.load_balancers), [])
        await self.call(stranger.get_token)
        self.keystone.stop()
        try:
            await self.call(known.create_load_balancer, name="shop", vip_subnet_id=str(uuid4()))
            said = await self.fails(exceptions.HttpException, stranger.load_balancers)
        finally:
            self.keystone.start()
        self.assertIn("503", said)
        self.assertIn("keystone", said.lower())
        self.assertEqual([each.name for each in await self.call(stranger.load_balancers)], ["shop"])
