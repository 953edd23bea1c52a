"""Query strings."""

from __future__ import annotations

from datetime import UTC, datetime
from urllib.parse import quote

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from octavia_tx.api import query
from octavia_tx.api.filters import filters_of, named
from octavia_tx.db.selection import Condition, Order
from octavia_tx.errors import InvalidInput, RequestError
from octavia_tx.model.resources import L7Policy, LoadBalancer, Member, Pool

MOMENT = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)
KEYS = frozenset({"id", "name", "tags", "project_id"})
FILTERS = filters_of(
    Member, ("id", "name", "weight", "backup", "address", "created_at", "tags", "pool_id"), {"pool": named("pool_id")}
)
ID = "a0000000-0000-4000-8000-000000000000"


def read(uri: bytes) -> query.Query:
    """What a list with that query is asked for."""
    return query.read(query.arguments(uri), FILTERS, KEYS)


class ListTests(SynchronousTestCase):
    """What a list is asked for."""

    def test_without_arguments_all_are_shown(self) -> None:
        self.assertEqual(read(b"/pools"), query.Query())

    def test_each_attribute_is_a_filter_and_its_values_are_read(self) -> None:
        for uri, expected in (
            (b"/?name=b", Condition("equals", "name", "b")),
            (b"/?weight=1", Condition("equals", "weight", 1)),
            (b"/?backup=True", Condition("equals", "backup", True)),
            (b"/?backup=false", Condition("equals", "backup", False)),
            (b"/?pool=" + ID.upper().encode(), Condition("equals", "pool_id", ID)),
            (b"/?pool=", Condition("empty", "pool_id")),
            (b"/?address=2001:DB8::1", Condition("equals", "address", "2001:db8::1")),
            (b"/?created_at=2030-01-02T03:04:05", Condition("in_second", "created_at", MOMENT)),
            (b"/?created_at=2030-01-01T10:14:05-16:50", Condition("in_second", "created_at", MOMENT)),
        ):
            self.assertEqual(read(uri).conditions, (expected,), uri)

    def test_no_attribute_is_called_as_an_argument_for_paging(self) -> None:
        known = filters_of(L7Policy, ("id", "position"), {})
        asked = query.read(query.arguments(b"/?position=2&marker_position=x"), known, KEYS)
        self.assertEqual(asked.conditions, (Condition("equals", "position", 2),))
        self.assertEqual(asked.marker_position, "x")

    def test_a_value_that_nothing_could_have_is_named(self) -> None:
        for uri in (
            b"weight=x",
            b"weight=1e3",
            b"backup=2",
            b"pool=p",
            b"address=x",
            b"created_at=x",
            b"created_at=0001-01-01T00:00%2B01:00",
            b"name=%00",
            b"marker=%00",
        ):
            error = self.assertRaises(InvalidInput, read, b"/?" + uri)
            self.assertEqual(error.field, uri.partition(b"=")[0].decode())

    def test_json_that_postgresql_cannot_hold_is_named(self) -> None:
        known = filters_of(Pool, ("session_persistence",), {})
        refused = ("1e400", "NaN", '{"type":1e400}', '"\\u0000"', '{"\\u0000":1}', '"\\\\\\u0000"', '"\\ud800"', "{")
        for asked in refused:
            uri = f"/?session_persistence={quote(asked)}".encode()
            error = self.assertRaises(InvalidInput, query.read, query.arguments(uri), known, KEYS)
            self.assertEqual(error.field, "session_persistence")
        for asked in ('"\\\\u0000"', '"\\ud83d\\ude00"', "{}", "null"):
            query.read(query.arguments(f"/?session_persistence={quote(asked)}".encode()), known, KEYS)

    def test_two_values_of_one_attribute_are_refused(self) -> None:
        for uri, field in (
            (b"/?name=a&name=b", "name"),
            (b"/?name=a&name=", "name"),
            (b"/?weight=1&name=a&weight=2", "weight"),
            (b"/?project_id=a&project_id=b", "project_id"),
            (b"/?project_id=a&tenant_id=b", "tenant_id"),
        ):
            self.assertEqual(self.assertRaises(InvalidInput, read, uri).field, field)
        self.assertEqual(read(b"/?project_id=a&project_id=a").project_id, "a")
        self.assertEqual(read(b"/?project_id=a&tenant_id=a").project_id, "a")

    def test_an_attribute_of_many_values_may_be_asked_for_several(self) -> None:
        known = filters_of(LoadBalancer, ("vip_sg_ids",), {})
        other = ID.replace("a", "b")
        asked = query.read(query.arguments(f"/?vip_sg_ids={ID}&vip_sg_ids={other}".encode()), known, KEYS)
        self.assertEqual(asked.conditions, tuple(Condition("contains", "vip_sg_ids", each) for each in (ID, other)))

    def test_tags_are_asked_for_in_four_ways(self) -> None:
        for uri, how in (
            (b"/?tags=x,y", "tags"),
            (b"/?tags-any=x,y", "tags_any"),
            (b"/?not-tags=x,y", "not_tags"),
            (b"/?not-tags-any=x,y", "not_tags_any"),
        ):
            self.assertEqual(read(uri).conditions, (Condition(how, "tags", ["x", "y"]),), uri)
            again = uri.replace(b",", b"&" + uri[2 : uri.index(b"=") + 1])
            self.assertEqual(read(again).conditions, read(uri).conditions, again)

    def test_fields_choose_what_is_shown(self) -> None:
        asked = read(b"/?fields=id&fields=name")
        self.assertEqual(asked.project({"id": 1, "name": 2, "tags": 3}), {"id": 1, "name": 2})
        self.assertRaises(InvalidInput, read, b"/?fields=nme")

    def test_order_is_asked_for_in_two_ways(self) -> None:
        expected = (Order("name", True), Order("weight"), Order("pool_id"))
        for uri in (
            b"/?sort=name:desc,weight,pool_id:asc",
            b"/?sort_key=name,weight,pool&sort_dir=desc,asc",
            b"/?sort=name:DESC,weight,pool,name:asc",
        ):
            self.assertEqual(read(uri).order, expected, uri)
        for uri in (b"sort=nme", b"sort=name:up", b"sort=tags", b"sort=", b"sort=name:asc:desc", b"sort_key=nme"):
            self.assertEqual(self.assertRaises(InvalidInput, read, b"/?" + uri).field, "sort")

    def test_a_direction_that_is_none_is_named_though_it_is_of_no_key(self) -> None:
        for uri in (b"sort_dir=up", b"sort_key=name&sort_dir=asc,up", b"sort=name:asc&sort_dir=up"):
            self.assertEqual(self.assertRaises(InvalidInput, read, b"/?" + uri).field, "sort_dir")

    def test_pages_are_limited_and_less_than_one_means_all(self) -> None:
        for given_, expected in (("7", 7), ("0", None), ("-1", None), ("infinite", None)):
            self.assertEqual(read(b"/?limit=" + given_.encode()).limit, expected)
        for given_ in ("x", "1.5", "", "9" * 40):
            self.assertEqual(self.assertRaises(InvalidInput, read, b"/?limit=" + given_.encode()).field, "limit")
        self.assertTrue(read(b"/?page_reverse=True").reverse)
        self.assertRaises(InvalidInput, read, b"/?page_reverse=maybe")

    def test_the_project_is_read_under_both_names(self) -> None:
        self.assertEqual(read(b"/?tenant_id=t").project_id, "t")
        self.assertRaises(InvalidInput, read, b"/?project_id=a%00b")

    def test_an_unknown_argument_is_refused_and_the_known_ones_told(self) -> None:
        error = self.assertRaises(RequestError, read, b"/?nme=x")
        self.assertIn("name", str(error))
        self.assertRaises(RequestError, query.shown_fields, (("name", "x"),), KEYS)

    @given(st.binary(max_size=40))
    def test_any_query_string_is_read_or_refused(self, text: bytes) -> None:
        try:
            read(b"/pools?" + text)
        except RequestError as error:
            self.assertTrue(str(error).isprintable())

    def test_what_is_not_percent_encoded_utf8_is_refused(self) -> None:
        for uri in (b"/?name=%ff", b"/?name=\xff", b"/?" + b"name=a&" * 200):
            self.assertRaises(RequestError, query.arguments, uri)


class OnlyTests(SynchronousTestCase):
    """Arguments of what isn't a list."""

    def test_the_known_ones_are_read_by_name(self) -> None:
        self.assertEqual(query.only((("cascade", "true"),), "cascade"), {"cascade": "true"})

    def test_others_and_repeated_ones_are_refused(self) -> None:
        for given_ in ((("cascade", "true"), ("cascade", "false")), (("x", ""),)):
            self.assertRaises(RequestError, query.only, given_, "cascade")
