"""By what a list may be filtered and sorted: every attribute that an answer shows, as the model's class has it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from ipaddress import ip_address
from typing import Any

from attrs import AttrsInstance, fields, frozen

from octavia_tx.api.types import canonical_uuid
from octavia_tx.db.selection import Condition
from octavia_tx.errors import InvalidInput

Decode = Callable[[str, str], Any]  # where it stands, what was given


@frozen
class Filter:
    """
    One argument by which a list may be filtered.

    @ivar column: what it is about; C{how}: the kind of condition, see C{sql/condition.sql}.
    @ivar sorts: whether lists may be sorted by it, too.
    @ivar position: how a link's position in lists sorted by it is read, where that isn't as C{decode} does.
    @ivar told: how what it takes is described, as JSON schema, where C{decode} is its own.
    """

    column: str
    decode: Decode
    how: str = "equals"
    sorts: bool = False
    told: Mapping[str, Any] | None = None
    position: Decode | None = None

    def condition(self, where: str, given: str) -> Condition:
        """
        What must hold of the objects that an argument asks for.

        @raise InvalidInput: no object could ever have such a value.
        """
        if given == "" and self.how in ("equals", "contains"):
            return Condition("empty", self.column)
        value = self.decode(where, given)
        if isinstance(value, datetime) and not value.microsecond:  # answers show no fraction
            return Condition("in_second", self.column, value)
        return Condition(self.how, self.column, value)


def uuid(where: str, given: str) -> str:
    """An object's id."""
    found = canonical_uuid(given)
    if found is None:
        raise InvalidInput(where, given, "a UUID")
    return found


def text(where: str, given: str) -> str:
    """Any text, but what PostgreSQL can't hold."""
    if "\0" in given:
        raise InvalidInput(where, given, "a text without NUL")
    return given


def yes_or_no(where: str, given: str) -> bool:
    """A truth value in a query string."""
    words = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
    if given.lower() not in words:
        raise InvalidInput(where, given, "true or false")
    return words[given.lower()]


def integer(where: str, given: str) -> float:
    """A whole number."""
    return _number(int, where, given, "an integer")


def number(where: str, given: str) -> float:
    """Any number."""
    return _number(float, where, given, "a number")


def _number(kind: type[int] | type[float], where: str, given: str, accepted: str) -> float:
    try:
        found = kind(given) if len(given) < 40 and given.isascii() and "_" not in given else None
    except ValueError:
        found = None
    if found is None or not -(2**63) <= found < 2**63:
        raise InvalidInput(where, given, accepted)
    return found


def address(where: str, given: str) -> str:
    """An IP address."""
    try:
        found = ip_address(given)
    except ValueError:
        found = None
    if found is None or getattr(found, "scope_id", None):
        raise InvalidInput(where, given, "an IP address")
    return str(found)


def moment(where: str, given: str) -> datetime:
    """A moment, in UTC unless it says otherwise."""
    try:
        found = datetime.fromisoformat(given)
        return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise InvalidInput(where, given, "a moment in UTC as 2030-12-31T23:59:59") from None


def as_json(where: str, given: str) -> str:
    """JSON, in its one spelling, without what PostgreSQL can't hold."""
    try:
        spelled = json.dumps(json.loads(text(where, given)), ensure_ascii=False, allow_nan=False)
        spelled.encode()  # no lone surrogates
        if "\\u0000" in spelled.replace("\\\\", ""):
            raise ValueError("NUL")
        return spelled
    except (ValueError, RecursionError):
        raise InvalidInput(where, given, "JSON, as it is shown") from None


# By the beginning of a field's annotation: the kind of condition, how values are read, whether lists are sorted by it.
_BY_TYPE: tuple[tuple[str, Any, Any, Any], ...] = (
    ("tuple[AdditionalVip", "equals", as_json, False),
    ("tuple", "contains", text, False),
    ("dict", "equals", as_json, False),
    ("SessionPersistence", "equals", as_json, False),
    ("bool", "equals", yes_or_no, True),
    ("int", "equals", integer, True),
    ("float", "equals", number, True),
    ("datetime", "equals", moment, True),
    ("", "equals", text, True),
)


def _of(name: str, annotation: str) -> Filter:
    if annotation.startswith("tuple") and name.endswith("_ids"):
        return Filter(name, uuid, "contains")
    if annotation.startswith("str"):
        if name == "id" or (name.endswith("_id") and name not in ("project_id", "compute_id", "image_id")):
            return Filter(name, uuid, sorts=True)
        if name.endswith(("address", "_ip")):
            return Filter(name, address, sorts=True)
    return next(
        Filter(name, decode, how, sorts) for kind, how, decode, sorts in _BY_TYPE if annotation.startswith(kind)
    )


def filters_of(model: type[AttrsInstance], shown: Iterable[str], further: Mapping[str, Filter]) -> dict[str, Filter]:
    """
    The filters of a kind of object.

    @param shown: the keys of its answers; those that are fields of the class by the same name may be filtered by.
    @param further: those that are called otherwise, or go by what hangs on the object.
    """
    annotations = {a.name: str(a.type) for a in fields(model)}
    own = {name: _of(name, annotations[name]) for name in shown if name in annotations and name != "tags"}
    return {**own, **further}


ORDERED: Mapping[str, Filter] = {
    "created_at": Filter("created_at", moment, sorts=True),
    "id": Filter("id", uuid, sorts=True),
}
"""By what every list is sorted in the end; for objects whose answers don't show it."""


def named(column: str) -> Filter:
    """A filter for a column of another object's id, where the argument is called otherwise."""
    return Filter(column, uuid, sorts=True)
