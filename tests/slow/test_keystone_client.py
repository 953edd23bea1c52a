"""People with tokens of a real keystone's, who type C{openstack loadbalancer}: what each may do, and what they read."""

from __future__ import annotations

from typing import Any

from octavia_tx.cloud.loopback import IPV4_SUBNET_ID
from tests.integration.keystone import OTHER, TENANT
from tests.journey.client import NOOP
from tests.journey.people import BY_CREDENTIAL, OF_SYSTEM, PeopleCase

DENIED = ("Policy does not allow this request", "403")


class ClientCase(PeopleCase):
    """Has a load balancer C{shop} of C{TENANT}'s, and C{self.project}, which it belongs to."""

    async def begin(self, *back_ends: str) -> None:
        await super().begin(*back_ends)
        self.project = self.keystone.projects[TENANT]
        self.created = await self.ask("member", f"create --name shop --vip-subnet-id {IPV4_SUBNET_ID} --wait")

    async def do(self, name: str, command: str) -> str:
        """What somebody is told who does something."""
        return await self.client_of(name).do(self._whole(name, command))

    async def ask(self, name: str, command: str) -> Any:
        """What somebody is shown."""
        return await self.client_of(name).ask(self._whole(name, command))

    async def refused(self, name: str, command: str, *sentences: str) -> None:
        """Somebody can't do something, and reads why."""
        told = await self.client_of(name).refused(self._whole(name, command))
        for sentence in sentences or DENIED:
            self.assertIn(sentence, told)

    def _whole(self, name: str, command: str) -> str:
        scope = "--os-system-scope all " if name == OF_SYSTEM else ""
        return f"{scope}loadbalancer {command}"

    async def names(self, name: str) -> list[str]:
        """The load balancers that somebody sees."""
        return [each["name"] for each in await self.ask(name, "list")]


class TenantTests(ClientCase):
    """Of one project and another."""

    settings = NOOP

    async def test_a_reader_looks_and_changes_nothing(self) -> None:
        await self.begin()
        self.assertEqual(await self.names("reader"), ["shop"])
        self.assertEqual((await self.ask("reader", "show shop"))["id"], self.created["id"])
        self.assertEqual((await self.ask("reader", f"quota show {self.project}"))["load_balancer"], -1)
        await self.refused("reader", f"create --name mine --vip-subnet-id {IPV4_SUBNET_ID}")
        await self.refused("reader", "set --name mine shop")
        await self.refused("reader", "delete shop")

    async def test_a_member_of_another_project_does_not_find_it(self) -> None:
        await self.begin()
        self.assertEqual(await self.names("other-member"), [])
        await self.refused("other-member", "show shop", "Unable to locate")
        await self.refused("other-member", f"show {self.created['id']}")
        await self.refused("other-member", "delete --cascade shop", "Unable to locate")

    async def test_an_application_credential_does_what_its_user_does(self) -> None:
        await self.begin()
        made = await self.ask(BY_CREDENTIAL, f"create --name bank --vip-subnet-id {IPV4_SUBNET_ID} --wait")
        self.assertEqual(made["project_id"], self.project)
        await self.do(BY_CREDENTIAL, "delete --wait shop")
        self.assertEqual(await self.names("member"), ["bank"])

    async def test_who_has_no_role_of_ours_is_refused(self) -> None:
        await self.begin()
        await self.refused("service", "list")
        await self.refused("service", f"create --vip-subnet-id {IPV4_SUBNET_ID}")


class OperatorTests(ClientCase):
    """Of all projects."""

    async def test_an_observer_of_all_projects_changes_nothing(self) -> None:
        await self.begin()
        observer = "load-balancer_global_observer"
        await self.do("other-member", f"create --name bank --vip-subnet-id {IPV4_SUBNET_ID}")
        self.assertEqual(await self.names(observer), ["shop", "bank"])
        await self.refused(observer, "failover shop")
        await self.refused(observer, "set --name mine bank")
        await self.refused(observer, f"quota set --loadbalancer 0 {self.project}")

    async def test_a_quota_is_set_met_and_told(self) -> None:
        await self.begin()
        keeper = "load-balancer_quota_admin"
        changed = await self.ask(keeper, f"quota set --loadbalancer 1 {self.project}")
        self.assertEqual(changed["load_balancer"], 1)
        met = ("Quota has been met for resources: load_balancer. The project may have 1 and has 1", "403")
        await self.refused("member", f"create --vip-subnet-id {IPV4_SUBNET_ID}", *met)
        await self.refused("member", f"quota set --loadbalancer 2 {self.project}")
        await self.refused(keeper, "list")
        await self.do(keeper, f"quota reset {self.project}")
        await self.do("member", f"create --vip-subnet-id {IPV4_SUBNET_ID}")

    async def test_an_administrator_lists_all_and_fails_over(self) -> None:
        await self.begin()
        await self.do("other-member", f"create --name bank --vip-subnet-id {IPV4_SUBNET_ID}")
        self.assertEqual(await self.names("admin"), ["shop", "bank"])
        self.assertEqual([x["name"] for x in await self.ask("admin", f"list --project {OTHER}")], ["bank"])
        (before,) = await self.ask("admin", "amphora list --loadbalancer shop")
        await self.do("admin", "failover --wait shop")
        await self.client_of("admin").until_replaced(before["id"])

    async def test_the_systems_administrator_names_a_project(self) -> None:
        await self.begin()
        self.assertEqual(await self.names(OF_SYSTEM), ["shop"])
        create = "create --name gift --vip-subnet-id loopback-ipv4"
        await self.refused(OF_SYSTEM, create, "project_id", "400")
        made = await self.ask(OF_SYSTEM, f"{create} --project {OTHER} --wait")
        self.assertEqual(made["project_id"], self.keystone.projects[OTHER])
        self.assertEqual(await self.names("other-member"), ["gift"])
