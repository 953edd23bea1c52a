"""What tenants say of TLS: versions, ciphers, and the certificates that are needed to serve a load balancer."""

from __future__ import annotations

import ssl
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Final

from attrs import frozen

from octavia_tx.model.certificates import Secrets
from octavia_tx.model.l7 import pools_in_use
from octavia_tx.model.resources import Listener, Pool
from octavia_tx.model.statuses import ClientAuthentication, L7RuleType, Protocol
from octavia_tx.model.tree import Tree

ALL_VERSIONS: Final = ("TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3")
"""Those that OpenSSL speaks as it is built nowadays, from the oldest to the newest."""
VERSIONS: Final = ("TLSv1.2", "TLSv1.3")
"""Those that are spoken where the tenant says nothing."""
ALPN: Final = ("h2", "http/1.1", "http/1.0")
"""What a listener offers its clients where the tenant says nothing."""
RULES: Final = frozenset({L7RuleType.SSL_CONN_HAS_CERT, L7RuleType.SSL_VERIFY_RESULT, L7RuleType.SSL_DN_FIELD})
"""L7 rules about clients' certificates, which only a listener sees that terminates TLS."""
_SUITE: Final = "TLS_"  # so begin the names of TLS 1.3's, which OpenSSL chooses by a list of their own


def versions(given: Sequence[str] | None) -> tuple[str, ...]:
    """The versions to be spoken, from the oldest to the newest."""
    return tuple(version for version in ALL_VERSIONS if version in (given or VERSIONS))


def can_be_spoken(given: Sequence[str] | None) -> bool:
    """
    Whether just these versions can be: OpenSSL speaks each, and no version between two is left out, past which a client
    could be led to an older one.
    """
    asked = versions(given)
    return len(asked) == len(given or asked) and "".join(asked) in "".join(ALL_VERSIONS)


def ciphers(given: str | None) -> tuple[str, str]:
    """The suites of TLS 1.3, and what is said of the ciphers before it, each as OpenSSL reads it; empty: not said."""
    names = [name for name in (given or "").split(":") if name]
    suites = [name for name in names if name.startswith(_SUITE)]
    return ":".join(suites), ":".join(name for name in names if name not in suites)


def spoken(given: Sequence[str] | None, chosen: str | None) -> tuple[str, ...]:
    """Those of the L{versions} that have any of the ciphers: where all of these are TLS 1.3's, none but it."""
    suites, before = ciphers(chosen)
    return tuple(each for each in versions(given) if each == ALL_VERSIONS[-1] or before or not suites)


@lru_cache(maxsize=1000)
def are_known(given: str | None) -> bool:
    """Whether there are such ciphers, as far as the OpenSSL here knows."""
    if not given:
        return True
    suites, others = ciphers(given)
    known = {cipher["name"] for cipher in _context().get_ciphers()}
    if not known.issuperset(suites.split(":") if suites else ()):
        return False
    try:
        _context().set_ciphers(others or "ALL")
    except ssl.SSLError:
        return False
    return True


def _context() -> ssl.SSLContext:
    return ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)


@frozen(kw_only=True)
class References:
    """
    The references of what a load balancer serves; see L{Secrets} for their kinds.

    They are in the order of the tree, each once.
    """

    bundles: tuple[str, ...] = ()
    authorities: tuple[str, ...] = ()
    revocations: tuple[str, ...] = ()

    def missing(self, secrets: Secrets) -> tuple[str, ...]:
        """Those that stand for nothing."""
        pairs = (
            (self.bundles, secrets.bundles),
            (self.authorities, secrets.authorities),
            (self.revocations, secrets.revocations),
        )
        return tuple(reference for wanted, found in pairs for reference in wanted if reference not in found)


def certificates(listener: Listener) -> tuple[str, ...]:
    """The references of the certificates that a listener shows; the first to whoever names no host, or another."""
    if listener.protocol not in (Protocol.TERMINATED_HTTPS, Protocol.PROMETHEUS):
        return ()
    return tuple(dict.fromkeys(filter(None, (listener.default_tls_container_ref, *listener.sni_container_refs))))


def client_authorities(listener: Listener) -> str | None:
    """The reference of the authorities of a listener's clients, if these may or must show certificates."""
    asked = certificates(listener) and listener.client_authentication is not ClientAuthentication.NONE
    return listener.client_ca_tls_container_ref if asked else None


def ends(tree: Tree) -> tuple[tuple[Listener, ...], tuple[Pool, ...]]:
    """Who speaks TLS, if asked to: enabled listeners, and of the pools that these use those by TLS."""
    fronts = tuple(item for item in tree.listeners if item.admin_state_up and tree.load_balancer.admin_state_up)
    return fronts, tuple(pool for item in fronts for pool in pools_in_use(tree, item) if pool.tls_enabled)


def references(tree: Tree) -> References:
    """What must be known to serve a load balancer."""
    fronts, backs = ends(tree)
    return References(
        bundles=_once(*(ref for item in fronts for ref in certificates(item)), *(p.tls_container_ref for p in backs)),
        authorities=_once(*map(client_authorities, fronts), *(p.ca_tls_container_ref for p in backs)),
        revocations=_once(*_revocations(fronts, backs)),
    )


def _revocations(fronts: Sequence[Listener], backs: Sequence[Pool]) -> Iterator[str | None]:
    yield from (item.client_crl_container_ref for item in fronts if client_authorities(item))
    yield from (pool.crl_container_ref for pool in backs if pool.ca_tls_container_ref)


def _once(*references: str | None) -> tuple[str, ...]:
    return tuple(dict.fromkeys(filter(None, references)))
