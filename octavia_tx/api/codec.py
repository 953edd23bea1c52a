"""
JSON to values and back, driven by one table of fields for each resource.

What a request gives becomes keyword arguments of the model's class, and nothing else is made of it; a model's value
becomes the answer's object by getters that are compiled once.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from operator import attrgetter
from typing import Any, Literal

from attrs import asdict, evolve, field, frozen

from octavia_tx.api import shapes
from octavia_tx.api.types import PROJECT_ID, Type
from octavia_tx.errors import InvalidInput, MissingField, UnknownField

Getter = Callable[[Any], Any]
Variant = Literal["create", "change", "nested"]


@frozen
class Field:
    """
    One field of a request.

    @ivar default: what it is when it isn't given; an explicit null means the same.
    @ivar change: whether it may change after creation; C{later}: its type from then on, where that isn't the same.
    @ivar alone: whether it is unknown inside a full tree, where the tree itself says it; C{inside}: whether it is known
        only there.
    """

    name: str
    type: Type
    default: Any = field(default=None, kw_only=True)
    required: bool = field(default=False, kw_only=True)
    change: bool = field(default=True, kw_only=True)
    later: Type | None = field(default=None, kw_only=True)
    alone: bool = field(default=False, kw_only=True)
    inside: bool = field(default=False, kw_only=True)


PROJECT = (
    Field("project_id", PROJECT_ID, change=False, alone=True),
    Field("tenant_id", PROJECT_ID, change=False, alone=True),
)


def shown(key: str) -> str:
    """A key of the client's own invention, fit for a sentence."""
    return key if key.isprintable() and len(key) <= 64 else ascii(key)[1:-1][:64]


@frozen
class Fields:
    """
    A resource's fields.

    @ivar name: the resource in the singular, as bodies and sentences have it.
    """

    name: str
    every: tuple[Field, ...]
    _creatable: dict[str, Field] = field(init=False)
    _nested: dict[str, Field] = field(init=False)
    _changeable: dict[str, Field] = field(init=False)

    @_creatable.default
    def _all(self) -> dict[str, Field]:
        return {f.name: f for f in self.every if not f.inside}

    @_nested.default
    def _inside_a_tree(self) -> dict[str, Field]:
        return {f.name: f for f in self.every if not f.alone}

    @_changeable.default
    def _later(self) -> dict[str, Field]:
        return {f.name: evolve(f, type=f.later or f.type) for f in self.every if f.change}

    def taken(self, variant: Variant) -> tuple[Field, ...]:
        """Those that are known in a new object, in a change, or in a new object inside a full tree."""
        known = {"create": self._creatable, "change": self._changeable, "nested": self._nested}
        return tuple(known[variant].values())

    def create(self, given: Any, where: str = "") -> dict[str, Any]:
        """All values of a new object that stands for itself."""
        values = self._complete(self._creatable, given, where or self.name)
        if "tenant_id" in values:
            tenant = values.pop("tenant_id")
            values["project_id"] = values["project_id"] or tenant
            if tenant and tenant != values["project_id"]:
                accepted = "the same as project_id, which it is another name of"
                raise InvalidInput(f"{where or self.name}.tenant_id", tenant, accepted)
        return values

    def nested(self, given: Any, where: str) -> dict[str, Any]:
        """All values of a new object inside a full tree."""
        return self._complete(self._nested, given, where)

    def change(self, given: Any, where: str = "") -> dict[str, Any]:
        """The values that a change gives; null is a field's default."""
        where = where or self.name
        self._known(self._changeable, given, where)
        values = {}
        for name, value in given.items():
            known = self._changeable[name]
            if value is None and known.required:
                raise MissingField(f"{where}.{name}", known.type.accepted)
            values[name] = known.default if value is None else known.type.decode(value, f"{where}.{name}")
        return values

    def _complete(self, fields: dict[str, Field], given: Any, where: str) -> dict[str, Any]:
        self._known(fields, given, where)
        values = {}
        for name, known in fields.items():
            value = given.get(name)
            if value is not None:
                values[name] = known.type.decode(value, f"{where}.{name}")
            elif known.required:
                raise MissingField(f"{where}.{name}", known.type.accepted)
            else:
                values[name] = known.default
        return values

    def _known(self, fields: dict[str, Field], given: Any, where: str) -> None:
        if not isinstance(given, dict):
            raise InvalidInput(where, given, "an object")
        for name in given.keys() - fields.keys():
            if fields is self._changeable and name in self._creatable:
                raise InvalidInput(f"{where}.{name}", given[name], "nothing: it is set for good when it is created")
            raise UnknownField(f"{where}.{shown(name)}", tuple(sorted(fields)))


@frozen
class Nested:
    """An object of another resource within one."""

    fields: Fields

    @property
    def accepted(self) -> str:
        return f"an object that describes a {self.fields.name}"

    def decode(self, given: Any, where: str) -> dict[str, Any]:
        return self.fields.nested(given, where)


@frozen
class Made:
    """
    What an answer shows otherwise than as an attribute is.

    @ivar shape: its JSON schema; or the name of the attribute whose shape it has.
    """

    get: Getter
    shape: shapes.Schema | str


class Encoder:
    """
    A model's values as JSON objects.

    @ivar plain: the attributes that are shown under their own names, as they are.
    @ivar made: what is shown otherwise, by key.
    """

    def __init__(self, *plain: str, **made: Made) -> None:
        self.plain = plain
        self.made = made
        self.keys = frozenset(plain) | made.keys()
        self._values = attrgetter(*plain)
        self._made = tuple((key, how.get) for key, how in made.items())

    def __call__(self, value: Any) -> dict[str, Any]:
        shown = dict(zip(self.plain, self._values(value), strict=True))
        for key, getter in self._made:
            shown[key] = getter(value)
        return shown

    def shape(self, model: type) -> shapes.Schema:
        """The JSON schema of what a value of that class becomes."""
        properties = {name: shapes.attribute(model, name) for name in self.plain}
        for key, how in self.made.items():
            properties[key] = how.shape if isinstance(how.shape, dict) else shapes.attribute(model, how.shape)
        return shapes.an_object(**dict(sorted(properties.items())))


def instant(name: str) -> Made:
    """A moment in UTC to the second, without a zone, as clients expect it."""

    def getter(value: Any) -> str | None:
        at: datetime | None = getattr(value, name)
        return None if at is None else at.isoformat()[:19]

    return Made(getter, name)


_REFERENCE = shapes.an_object(id=shapes.UUID)


def reference(name: str) -> Made:
    """A list with the one object whose id the attribute holds."""
    get = attrgetter(name)
    return Made(lambda value: [{"id": get(value)}], shapes.a_list(_REFERENCE, minItems=1, maxItems=1))


def references(name: str) -> Made:
    """A list of the objects whose ids the attribute holds."""
    get = attrgetter(name)
    return Made(lambda value: [{"id": identifier} for identifier in get(value)], shapes.a_list(_REFERENCE))


def same(name: str) -> Made:
    """An attribute under another name."""
    return Made(attrgetter(name), name)


def part(name: str) -> Made:
    """An attribute that holds a value of several fields, or none."""
    get = attrgetter(name)
    return Made(lambda value: None if get(value) is None else asdict(get(value)), name)


def parts(name: str) -> Made:
    """An attribute that holds several such values."""
    get = attrgetter(name)
    return Made(lambda value: [asdict(each) for each in get(value)], name)
