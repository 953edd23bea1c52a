"""
What requests may hold, as JSON Schema: each type of a field, and a resource's fields as a whole.

Types of a resource's own have a C{schema} to say it themselves; all others are known here. Schemas of resources refer
to each other by their names among a document's components.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import singledispatch
from typing import Any

from octavia_tx.api.codec import Field, Fields, Nested, Variant
from octavia_tx.api.shapes import FLAG, UUID, Schema, a_list, an_object, nullable
from octavia_tx.api.types import (
    Address,
    Cidr,
    Flag,
    Grammar,
    HttpVersion,
    Integer,
    ListOf,
    Netmask,
    OneOf,
    OneOfNumbers,
    Switches,
    Text,
    Uuid,
)

_CONTROL = r"\u0000-\u001f\u007f-\u009f"
_CONTROL_BUT_LAYOUT = r"\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f"


def referred(name: str) -> Schema:
    """A component of the document."""
    return {"$ref": f"#/components/schemas/{name}"}


def component(fields: Fields, variant: Variant) -> str:
    """The name of a resource's schema: when it is created or changed, or nested in another one that is created."""
    return f"{fields.name}_{variant}"


def nested(fields: Fields) -> Schema:
    """A resource, or part of one, within another one."""
    return referred(component(fields, "nested"))


@singledispatch
def schema_of(type_: Any) -> Schema:
    """
    A field's type.

    @raise TypeError: it isn't known here and has no C{schema} of its own.
    """
    own: Schema | None = getattr(type_, "schema", None)
    if own is None:
        raise TypeError(f"There is no schema for {type_!r}.")
    return own


@schema_of.register
def _text(type_: Text) -> Schema:
    control = _CONTROL_BUT_LAYOUT if type_.lines else _CONTROL
    return {"type": "string", "maxLength": type_.longest, "pattern": f"^[^{control}]*$"}


@schema_of.register
def _grammar(type_: Grammar) -> Schema:
    pattern = type_.pattern.replace(r"\d", "[0-9]").replace(r"\ud800-\udfff", "")  # which JSON can hardly carry
    return {
        "type": "string",
        "maxLength": type_.longest,
        "pattern": f"^(?:{pattern})$",
        "description": _sentence(type_.accepted),
    }


@schema_of.register
def _uuid(type_: Uuid) -> Schema:
    return UUID


@schema_of.register
def _flag(type_: Flag) -> Schema:
    return FLAG


@schema_of.register
def _integer(type_: Integer) -> Schema:
    spelled = "^-?(?:0|[1-9][0-9]{0,9})$"
    return {"type": ["integer", "string"], "minimum": type_.lowest, "maximum": type_.highest, "pattern": spelled}


@schema_of.register
def _one_of(type_: OneOf) -> Schema:
    return {"type": "string", "enum": [str(word) for word in type_.words]}


@schema_of.register
def _one_of_numbers(type_: OneOfNumbers) -> Schema:
    return {"type": "integer", "enum": list(type_.numbers)}


@schema_of.register
def _http_version(type_: HttpVersion) -> Schema:
    return {"enum": [1.0, 1.1, "1.0", "1.1"]}


@schema_of.register
def _address(type_: Address) -> Schema:
    return {
        "anyOf": [{"type": "string", "format": "ipv4"}, {"type": "string", "format": "ipv6"}],
        "not": {"enum": ["0.0.0.0", "::"]},
        "description": _sentence(type_.accepted),
    }


@schema_of.register
def _netmask(type_: Netmask) -> Schema:
    return {"type": "string", "pattern": "^[0-9A-Fa-f:.]+$", "description": _sentence(type_.accepted)}


@schema_of.register
def _cidr(type_: Cidr) -> Schema:
    return {"type": "string", "pattern": "^[0-9A-Fa-f:.]+(?:/[0-9.]+)?$", "description": _sentence(type_.accepted)}


@schema_of.register
def _list_of(type_: ListOf) -> Schema:
    distinct = {"uniqueItems": True} if type_.distinct else {}
    return a_list(schema_of(type_.item), maxItems=type_.most, **distinct)


@schema_of.register
def _switches(type_: Switches) -> Schema:
    either = {"type": "string", "enum": ["true", "false"]}
    return an_object(frozenset(type_.names), **{name: either for name in type_.names})


@schema_of.register
def _nested(type_: Nested) -> Schema:
    return nested(type_.fields)


def _sentence(accepted: str) -> str:
    return f"{accepted[0].upper()}{accepted[1:]}."


def components(fields: Fields, variant: Variant) -> Iterator[tuple[str, Schema]]:
    """A resource's schema and those that it refers to, by their names."""
    yield component(fields, variant), whole(fields, variant)
    for field in fields.taken(variant):
        inner = _inner(field.type)
        if inner is not None:
            yield from components(inner, "nested")


def whole(fields: Fields, variant: Variant) -> Schema:
    """The schema of an object with these fields."""
    known = fields.taken(variant)
    optional = frozenset(field.name for field in known if variant == "change" or not field.required)
    return an_object(optional, **{field.name: _field(field, variant) for field in known})


def _field(field: Field, variant: Variant) -> Schema:
    """Null means the default; for a new object it is as good as leaving the field out."""
    schema = schema_of(field.type)
    if field.required:
        return schema
    if variant == "change" or field.default is None:
        return nullable(schema)
    return {**nullable(schema), "default": list(field.default) if isinstance(field.default, tuple) else field.default}


def _inner(type_: Any) -> Fields | None:
    """The fields of the other resource that a type's schema refers to."""
    if isinstance(type_, ListOf):
        return _inner(type_.item)
    found: Fields | None = getattr(type_, "fields", None)
    return found
