"""Query strings: which of a list's objects, and which of their fields."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar
from urllib.parse import parse_qsl

from attrs import field, frozen

from octavia_tx.api.types import Text
from octavia_tx.errors import InvalidInput, RequestError

Arguments = tuple[tuple[str, str], ...]
_T = TypeVar("_T")

_TAGS: Mapping[str, Callable[[set[str], set[str]], bool]] = {
    "tags": lambda asked, has: asked <= has,
    "tags-any": lambda asked, has: bool(asked & has),
    "not-tags": lambda asked, has: not asked <= has,
    "not-tags-any": lambda asked, has: not asked & has,
}


def arguments(uri: bytes) -> Arguments:
    """
    The query string's arguments, in order.

    @raise RequestError: it isn't UTF-8, or has more arguments than any request needs.
    """
    _, mark, query = uri.partition(b"?")
    if not mark:
        return ()
    try:
        return tuple(parse_qsl(query.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=100))
    except ValueError:
        raise RequestError("The query string can't be read: percent-encoded UTF-8 is expected.") from None


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


@frozen
class Query:
    """
    What a list is asked for.

    @ivar project_id: of one project only.
    @ivar fields: which fields to show; empty for all.
    """

    project_id: str | None = None
    fields: frozenset[str] = frozenset()
    _filters: tuple[tuple[str, str], ...] = ()
    _tags: tuple[tuple[str, frozenset[str]], ...] = field(default=())

    def select(self, values: Iterable[_T]) -> tuple[_T, ...]:
        """The values that pass all filters, in their order."""
        if not self._filters and not self._tags:
            return tuple(values)
        return tuple(v for v in values if self._passes(v))

    def project(self, encoded: dict[str, Any]) -> dict[str, Any]:
        """An encoded object with the fields asked for."""
        if not self.fields:
            return encoded
        return {key: value for key, value in encoded.items() if key in self.fields}

    def _passes(self, value: Any) -> bool:
        return all(_spelled(getattr(value, name)) == asked for name, asked in self._filters) and all(
            _TAGS[how](set(asked), set(value.tags)) for how, asked in self._tags
        )


def _spelled(value: Any) -> str:
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def read(given: Arguments, attributes: Mapping[str, str], keys: frozenset[str]) -> Query:
    """
    A list's query.

    @param attributes: by which arguments one may filter, and the model's name of each.
    @param keys: which fields an answer has.
    @raise RequestError: an unknown argument; InvalidInput: an unknown field.
    """
    project: str | None = None
    fields: set[str] = set()
    filters: list[tuple[str, str]] = []
    tags: list[tuple[str, frozenset[str]]] = []
    for name, value in given:
        if name == "fields":
            fields |= _fields(value, keys)
        elif name in ("project_id", "tenant_id"):
            project = Text().decode(value, name)
        elif name in _TAGS:
            tags.append((name, frozenset(value.split(","))))
        elif name in attributes:
            filters.append((attributes[name], value.lower() if value in ("True", "False") else value))
        else:
            known = ", ".join(sorted({*attributes, *_TAGS, "fields", "project_id", "tenant_id"}))
            raise RequestError(f"Unknown argument {ascii(name)[:66]}. Known arguments: {known}.")
    return Query(project, frozenset(fields), tuple(filters), tuple(tags))


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
