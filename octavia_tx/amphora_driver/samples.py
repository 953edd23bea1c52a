"""Load balancers that ask for all that templates can say: what an operator's templates are tried with."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from octavia_tx.model.certificates import Bundle, Secrets
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
from octavia_tx.model.statuses import L7RuleType
from octavia_tx.model.tree import Tree
from octavia_tx.model.validation import CERTIFICATE_HEADERS, FORWARDED_HEADERS

AMPHORA: Final = "a0000000-0000-4000-8000-000000000001"
REFERENCE: Final = "https://secrets.example.com/containers/sample"
"""What each sample refers to that has certificates, whatever for."""

_ID: Final = "10000000-0000-4000-8000-000000000001"
_ANY: Final[Mapping[str, Any]] = {"project_id": "sample", "created_at": datetime(2030, 1, 1, tzinfo=UTC)}
_BELOW: Final[Mapping[str, Any]] = {**_ANY, "load_balancer_id": _ID}


def _id(kind: int, number: int) -> str:
    return f"{kind}0000000-0000-4000-8000-{number:012d}"


def _listener(number: int, protocol: str, **fields: Any) -> Listener:
    given = {"protocol": protocol, "protocol_port": 8000 + number, "default_pool_id": _id(3, number)}
    return Listener(**{"id": _id(2, number), **given, **_BELOW, **fields})


def _pool(number: int, protocol: str, lb_algorithm: str, **fields: Any) -> Pool:
    return Pool(id=_id(3, number), protocol=protocol, lb_algorithm=lb_algorithm, **_BELOW, **fields)


def _member(number: int, pool: int, **fields: Any) -> Member:
    place = {"address": f"198.51.100.{number}", "protocol_port": 8080}
    return Member(**{"id": _id(4, number), "pool_id": _id(3, pool), **place, **_BELOW, **fields})


def _monitor(pool: int, type: str, **fields: Any) -> HealthMonitor:
    times = {"delay": 5, "timeout": 3, "max_retries": 2, "max_retries_down": 3}
    return HealthMonitor(**{"id": _id(5, pool), "pool_id": _id(3, pool), "type": type, **times, **_BELOW, **fields})


def _policy(number: int, listener: int, action: str, **fields: Any) -> L7Policy:
    place = {"listener_id": _id(2, listener), "position": number}
    return L7Policy(**{"id": _id(6, number), "action": action, **place, **_BELOW, **fields})


def _rule(number: int, policy: int, type: str, compare_type: str, value: str, **fields: Any) -> L7Rule:
    compared = {"type": type, "compare_type": compare_type, "value": value}
    return L7Rule(**{"id": _id(7, number), "l7policy_id": _id(6, policy), **compared, **_BELOW, **fields})


def _tree(*parts: Any) -> Tree:
    load_balancer = LoadBalancer(
        id=_ID, vip_address="192.0.2.10", additional_vips=[AdditionalVip(ip_address="2001:db8::10")], **_ANY
    )
    return Tree(
        load_balancer=load_balancer,
        listeners=tuple(part for part in parts if isinstance(part, Listener)),
        pools=tuple(part for part in parts if isinstance(part, Pool)),
        members=tuple(part for part in parts if isinstance(part, Member)),
        health_monitors=tuple(part for part in parts if isinstance(part, HealthMonitor)),
        l7policies=tuple(part for part in parts if isinstance(part, L7Policy)),
        l7rules=tuple(part for part in parts if isinstance(part, L7Rule)),
    )


def samples() -> dict[str, Tree]:
    """All of them, by name."""
    return {"http": _http(), "l7": _l7(), "streams": _streams(), "tls": _tls()}


def _http() -> Tree:
    host = {"http_version": 1.1, "domain_name": "www.example.com"}
    return _tree(
        _listener(
            1, "HTTP", insert_headers=dict.fromkeys(FORWARDED_HEADERS, "true"), connection_limit=100,
            allowed_cidrs=("192.0.2.0/24", "2001:db8::/32"),
        ),
        _pool(1, "HTTP", "ROUND_ROBIN", session_persistence=SessionPersistence(type="HTTP_COOKIE")),
        _member(1, 1, monitor_address="2001:db8::9", monitor_port=9000),
        _member(2, 1, backup=True, admin_state_up=False),
        _monitor(1, "HTTP", url_path="/health", expected_codes="200-204", **host),
        _listener(2, "HTTP"),
        _pool(2, "PROXY", "SOURCE_IP_PORT", session_persistence=SessionPersistence(type="APP_COOKIE", cookie_name="a")),
        _member(3, 2),
        _monitor(2, "HTTP", http_version=1.0),
        _listener(3, "HTTP"),
        _pool(3, "HTTP", "LEAST_CONNECTIONS"),
        _member(4, 3),
        _monitor(3, "HTTPS", http_version=1.1),
        _listener(4, "HTTP"),
        _pool(4, "HTTP", "ROUND_ROBIN"),
        _member(5, 4),
        _monitor(4, "HTTPS", **{**host, "http_version": 1.0}),
        _listener(5, "PROMETHEUS", default_pool_id=None),
    )  # fmt: skip


def _l7() -> Tree:
    keys = {L7RuleType.HEADER: "X-Sample", L7RuleType.COOKIE: "sample"}
    plain = ("HOST_NAME", "PATH", "FILE_TYPE", "HEADER", "COOKIE")
    told = [(type, how, "a:b,c") for type in plain for how in ("EQUAL_TO", "REGEX")]
    return _tree(
        _listener(1, "HTTP"),
        _pool(1, "HTTP", "SOURCE_IP", session_persistence=SessionPersistence(type="SOURCE_IP")),
        _pool(2, "HTTP", "ROUND_ROBIN"),
        _policy(1, 1, "REJECT"),
        *(_rule(at, 1, type, how, value, key=keys.get(L7RuleType(type))) for at, (type, how, value) in enumerate(told)),
        _policy(2, 1, "REDIRECT_TO_URL", redirect_url="https://www.example.com/?a=%20"),
        _rule(20, 2, "PATH", "STARTS_WITH", "/a", invert=True),
        _policy(3, 1, "REDIRECT_PREFIX", redirect_prefix="https://www.example.com", redirect_http_code=308),
        _rule(21, 3, "PATH", "ENDS_WITH", "/a"),
        _policy(4, 1, "REDIRECT_TO_POOL", redirect_pool_id=_id(3, 2)),
        _rule(22, 4, "PATH", "CONTAINS", "a"),
    )


def _streams() -> Tree:
    return _tree(
        _listener(1, "TCP", timeout_tcp_inspect=500),
        _pool(1, "PROXYV2", "SOURCE_IP"),
        _member(1, 1),
        _monitor(1, "TCP"),
        _listener(2, "HTTPS"),
        _pool(2, "HTTPS", "LEAST_CONNECTIONS", session_persistence=SessionPersistence(type="SOURCE_IP")),
        _member(2, 2),
        _monitor(2, "TLS-HELLO"),
        _listener(3, "TCP"),
        _pool(3, "TCP", "ROUND_ROBIN"),
        _member(3, 3),
        _monitor(3, "PING"),
    )


def _tls() -> Tree:
    spoken = {"tls_ciphers": "HIGH:TLS_AES_128_GCM_SHA256", "alpn_protocols": ("h2", "http/1.1")}
    return _tree(
        _listener(
            1, "TERMINATED_HTTPS", default_tls_container_ref=REFERENCE, client_authentication="MANDATORY",
            client_ca_tls_container_ref=REFERENCE, client_crl_container_ref=REFERENCE,
            hsts_max_age=1, hsts_include_subdomains=True, hsts_preload=True,
            insert_headers=dict.fromkeys((*FORWARDED_HEADERS, *CERTIFICATE_HEADERS), "true"), **spoken,
        ),
        _pool(
            1, "HTTP", "ROUND_ROBIN", tls_enabled=True, tls_container_ref=REFERENCE, ca_tls_container_ref=REFERENCE,
            crl_container_ref=REFERENCE, **spoken,
        ),
        _member(1, 1),
        _monitor(1, "TLS-HELLO"),
        _policy(1, 1, "REJECT"),
        _rule(1, 1, "SSL_CONN_HAS_CERT", "EQUAL_TO", "True"),
        _rule(2, 1, "SSL_VERIFY_RESULT", "EQUAL_TO", "0"),
        _rule(3, 1, "SSL_DN_FIELD", "EQUAL_TO", "a", key="CN"),
    )  # fmt: skip


def secrets() -> Secrets:
    """What L{REFERENCE} stands for: something of each kind, made anew and worth nothing."""
    key = generate_private_key(SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sample")])
    now = datetime.now(UTC)
    end = now + timedelta(days=1)
    made = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now, end)
    certificate = made.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True).sign(
        key, SHA256()
    )
    pem = certificate.public_bytes(Encoding.PEM).decode()
    revoked = x509.CertificateRevocationListBuilder(name, now, end).sign(key, SHA256()).public_bytes(Encoding.PEM)
    shown = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    return Secrets(
        bundles={REFERENCE: Bundle(certificate=pem, key=shown)},
        authorities={REFERENCE: pem},
        revocations={REFERENCE: revoked.decode()},
    )
