"""What requests may hold, as JSON Schema: the schema of a type takes what the type takes."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator, FormatChecker
from twisted.trial.unittest import SynchronousTestCase

from octavia_tx.api import l7policies, types
from octavia_tx.api.codec import Field, Fields, Nested
from octavia_tx.api.schemas import components, schema_of
from octavia_tx.errors import InvalidInput
from tests.api.test_types import EVERY, json_values

LOOSE = (types.Address, types.Netmask, types.Cidr, types.Integer)
"""Types whose schema takes more than they do, for JSON Schema has no word for what they want."""
WORDS = (
    "", "HTTP", "TCP", "http", "1.0", "1.1", "1", "true", "a0000000-0000-4000-8000-000000000000", "192.0.2.1",
    "2001:db8::1", "192.0.2.0/24", "255.255.255.0", "x" * 255, "x" * 256, "é" * 255, "a\rb", "\x7f", "/", "/%2",
    "https://example.com/?a#b", "200", "200,201", "200-204", "٢٠٠", "www.example.com", "A:!B@C",
)  # fmt: skip
VALUES = (1, 65535, 65536, 0, 301, 302, 303, 1.1, ["a"], ["\0"], {"X-Forwarded-For": "true"}, {"X": "true"})
# 1.0 is an integer to JSON Schema alone; and to Python's own patterns alone, a $ stands before a last end of line, too.
values = st.sampled_from((*WORDS, *VALUES)) | json_values.filter(
    lambda value: not (isinstance(value, float) and value.is_integer()) and "\\n" not in json.dumps(value)
)


def valid(schema: dict[str, Any], value: Any) -> bool:
    """Whether a schema takes a value."""
    return bool(Draft202012Validator(schema, format_checker=FormatChecker()).is_valid(value))


def taken(kind: types.Type, value: Any) -> bool:
    """Whether a type takes it."""
    try:
        kind.decode(value, "field")
    except InvalidInput:
        return False
    return True


class SchemaTests(SynchronousTestCase):
    """Types and fields."""

    @given(st.sampled_from(EVERY), values)
    def test_a_schema_takes_what_its_type_takes(self, kind: types.Type, value: Any) -> None:
        schema = schema_of(kind)
        if taken(kind, value):
            self.assertTrue(valid(schema, value), (kind, value))
        elif valid(schema, value):
            self.assertIsInstance(kind, LOOSE, value)

    def test_schemas_of_all_types_are_schemas(self) -> None:
        for kind in EVERY:
            Draft202012Validator.check_schema(schema_of(kind))

    def test_a_type_that_is_not_known_is_an_error(self) -> None:
        self.assertRaises(TypeError, schema_of, object())

    def test_null_is_taken_where_there_is_a_default(self) -> None:
        fields = Fields(
            "thing",
            (
                Field("name", types.Text(), default=""),
                Field("kind", types.OneOf(("a", "b")), required=True),
                Field("mode", types.OneOf(("a", "b"))),
                Field("place", types.Address(), change=False),
            ),
        )
        (_, created), (_, changed) = *components(fields, "create"), *components(fields, "change")
        for schema, value, expected in (
            (created, {"kind": "a"}, True),
            (created, {"kind": "a", "name": None, "mode": None, "place": None}, True),
            (created, {"kind": None}, False),
            (created, {}, False),
            (created, {"kind": "a", "nme": ""}, False),
            (changed, {}, True),
            (changed, {"name": None, "mode": None}, True),
            (changed, {"kind": None}, False),
            (changed, {"place": "192.0.2.1"}, False),
        ):
            self.assertEqual(valid(schema, value), expected, value)
        self.assertEqual(created["properties"]["name"]["default"], "")
        self.assertNotIn("default", changed["properties"]["name"])

    def test_nested_resources_come_along_without_what_the_tree_says(self) -> None:
        found = dict(components(Fields("thing", (Field("policy", Nested(l7policies.FIELDS)),)), "create"))
        self.assertEqual(
            found.keys(),
            {"thing_create"}
            | {
                f"{name}_nested"
                for name in ("l7policy", "rule", "pool", "member", "healthmonitor", "session_persistence")
            },
        )
        policy = found["l7policy_nested"]["properties"]
        self.assertNotIn("listener_id", policy)
        self.assertIn("redirect_pool", policy)
