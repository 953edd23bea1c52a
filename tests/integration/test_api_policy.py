"""Rights, as clients meet them."""

from __future__ import annotations

from typing import Any

from zope.interface import implementer

from octavia_tx.errors import Unauthenticated
from octavia_tx.interfaces import IIdentity
from octavia_tx.model.caller import Caller, Presented
from tests.integration.api import SUBNET, ApiCase, Reply


@implementer(IIdentity)
class SpelledOut:
    """Believes tokens that say what they are: C{member,reader@project}, C{reader@} for the system."""

    challenge = 'Keystone uri="http://keystone/v3"'

    async def caller(self, presented: Presented) -> Caller:
        if presented.token is None or "@" not in presented.token:
            raise Unauthenticated("The request you have made requires authentication.")
        roles, _, project = presented.token.partition("@")
        return Caller(project_id=project or None, user_id="u", roles=frozenset(roles.split(",")), system=not project)


class PolicyTests(ApiCase):
    """Callers with different roles, and objects of project C{a}."""

    identity = SpelledOut()

    async def by(self, token: str | None, method: str, path: str, body: Any = None) -> Reply:
        return await self.ask(method, path, body, {} if token is None else {"X-Auth-Token": token})

    async def create(self, token: str, **fields: Any) -> Reply:
        return await self.by(token, "POST", "loadbalancers", {"loadbalancer": {"vip_subnet_id": SUBNET, **fields}})

    async def test_who_is_not_known_is_told_where_to_ask(self) -> None:
        for token in (None, "nonsense"):
            reply = await self.by(token, "GET", "loadbalancers")
            self.assertEqual(reply.status, 401)
            self.assertEqual(reply.headers["www-authenticate"], SpelledOut.challenge)
            self.assertEqual(reply.body["error"].keys(), {"code", "title", "message"})
            self.assertEqual((reply.body["error"]["code"], reply.body["error"]["title"]), (401, "Unauthorized"))
        for path in ("/", "/v2", "/v2/lbaas"):
            self.assertEqual((await self.by(None, "GET", path)).status, 200)

    async def test_what_is_not_there_is_not_told_before_who_asks_is_known(self) -> None:
        self.assertEqual((await self.by(None, "POST", "pools", {"x": 1})).status, 401)

    async def test_each_role_meets_its_limits(self) -> None:
        made = (await self.create("member@a")).body["loadbalancer"]
        self.assertEqual(made["project_id"], "a")
        path = f"loadbalancers/{made['id']}"
        change = {"loadbalancer": {"name": "x"}}
        for token, lists, shows, changes in (
            ("member@a", 1, 200, 200),
            ("load-balancer_member@a", 1, 200, 200),
            ("reader@a", 1, 200, 403),
            ("load-balancer_observer@a", 1, 200, 403),
            ("member@b", 0, 403, 403),
            ("reader@b", 0, 403, 403),
            ("load-balancer_global_observer@b", 1, 200, 403),
            ("load-balancer_admin@b", 1, 200, 200),
            ("admin@b", 1, 200, 200),
            ("reader@", 1, 200, 403),
            ("admin@", 1, 200, 200),
            ("service@a", None, 403, 403),
            ("load-balancer_quota_admin@a", None, 403, 403),
        ):
            reply = await self.by(token, "GET", "loadbalancers")
            if lists is None:
                self.assertEqual(reply.status, 403, token)
            else:
                self.assertEqual(len(reply.body["loadbalancers"]), lists, token)
            self.assertEqual((await self.by(token, "GET", path)).status, shows, token)
            self.assertEqual((await self.by(token, "GET", f"{path}/status")).status, shows, token)
            self.assertEqual((await self.by(token, "PUT", path, change)).status, changes, token)

    async def test_a_right_that_is_missing_is_told_as_a_fault(self) -> None:
        reply = await self.create("reader@a")
        self.assertEqual((reply.status, reply.sentence), (403, "Policy does not allow this request to be performed."))

    async def test_objects_are_made_for_others_by_admins_only(self) -> None:
        self.assertEqual((await self.create("member@a", project_id="a")).status, 201)
        self.assertEqual((await self.create("member@a", project_id="b")).status, 403)
        reply = await self.create("admin@a", project_id="b")
        self.assertEqual((reply.status, reply.body["loadbalancer"]["project_id"]), (201, "b"))
        nowhere = await self.create("admin@")
        self.assertEqual(nowhere.status, 400)
        self.assertIn("loadbalancer.project_id", nowhere.sentence)

    async def test_children_hang_on_ones_own_load_balancers_only(self) -> None:
        made = (await self.create("member@a")).body["loadbalancer"]
        pool = {"pool": {"loadbalancer_id": made["id"], "protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN"}}
        self.assertEqual((await self.by("member@b", "POST", "pools", pool)).status, 403)
        reply = await self.by("admin@b", "POST", "pools", pool)
        self.assertEqual((reply.status, reply.body["pool"]["project_id"]), (201, "a"))
        below = f"pools/{reply.body['pool']['id']}/members"
        self.assertEqual((await self.by("member@b", "GET", below)).status, 403)
        self.assertEqual((await self.by("member@b", "PUT", below, {"members": []})).status, 403)
        self.assertEqual((await self.by("member@a", "PUT", below, {"members": []})).status, 202)

    async def test_lists_of_another_project_are_refused_or_shown(self) -> None:
        await self.create("member@a")
        for query in ("project_id=a", "tenant_id=a"):
            self.assertEqual((await self.by("member@b", "GET", f"loadbalancers?{query}")).status, 403)
            reply = await self.by("load-balancer_global_observer@b", "GET", f"loadbalancers?{query}")
            self.assertEqual(len(reply.body["loadbalancers"]), 1)
        self.assertEqual((await self.by("member@a", "GET", "loadbalancers?project_id=")).status, 403)

    async def test_quotas_are_read_by_owners_and_written_by_their_admins(self) -> None:
        limit = {"quota": {"pool": 1}}
        for token, reads, writes in (
            ("member@a", 200, 403),
            ("member@b", 403, 403),
            ("load-balancer_global_observer@b", 200, 403),
            ("reader@", 200, 403),
            ("load-balancer_quota_admin@b", 200, 202),
            ("admin@b", 200, 202),
        ):
            self.assertEqual((await self.by(token, "GET", "quotas/a")).status, reads, token)
            self.assertEqual((await self.by(token, "PUT", "quotas/a", limit)).status, writes, token)
            self.assertEqual((await self.by(token, "GET", "quotas/defaults")).status, 200, token)
        self.assertEqual(len((await self.by("member@a", "GET", "quotas")).body["quotas"]), 1)
        self.assertEqual((await self.by("member@b", "GET", "quotas")).body["quotas"], [])
