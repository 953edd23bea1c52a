"""Query strings."""

from __future__ import annotations

from attrs import frozen
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from octavia_tx.api import query
from octavia_tx.errors import InvalidInput, RequestError

KEYS = frozenset({"id", "name", "tags"})
ATTRIBUTES = {"name": "name", "weight": "weight", "backup": "backup", "pool": "pool_id"}


@frozen
class Thing:
    """What is listed."""

    name: str = ""
    weight: int = 1
    backup: bool = False
    pool_id: str | None = None
    tags: tuple[str, ...] = ()


def names(uri: bytes, *things: Thing) -> list[str]:
    """Which of the things a list with that query shows."""
    return [t.name for t in query.read(query.arguments(uri), ATTRIBUTES, KEYS).select(things)]


class ListTests(SynchronousTestCase):
    """What a list is asked for."""

    things = (
        Thing("a", tags=("x", "y"), backup=True),
        Thing("b", tags=("x",), weight=2, pool_id="p"),
        Thing("c"),
    )

    def test_without_arguments_all_are_shown(self) -> None:
        self.assertEqual(names(b"/pools", *self.things), ["a", "b", "c"])

    def test_each_attribute_is_a_filter(self) -> None:
        for uri, expected in (
            (b"/?name=b", ["b"]),
            (b"/?weight=1", ["a", "c"]),
            (b"/?backup=True", ["a"]),
            (b"/?backup=false", ["b", "c"]),
            (b"/?pool=p", ["b"]),
            (b"/?name=a&weight=2", []),
        ):
            self.assertEqual(names(uri, *self.things), expected, uri)

    def test_tags_are_asked_for_in_four_ways(self) -> None:
        for uri, expected in (
            (b"/?tags=x,y", ["a"]),
            (b"/?tags-any=x,y", ["a", "b"]),
            (b"/?not-tags=x,y", ["b", "c"]),
            (b"/?not-tags-any=x,y", ["c"]),
        ):
            self.assertEqual(names(uri, *self.things), expected, uri)

    def test_fields_choose_what_is_shown(self) -> None:
        asked = query.read((("fields", "id"), ("fields", "name")), ATTRIBUTES, KEYS)
        self.assertEqual(asked.project({"id": 1, "name": 2, "tags": 3}), {"id": 1, "name": 2})
        self.assertRaises(InvalidInput, query.read, (("fields", "nme"),), ATTRIBUTES, KEYS)

    def test_the_project_is_left_to_the_database(self) -> None:
        self.assertEqual(query.read((("tenant_id", "t"),), ATTRIBUTES, KEYS).project_id, "t")
        self.assertRaises(InvalidInput, query.read, (("project_id", "a\0b"),), ATTRIBUTES, KEYS)

    def test_an_unknown_argument_is_refused_and_the_known_ones_told(self) -> None:
        error = self.assertRaises(RequestError, query.read, (("nme", "x"),), ATTRIBUTES, KEYS)
        self.assertIn("name", str(error))
        self.assertRaises(RequestError, query.shown_fields, (("name", "x"),), KEYS)

    @given(st.binary(max_size=40))
    def test_any_query_string_is_read_or_refused(self, text: bytes) -> None:
        try:
            names(b"/pools?" + text, *self.things)
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
