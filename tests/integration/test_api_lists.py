"""Lists: pages, order, filters; held against what plain Python makes of the same objects."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cmp_to_key
from itertools import product
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from hypothesis import strategies as st

from tests.integration.api import SUBNET, ApiCase, Reply, new_id
from tests.integration.test_api_bad_input import examples


def ordered(things: list[dict[str, Any]], sort: list[tuple[str, bool]]) -> list[dict[str, Any]]:
    """Sorted as PostgreSQL does it: NULL is above all; and at last by age."""

    def compare(one: dict[str, Any], other: dict[str, Any]) -> int:
        for key, descending in sort:
            a, b = one[key], other[key]
            if a != b:
                above = a is None or (b is not None and a > b)
                return -1 if above is descending else 1
        return 0

    return sorted(things, key=cmp_to_key(compare))


class ListTests(ApiCase):
    """Members, which have values of most kinds, some of them often alike and some of them missing."""

    timeout = 120
    COUNT = 23

    async def _prepare(self) -> None:
        await super()._prepare()
        balancer = await self.load_balancer()
        pool = await self.pool(balancer["id"])
        self.path = f"pools/{pool['id']}/members"
        self.members = [await self.make("member", self.path, **self.fields(number)) for number in range(self.COUNT)]

    def fields(self, number: int) -> dict[str, Any]:
        return {
            "address": f"192.0.2.{number + 20}",
            "protocol_port": 80 + number % 3,
            "name": "abc"[number % 3] * (number % 2),
            "weight": number % 4,
            "backup": number % 5 == 0,
            "monitor_port": None if number % 3 else number + 1,
            "subnet_id": SUBNET if number % 2 else None,
            "tags": [tag for tag, every in (("two", 2), ("three", 3), ("all", 1)) if number % every == 0],
        }

    async def list(self, **query: Any) -> Reply:
        reply = await self.ask("GET", f"{self.path}?{urlencode(query, doseq=True)}")
        self.assertEqual(reply.status, 200, reply)
        return reply

    async def walk(self, relation: str = "next", **query: Any) -> list[list[dict[str, Any]]]:
        """All pages, by their links."""
        pages = []
        url: str | None = f"{self.path}?{urlencode(query)}"
        while url:
            reply = await self.ask("GET", url)
            self.assertEqual(reply.status, 200, reply)
            pages.append(reply.body["members"])
            links = {link["rel"]: link["href"][len(self.base) :] for link in reply.body["members_links"]}
            url = links.get(relation)
        return pages

    async def test_any_order_is_walked_forth_and_back(self) -> None:
        keys = ("name", "weight", "backup", "monitor_port", "subnet_id", "protocol_port")
        orders = st.lists(st.tuples(st.sampled_from(keys), st.booleans()), max_size=3, unique_by=lambda o: o[0])
        for sort, limit in examples(st.tuples(orders, st.integers(1, 9)), 25):
            expected = [m["id"] for m in ordered(self.members, sort)]
            asked = {"sort": ",".join(f"{key}:{'desc' if down else 'asc'}" for key, down in sort)} if sort else {}
            pages = await self.walk(limit=limit, **asked)
            self.assertEqual([m["id"] for page in pages for m in page], expected, (sort, limit))
            self.assertEqual({len(page) for page in pages[:-1]} - {limit}, set())
            back = await self.walk("previous", limit=limit, marker=expected[-1], page_reverse="True", **asked)
            self.assertEqual([m["id"] for page in reversed(back) for m in page], expected[:-1], (sort, limit))

    async def test_the_last_page_links_to_no_other(self) -> None:
        reply = await self.list(limit=self.COUNT)
        self.assertEqual(reply.body["members_links"], [])
        reply = await self.list(limit=self.COUNT - 1)
        self.assertEqual([link["rel"] for link in reply.body["members_links"]], ["next"])
        self.assertIn(f"marker={self.members[-2]['id']}", reply.body["members_links"][0]["href"])
        self.assertEqual(len((await self.list()).body["members"]), self.COUNT)

    async def test_each_attribute_filters(self) -> None:
        for member, name in product(self.members[:7], self.members[0].keys() - {"tags", "tenant_id"}):
            value = member[name]
            asked = "" if value is None else str(value)
            expected = [m["id"] for m in self.members if m[name] == value or (asked == "" and not m[name])]
            reply = await self.list(**{name: asked})
            self.assertEqual([m["id"] for m in reply.body["members"]], expected, (name, value))

    async def test_a_moment_without_a_fraction_is_the_whole_second(self) -> None:
        member = self.members[0]
        last = f"{member['created_at']}.999999"
        self.server.run(
            f"UPDATE member SET created_at = '{last}Z', updated_at = '{last}Z' WHERE id = '{member['id']}'",
            self.database_name,
        )
        for name in ("created_at", "updated_at"):
            for asked, found in ((member["created_at"], True), (last, True), (last[:-1], False)):
                ids = {m["id"] for m in (await self.list(**{name: asked})).body["members"]}
                self.assertEqual(member["id"] in ids, found, (name, asked))

    async def test_a_position_without_a_marker_is_behind_all(self) -> None:
        reply = await self.list(limit=5)
        (link,) = reply.body["members_links"]
        position = parse_qs(urlsplit(link["href"]).query)["marker_position"][0]
        reply = await self.list(limit=5, marker_position=position)
        self.assertEqual((reply.body["members"], reply.body["members_links"]), ([], []))

    async def test_tags_filter_in_four_ways(self) -> None:
        asked = {"two", "three"}
        for argument, passes in (
            ("tags", lambda tags: asked <= tags),
            ("tags-any", lambda tags: bool(asked & tags)),
            ("not-tags", lambda tags: not asked <= tags),
            ("not-tags-any", lambda tags: not asked & tags),
        ):
            expected = [m["id"] for m in self.members if passes(set(m["tags"]))]
            reply = await self.list(**{argument: "two,three"})
            self.assertEqual([m["id"] for m in reply.body["members"]], expected, argument)

    async def test_filters_go_with_pages_and_fields(self) -> None:
        expected = [{"id": m["id"]} for m in self.members if m["weight"] == 1]
        pages = await self.walk(weight=1, limit=2, fields="id")
        self.assertEqual([m for page in pages for m in page], expected)

    async def test_what_comes_meanwhile_repeats_and_hides_nothing(self) -> None:
        seen: list[str] = []
        for number, page in enumerate(await self._interrupted(limit=4)):
            seen += [m["id"] for m in page]
            fields = {"address": f"192.0.2.{number + 120}", "protocol_port": 80}
            await self.make("member", self.path, **fields)
        self.assertEqual([s for s in seen if s in {m["id"] for m in self.members}], [m["id"] for m in self.members])
        self.assertEqual(len(seen), len(set(seen)))

    async def _interrupted(self, **query: Any) -> Iterator[list[dict[str, Any]]]:
        return iter(await self.walk(**query))

    async def test_a_page_may_be_deleted_before_the_next_is_asked_for(self) -> None:
        seen = []
        url: str | None = f"{self.path}?limit=5&sort=name:desc,monitor_port"
        while url:
            reply = await self.ask("GET", url)
            self.assertEqual(reply.status, 200, reply)
            seen += [m["id"] for m in reply.body["members"]]
            ids = ", ".join(f"'{m['id']}'" for m in reply.body["members"])
            self.server.run(f"DELETE FROM member WHERE id IN ({ids})", self.database_name)
            links = {link["rel"]: link["href"][len(self.base) :] for link in reply.body["members_links"]}
            url = links.get("next")
        expected = ordered(self.members, [("name", True), ("monitor_port", False)])
        self.assertEqual(seen, [m["id"] for m in expected])

    async def test_a_page_begins_where_the_last_one_ended_though_its_last_object_changed(self) -> None:
        expected = ordered(self.members, [("name", False), ("id", False)])
        reply = await self.ask("GET", f"{self.path}?limit=5&sort=name,id")
        last = reply.body["members"][-1]["id"]
        self.server.run(f"UPDATE member SET name = 'zzzz' WHERE id = '{last}'", self.database_name)
        (link,) = [link["href"] for link in reply.body["members_links"] if link["rel"] == "next"]
        after = await self.ask("GET", link[len(self.base) :])
        self.assertEqual([m["id"] for m in after.body["members"]], [m["id"] for m in expected[5:10]])

    async def test_a_marker_that_says_nothing_is_named(self) -> None:
        for query, field in (
            ({"marker": new_id()}, "marker"),
            ({"marker": "x"}, "marker"),
            ({"marker": new_id(), "marker_position": "bm9uZQ=="}, "marker_position"),
            ({"marker": new_id(), "marker_position": "\u00e9"}, "marker_position"),
            ({"marker": new_id(), "marker_position": "WyJ4IiwgIngiXQ=="}, "marker_position"),
            ({"limit": "x"}, "limit"),
            ({"sort": "nme"}, "sort"),
        ):
            reply = await self.ask("GET", f"{self.path}?{urlencode(query)}")
            self.assertEqual(reply.status, 400, reply)
            self.assertIn(f"for {field}:", reply.sentence)


class NestedFilterTests(ApiCase):
    """Filters by what hangs on objects, or what they hang on."""

    async def test_pools_are_found_by_listener_and_monitor_and_policies_by_rule(self) -> None:
        balancer = await self.load_balancer()
        listener = await self.listener(balancer["id"])
        used = await self.pool(balancer["id"], loadbalancer_id=None, listener_id=listener["id"])
        redirected = await self.pool(balancer["id"])
        await self.pool(balancer["id"])
        check = {"type": "HTTP", "delay": 1, "timeout": 1, "max_retries": 1}
        monitor = await self.make("healthmonitor", pool_id=redirected["id"], **check)
        policy = await self.make(
            "l7policy",
            "l7policies",
            listener_id=listener["id"],
            action="REDIRECT_TO_POOL",
            redirect_pool_id=redirected["id"],
            rules=[{"type": "PATH", "compare_type": "EQUAL_TO", "value": "/"}],
        )
        for path, query, expected in (
            ("pools", {"listener_id": listener["id"]}, [used["id"], redirected["id"]]),
            ("pools", {"healthmonitor_id": monitor["id"]}, [redirected["id"]]),
            ("pools", {"health_monitor_id": monitor["id"]}, [redirected["id"]]),
            ("l7policies", {"rule_id": policy["rules"][0]["id"]}, [policy["id"]]),
            ("l7policies", {"redirect_pool_id": redirected["id"]}, [policy["id"]]),
            ("listeners", {"default_pool_id": used["id"]}, [listener["id"]]),
            ("listeners", {"default_pool_id": ""}, []),
            ("healthmonitors", {"pool_id": used["id"]}, []),
            ("loadbalancers", {"vip_address": "192.0.2.10"}, [balancer["id"]]),
            ("loadbalancers", {"vip_address": "192.0.2.11"}, []),
        ):
            reply = await self.ask("GET", f"{path}?{urlencode(query)}")
            self.assertEqual([found["id"] for found in reply.body[path]], expected, (path, query))
        rules = f"l7policies/{policy['id']}/rules"
        for query, count in ({"l7policy_id": policy["id"]}, 1), ({"rule_value": "/"}, 1), ({"rule_value": "/x"}, 0):
            self.assertEqual(len((await self.ask("GET", f"{rules}?{urlencode(query)}")).body["rules"]), count, query)
        self.assertEqual(set(self.shown_ids(await self.shown(f"pools/{redirected['id']}"))), {listener["id"]})

    @staticmethod
    def shown_ids(pool: dict[str, Any]) -> list[str]:
        return [listener["id"] for listener in pool["listeners"]]
