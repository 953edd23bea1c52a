"""TLS as haproxy is told of it: the words behind a C{bind} or a C{server}, and the files that these name."""

from __future__ import annotations

from hashlib import sha256
from typing import Final

from attrs import frozen

from octavia_tx.amphora_driver.grammar import Unrenderable, Word, alpn, ciphers, tls_file
from octavia_tx.model import handshake
from octavia_tx.model.certificates import Secrets
from octavia_tx.model.resources import Listener, Pool
from octavia_tx.model.statuses import ClientAuthentication, Protocol
from octavia_tx.model.tree import Tree

# A reference has the same file whatever it stands for, so that new content is no other configuration.
_NAME_LENGTH: Final = 40
_VERIFY: Final = {ClientAuthentication.OPTIONAL: Word("optional"), ClientAuthentication.MANDATORY: Word("required")}
_VERSIONS: Final = {
    "TLSv1": Word("TLSv1.0"),
    "TLSv1.1": Word("TLSv1.1"),
    "TLSv1.2": Word("TLSv1.2"),
    "TLSv1.3": Word("TLSv1.3"),
}


@frozen(kw_only=True)
class Tls:
    """
    What one end speaks.

    @ivar certificate: the file with its own certificate, or for a listener, with a list of those; C{None}: it has none.
    @ivar authorities: the file with those who vouch for the other end.
    @ivar revocations: the file with those who are trusted no more.
    @ivar verify: whether the other end must show a certificate; C{None}: it isn't asked.
    @ivar alpn: the protocols, by commas.
    @ivar suites: of TLS 1.3; C{ciphers}: of the versions before.
    @ivar passes_name: whether the other end is told the name that the client asked for.
    """

    certificate: Word | None
    authorities: Word | None
    revocations: Word | None
    verify: Word | None
    alpn: Word | None
    oldest: Word
    newest: Word
    ciphers: Word | None
    suites: Word | None
    passes_name: bool = False


def front(listener: Listener) -> Tls | None:
    """
    What a listener speaks with its clients.

    @raise Unrenderable: haproxy can't do what is asked.
    """
    if not handshake.certificates(listener):
        if listener.protocol is Protocol.TERMINATED_HTTPS:
            raise Unrenderable(f"Listener {listener.id} has no certificate.")
        return None
    asked = listener.client_authentication
    authorities = handshake.client_authorities(listener)
    if asked is not ClientAuthentication.NONE and authorities is None:
        raise Unrenderable(f"Listener {listener.id} asks for clients' certificates, and names no authority.")
    offered = handshake.ALPN if listener.alpn_protocols is None else listener.alpn_protocols
    return _tls(
        listener,
        certificate=tls_file(_list_name(listener)),
        authorities=_path("authorities", listener.id) if authorities else None,
        revocations=_path("revocations", listener.id) if authorities and listener.client_crl_container_ref else None,
        verify=_VERIFY.get(asked),
        # Without any haproxy chooses some itself, h2 among them; this is what clients speak who negotiate nothing.
        alpn=alpn(",".join(offered or ("http/1.1",))),
    )


def back(pool: Pool, listener: Listener) -> Tls | None:
    """
    What a pool's members are spoken to.

    @raise Unrenderable: haproxy can't do what is asked.
    """
    if not pool.tls_enabled:
        return None
    authorities = pool.ca_tls_container_ref
    # What a client will speak is known of no other, so that nothing can be promised in its name.
    speaks_http = listener.protocol in (Protocol.HTTP, Protocol.TERMINATED_HTTPS)
    return _tls(
        pool,
        certificate=_path("bundles", pool.id) if pool.tls_container_ref else None,
        authorities=_path("authorities", pool.id) if authorities else None,
        revocations=_path("revocations", pool.id) if authorities and pool.crl_container_ref else None,
        verify=Word("required") if authorities else Word("none"),
        alpn=alpn(",".join(pool.alpn_protocols)) if pool.alpn_protocols and speaks_http else None,
        passes_name=listener.protocol is Protocol.TERMINATED_HTTPS,
    )


def files(tree: Tree, secrets: Secrets) -> dict[str, bytes]:
    """
    All files that the configuration of a load balancer names, by their names.

    @param tree: the living objects.
    @raise Unrenderable: a reference stands for nothing.
    """
    needed = handshake.references(tree)
    if missing := needed.missing(secrets):
        raise Unrenderable(
            f"Load balancer {tree.load_balancer.id} can't be rendered: there's no certificate for "
            f"{', '.join(map(repr, missing))}."
        )
    found: dict[str, str] = {}
    fronts, backs = handshake.ends(tree)
    for listener in fronts:
        if shown := handshake.certificates(listener):
            found |= {_name("bundles", _owner(listener, each)): secrets.bundles[each].pem for each in shown}
            found[_list_name(listener)] = "".join(f"{_path('bundles', _owner(listener, each))}\n" for each in shown)
            authorities = handshake.client_authorities(listener)
            found |= _believed(listener.id, authorities, listener.client_crl_container_ref, secrets)
    for pool in backs:
        if pool.tls_container_ref:
            found[_name("bundles", pool.id)] = secrets.bundles[pool.tls_container_ref].pem
        found |= _believed(pool.id, pool.ca_tls_container_ref, pool.crl_container_ref, secrets)
    return {name: text.encode() for name, text in found.items()}


def _believed(owner: str, authorities: str | None, revocations: str | None, secrets: Secrets) -> dict[str, str]:
    found = {}
    if authorities:
        found[_name("authorities", owner)] = secrets.authorities[authorities]
        if revocations:
            found[_name("revocations", owner)] = secrets.revocations[revocations]
    return found


def _tls(
    end: Listener | Pool,
    *,
    certificate: Word | None,
    authorities: Word | None,
    revocations: Word | None,
    verify: Word | None,
    alpn: Word | None,
    passes_name: bool = False,
) -> Tls:
    suites, before = handshake.ciphers(end.tls_ciphers)
    spoken = _versions(end)
    return Tls(
        certificate=certificate,
        authorities=authorities,
        revocations=revocations,
        verify=verify,
        alpn=alpn,
        oldest=_VERSIONS[spoken[0]],
        newest=_VERSIONS[spoken[-1]],
        ciphers=ciphers(before) if before else None,
        suites=ciphers(suites) if suites else None,
        passes_name=passes_name,
    )


def _versions(end: Listener | Pool) -> tuple[str, ...]:
    given = end.tls_versions
    if not handshake.can_be_spoken(given):
        raise Unrenderable(
            f"TLS versions {', '.join(given or ())!r} can't be spoken: one is unknown, or one between two is left out."
        )
    if not (spoken := handshake.spoken(given, end.tls_ciphers)):
        raise Unrenderable("The ciphers are TLS 1.3's, which isn't among the TLS versions.")
    return spoken


def _list_name(listener: Listener) -> str:
    return f"{listener.id}.pem"


def _owner(listener: Listener, reference: str) -> str:
    """
    By what a certificate's file is known. One that a listener or pool has alone is known by that: then another in its
    place is new content, which haproxy takes up while it runs.
    """
    return listener.id if reference == handshake.certificates(listener)[0] else reference


def _name(kind: str, owner: str) -> str:
    text = f"{kind} {owner}".encode(errors="surrogatepass")
    return f"{sha256(text).hexdigest()[:_NAME_LENGTH]}.pem"


def _path(kind: str, owner: str) -> Word:
    return tls_file(_name(kind, owner))
