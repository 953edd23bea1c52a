"""Query strings: which of a list's objects, in which order, from where on, and which of their fields."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import parse_qsl

from attrs import frozen

from octavia_tx.api.filters import Filter, text
from octavia_tx.db.selection import Condition, Order
from octavia_tx.errors import InvalidInput, RequestError

Arguments = tuple[tuple[str, str], ...]

TAGS: Mapping[str, str] = {
    "tags": "tags",
    "tags-any": "tags_any",
    "not-tags": "not_tags",
    "not-tags-any": "not_tags_any",
}
PAGING = ("limit", "marker", "marker_position", "page_reverse", "sort", "sort_key", "sort_dir")
DIRECTIONS = {"asc": False, "desc": True}
_YES = {"true": True, "false": False}


_MOST_ARGUMENTS = 100


def arguments(uri: bytes) -> Arguments:
    """
    The query string's arguments, in order.

    @raise RequestError: it isn't UTF-8, or has more arguments than any request needs.
    """
    _, mark, query = uri.partition(b"?")
    if not mark:
        return ()
    try:
        pairs = tuple(parse_qsl(query.decode("ascii"), keep_blank_values=True, errors="strict"))
    except ValueError:
        raise RequestError("The query string can't be read: percent-encoded UTF-8 is expected.") from None
    if len(pairs) > _MOST_ARGUMENTS:
        raise RequestError(f"The query string has {len(pairs)} arguments. Accepted: at most {_MOST_ARGUMENTS}.")
    return pairs


def only(given: Arguments, *known: str) -> dict[str, str]:
    """
    The arguments of a request that isn't a list, by name.

    @raise RequestError: there's one that isn't known, or one twice.
    """
    seen: dict[str, str] = {}
    for name, value in given:
        if name not in known or name in seen:
            accepted = f"known are: {', '.join(known)}" if known else "none is expected"
            raise RequestError(f"Unknown or repeated argument {ascii(name)[:66]}; {accepted}.")
        seen[name] = value
    return seen


@frozen(kw_only=True)
class Query:
    """
    What a list is asked for.

    @ivar project_id: of one project only.
    @ivar fields: which fields to show; empty for all.
    @ivar order: without C{id}, which ends every order.
    @ivar limit: how many at most; C{None} for all.
    @ivar marker: the id of the last object of the page before (or of the first one after it, in C{reverse}).
    @ivar marker_position: where that was, should it be gone by now; as a link of ours said it.
    """

    project_id: str | None = None
    fields: frozenset[str] = frozenset()
    conditions: tuple[Condition, ...] = ()
    order: tuple[Order, ...] = ()
    limit: int | None = None
    marker: str | None = None
    marker_position: str | None = None
    reverse: bool = False

    def project(self, encoded: dict[str, Any]) -> dict[str, Any]:
        """An encoded object with the fields asked for."""
        if not self.fields:
            return encoded
        return {key: value for key, value in encoded.items() if key in self.fields}


def read(given: Arguments, filters: Mapping[str, Filter], keys: frozenset[str], *, tagged: bool = True) -> Query:
    """
    A list's query.

    @param filters: by which arguments one may filter.
    @param keys: which fields an answer has.
    @param tagged: whether the objects have tags.
    @raise RequestError: an unknown argument, or a value that it can't have; C{InvalidInput} names it.
    """
    project: str | None = None
    fields: set[str] = set()
    conditions: list[Condition] = []
    tags: dict[str, list[str]] = {}
    paging: dict[str, str] = {}
    for name, value in _consistent(given, filters):
        if name == "fields":
            fields |= _fields(value, keys)
        elif name in ("project_id", "tenant_id") and "project_id" in keys:
            project = text(name, value)
        elif name in TAGS and tagged:
            tags.setdefault(name, []).extend(text(name, value).split(","))  # separated by commas, or given again
        elif name in PAGING:
            paging[name] = text(name, value)
        elif name in filters:
            conditions.append(filters[name].condition(name, value))
        else:
            known = ", ".join(
                sorted({*filters, *(TAGS if tagged else ()), *PAGING, "fields", "project_id", "tenant_id"})
            )
            raise RequestError(f"Unknown argument {ascii(name)[:66]}. Known arguments: {known}.")
    return Query(
        project_id=project,
        fields=frozenset(fields),
        conditions=(*conditions, *(Condition(TAGS[how], "tags", asked) for how, asked in tags.items())),
        order=tuple(_order(paging, filters)),
        limit=_limit(paging.get("limit")),
        marker=paging.get("marker"),
        marker_position=paging.get("marker_position"),
        reverse=_reverse(paging.get("page_reverse", "false")),
    )


def _consistent(given: Arguments, filters: Mapping[str, Filter]) -> Arguments:
    """
    The arguments.

    @raise InvalidInput: one asks for two values of what has but one.
    """
    single = {"project_id", "tenant_id", *(name for name, known in filters.items() if known.how == "equals")}
    seen: dict[str, str] = {}
    for name, value in given:
        attribute = "project_id" if name == "tenant_id" else name
        if name in single and seen.setdefault(attribute, value) != value:
            raise InvalidInput(name, value, f"one value of {attribute}, and another was given before")
    return given


def shown_fields(given: Arguments, keys: frozenset[str]) -> Query:
    """
    The query of what can't be filtered: C{fields} alone.

    @raise RequestError: another argument.
    """
    only(tuple(pair for pair in given if pair[0] != "fields"))
    return read(given, {}, keys)


def _fields(value: str, keys: frozenset[str]) -> set[str]:
    asked = set(value.split(","))
    if not asked <= keys:
        raise InvalidInput("fields", value, f"any of {', '.join(sorted(keys))}")
    return asked


def _limit(given: str | None) -> int | None:
    """How many at most; less than one, or C{infinite}, means all."""
    if given is None or given.lower() == "infinite":
        return None
    if not given.removeprefix("-").isdecimal() or not given.isascii() or len(given) > 18:
        raise InvalidInput("limit", given, "a whole number")
    return int(given) if int(given) > 0 else None


def _reverse(given: str) -> bool:
    if given.lower() not in _YES:
        raise InvalidInput("page_reverse", given, "true or false")
    return _YES[given.lower()]


def _order(paging: Mapping[str, str], filters: Mapping[str, Filter]) -> Iterator[Order]:
    """C{sort=name:desc,created_at}, or C{sort_key=name,created_at} with C{sort_dir=desc,asc}; each column once."""
    pairs: list[tuple[str, str]] = []
    directions = paging["sort_dir"].split(",") if "sort_dir" in paging else []
    if not {direction.lower() for direction in directions} <= {"", *DIRECTIONS}:
        raise InvalidInput("sort_dir", paging["sort_dir"], "asc or desc for each key")
    if "sort" in paging:
        pairs = [(key, direction) for key, _, direction in (part.partition(":") for part in paging["sort"].split(","))]
    elif "sort_key" in paging:
        keys = paging["sort_key"].split(",")
        pairs = list(zip(keys, directions + [""] * len(keys), strict=False))
    seen: set[str] = set()
    for key, direction in pairs:
        if key not in filters or not filters[key].sorts:
            accepted = ", ".join(sorted(name for name, known in filters.items() if known.sorts))
            raise InvalidInput("sort", key, f"any of {accepted}" if accepted else "nothing; this list has one order")
        if direction.lower() not in ("", *DIRECTIONS):
            raise InvalidInput("sort", f"{key}:{direction}", "asc or desc as the direction")
        if filters[key].column not in seen:
            seen.add(filters[key].column)
            yield Order(filters[key].column, DIRECTIONS.get(direction.lower(), False))
