"""
Secrets, and containers of them, in barbican's shapes, for those who have no barbican: each project's own.

Certificates are stored here with the clients that are there, and listeners and pools refer to them. What a load
balancer uses can't be deleted; a secret's content may be replaced, and load balancers that use it follow.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar
from uuid import uuid4

from attrs import evolve, frozen

from octavia_tx.api import barbican
from octavia_tx.api.barbican import CONTAINER, CONTAINERS_CONSUMER, SECRET, SECRETS_CONSUMER, Shape
from octavia_tx.api.call import Answer, Call, parse
from octavia_tx.api.codec import Fields
from octavia_tx.api.errors import router_fault
from octavia_tx.api.foreign import told
from octavia_tx.api.query import only
from octavia_tx.api.resource import Document, Route, Verb
from octavia_tx.api.shapes import INTEGER, TEXT, Schema, a_list, an_object
from octavia_tx.api.types import Integer
from octavia_tx.db import vault
from octavia_tx.db.repository import Repository
from octavia_tx.db.transaction import Transaction
from octavia_tx.db.vault import Vault
from octavia_tx.errors import InvalidInput, MalformedBody, MissingField, NotFound, ReferenceMissing
from octavia_tx.model.references import Consumer, stored
from octavia_tx.model.vault import Container, Held, Secret

ROOT = "key-manager"
_MOST = Integer(1, 1000)
_FIRST = Integer(0)
_TITLES = {400: "Bad Request", 403: "Forbidden", 404: "Not Found", 409: "Conflict"}

_Kept = TypeVar("_Kept", Secret, Container)


def _url(call: Call) -> str:
    return f"{call.origin}/{ROOT}"


def _vault(call: Call) -> Vault:
    assert call.parts.vault is not None, "These routes are served with a vault alone."
    return call.parts.vault


def _given(call: Call, fields: Fields) -> dict[str, Any]:
    only(call.arguments)
    body = parse(call.body)
    if not isinstance(body, dict):
        raise MalformedBody(f"The body has to be a JSON object that describes a {fields.name}.")
    return fields.create(body)


async def _found(call: Call, tx: Transaction, rows: Repository[_Kept], title: str) -> _Kept:
    """What the path names; another project's isn't there."""
    value = await rows.get(tx, call.ids["id"])
    if value is None or not call.may(value.project_id):
        raise NotFound(title, call.ids["id"])
    return value


# Secrets.


async def _store(call: Call) -> Answer:
    values = _given(call, SECRET)
    content = barbican.payload(values)
    project_id = call.project(None, "secret")
    made = Secret(id=str(uuid4()), project_id=project_id, created_at=call.now(), **values)
    if content is not None:
        made = _vault(call).filled(made, *content)
    async with call.writing() as tx:
        await vault.secrets.insert(tx, made)
    reference = barbican.secret_ref(made.id, _url(call))
    return Answer(201, {"secret_ref": reference}, headers={"Location": reference})


async def _show_secret(call: Call) -> Answer:
    only(call.arguments)
    async with call.parts.database.transaction(read_only=True) as tx:
        found = await _found(call, tx, vault.secrets, "Secret")
        using = await vault.consumers(tx, found.id)
    return Answer(200, _secret_with_consumers(found, using, _url(call)))


async def _payload(call: Call) -> Answer:
    only(call.arguments)
    async with call.parts.database.transaction(read_only=True) as tx:
        found = await _found(call, tx, vault.secrets, "Secret")
    content = _vault(call).opened(found)
    if content is None:
        raise NotFound("The payload of secret", found.id)
    headers = {"Content-Type": found.content_type or barbican.BINARY, "Cache-Control": "no-store"}
    return Answer(200, headers=headers, raw=content)


async def _fill(call: Call) -> Answer:
    """The content of a secret, its first one or another."""
    only(call.arguments)
    if call.coding not in (None, "base64"):
        raise InvalidInput("header Content-Encoding", call.coding, "base64, or no such header")
    media = barbican.media_of(call.media)
    content = barbican.decoded(call.body, call.coding, media)
    async with call.writing() as tx:
        found = await _found(call, tx, vault.secrets, "Secret")
        await vault.secrets.lock(tx, found.id)
        filled = _vault(call).filled(found, content, media)
        await vault.secrets.update(tx, evolve(filled, updated_at=call.now()))
    return Answer(204)


async def _delete_secret(call: Call) -> Answer:
    only(call.arguments)
    async with call.writing() as tx:
        await vault.remove_secret(tx, await _found(call, tx, vault.secrets, "Secret"))
    return Answer(204)


# Containers.


async def _contain(call: Call) -> Answer:
    values = _given(call, CONTAINER)
    project_id = call.project(None, "container")
    held = tuple(_held(values["type"], each, at) for at, each in enumerate(values.pop("secret_refs")))
    if len({each.name for each in held}) < len(held):
        raise InvalidInput("container.secret_refs", "one name twice", "each name once")
    if values["type"] in barbican.HELD_NAMES and not held:
        raise MissingField("container.secret_refs", ", ".join(barbican.HELD_NAMES[values["type"]]))
    made = Container(id=str(uuid4()), project_id=project_id, created_at=call.now(), secrets=held, **values)
    async with call.writing() as tx:
        there = {each.id: each for each in await vault.secrets.those(tx, [each.secret_id for each in held])}
        for at, each in enumerate(held):
            if each.secret_id not in there or there[each.secret_id].project_id != project_id:
                raise ReferenceMissing(f"container.secret_refs[{at}].secret_ref", "Secret", each.secret_id)
        await vault.insert_container(tx, made)
    reference = barbican.container_ref(made.id, _url(call))
    return Answer(201, {"container_ref": reference}, headers={"Location": reference})


def _held(kind: str, given: dict[str, Any], at: int) -> Held:
    where = f"container.secret_refs[{at}]"
    names = barbican.HELD_NAMES.get(kind)
    if names is not None and given["name"] not in names:
        raise InvalidInput(f"{where}.name", given["name"], f"one of {', '.join(names)}")
    named = stored(given["secret_ref"])
    if named is None or named.kind != "secrets":
        raise InvalidInput(f"{where}.secret_ref", given["secret_ref"], "the URL of a secret")
    return Held(name=given["name"], secret_id=named.id)


async def _show_container(call: Call) -> Answer:
    only(call.arguments)
    async with call.parts.database.transaction(read_only=True) as tx:
        found = await _found(call, tx, vault.containers, "Container")
        using = await vault.consumers(tx, found.id)
    return Answer(200, barbican.container(found, using, _url(call)))


async def _delete_container(call: Call) -> Answer:
    only(call.arguments)
    async with call.writing() as tx:
        await vault.remove_container(tx, await _found(call, tx, vault.containers, "Container"))
    return Answer(204)


# What both have.


@frozen
class _Kind:
    """
    Secrets, or containers.

    @ivar filters: by which a list may be filtered: the argument, and the attribute.
    @ivar show: one, with those who say that they use it.
    """

    path: str
    title: str
    rows: Repository[Any]
    filters: dict[str, str]
    consumer: Fields
    shown_consumer: Callable[[Consumer], Shape]
    show: Callable[[Any, tuple[Consumer, ...], str], Shape]


def _secret_with_consumers(value: Secret, using: tuple[Consumer, ...], url: str) -> Shape:
    return {**barbican.secret(value, url), "consumers": [barbican.of_secret(each) for each in using]}


_SECRETS = _Kind(
    "secrets",
    "Secret",
    vault.secrets,
    {"name": "name", "secret_type": "secret_type", "alg": "algorithm", "mode": "mode", "bits": "bit_length"},
    SECRETS_CONSUMER,
    barbican.of_secret,
    _secret_with_consumers,
)
_CONTAINERS = _Kind(
    "containers",
    "Container",
    vault.containers,
    {"name": "name", "type": "type"},
    CONTAINERS_CONSUMER,
    barbican.of_container,
    barbican.container,
)


_PAGE: dict[str, Schema] = {
    "limit": {"type": "integer", "minimum": _MOST.lowest, "maximum": _MOST.highest},
    "offset": {"type": "integer", "minimum": _FIRST.lowest, "maximum": _FIRST.highest},
}


def _page(asked: dict[str, str]) -> slice:
    """The part of a list that is asked for."""
    first = _FIRST.decode(asked.get("offset", 0), "offset")
    return slice(first, first + _MOST.decode(asked.get("limit", _MOST.highest), "limit"))


def _listing(kind: _Kind) -> Verb:
    async def listing(call: Call) -> Answer:
        asked = only(call.arguments, *kind.filters, *_PAGE)
        page = _page(asked)
        project_id = call.project(None, kind.path)
        async with call.parts.database.transaction(read_only=True) as tx:
            found = [
                each
                for each in await kind.rows.find(tx, project_id=project_id)
                if all(str(getattr(each, kind.filters[name])) == asked[name] for name in kind.filters & asked.keys())
            ]
            # Who uses a secret isn't shown in a list; of a container it is.
            shown = [await _shown(kind, tx, each, _url(call)) for each in found[page]]
        return Answer(200, {kind.path: shown, "total": len(found)})

    return listing


async def _shown(kind: _Kind, tx: Transaction, value: Any, url: str) -> Shape:
    if isinstance(value, Secret):
        return barbican.secret(value, url)
    return kind.show(value, await vault.consumers(tx, value.id), url)


def _list_consumers(kind: _Kind) -> Verb:
    async def listing(call: Call) -> Answer:
        page = _page(only(call.arguments, *_PAGE))
        async with call.parts.database.transaction(read_only=True) as tx:
            found = await _found(call, tx, kind.rows, kind.title)
            using = [kind.shown_consumer(each) for each in await vault.consumers(tx, found.id)]
        return Answer(200, {"consumers": using[page], "total": len(using)})

    return listing


def _noting(kind: _Kind, note: Callable[[Transaction, str, Consumer], Awaitable[None]]) -> Verb:
    async def noting(call: Call) -> Answer:
        consumer = barbican.consumer(_given(call, kind.consumer))
        async with call.writing() as tx:
            found = await _found(call, tx, kind.rows, kind.title)
            await note(tx, found.id, consumer)
            using = await vault.consumers(tx, found.id)
        return Answer(200, kind.show(found, using, _url(call)))

    return noting


def _told(verb: Verb) -> Verb:
    """The same verb, with a client's faults told as barbican tells them."""
    return told(verb, lambda error, status, sentence: router_fault(status, _TITLES.get(status, "Refused"), sentence))


async def _show_versions(call: Call) -> Answer:
    return Answer(200, {"versions": [barbican.version(_url(call))]})


async def _show_version(call: Call) -> Answer:
    return Answer(200, {"version": barbican.version(_url(call))})


def _document(summary: str, shows: Schema | None, **more: Any) -> Document:
    return Document(summary=f"{summary}, as barbican does.", shows=shows, faults=barbican.FAULT, **more)


def _consumers(kind: _Kind, shape: Schema) -> tuple[Route, ...]:
    path = f"{kind.path}/<id>/consumers"
    takes = {"takes": kind.consumer, "creates": True, "bare": True}
    return (
        Route(
            "GET",
            path,
            _told(_list_consumers(kind)),
            _document(f"{kind.title}: tell who uses it", barbican.CONSUMERS, arguments=_PAGE),
        ),
        Route("POST", path, _told(_noting(kind, vault.register)), _document("Note a user", shape, **takes)),
        Route("DELETE", path, _told(_noting(kind, vault.unregister)), _document("Forget a user", shape, **takes)),
    )


def _many(kind: _Kind, shape: Schema) -> Route:
    shows = an_object(**{kind.path: a_list(shape), "total": INTEGER})
    about = _document(f"List {kind.path}", shows, arguments={**dict.fromkeys(kind.filters, TEXT), **_PAGE})
    return Route("GET", kind.path, _told(_listing(kind)), about)


def _new(fields: Fields) -> dict[str, Any]:
    return {"status": 201, "takes": fields, "creates": True, "bare": True}


_ALL = Document(summary="The versions of the key manager's API.", shows=an_object(versions=a_list(barbican.VERSION)))
_ONE = Document(summary="The version of the key manager's API.", shows=an_object(version=barbican.VERSION))
VERSIONS = (Route("GET", ROOT, _show_versions, _ALL), Route("GET", f"{ROOT}/v1", _show_version, _ONE))
_STORED = an_object(secret_ref=TEXT)
_CONTAINED = an_object(container_ref=TEXT)
ROUTES = (
    _many(_SECRETS, barbican.SECRET_SHAPE),
    Route("POST", "secrets", _told(_store), _document("Store a secret", _STORED, **_new(SECRET))),
    Route("GET", "secrets/<id>", _told(_show_secret), _document("Show a secret", barbican.SECRET_WITH_CONSUMERS)),
    Route(
        "GET",
        "secrets/<id>/payload",
        _told(_payload),
        _document("Give a secret's content", TEXT, media="*/*"),
    ),
    Route(
        "PUT",
        "secrets/<id>",
        _told(_fill),
        _document("Fill a secret, or replace its content", None, status=204, raw=barbican.MEDIA),
    ),
    Route("DELETE", "secrets/<id>", _told(_delete_secret), _document("Delete a secret", None, status=204)),
    *_consumers(_SECRETS, barbican.SECRET_WITH_CONSUMERS),
    _many(_CONTAINERS, barbican.CONTAINER_SHAPE),
    Route("POST", "containers", _told(_contain), _document("Put secrets together", _CONTAINED, **_new(CONTAINER))),
    Route("GET", "containers/<id>", _told(_show_container), _document("Show a container", barbican.CONTAINER_SHAPE)),
    Route("DELETE", "containers/<id>", _told(_delete_container), _document("Delete a container", None, status=204)),
    *_consumers(_CONTAINERS, barbican.CONTAINER_SHAPE),
)
