"""What TLS does where nothing is said of it: of listeners that terminate it, and pools that speak it to members."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, TypeVar

from attrs import evolve

from octavia_tx.errors import InvalidInput
from octavia_tx.model.resources import Listener, Pool
from octavia_tx.model.statuses import Protocol

DEFAULTS: Final[Mapping[str, Any]] = {
    "tls_ciphers": (
        "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:"
        "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"
        "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"
        "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305:"
        "DHE-RSA-AES128-GCM-SHA256:DHE-RSA-AES256-GCM-SHA384:DHE-RSA-CHACHA20-POLY1305"
    ),
    "tls_versions": ("TLSv1.2", "TLSv1.3"),
    "alpn_protocols": ("h2", "http/1.1", "http/1.0"),
}
_LISTS: Final = ("tls_versions", "alpn_protocols")
_REFERENCES: Final[Mapping[type, tuple[str, ...]]] = {
    Listener: ("default_tls_container_ref", "client_ca_tls_container_ref", "client_crl_container_ref"),
    Pool: ("tls_container_ref", "ca_tls_container_ref", "crl_container_ref"),
}
_Secured = TypeVar("_Secured", Listener, Pool)


def used(value: Listener | Pool) -> bool:
    """Whether a listener terminates TLS, or a pool speaks it to its members."""
    if isinstance(value, Pool):
        return value.tls_enabled
    certified = bool(value.default_tls_container_ref or value.sni_container_refs)
    return value.protocol is Protocol.TERMINATED_HTTPS or (value.protocol is Protocol.PROMETHEUS and certified)


def settled(value: _Secured, where: str) -> _Secured:
    """
    The same with what TLS does where it is used and nothing is said; what is empty says nothing.

    @raise InvalidInput: where it is used, a list that leaves nothing to agree on.
    """
    secured = used(value)
    known: dict[str, Any] = {name: None for name in _REFERENCES[type(value)] if getattr(value, name) == ""}
    for name, default in DEFAULTS.items():
        given = getattr(value, name)
        if secured and given == () and name in _LISTS:
            raise InvalidInput(f"{where}.{name}", [], "at least one, or null for the usual ones")
        if not given:
            known[name] = default if secured else None
    return evolve(value, **known)
