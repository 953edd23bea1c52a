"""The provider that this project is about: load balancers on amphorae with haproxy."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from typing import Any

from zope.interface import implementer

from octavia_tx.driver import amphora_options
from octavia_tx.errors import IncompatibleConfiguration
from octavia_tx.interfaces import IProviderDriver
from octavia_tx.model import handshake
from octavia_tx.model.engines import serving
from octavia_tx.model.flavor import LOG_TARGETS, LOGS, Terms
from octavia_tx.model.resources import (
    HealthMonitor,
    L7Policy,
    L7Rule,
    Listener,
    LoadBalancer,
    Member,
    Pool,
    SessionPersistence,
)
from octavia_tx.model.statuses import MonitorType, Protocol
from octavia_tx.model.tree import Tree

_Table = dict[str, Callable[[Any], bool]]
_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+", re.ASCII)


def _empty(value: Any) -> bool:
    return not value


def _among(*words: str) -> Callable[[Any], bool]:
    return lambda value: value in words


def _countable(seconds: int) -> bool:
    """Whether a time fits into haproxy's timers, which count milliseconds."""
    return seconds <= 2147483


def _served(protocol: Protocol) -> bool:
    """Whether an engine of an amphora serves it."""
    return serving(protocol) is not None


def _nameable(kept: SessionPersistence | None) -> bool:
    """Whether the cookie's name, if any, is a token of RFC 7230, as haproxy's configuration can say it."""
    return kept is None or kept.cookie_name is None or bool(_TOKEN.fullmatch(kept.cookie_name))


_TLS: _Table = {"tls_versions": handshake.can_be_spoken, "tls_ciphers": handshake.are_known}

# What an amphora can do, by kind of object: a field, and whether a value of it is supported. Fields that aren't here
# are supported whatever they hold.
_SUPPORTED: dict[type, tuple[str, _Table]] = {
    LoadBalancer: (
        "loadbalancer",
        {"vip_qos_policy_id": _empty, "vip_sg_ids": _empty},
    ),
    Listener: (
        "listener",
        {
            "protocol": _served,
            **_TLS,
        },
    ),
    Pool: (
        "pool",
        {
            "protocol": _served,
            **_TLS,
            "session_persistence": _nameable,
        },
    ),
    Member: ("member", {"vnic_type": _among("normal")}),
    HealthMonitor: (
        "healthmonitor",
        {
            "type": _among(
                MonitorType.HTTP, MonitorType.HTTPS, MonitorType.TCP, MonitorType.TLS_HELLO, MonitorType.PING
            ),
            "delay": _countable,
            "timeout": _countable,
        },
    ),
    L7Policy: ("l7policy", {}),
    L7Rule: ("rule", {}),
}

# What flavors may ask for, and yet not now: an option, whether a value of it is supported, and what is missing.
_NOT_YET: tuple[tuple[str, Callable[[Any], bool], str], ...] = (
    (amphora_options.TOPOLOGY, _among("SINGLE"), "no compute driver here makes pairs of amphorae"),
    (amphora_options.FRONT_END, _among("L2"), "no network driver here routes to a VIP"),
    (amphora_options.SRIOV_VIP, _empty, "no compute driver here has SR-IOV ports"),
)

_ASKED_AS = {"vnic_type": "request_sriov"}  # where tenants write another field than the one that holds it


@implementer(IProviderDriver)
class AmphoraProvider:
    """
    Load balancers on amphorae.

    @param log_targets: names of where access logs may go.
    @ivar accept_all: whether nothing is refused; for amphorae that don't exist, as with the no-op driver.
    """

    name = "amphora"
    description = "The Octavia Amphora driver."
    amphorae = True
    immediate = True
    flavor_schema = amphora_options.FLAVOR.schema
    availability_zone_schema = amphora_options.ZONE.schema

    def __init__(self, *, accept_all: bool = False, log_targets: Collection[str] = ()) -> None:
        self.accept_all = accept_all
        self._log_targets = log_targets

    async def validate_flavor(self, data: Mapping[str, Any]) -> None:
        """What amphorae may ever do, also if nothing here does it yet."""
        amphora_options.FLAVOR.judge(data)

    async def validate_availability_zone(self, data: Mapping[str, Any]) -> None:
        """As L{validate_flavor}."""
        amphora_options.ZONE.judge(data)

    async def check(self, tree: Tree, terms: Terms) -> Mapping[str, str]:
        """Go through the tables for each object of the tree."""
        if not self.accept_all:
            self._refuse(tree, terms)
        return {}

    def _refuse(self, tree: Tree, terms: Terms) -> None:
        for option, supported, missing in _NOT_YET:
            if option in terms.flavor and not supported(terms.flavor[option]):
                given = f"{terms.flavor[option]!s:.80}"
                raise IncompatibleConfiguration(f"loadbalancer.flavor_id, whose {option} is {given}: {missing}.")
        self._check_logs(terms)
        _check(tree.load_balancer)
        for child in tree.children():
            _check(child)
        _check_rules(tree)

    def _check_logs(self, terms: Terms) -> None:
        if not terms.flavor.get(LOGS, True):
            return
        wanted = terms.flavor.get(LOG_TARGETS, ())
        if unknown := [name for name in wanted if name not in self._log_targets]:
            missing = f"log_targets is {', '.join(unknown)}: the operator names no such target"
        elif terms.flavor.get(LOGS) and not self._log_targets:
            missing = "logs is True: the operator names no target of logs"
        else:
            return
        raise IncompatibleConfiguration(f"loadbalancer.flavor_id, whose {missing}.")

    async def provide(self, tree: Tree, terms: Terms) -> None:
        """Nothing: the controller does, with amphorae."""

    async def withdraw(self, load_balancer_id: str) -> None:
        """Nothing, as L{provide}."""


def _with(given: Any) -> str:
    """The value, where it is a word and so says more than the field alone."""
    return f" with the value {given!s:.80}" if isinstance(given, str) else ""


def _check(value: Any) -> None:
    name, table = _SUPPORTED[type(value)]
    for field, supported in table.items():
        given = getattr(value, field)
        if not supported(given):
            raise IncompatibleConfiguration(f"{name}.{_ASKED_AS.get(field, field)}{_with(given)}.")
    if isinstance(value, Listener | Pool) and not handshake.spoken(value.tls_versions, value.tls_ciphers):
        raise IncompatibleConfiguration(f"{name}.tls_ciphers that are of none of the tls_versions.")


def _check_rules(tree: Tree) -> None:
    """Rules about clients' certificates are of listeners that see any."""
    protocols = {listener.id: listener.protocol for listener in tree.listeners}
    seen = {policy.id: protocols.get(policy.listener_id) for policy in tree.l7policies}
    for rule in tree.l7rules:
        protocol = seen.get(rule.l7policy_id)
        if rule.type in handshake.RULES and protocol not in (None, Protocol.TERMINATED_HTTPS):
            raise IncompatibleConfiguration(f"rule.type with the value {rule.type} and a listener of {protocol}.")
