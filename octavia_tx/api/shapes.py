"""
The shapes of answers, as JSON Schema: the words that shapes are made of, and what a model's class shows.

An answer has exactly the keys that its shape names.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import Enum
from types import NoneType, UnionType
from typing import Any, Final, get_args, get_origin, get_type_hints

from attrs import has

Schema = dict[str, Any]

TEXT: Final[Schema] = {"type": "string"}
INTEGER: Final[Schema] = {"type": "integer"}
FLAG: Final[Schema] = {"type": "boolean"}
UUID: Final[Schema] = {"type": "string", "format": "uuid"}
MOMENT: Final[Schema] = {
    "type": "string",
    "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d$",
    "description": "In UTC, to the second.",
    "examples": ["2030-12-31T23:59:59"],
}
LINK: Final[Schema] = {
    "type": "object",
    "properties": {"rel": {"type": "string"}, "href": {"type": "string"}},
    "required": ["rel", "href"],
    "additionalProperties": False,
}

_PLAIN: Final[Mapping[Any, Schema]] = {
    str: TEXT,
    int: INTEGER,
    float: {"type": "number"},
    bool: FLAG,
    datetime: MOMENT,
    Any: {},
}
_FOREIGN: Final = frozenset({"project_id", "compute_id", "image_id"})
"""Ids that others give, in whatever form."""


def names_object(name: str) -> bool:
    """Whether an attribute of this name holds the id of an object, which is a UUID."""
    return name == "id" or (name.endswith("_id") and name not in _FOREIGN)


def an_object(optional: frozenset[str] = frozenset(), /, **properties: Schema) -> Schema:
    """An object with these keys and no other; all but the optional ones are always there."""
    required = [name for name in properties if name not in optional]
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def with_keys(schema: Schema, optional: frozenset[str] = frozenset(), /, **properties: Schema) -> Schema:
    """The same object with further keys."""
    return {
        **schema,
        "properties": {**schema["properties"], **properties},
        "required": [*schema["required"], *(name for name in properties if name not in optional)],
    }


def some(schema: Schema) -> Schema:
    """The same object with any of its keys, as C{fields} chooses them."""
    return {**schema, "required": []}


def a_list(item: Schema, **further: Any) -> Schema:
    """A list of these."""
    return {"type": "array", "items": item, **further}


def nullable(schema: Schema) -> Schema:
    """The same, or null."""
    kind = schema.get("type")
    if "enum" in schema:
        words = schema["enum"] if None in schema["enum"] else [*schema["enum"], None]
        return {**schema, "enum": words, **({"type": [kind, "null"]} if isinstance(kind, str) else {})}
    if isinstance(kind, str):
        return {**schema, "type": [kind, "null"]}
    if isinstance(kind, list):
        return schema if "null" in kind else {**schema, "type": [*kind, "null"]}
    if "anyOf" in schema:
        return {**schema, "anyOf": [*schema["anyOf"], {"type": "null"}]}
    return {"anyOf": [schema, {"type": "null"}]}


def attribute(model: type, name: str) -> Schema:
    """
    The shape of an attribute's value, when it is shown as it is.

    @raise KeyError: the class has no such attribute.
    """
    return _of(get_type_hints(model)[name], name)


def _of(annotation: Any, name: str) -> Schema:
    if annotation in _PLAIN:
        return UUID if annotation is str and names_object(name) else _PLAIN[annotation]
    if get_origin(annotation) is UnionType:
        (kind,) = (each for each in get_args(annotation) if each is not NoneType)
        return nullable(_of(kind, name))
    if get_origin(annotation) is tuple:
        return a_list(_of(get_args(annotation)[0], name.removesuffix("s")))
    if get_origin(annotation) is dict:
        return {"type": "object", "additionalProperties": _of(get_args(annotation)[1], "")}
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return {"type": "string", "enum": [word.value for word in annotation]}
    if isinstance(annotation, type) and has(annotation):
        return an_object(**{each: attribute(annotation, each) for each in get_type_hints(annotation)})
    raise TypeError(f"There is no shape for {name}: {annotation!r}.")
