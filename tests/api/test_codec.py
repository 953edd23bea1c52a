"""Bodies to values and back."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from octavia_tx.api import healthmonitors, listeners, loadbalancers, members, pools
from octavia_tx.api.codec import Encoder, Field, Fields, Nested, instant, reference, references
from octavia_tx.api.types import Flag, Integer, ListOf, Text
from octavia_tx.errors import InvalidInput, MissingField, RequestError, UnknownField
from octavia_tx.model.resources import Pool
from tests.api.test_types import json_values

INNER = Fields("member", (Field("port", Integer(1, 9), required=True),))
FIELDS = Fields(
    "pool",
    (
        Field("name", Text(), default=""),
        Field("up", Flag(), default=True),
        Field("port", Integer(1, 9), required=True),
        Field("kind", Text(), change=False),
        Field("members", ListOf(Nested(INNER)), default=(), change=False),
        Field("parent", Text(), alone=True, change=False),
        Field("project_id", Text(36), alone=True, change=False),
        Field("tenant_id", Text(36), alone=True, change=False),
    ),
)
EVERY = tuple(module.FIELDS for module in (loadbalancers, listeners, pools, members, healthmonitors))


class FieldsTests(SynchronousTestCase):
    """A table of fields reads what clients give."""

    def test_what_is_not_given_is_the_default(self) -> None:
        self.assertEqual(
            FIELDS.create({"port": 5}),
            {
                "name": "",
                "up": True,
                "port": 5,
                "kind": None,
                "members": (),
                "parent": None,
                "project_id": None,
            },
        )

    def test_null_is_the_default(self) -> None:
        self.assertEqual(FIELDS.create({"port": 5, "name": None, "up": None})["up"], True)
        self.assertEqual(FIELDS.change({"name": None, "up": None}), {"name": "", "up": True})

    def test_the_project_may_be_called_a_tenant(self) -> None:
        self.assertEqual(FIELDS.create({"port": 5, "tenant_id": "t"})["project_id"], "t")
        self.assertEqual(FIELDS.create({"port": 5, "tenant_id": "t", "project_id": "t"})["project_id"], "t")

    def test_project_and_tenant_say_the_same(self) -> None:
        for where, field in (("", "pool.tenant_id"), ("pools[1]", "pools[1].tenant_id")):
            given_ = {"port": 5, "tenant_id": "t", "project_id": "p"}
            self.assertEqual(self.assertRaises(InvalidInput, FIELDS.create, given_, where).field, field)

    def test_a_missing_field_is_named(self) -> None:
        for body in ({}, {"port": None}):
            self.assertEqual(self.assertRaises(MissingField, FIELDS.create, body).field, "pool.port")
        self.assertEqual(self.assertRaises(MissingField, FIELDS.change, {"port": None}).field, "pool.port")

    def test_an_unknown_field_is_named_and_the_known_ones_told(self) -> None:
        error = self.assertRaises(UnknownField, FIELDS.create, {"port": 5, "nme": "x"})
        self.assertEqual(error.field, "pool.nme")
        self.assertIn("name", str(error))

    def test_an_unknown_fields_own_name_is_told_briefly_and_printably(self) -> None:
        for name in ("x" * 100_000, "a\nb", "\ud800"):
            error = self.assertRaises(UnknownField, FIELDS.create, {"port": 5, name: 1})
            self.assertTrue(len(str(error)) < 300 and str(error).isprintable(), str(error))

    def test_what_is_set_for_good_cannot_change(self) -> None:
        error = self.assertRaises(InvalidInput, FIELDS.change, {"kind": "x"})
        self.assertEqual(error.field, "pool.kind")

    def test_an_object_within_is_named_by_its_place(self) -> None:
        error = self.assertRaises(InvalidInput, FIELDS.create, {"port": 5, "members": [{"port": 1}, {"port": 0}]})
        self.assertEqual(error.field, "pool.members[1].port")

    def test_a_tree_says_itself_what_an_object_hangs_on(self) -> None:
        self.assertRaises(UnknownField, FIELDS.nested, {"port": 5, "parent": "x"}, "tree.pools[0]")

    def test_what_is_no_object_is_refused(self) -> None:
        for value in ([], "x", 5, True, 1.5):
            self.assertRaises(InvalidInput, FIELDS.create, value)

    @given(st.sampled_from(EVERY), json_values)
    def test_every_resource_takes_any_json_or_refuses_it_as_the_clients_fault(self, fields: Fields, value: Any) -> None:
        for read in (fields.create, fields.change):
            try:
                read(value)
            except RequestError as error:
                self.assertIn(fields.name, str(error))

    @given(st.data())
    def test_every_field_takes_any_json_or_is_named(self, data: st.DataObject) -> None:
        fields = data.draw(st.sampled_from(EVERY))
        field = data.draw(st.sampled_from(fields.every))
        try:
            fields.create({field.name: data.draw(json_values)})
        except RequestError as error:
            self.assertIn(f"{fields.name}.", str(error))


class EncoderTests(SynchronousTestCase):
    """Values as clients read them."""

    def test_times_have_neither_zone_nor_fraction(self) -> None:
        pool = Pool(
            id="i",
            project_id="p",
            load_balancer_id="lb",
            protocol="HTTP",
            lb_algorithm="ROUND_ROBIN",
            listener_ids=("a", "b"),
            created_at=datetime(2026, 11, 23, 8, 17, 54, 999, UTC),
        )
        encode = Encoder(
            "id",
            "name",
            created_at=instant("created_at"),
            updated_at=instant("updated_at"),
            loadbalancers=reference("load_balancer_id"),
            listeners=references("listener_ids"),
        )
        self.assertEqual(
            encode(pool),
            {
                "id": "i",
                "name": "",
                "created_at": "2026-11-23T08:17:54",
                "updated_at": None,
                "loadbalancers": [{"id": "lb"}],
                "listeners": [{"id": "a"}, {"id": "b"}],
            },
        )
        self.assertEqual(encode.keys, encode(pool).keys())
