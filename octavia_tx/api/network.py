"""
The networks, subnets and ports that requests may name, in neutron's shapes: only to be looked at.

Clients look names up before they call us, and afterwards show what we name. Where a cloud is, its neutron answers them;
without one, these routes do.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from attrs import evolve, frozen

from octavia_tx.api import neutron
from octavia_tx.api.call import Answer, Call
from octavia_tx.api.foreign import told
from octavia_tx.api.neutron import Shape
from octavia_tx.api.resource import Document, Route, Verb
from octavia_tx.api.shapes import TEXT, Schema, a_list, an_object, some
from octavia_tx.api.types import Integer, canonical_uuid
from octavia_tx.db import load_balancers
from octavia_tx.errors import NotFound, RequestError

ROOT = "network"
_COMMON = ("id", "name", "description", "project_id", "tenant_id")
_LIMIT = Integer(1)


@frozen
class _Kind:
    """
    One kind of object.

    @ivar path: where the list of it stands; C{one} and C{many}: its names in answers; C{title}: its name in sentences.
    @ivar filters: by what a list may be filtered, beside what all kinds have.
    @ivar find: one by its id, or C{None}.
    @ivar all: those that a list shows.
    @ivar shape: what is shown of one, as a JSON schema.
    """

    path: str
    one: str
    many: str
    title: str
    filters: tuple[str, ...]
    find: Callable[[Call, str], Awaitable[Shape | None]]
    all: Callable[[Call], Awaitable[list[Shape]]]
    shape: Schema


async def _find_network(call: Call, identifier: str) -> Shape | None:
    found = await call.parts.network.network(identifier)
    return None if found is None else neutron.network(found)


async def _all_networks(call: Call) -> list[Shape]:
    return [neutron.network(network) for network in await call.parts.network.networks()]


async def _find_subnet(call: Call, identifier: str) -> Shape | None:
    found = await call.parts.network.subnet(identifier)
    return None if found is None else neutron.subnet(found)


async def _all_subnets(call: Call) -> list[Shape]:
    identifiers = [each for network in await call.parts.network.networks() for each in network.subnet_ids]
    return [shape for shape in [await _find_subnet(call, each) for each in identifiers] if shape is not None]


async def _vip_ports(call: Call, **equal: Any) -> list[Shape]:
    """Those that the caller may see."""
    async with call.parts.database.transaction(read_only=True) as tx:
        found = await load_balancers.find(tx, **equal)
    everywhere, own = call.rule.everywhere(call.caller), call.caller.project_id
    return [neutron.vip_port(b) for b in found if b.vip_port_id is not None and (everywhere or b.project_id == own)]


async def _find_port(call: Call, identifier: str) -> Shape | None:
    found = await _vip_ports(call, vip_port_id=identifier)
    return found[0] if found else None


async def _all_ports(call: Call) -> list[Shape]:
    """Those of all load balancers; of one alone, where the name tells which."""
    for argument, value in call.arguments:
        load_balancer = canonical_uuid(value.removeprefix(neutron.PORT_NAME))
        if argument == "name" and load_balancer is not None:
            return await _vip_ports(call, id=load_balancer)
    return await _vip_ports(call)


async def _invent_port(call: Call, identifier: str) -> Shape | None:
    """A VIP's port, or one that nobody has."""
    network, *_ = await call.parts.network.networks()
    return await _find_port(call, identifier) or neutron.port(identifier, network.id)


async def _invent_security_group(call: Call, identifier: str) -> Shape | None:
    return neutron.security_group(identifier)


async def _invent_policy(call: Call, identifier: str) -> Shape | None:
    return neutron.qos_policy(identifier)


async def _find_none(call: Call, identifier: str) -> Shape | None:
    return None


async def _all_none(call: Call) -> list[Shape]:
    return []


_NETWORKS = _Kind(
    "networks",
    "network",
    "networks",
    "Network",
    ("admin_state_up", "router:external", "shared", "status"),
    _find_network,
    _all_networks,
    neutron.NETWORK,
)
_SUBNETS = _Kind(
    "subnets",
    "subnet",
    "subnets",
    "Subnet",
    ("cidr", "enable_dhcp", "gateway_ip", "ip_version", "network_id"),
    _find_subnet,
    _all_subnets,
    neutron.SUBNET,
)
_PORTS = _Kind(
    "ports",
    "port",
    "ports",
    "Port",
    ("admin_state_up", "device_id", "device_owner", "network_id", "status"),
    _find_port,
    _all_ports,
    neutron.PORT,
)
_SECURITY_GROUPS = _Kind(
    "security-groups",
    "security_group",
    "security_groups",
    "Security group",
    ("shared", "stateful"),
    _find_none,
    _all_none,
    neutron.SECURITY_GROUP,
)
_POLICIES = _Kind(
    "qos/policies",
    "policy",
    "policies",
    "QoS policy",
    ("is_default", "shared"),
    _find_none,
    _all_none,
    neutron.QOS_POLICY,
)

_KINDS = (_NETWORKS, _SUBNETS, _PORTS, _SECURITY_GROUPS, _POLICIES)
_KINDS_OF_ANY_ID = (
    _NETWORKS,
    _SUBNETS,
    evolve(_PORTS, find=_invent_port),
    evolve(_SECURITY_GROUPS, find=_invent_security_group),
    evolve(_POLICIES, find=_invent_policy),
)


def _asked(kind: _Kind, call: Call) -> dict[str, list[str]]:
    """
    The arguments of a list by name; each may be given several times.

    @raise RequestError: one isn't known.
    """
    known = (*_COMMON, *kind.filters, "fields", "limit", "marker")
    asked: dict[str, list[str]] = {}
    for name, value in call.arguments:
        if name not in known:
            raise RequestError(f"Unknown argument {ascii(name)[:66]}. Known arguments: {', '.join(known)}.")
        asked.setdefault(name, []).append(value)
    return asked


def _page(shapes: list[Shape], asked: dict[str, list[str]]) -> list[Shape]:
    """Those after the marker, as many as are wanted. Nothing comes after one that isn't there."""
    (marker,) = asked.get("marker", [""])[:1]
    if marker:
        at = next((i for i, shape in enumerate(shapes) if shape["id"] == marker), len(shapes))
        shapes = shapes[at + 1 :]
    (limit,) = asked.get("limit", [""])[:1]
    return shapes[: _LIMIT.decode(limit, "limit")] if limit else shapes


def _spelled(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _fields(shape: Shape, asked: list[str]) -> Shape:
    return {key: value for key, value in shape.items() if key in asked} if asked else shape


def _listing(kind: _Kind) -> Verb:
    async def listing(call: Call) -> Answer:
        asked = _asked(kind, call)
        if "id" in asked:
            found = [
                await kind.find(call, each)
                for each in dict.fromkeys(map(canonical_uuid, asked["id"]))
                if each is not None
            ]
            shapes = [each for each in found if each is not None]
        else:
            shapes = await kind.all(call)
        for name in {*_COMMON, *kind.filters} & asked.keys() - {"id"}:
            wanted = {value.lower() if value in ("True", "False") else value for value in asked[name]}
            shapes = [each for each in shapes if _spelled(each[name]) in wanted]
        return Answer(200, {kind.many: [_fields(each, asked.get("fields", [])) for each in _page(shapes, asked)]})

    return listing


def _showing(kind: _Kind) -> Verb:
    async def showing(call: Call) -> Answer:
        identifier = call.ids["id"]
        shape = await kind.find(call, identifier) if canonical_uuid(identifier) is not None else None
        if shape is None:
            raise NotFound(kind.title, identifier)
        fields = [value for name, value in call.arguments if name == "fields"]
        return Answer(200, {kind.one: _fields(shape, fields)})

    return showing


def _told(verb: Verb) -> Verb:
    """The same verb, with a client's faults told as neutron tells them."""
    return told(verb, lambda error, status, sentence: neutron.fault(type(error).__name__, sentence))


async def _show_versions(call: Call) -> Answer:
    return Answer(200, {"versions": [neutron.version(f"{call.origin}/{ROOT}")]})


async def _show_version(call: Call) -> Answer:
    return Answer(200, {"version": neutron.version(f"{call.origin}/{ROOT}")})


def _routes(kinds: Iterable[_Kind]) -> tuple[Route, ...]:
    return tuple(route for kind in kinds for route in _routes_of(kind))


def _routes_of(kind: _Kind) -> tuple[Route, Route]:
    shown, words = some(kind.shape), a_list(TEXT)
    page: dict[str, Schema] = {
        "fields": words,
        "limit": {"type": "integer", "minimum": _LIMIT.lowest, "maximum": _LIMIT.highest},
        "marker": TEXT,
    }
    many = Document(
        summary=f"{kind.title}: all, as neutron shows them.",
        shows=an_object(**{kind.many: a_list(shown)}),
        arguments={**dict.fromkeys((*_COMMON, *kind.filters), words), **page},
        faults=neutron.FAULT,
    )
    one = Document(
        summary=f"{kind.title}: one, as neutron shows it.",
        shows=an_object(**{kind.one: shown}),
        arguments={"fields": words},
        faults=neutron.FAULT,
    )
    return (
        Route("GET", kind.path, _told(_listing(kind)), many),
        Route("GET", f"{kind.path}/<id>", _told(_showing(kind)), one),
    )


_ALL_VERSIONS = Document(summary="The versions of the network API.", shows=an_object(versions=a_list(neutron.VERSION)))
_VERSION = Document(summary="The version of the network API.", shows=an_object(version=neutron.VERSION))
VERSIONS = (Route("GET", ROOT, _show_versions, _ALL_VERSIONS), Route("GET", f"{ROOT}/v2.0", _show_version, _VERSION))
ROUTES = _routes(_KINDS)
ROUTES_OF_ANY_ID = _routes(_KINDS_OF_ANY_ID)
