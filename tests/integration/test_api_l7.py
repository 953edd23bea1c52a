"""L7 policies and rules over HTTP."""

from __future__ import annotations

from typing import Any

from tests.integration.api import SUBNET, UNKNOWN, ApiCase

_POLICY = (
    "action admin_state_up created_at description id listener_id name operating_status position project_id "
    "provisioning_status redirect_http_code redirect_pool_id redirect_prefix redirect_url rules tags tenant_id "
    "updated_at"
)
POLICY_KEYS = set(_POLICY.split())
_RULE = (
    "admin_state_up compare_type created_at id invert key operating_status project_id provisioning_status tags "
    "tenant_id type updated_at value"
)
RULE_KEYS = set(_RULE.split())
PATH = {"type": "PATH", "compare_type": "STARTS_WITH", "value": "/a"}


class L7Case(ApiCase):
    """Has a load balancer with an HTTP listener."""

    async def _prepare(self) -> None:
        await super()._prepare()
        self.balancer = (await self.load_balancer())["id"]
        self.front = (await self.listener(self.balancer))["id"]

    async def policy(self, **fields: Any) -> dict[str, Any]:
        return await self.make("l7policy", "l7policies", **{"listener_id": self.front, "action": "REJECT", **fields})

    async def order(self) -> list[str]:
        """The names of the living policies, by position, which has no gaps."""
        listed = (await self.ask("GET", "l7policies?sort=position")).body["l7policies"]
        living = [p for p in listed if p["provisioning_status"] != "PENDING_DELETE"]
        self.assertEqual([p["position"] for p in living], list(range(1, len(living) + 1)))
        return [p["name"] for p in living]


class PolicyTests(L7Case):
    """C{l7policies}."""

    async def test_a_new_one_is_pending_with_all_fields_filled_in(self) -> None:
        made = await self.policy(action="REDIRECT_TO_URL", redirect_url="https://example.com/x?y=z", name="r")
        self.assertEqual(made.keys(), POLICY_KEYS)
        for key, expected in (
            ("position", 1),
            ("redirect_http_code", 302),
            ("provisioning_status", "PENDING_CREATE"),
            ("operating_status", "OFFLINE"),
            ("rules", []),
            ("admin_state_up", True),
            ("redirect_pool_id", None),
            ("project_id", "default"),
        ):
            self.assertEqual(made[key], expected, key)
        self.assertEqual(await self.shown(f"l7policies/{made['id']}"), made)
        self.assertEqual((await self.shown(f"listeners/{self.front}"))["l7policies"], [{"id": made["id"]}])

    async def test_without_rules_it_stays_offline_and_with_the_first_it_acts(self) -> None:
        made = await self.policy()
        path = f"l7policies/{made['id']}"
        await self.apply(self.balancer)
        shown = await self.shown(path)
        self.assertEqual((shown["provisioning_status"], shown["operating_status"]), ("ACTIVE", "OFFLINE"))
        rule = await self.make("rule", f"{path}/rules", **PATH)
        await self.apply(self.balancer)
        self.assertEqual((await self.shown(path))["operating_status"], "ONLINE")
        self.assertEqual((await self.ask("DELETE", f"{path}/rules/{rule['id']}")).status, 204)
        await self.apply(self.balancer)
        self.assertEqual((await self.shown(path))["operating_status"], "OFFLINE")

    async def test_positions_shift_are_clamped_and_close(self) -> None:
        for name, position in (("a", None), ("b", 1), ("c", 2), ("d", 99), ("e", 2147483647)):
            await self.policy(name=name, **({} if position is None else {"position": position}))
        self.assertEqual(await self.order(), ["b", "c", "a", "d", "e"])
        ids = {p["name"]: p["id"] for p in (await self.ask("GET", "l7policies")).body["l7policies"]}
        for name, position, expected in (("e", 1, "ebcad"), ("e", 3, "bcead"), ("b", 50, "ceadb")):
            reply = await self.ask("PUT", f"l7policies/{ids[name]}", {"l7policy": {"position": position}})
            self.assertEqual(reply.body["l7policy"]["position"], expected.index(name) + 1)
            self.assertEqual("".join(await self.order()), expected)
        self.assertEqual((await self.ask("DELETE", f"l7policies/{ids['e']}")).status, 204)
        self.assertEqual("".join(await self.order()), "cadb")
        reply = await self.ask("PUT", f"l7policies/{ids['a']}", {"l7policy": {"name": "x"}})
        self.assertEqual((reply.body["l7policy"]["position"], await self.order()), (2, ["c", "x", "d", "b"]))

    async def test_one_on_its_way_out_stands_behind_all_that_stay(self) -> None:
        ids = {name: (await self.policy(name=name))["id"] for name in "abc"}
        await self.ask("DELETE", f"l7policies/{ids['a']}")
        await self.policy(name="d")
        listed = (await self.ask("GET", "l7policies?sort=position")).body["l7policies"]
        self.assertEqual([(p["name"], p["position"]) for p in listed[:-1]], [("b", 1), ("c", 2), ("d", 3)])
        self.assertEqual((listed[-1]["name"], listed[-1]["provisioning_status"]), ("a", "PENDING_DELETE"))
        (second,) = (await self.ask("GET", "l7policies?position=2")).body["l7policies"]
        self.assertEqual(second["name"], "c")

    async def test_another_action_drops_what_the_old_one_needed(self) -> None:
        made = await self.policy(action="REDIRECT_TO_URL", redirect_url="http://example.com", redirect_http_code=301)
        change = {"action": "REDIRECT_PREFIX", "redirect_prefix": "https://example.com"}
        reply = await self.ask("PUT", f"l7policies/{made['id']}", {"l7policy": change})
        changed = reply.body["l7policy"]
        self.assertEqual((changed["redirect_url"], changed["redirect_http_code"]), (None, 302))
        reply = await self.ask("PUT", f"l7policies/{made['id']}", {"l7policy": {"action": "REJECT"}})
        changed = reply.body["l7policy"]
        self.assertEqual((changed["redirect_prefix"], changed["redirect_http_code"]), (None, None))

    async def test_a_redirects_field_alone_asks_for_its_action(self) -> None:
        pool = (await self.pool(self.balancer))["id"]
        path = f"l7policies/{(await self.policy())['id']}"
        nothing = dict.fromkeys(("redirect_pool_id", "redirect_url", "redirect_prefix"))
        for change, action, code in (
            ({"redirect_url": "http://example.com", "redirect_http_code": 301}, "REDIRECT_TO_URL", 301),
            ({"redirect_prefix": "http://example.com", "redirect_url": None}, "REDIRECT_PREFIX", 302),
            ({"redirect_pool_id": pool}, "REDIRECT_TO_POOL", None),
            ({"redirect_url": "http://example.org"}, "REDIRECT_TO_URL", 302),
        ):
            changed = (await self.ask("PUT", path, {"l7policy": change})).body["l7policy"]
            expected = {**nothing, **change, "action": action, "redirect_http_code": code}
            self.assertEqual({key: changed[key] for key in expected}, expected)

    async def test_a_field_of_another_action_than_the_one_asked_for_is_refused(self) -> None:
        url = {"redirect_url": "http://example.com"}
        prefix = {"redirect_prefix": "http://example.com"}
        made = await self.policy(action="REDIRECT_TO_URL", **url)
        reject = (await self.policy())["id"]
        for id, change, field in (
            (made["id"], {**url, **prefix}, "l7policy.redirect_prefix"),
            (made["id"], {"action": "REJECT", **url}, "l7policy.redirect_url"),
            (made["id"], {"action": "REDIRECT_TO_URL", **prefix}, "l7policy.redirect_prefix"),
            (reject, {**url, **prefix}, "l7policy.redirect_prefix"),
            (reject, {**url, "redirect_pool_id": UNKNOWN}, "l7policy.redirect_url"),
        ):
            reply = await self.ask("PUT", f"l7policies/{id}", {"l7policy": change})
            self.assertEqual(reply.status, 400, change)
            self.assertIn(field, reply.sentence)
        self.assertEqual(await self.shown(f"l7policies/{made['id']}"), made)

    async def test_what_an_action_needs_is_named(self) -> None:
        tcp = await self.listener(self.balancer, protocol="TCP", protocol_port=81)
        udp = {"redirect_url": "ftp://x"}
        for fields, status, word in (
            ({"action": "REDIRECT_TO_URL"}, 400, "l7policy.redirect_url"),
            ({"action": "REDIRECT_TO_POOL"}, 400, "l7policy.redirect_pool_id"),
            ({"action": "REDIRECT_PREFIX", "redirect_url": "http://x.org"}, 400, "l7policy.redirect"),
            ({"action": "REDIRECT_TO_URL", **udp}, 400, "l7policy.redirect_url"),
            ({"action": "REDIRECT_TO_POOL", "redirect_pool_id": UNKNOWN}, 404, "l7policy.redirect_pool_id"),
            ({"action": "DROP"}, 400, "l7policy.action"),
            ({"redirect_http_code": 302}, 400, "l7policy.redirect_http_code"),
            ({"redirect_http_code": 200}, 400, "l7policy.redirect_http_code"),
            ({"listener_id": tcp["id"]}, 400, "l7policy.listener_id"),
            ({"listener_id": UNKNOWN}, 404, "l7policy.listener_id"),
            ({"position": 0}, 400, "l7policy.position"),
            ({"redirect_pool": {"name": "p"}}, 400, "l7policy.redirect_pool"),
        ):
            body = {"l7policy": {"listener_id": self.front, "action": "REJECT", **fields}}
            reply = await self.ask("POST", "l7policies", body)
            self.assertEqual(reply.status, status, (fields, reply))
            self.assertIn(word, reply.sentence)
        self.assertEqual(await self.order(), [])

    async def test_a_pool_that_a_policy_uses_stays(self) -> None:
        pool = await self.pool(self.balancer)
        made = await self.policy(action="REDIRECT_TO_POOL", redirect_pool_id=pool["id"], rules=[PATH])
        self.assertEqual((await self.shown(f"pools/{pool['id']}"))["listeners"], [{"id": self.front}])
        refused = await self.ask("DELETE", f"pools/{pool['id']}")
        self.assertEqual(refused.status, 409)
        self.assertIn(made["id"], refused.sentence)
        self.assertEqual((await self.ask("DELETE", f"l7policies/{made['id']}")).status, 204)
        self.assertEqual((await self.ask("DELETE", f"pools/{pool['id']}")).status, 204)
        await self.apply(self.balancer)
        self.assertEqual((await self.ask("GET", f"pools/{pool['id']}")).status, 404)

    async def test_a_pool_of_another_load_balancer_is_not_found(self) -> None:
        other = await self.make("loadbalancer", vip_subnet_id=SUBNET)
        pool = await self.pool(other["id"])
        body = {"listener_id": self.front, "action": "REDIRECT_TO_POOL", "redirect_pool_id": pool["id"]}
        self.assertEqual((await self.ask("POST", "l7policies", {"l7policy": body})).status, 404)

    async def test_a_listener_takes_its_policies_along(self) -> None:
        made = await self.policy(rules=[PATH])
        self.assertEqual((await self.ask("DELETE", f"listeners/{self.front}")).status, 204)
        for path in (f"l7policies/{made['id']}", f"l7policies/{made['id']}/rules/{made['rules'][0]['id']}"):
            self.assertEqual((await self.shown(path))["provisioning_status"], "PENDING_DELETE")
        await self.apply(self.balancer)
        self.assertEqual((await self.ask("GET", f"l7policies/{made['id']}")).status, 404)


class RuleTests(L7Case):
    """C{l7policies/<id>/rules}."""

    async def _prepare(self) -> None:
        await super()._prepare()
        self.path = f"l7policies/{(await self.policy())['id']}/rules"

    async def test_a_new_one_is_pending_and_so_is_all_above_it(self) -> None:
        await self.apply(self.balancer)
        made = await self.make("rule", self.path, **PATH, invert=True, tags=["t"])
        self.assertEqual(made.keys(), RULE_KEYS)
        self.assertEqual((made["provisioning_status"], made["key"], made["invert"]), ("PENDING_CREATE", None, True))
        self.assertEqual(await self.shown(f"{self.path}/{made['id']}"), made)
        listed = (await self.ask("GET", self.path)).body
        self.assertEqual(listed, {"rules": [made], "rules_links": []})
        for above in (self.path.removesuffix("/rules"), f"listeners/{self.front}", f"loadbalancers/{self.balancer}"):
            self.assertEqual((await self.shown(above))["provisioning_status"], "PENDING_UPDATE", above)

    async def test_it_changes_and_goes(self) -> None:
        made = await self.make("rule", self.path, **PATH)
        change = {"type": "HEADER", "key": "X-Kind", "value": "a b", "compare_type": "EQUAL_TO"}
        reply = await self.ask("PUT", f"{self.path}/{made['id']}", {"rule": change})
        self.assertEqual(reply.status, 200)
        self.assertLessEqual(change.items(), reply.body["rule"].items())
        reply = await self.ask("PUT", f"{self.path}/{made['id']}", {"rule": {"type": "PATH"}})
        self.assertEqual((reply.status, reply.body["rule"]["key"]), (200, None))
        self.assertEqual((await self.ask("DELETE", f"{self.path}/{made['id']}")).status, 204)
        self.assertEqual((await self.shown(f"{self.path}/{made['id']}"))["provisioning_status"], "PENDING_DELETE")
        self.assertEqual((await self.shown(self.path.removesuffix("/rules")))["rules"], [])

    async def test_a_key_that_its_type_ignores_is_let_go(self) -> None:
        self.assertIs((await self.make("rule", self.path, **PATH, key="x"))["key"], None)

    async def test_what_a_type_needs_is_named(self) -> None:
        for fields, word in (
            ({"type": "HEADER"}, "rule.key"),
            ({"type": "SSL_VERIFY_RESULT", "compare_type": "EQUAL_TO", "value": "0", "key": "x"}, "rule.key"),
            ({"type": "FILE_TYPE"}, "rule.compare_type"),
            ({"compare_type": "REGEX", "value": "("}, "rule.value"),
            ({"value": "a\nb"}, "rule.value"),
            ({"value": ""}, "rule.value"),
            ({"type": "COLOUR"}, "rule.type"),
        ):
            reply = await self.ask("POST", self.path, {"rule": {**PATH, **fields}})
            self.assertEqual(reply.status, 400, (fields, reply))
            self.assertIn(word, reply.sentence)

    async def test_one_of_another_policy_is_not_found_here(self) -> None:
        made = await self.make("rule", self.path, **PATH)
        other = f"l7policies/{(await self.policy())['id']}/rules/{made['id']}"
        for method, body in (("GET", None), ("PUT", {"rule": {}}), ("DELETE", None)):
            self.assertEqual((await self.ask(method, other, body)).status, 404)


class TreeTests(ApiCase):
    """Policies in full trees."""

    def tree(self, **policy: Any) -> dict[str, Any]:
        http = {"protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN"}
        member = {"address": "192.0.2.20", "protocol_port": 80}
        brings = {"action": "REDIRECT_TO_POOL", "redirect_pool": {**http, "name": "q", "members": [member]}}
        return {
            "vip_subnet_id": SUBNET,
            "pools": [{**http, "name": "p"}],
            "listeners": [
                {
                    "protocol": "HTTP",
                    "protocol_port": 80,
                    "default_pool": {"name": "q"},
                    "l7policies": [
                        {"name": "b", **brings, "rules": [PATH]},
                        {"name": "a", "action": "REDIRECT_TO_POOL", "redirect_pool": {"name": "p"}, "position": 1},
                        {"name": "c", "action": "REJECT", "rules": [PATH, PATH], **policy},
                    ],
                }
            ],
        }

    async def test_all_of_it_is_there(self) -> None:
        made = await self.make("loadbalancer", **self.tree())
        listed = (await self.ask("GET", "l7policies?sort=position")).body["l7policies"]
        self.assertEqual(
            [(p["name"], p["position"], len(p["rules"])) for p in listed], [("a", 1, 0), ("b", 2, 1), ("c", 3, 2)]
        )
        pools = {p["name"]: p["id"] for p in (await self.ask("GET", "pools")).body["pools"]}
        self.assertEqual([p["redirect_pool_id"] for p in listed], [pools["p"], pools["q"], None])
        status = (await self.shown(f"loadbalancers/{made['id']}/status"))["loadbalancer"]
        self.assertEqual({p["name"] for p in status["listeners"][0]["pools"]}, {"p", "q"})

    async def test_it_fails_as_a_whole_and_says_where(self) -> None:
        where = "loadbalancer.listeners[0].l7policies[2]"
        for policy, word in (
            ({"action": "REDIRECT_TO_URL"}, f"{where}.redirect_url"),
            ({"rules": [{**PATH, "value": ""}]}, f"{where}.rules[0].value"),
            ({"rules": [PATH] * 51}, f"{where}.rules"),
            ({"redirect_pool_id": UNKNOWN}, f"{where}.redirect_pool_id"),
            ({"action": "REDIRECT_TO_POOL", "redirect_pool": {"name": "z"}}, f"{where}.redirect_pool"),
        ):
            reply = await self.ask("POST", "loadbalancers", {"loadbalancer": self.tree(**policy)})
            self.assertEqual(reply.status, 400, reply)
            self.assertIn(word, reply.sentence)
        for kind in ("loadbalancers", "l7policies", "pools"):
            self.assertEqual((await self.ask("GET", kind)).body[kind], [])

    async def test_a_listener_brings_policies_too(self) -> None:
        balancer = await self.load_balancer()
        listener = self.tree()["listeners"][0]
        policies = [listener["l7policies"][0], listener["l7policies"][2]]
        made = await self.listener(balancer["id"], l7policies=policies)
        self.assertEqual(len(made["l7policies"]), 2)
        self.assertEqual(len((await self.ask("GET", "pools")).body["pools"]), 1)
