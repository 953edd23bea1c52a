"""Whatever clients send: it is taken, or refused with the field named, and a refusal changes nothing."""

from __future__ import annotations

from functools import partial
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from octavia_tx.api import healthmonitors, listeners, loadbalancers, members, pools
from octavia_tx.api.codec import Fields
from tests.api.test_types import json_values
from tests.integration.api import SUBNET, ApiCase, Reply

NASTY: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    -1,
    1,
    65536,
    2**31,
    2**63,
    10**400,
    1.0,
    0.5,
    1e308,
    "",
    " ",
    "x",
    "\0",
    "a\0b",
    "a\nglobal\n    user root",
    "a\r\nX: y",
    "\x1b[31m",
    "\u2028",
    "\ud800",
    "\U0001f692",
    "'; DROP TABLE load_balancer; --",
    '"',
    "#",
    "\\",
    "%(id)s %s {0} {{x}}",
    "/",
    "true",
    "1",
    "::",
    "fe80::1%eth0",
    "0.0.0.0",
    "192.0.2.10",
    "ffffffff-0000-4000-8000-000000000000",
    "x" * 255,
    "x" * 256,
    "x" * 70_000,
    [],
    [None],
    [[]],
    [{}],
    ["x", "x"],
    ["\0"],
    {},
    {"id": "x"},
    {"name": {"name": {}}},
    {"": ""},
    {"\0": "\ud800"},
    {"x" * 70_000: 1},
    {"type": "APP_COOKIE", "cookie_name": "a b"},
    {"X-Forwarded-For": "true\r\n"},
)


def examples(strategy: st.SearchStrategy[Any], count: int) -> list[Any]:
    """What hypothesis makes of a strategy, for requests that take longer than its own loop may."""
    found: list[Any] = []

    @settings(
        max_examples=count,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def collect(value: Any) -> None:
        found.append(value)

    collect()
    return found


class BadInputTests(ApiCase):
    """Each field of each resource, and bodies of any shape."""

    timeout = 120

    async def _prepare(self) -> None:
        await super()._prepare()
        self.balancer = await self.load_balancer()
        parent = {"loadbalancer_id": self.balancer["id"]}
        pool = await self.pool(self.balancer["id"])
        self.lonely = await self.pool(self.balancer["id"])
        http = {"protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN", **parent}
        check = {"type": "HTTP", "delay": 1, "timeout": 1, "max_retries": 1}
        member = {"address": "192.0.2.20", "protocol_port": 80}
        below = f"pools/{pool['id']}/members"
        made = {
            "loadbalancers": self.balancer,
            "listeners": await self.listener(self.balancer["id"]),
            "pools": pool,
            below: await self.make("member", below, **member),
            "healthmonitors": await self.make("healthmonitor", pool_id=pool["id"], **check),
        }
        # By collection: the table of fields, a good body, and an object that is there.
        self.resources: dict[str, tuple[Fields, dict[str, Any], dict[str, Any]]] = {
            "loadbalancers": (loadbalancers.FIELDS, {"vip_subnet_id": SUBNET}, made["loadbalancers"]),
            "listeners": (listeners.FIELDS, {**parent, "protocol": "HTTP", "protocol_port": 81}, made["listeners"]),
            "pools": (pools.FIELDS, http, made["pools"]),
            below: (members.FIELDS, {**member, "protocol_port": 81}, made[below]),
            "healthmonitors": (
                healthmonitors.FIELDS,
                {**check, "pool_id": self.lonely["id"]},
                made["healthmonitors"],
            ),
        }

    async def count(self) -> dict[str, int]:
        """How many objects there are."""
        return {path: len((await self.ask("GET", path)).body[path.split("/")[-1]]) for path in self.resources}

    def names(self, reply: Reply, field: str) -> None:
        """It is refused, and the sentence names the field."""
        self.assertIn(reply.status, (400, 404, 409, 501), reply)
        if reply.status != 409:
            self.assertIn(field, reply.sentence)
        self.assertTrue(len(reply.sentence) < 2000)

    async def test_each_field_of_a_new_object_is_taken_or_named(self) -> None:
        expected = await self.count()
        for path, (fields, good, _) in self.resources.items():
            for field in fields.every:
                for value in NASTY:
                    reply = await self.ask("POST", path, {fields.name: {**good, field.name: value}})
                    if reply.status != 201:
                        self.names(reply, field.name)
                        continue
                    made = reply.body[fields.name]
                    where = f"{path}/{made['id']}" + ("?cascade=true" if path == "loadbalancers" else "")
                    delete = await self.ask("DELETE", where)
                    self.assertEqual(delete.status, 204)
                    expected[path] += 1
        expected["pools"] = (await self.count())["pools"]  # listeners brought some
        self.assertEqual(await self.count(), expected)

    async def test_each_field_of_a_change_is_taken_or_named_and_nothing_changed(self) -> None:
        for path, (fields, _, made) in self.resources.items():
            where = f"{path}/{made['id']}"
            before = await self.shown(where)
            for field in fields.every:
                for value in NASTY:
                    reply = await self.ask("PUT", where, {fields.name: {field.name: value}})
                    after = await self.shown(where)
                    if reply.status == 200:
                        self.assertEqual(after, reply.body[fields.name])
                        before = after
                    else:
                        self.names(reply, field.name)
                        self.assertEqual(after, before)

    async def test_a_missing_field_is_named(self) -> None:
        for path, (fields, good, _) in self.resources.items():
            for field in fields.every:
                if field.required:
                    body = {name: value for name, value in good.items() if name != field.name}
                    reply = await self.ask("POST", path, {fields.name: body})
                    self.assertEqual(reply.status, 400)
                    self.assertIn(f"Missing field {fields.name}.{field.name}.", reply.sentence)

    async def test_an_unknown_field_is_named(self) -> None:
        for path, (fields, good, made) in self.resources.items():
            for reply in (
                await self.ask("POST", path, {fields.name: {**good, "nme": 1}}),
                await self.ask("PUT", f"{path}/{made['id']}", {fields.name: {"nme": 1}}),
            ):
                self.assertEqual(reply.status, 400)
                self.assertIn(f"Unknown field {fields.name}.nme.", reply.sentence)

    async def test_an_unknown_argument_is_named(self) -> None:
        for path, (fields, good, made) in self.resources.items():
            for method, where, body in (
                ("GET", path, None),
                ("POST", path, {fields.name: good}),
                ("GET", f"{path}/{made['id']}", None),
                ("PUT", f"{path}/{made['id']}", {fields.name: {}}),
                ("DELETE", f"{path}/{made['id']}", None),
            ):
                reply = await self.ask(method, f"{where}?colour=red", body)
                self.assertEqual(reply.status, 400, (method, where))
                self.assertIn("colour", reply.sentence)

    async def test_bodies_that_are_no_object_of_the_resource_are_refused(self) -> None:
        before = await self.count()
        bodies = (
            b"",
            b"null",
            b"[]",
            b"5",
            b'"x"',
            b"{}",
            b"{",
            b'{"x": {}}',
            b"\xff\xfe\x00",
            b"{'a': 1}",
            b'{"a": NaN}',
            b"[" * 5000,
            b'{"a":' * 900 + b"1" + b"}" * 900,
            b"1" * 5000,
        )
        for path, (fields, _, made) in self.resources.items():
            name = fields.name.encode()
            shaped = (b"[]", b"null", b'"x"', b"1", b"[" * 900 + b"]" * 900, b'{"x":' * 20 + b"1" + b"}" * 20)
            for body in (*bodies, *(b'{"%s": %s}' % (name, value) for value in shaped), b'{"%s": {}, "x": 1}' % name):
                for method, where in (("POST", path), ("PUT", f"{path}/{made['id']}")):
                    reply = await self.ask(method, where, raw=body)
                    self.assertEqual(reply.status, 400, (method, where, body[:40]))
        self.assertEqual(await self.count(), before)

    async def test_any_json_is_answered(self) -> None:
        for path, (fields, good, made) in self.resources.items():
            keys = st.sampled_from([field.name for field in fields.every])
            altered = st.dictionaries(keys, json_values).map(partial(dict.__or__, good))
            bodies = st.one_of(
                json_values,
                st.fixed_dictionaries({fields.name: json_values}),
                st.fixed_dictionaries({fields.name: altered}),
            )
            for body in examples(bodies, 60):
                if "NaN" in repr(body) or "inf" in repr(body):
                    continue
                for method, where in (("POST", path), ("PUT", f"{path}/{made['id']}")):
                    reply = await self.ask(method, where, body)
                    self.assertIn(reply.status, (200, 201, 400, 404, 409, 501), (method, where, body))

    async def test_any_query_is_answered(self) -> None:
        for query in examples(st.text(alphabet="abc=&%?+;, name_id\u00e9\x00", max_size=20), 60):
            reply = await self.ask(
                "GET",
                "pools?" + "".join(f"%{byte:02x}" if byte < 33 or byte > 126 else chr(byte) for byte in query.encode()),
            )
            self.assertIn(reply.status, (200, 400), query)
