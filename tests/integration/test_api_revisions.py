"""C{ETag} and C{If-Match}: nobody overwrites what they haven't seen."""

from __future__ import annotations

from typing import Any

from tests.integration.api import ApiCase


class RevisionTests(ApiCase):
    """Objects of each kind."""

    async def _prepare(self) -> None:
        await super()._prepare()
        balancer = await self.load_balancer()
        listener = await self.listener(balancer["id"])
        pool = await self.pool(balancer["id"])
        below = f"pools/{pool['id']}/members"
        member = await self.make("member", below, address="192.0.2.1", protocol_port=80)
        check = {"type": "HTTP", "delay": 1, "timeout": 1, "max_retries": 1}
        monitor = await self.make("healthmonitor", pool_id=pool["id"], **check)
        policy = await self.make("l7policy", "l7policies", listener_id=listener["id"], action="REJECT")
        rule = {"type": "PATH", "compare_type": "EQUAL_TO", "value": "/"}
        rules = f"l7policies/{policy['id']}/rules"
        made = await self.make("rule", rules, **rule)
        self.balancer = balancer["id"]
        self.paths = {
            "rule": f"{rules}/{made['id']}",
            "l7policy": f"l7policies/{policy['id']}",
            "healthmonitor": f"healthmonitors/{monitor['id']}",
            "member": f"{below}/{member['id']}",
            "pool": f"pools/{pool['id']}",
            "listener": f"listeners/{listener['id']}",
            "loadbalancer": f"loadbalancers/{balancer['id']}",
        }

    async def tag(self, path: str) -> str:
        return (await self.ask("GET", path)).headers["etag"]

    async def test_what_is_shown_and_changed_tells_its_revision(self) -> None:
        for kind, path in self.paths.items():
            shown = await self.tag(path)
            self.assertRegex(shown, r'\A"\d+-[0-9a-f]{16}"\Z', kind)
            changed = await self.ask("PUT", path, {kind: {"tags": ["x"]}})
            self.assertEqual(changed.status, 200, changed)
            self.assertNotEqual(changed.headers["etag"], shown)
            self.assertEqual(await self.tag(path), changed.headers["etag"], kind)

    async def test_a_change_of_what_was_seen_is_made_and_of_anything_older_refused(self) -> None:
        for kind, path in self.paths.items():
            seen = await self.tag(path)
            change: dict[str, Any] = {kind: {"tags": ["y"]}}
            self.assertEqual((await self.ask("PUT", path, change, {"If-Match": seen})).status, 200, kind)
            before = (await self.ask("GET", path)).body
            refused = await self.ask("PUT", path, {kind: {"tags": ["z"]}}, {"If-Match": seen})
            self.assertEqual(refused.status, 412, kind)
            self.assertIn("If-Match", refused.sentence)
            self.assertEqual((await self.ask("GET", path)).body, before)
            newest = await self.tag(path)
            for form in ('"1000", {}', "W/{0}, {0}", "*"):
                accepted = form.format(newest)
                reply = await self.ask("PUT", path, change, {"If-Match": accepted})
                self.assertEqual(reply.status, 200, accepted)
                newest = await self.tag(path)

    async def test_a_change_of_what_was_seen_is_made_though_its_statuses_moved(self) -> None:
        seen = {kind: await self.tag(path) for kind, path in self.paths.items()}
        await self.apply(self.balancer)
        for kind, path in self.paths.items():
            self.assertNotEqual(await self.tag(path), seen[kind], kind)
        path = self.paths["member"]
        self.assertEqual((await self.ask("PUT", path, {"member": {}}, {"If-Match": seen["member"]})).status, 200)

    async def test_a_weak_tag_names_no_revision(self) -> None:
        for kind, path in self.paths.items():
            weak = {"If-Match": f"W/{await self.tag(path)}"}
            for method, body in (("PUT", {kind: {}}), ("DELETE", None)):
                self.assertEqual((await self.ask(method, path, body, weak)).status, 412, kind)

    async def test_what_a_client_has_is_not_sent_again(self) -> None:
        for kind, path in self.paths.items():
            tag = await self.tag(path)
            for form in ("{}", "W/{}", '"1-00", {}', "*"):
                reply = await self.ask("GET", path, headers={"If-None-Match": form.format(tag)})
                self.assertEqual((reply.status, reply.body, reply.headers["etag"]), (304, None, tag), (kind, form))
                self.assertNotIn("content-type", reply.headers)
            for other in ('"1-00"', tag.strip('"'), ""):
                reply = await self.ask("GET", path, headers={"If-None-Match": other})
                self.assertEqual((reply.status, reply.body.keys()), (200, {kind}), other)

    async def test_what_has_changed_or_is_chosen_otherwise_is_sent(self) -> None:
        path = self.paths["listener"]
        has = {"If-None-Match": await self.tag(path)}
        self.assertEqual((await self.ask("GET", f"{path}?fields=id", headers=has)).status, 200)
        self.assertEqual((await self.ask("HEAD", path, headers=has)).status, 304)
        await self.apply(self.balancer)
        shown = await self.ask("GET", path, headers=has)
        self.assertEqual((shown.status, shown.body["listener"]["provisioning_status"]), (200, "ACTIVE"))

    async def test_a_deletion_of_anything_older_is_refused(self) -> None:
        for kind, path in self.paths.items():
            query = "?cascade=true" if kind == "loadbalancer" else ""
            self.assertEqual((await self.ask("DELETE", path + query, headers={"If-Match": '"0"'})).status, 412, kind)
            self.assertNotEqual((await self.shown(path))["provisioning_status"], "PENDING_DELETE")
            newest = await self.tag(path)
            self.assertEqual((await self.ask("DELETE", path + query, headers={"If-Match": newest})).status, 204, kind)

    async def test_a_batch_is_held_against_its_pool(self) -> None:
        path = self.paths["pool"]
        seen = await self.tag(path)
        batch = {"members": [{"address": "192.0.2.7", "protocol_port": 80}]}
        self.assertEqual((await self.ask("PUT", f"{path}/members", batch, {"If-Match": seen})).status, 202)
        self.assertEqual((await self.ask("PUT", f"{path}/members", batch, {"If-Match": seen})).status, 412)

    async def test_a_tag_that_was_never_answered_is_named(self) -> None:
        for given in ("7", '"', "x", '"1" "2"', ""):
            reply = await self.ask("PUT", self.paths["pool"], {"pool": {}}, {"If-Match": given})
            self.assertEqual(reply.status, 400, given)
            self.assertIn("header If-Match", reply.sentence)
