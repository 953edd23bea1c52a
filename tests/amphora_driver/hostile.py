"""Each place of a load balancer where a tenant's text stands, and text that would do harm there."""

from __future__ import annotations

from enum import Enum
from typing import Any, Final

import attrs
from attrs import evolve, frozen

from octavia_tx.api import healthmonitors, l7policies, l7rules, listeners, loadbalancers, members, pools
from octavia_tx.api.codec import Fields, Nested
from octavia_tx.api.types import (
    Address,
    Flag,
    Grammar,
    HttpVersion,
    Integer,
    ListOf,
    OneOf,
    OneOfNumbers,
    Text,
    Type,
    Uuid,
)
from octavia_tx.driver.amphora import AmphoraProvider
from octavia_tx.model import l7, tls, validation
from octavia_tx.model.certificates import Bundle, Secrets
from octavia_tx.model.flavor import Terms
from octavia_tx.model.handshake import references
from octavia_tx.model.resources import (
    AdditionalVip,
    HealthMonitor,
    L7Policy,
    L7Rule,
    Listener,
    LoadBalancer,
    Member,
    Pool,
    SessionPersistence,
)
from octavia_tx.model.tree import Tree
from tests.amphora_driver.gallery import gallery

MARKS: Final = (
    *"\n\r\t\0\x0b\x7f\x85\u2028\ufeff #\"'\\$%{}[]()!,;|/:@",
    "\r\n", "\\x", "\\n", "$HOME", "${HOME}", '"$HOME"', "%[src]", "%%", "%", "%0a", "\\'", "''", '"\'', " # ",
    " if TRUE", " unless FALSE", " or ", " || ", " -f /etc/passwd", " -i", " -m reg .*", " -- ",
    "\n    server x 10.9.9.9:80",
    "\nglobal\n    user root", " backup", "\udcff", "\ud800", "é", "\u0661", "\uff11", "\u0430", "\u200b", "\u202e",
    "🐍", "%eth0", "%lo",
)  # fmt: skip
ALONE: Final = (
    "if", "unless", "or", "||", "!", "{", "}", "--", "-i", "-n", "-f", "-m", "-M", "-u", "-f/etc/passwd", "/etc/passwd",
    "../../../etc/passwd", "0", "-1", "1e3", "0x10", "+1", "1_000", "0.0.0.0", "::", "fe80::1%eth0", "::ffff:192.0.2.1",
    "192.0.2.1/24", "010.0.0.1", "1", "\u0661\u0662", "a" * 255, "a" * 256, "/" + "a" * 254, "'" * 200, "é" * 255,
    "a" * 100_000, " ", "", "'", '"', "\\",
)  # fmt: skip
_FIELDS: Final[dict[type, Fields]] = {
    LoadBalancer: loadbalancers.FIELDS,
    Listener: listeners.FIELDS,
    Pool: pools.FIELDS,
    Member: members.FIELDS,
    HealthMonitor: healthmonitors.FIELDS,
    L7Policy: l7policies.FIELDS,
    L7Rule: l7rules.FIELDS,
}


_WORDS: Final = (Flag, HttpVersion, Integer, Nested, OneOf, OneOfNumbers)
_TEXTS: Final = (Text, Grammar, Address, Uuid)
_NOT_WRITTEN: Final = frozenset({"name", "description", "tags"})


@frozen
class Place:
    """
    One field of one object in a tree of the gallery, or one item of it.

    @ivar shape: what tells this object from others whose fields mean the same.
    @ivar at: where in a tuple or a map, or in a value of several fields.
    """

    tree: Tree = attrs.field(repr=False)
    id: str
    kind: type
    shape: tuple[str, ...]
    name: str
    at: int | str | None = None

    @property
    def held(self) -> Any:
        """What the field holds in the gallery."""
        (found,) = (getattr(each, self.name) for each in _objects(self.tree) if each.id == self.id)
        return found

    @property
    def hostile(self) -> tuple[str, ...]:
        """Text that would do harm here: by itself, or before, in and after text that is good."""
        held = self.held
        match held:
            case SessionPersistence():
                held = held.cookie_name
            case tuple() if isinstance(self.at, int):
                held = held[self.at] if held else ""
            case dict():
                held = self.at
        good = str(held.ip_address if isinstance(held, AdditionalVip) else held or "a")
        inside = tuple(text for mark in MARKS for text in (good + mark, mark + good, good[:2] + mark + good[2:]))
        return (*ALONE, *MARKS, *inside)

    def field(self, text: str) -> Any:
        """What the field holds with that text."""
        held = self.held
        match held:
            case SessionPersistence():
                return evolve(held, **{str(self.at): text})
            case tuple() if isinstance(self.at, int):
                made = AdditionalVip(ip_address=text) if self.name == "additional_vips" else text
                return (*held[: self.at], made, *held[self.at + 1 :])
            case dict():
                return {name: value for name, value in held.items() if name != self.at} | {text: "true"}
        return text

    def holding(self, value: Any) -> Tree:
        """The tree with that value in the field."""

        def changed(items: tuple[Any, ...]) -> tuple[Any, ...]:
            return tuple(evolve(each, **{self.name: value}) if each.id == self.id else each for each in items)

        (load_balancer,) = changed((self.tree.load_balancer,))
        lists = {field.name for field in attrs.fields(Tree)} - {"load_balancer", "terms"}
        return evolve(
            self.tree, load_balancer=load_balancer, **{name: changed(getattr(self.tree, name)) for name in lists}
        )

    def taken(self, text: str) -> Any:
        """
        What the API makes of that text in a request.

        @raise OctaviaError: it refuses it.
        """
        given = self.field(text)
        match given:
            case SessionPersistence():
                given = {name: value for name, value in attrs.asdict(given).items() if value is not None}
            case tuple():
                given = [attrs.asdict(each) if isinstance(each, AdditionalVip) else each for each in given]
        (known,) = (field for field in _FIELDS[self.kind].every if field.name == self.name)
        return known.type.decode(given, self.name)


def texts() -> list[tuple[type, str]]:
    """Each field of a request that may hold any text, by the model's class, as far as the model keeps it there."""
    return [
        (kind, field.name)
        for kind, known in _FIELDS.items()
        for field in known.every
        if hasattr(attrs.fields(kind), field.name) and not _says_little(field.type)
    ]


def _says_little(type: Type) -> bool:
    """Whether only a few words, or no text at all, can be given."""
    return isinstance(type.item if isinstance(type, ListOf) else type, _WORDS)


def _objects(tree: Tree) -> tuple[Any, ...]:
    return (tree.load_balancer, *tree.children())


def places() -> list[Place]:
    """All of them, each once, whichever tree has it."""
    found: dict[tuple[Any, ...], Place] = {}
    for tree in gallery().values():
        for each in _objects(tree):
            shape = tuple(
                str(getattr(each, name))
                for name in ("protocol", "type", "compare_type", "action", "client_authentication", "tls_enabled")
                if hasattr(each, name)
            )
            for field in _FIELDS[type(each)].every:
                held = getattr(each, field.name, None)
                if hasattr(each, field.name) and (held is not None or isinstance(field.type, _TEXTS)):
                    told = field.name not in _NOT_WRITTEN
                    for place in _in(tree, each, shape if told else (), field.name, held):
                        found.setdefault((place.kind, place.shape, place.name, place.at), place)
    return list(found.values())


def _in(tree: Tree, each: Any, shape: tuple[str, ...], name: str, held: Any) -> list[Place]:
    place = Place(tree, each.id, type(each), shape, name)
    match held:
        case Enum() | bool() | int() | float():
            return []
        case tuple():
            return [evolve(place, at=at) for at in range(len(held) or 1)]
        case dict():
            return [evolve(place, at=key) for key in held]
        case SessionPersistence():
            return [evolve(place, shape=(*shape, str(held.type)), at="cookie_name")] if held.cookie_name else []
    return [place]


def checked(tree: Tree) -> None:
    """
    What the API and the provider say of a whole tree.

    @raise OctaviaError: they refuse it.
    """
    versions = validation.vip_versions(tree.load_balancer, None)
    for listener in tree.listeners:
        validation.check_listener(tls.settled(listener, "listener"), "listener")
        validation.check_allowed_cidrs(listener, versions, "listener")
    for pool in tree.pools:
        validation.check_pool(tls.settled(pool, "pool"), "pool")
    for member in tree.members:
        validation.check_member(member, tree.load_balancer, "member")
    for monitor in tree.health_monitors:
        pool = next(each for each in tree.pools if each.id == monitor.pool_id)
        validation.check_monitor(monitor, pool, "healthmonitor")
    for policy in tree.l7policies:
        l7.check_policy(policy, next(each for each in tree.listeners if each.id == policy.listener_id), "l7policy")
    for rule in tree.l7rules:
        l7.check_rule(rule, "rule")
    provider = AmphoraProvider().check(tree, Terms())
    try:
        provider.send(None)
    except StopIteration:
        return
    raise AssertionError("the provider waits for something")


def imagined(tree: Tree) -> Secrets:
    """Something of its own for each reference: no certificates, but quickly made."""
    needed = references(tree)
    return Secrets(
        bundles={each: Bundle(certificate=f"certificate {ascii(each)}", key="") for each in needed.bundles},
        authorities={each: f"authorities {ascii(each)}" for each in needed.authorities},
        revocations={each: f"revocations {ascii(each)}" for each in needed.revocations},
    )
