"""Who may reach an interface: a controller's rules, and the nftables that they come to, as data. No effects."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Any, Final

from attrs import frozen

TABLE: Final = {"family": "inet", "name": "octavia_tx"}
VRRP: Final = "VRRP"
PROTOCOLS: Final = ("TCP", "UDP", "SCTP", VRRP)
_VRRP_NUMBER: Final = 112
_INPUT: Final = "input"
_STATE: Final = {"ct": {"key": "state"}}
_KNOWN: Final = {"match": {"op": "in", "left": _STATE, "right": ["established", "related"]}}
# Without these, neither path MTU discovery nor IPv6 works.
_ICMP: Final = ["destination-unreachable", "time-exceeded", "parameter-problem"]
_ICMP6: Final = [
    "destination-unreachable", "packet-too-big", "time-exceeded", "parameter-problem",
    "nd-neighbor-solicit", "nd-neighbor-advert", "nd-router-advert", "mld-listener-query",
]  # fmt: skip


class InvalidRules(ValueError):
    """These can't be rules."""


@frozen
class Rule:
    """
    Who may come in.

    @ivar protocol: one of L{PROTOCOLS}; VRRP has no port.
    @ivar source: C{None} for everyone.
    """

    protocol: str
    source: IPv4Network | IPv6Network | None
    port: int


def rules(body: object) -> tuple[Rule, ...]:
    """
    A controller's rules.

    @raise InvalidRules: naming the first that can't be one.
    """
    if not isinstance(body, list):
        raise InvalidRules("must be a list.")
    return tuple(_rule(each, f"[{number}]") for number, each in enumerate(body))


def _rule(given: object, where: str) -> Rule:
    if not isinstance(given, dict) or given.keys() != {"protocol", "cidr", "port"}:
        raise InvalidRules(f"{where} must be an object of protocol, cidr and port.")
    protocol, cidr, port = given["protocol"], given["cidr"], given["port"]
    if protocol not in PROTOCOLS:
        raise InvalidRules(f"{where}.protocol must be one of {', '.join(PROTOCOLS)}.")
    if isinstance(port, bool) or not isinstance(port, int) or not 1 <= port <= 65535:
        raise InvalidRules(f"{where}.port must be an integer from 1 to 65535.")
    if cidr is not None and (not isinstance(cidr, str) or "%" in cidr):
        raise InvalidRules(f"{where}.cidr must be a network like 198.51.100.0/24, or null.")
    try:
        return Rule(protocol, None if cidr is None else ip_network(cidr, strict=False), port)
    except ValueError as e:
        raise InvalidRules(f"{where}.cidr: {e}.") from e


def table(protected: Mapping[str, Iterable[Rule]], plugged: Iterable[str] = ()) -> dict[str, Any]:
    """
    What C{nft -j -f -} is told: our whole table anew, in one piece. What comes by other interfaces isn't restricted.

    @param protected: the rules of each interface, by its name.
    @param plugged: names of interfaces by which keepalived may pass on what users send, in a namespace for traffic.
    """
    # That it is added before lets it be deleted where it wasn't there.
    told: list[dict[str, Any]] = [{"add": {"table": TABLE}}, {"delete": {"table": TABLE}}]
    names = sorted(plugged)
    if protected or names:
        told.append({"add": {"table": TABLE}})
    if protected:
        told += _protection(protected)
    if names:
        told += _passing_on(names, [name for name in names if name not in protected])
    return {"nftables": told}


def _protection(protected: Mapping[str, Iterable[Rule]]) -> Iterable[dict[str, Any]]:
    yield _hook(_INPUT, "filter", 0)
    for number, (name, allowed) in enumerate(sorted(protected.items())):
        # Names of interfaces may be what names of chains can't.
        chain = f"interface_{number}"
        yield _chain(chain)
        yield _put(_INPUT, _equal(_meta("iifname"), name), {"goto": {"target": chain}})
        for each in _essential():
            yield _put(chain, *each)
        for rule in dict.fromkeys(allowed):
            yield _put(chain, *_matches(rule), {"accept": None})
        yield _put(chain, {"drop": None})


def _passing_on(names: list[str], unprotected: list[str]) -> Iterable[dict[str, Any]]:
    """
    Members answer us, and not users, what LVS passes on. Nothing else is passed on. TCP, which haproxy serves and needs
    no such thing, isn't slowed down by it.
    """
    yield _hook("postrouting", "nat", 100)
    passed = _equal(_meta("l4proto"), {"set": ["udp", "sctp"]})
    yield _put("postrouting", _equal(_meta("oifname"), {"set": names}), passed, {"masquerade": None})
    yield _hook("forward", "filter", 0, "drop")
    yield _put("forward", _KNOWN, {"accept": None})
    for hook, key in (("prerouting", "iifname"), ("output", "oifname")):
        yield _hook(hook, "filter", -300)
        if unprotected:
            tcp = _equal(_meta("l4proto"), "tcp")
            yield _put(hook, _equal(_meta(key), {"set": unprotected}), tcp, {"notrack": None})


def _essential() -> Iterable[list[dict[str, Any]]]:
    yield [_KNOWN, {"accept": None}]
    yield [{"match": {"op": "in", "left": _STATE, "right": "invalid"}}, {"drop": None}]
    yield [_equal(_field("icmp", "type"), {"set": _ICMP}), {"accept": None}]
    yield [_equal(_field("icmpv6", "type"), {"set": _ICMP6}), {"accept": None}]


def _matches(rule: Rule) -> Iterable[dict[str, Any]]:
    source = rule.source
    if source is not None and source.prefixlen:
        network = {"prefix": {"addr": str(source.network_address), "len": source.prefixlen}}
        yield _equal(_field("ip" if source.version == 4 else "ip6", "saddr"), network)
    elif source is not None:
        yield _equal(_meta("nfproto"), "ipv4" if source.version == 4 else "ipv6")
    if rule.protocol == VRRP:
        yield _equal(_meta("l4proto"), _VRRP_NUMBER)
    else:
        yield _equal(_field(rule.protocol.lower(), "dport"), rule.port)


def _hook(hook: str, kind: str, priority: int, policy: str = "accept") -> dict[str, Any]:
    return _chain(hook, type=kind, hook=hook, prio=priority, policy=policy)


def _chain(name: str, **more: Any) -> dict[str, Any]:
    return {"add": {"chain": {"family": TABLE["family"], "table": TABLE["name"], "name": name, **more}}}


def _put(chain: str, *expressions: dict[str, Any]) -> dict[str, Any]:
    rule = {"family": TABLE["family"], "table": TABLE["name"], "chain": chain, "expr": list(expressions)}
    return {"add": {"rule": rule}}


def _equal(left: object, right: object) -> dict[str, Any]:
    return {"match": {"op": "==", "left": left, "right": right}}


def _meta(key: str) -> dict[str, Any]:
    return {"meta": {"key": key}}


def _field(protocol: str, name: str) -> dict[str, Any]:
    return {"payload": {"protocol": protocol, "field": name}}
