"""
Trees that show each thing which can be asked of haproxy; what they become lies in C{golden/}.

C{python -m tests.amphora_driver.gallery} writes those files anew, to be reviewed with C{git diff}.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from attrs import evolve

from octavia_tx.amphora_driver.render import Renderer
from octavia_tx.model.flavor import Terms
from octavia_tx.model.log_format import DEFAULT
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
from octavia_tx.model.tree import Child, Tree
from octavia_tx.model.validation import CERTIFICATE_HEADERS, FORWARDED_HEADERS

GOLDEN: Final = Path(__file__).parent / "golden"
AMPHORA: Final = "a0000000-0000-4000-8000-000000000001"
LOAD_BALANCER: Final = "10000000-0000-4000-8000-000000000001"

_CREATED_AT: Final = datetime(2030, 1, 1, tzinfo=UTC)
_ANY: Final[dict[str, Any]] = {"project_id": "a-project", "created_at": _CREATED_AT}
_CHILD: Final[dict[str, Any]] = {**_ANY, "load_balancer_id": LOAD_BALANCER}


def _id(kind: int, number: int) -> str:
    return f"{kind}0000000-0000-4000-8000-{number:012d}"


def load_balancer(**fields: Any) -> LoadBalancer:
    """At 192.0.2.10."""
    return LoadBalancer(**{"id": LOAD_BALANCER, "vip_address": "192.0.2.10", **_ANY, **fields})


def listener(number: int = 1, **fields: Any) -> Listener:
    """HTTP on port 80, for the pool of the same number."""
    given = {"protocol": "HTTP", "protocol_port": 79 + number, "default_pool_id": _id(3, number)}
    return Listener(**{"id": _id(2, number), **_CHILD, **given, **fields})


def pool(number: int = 1, **fields: Any) -> Pool:
    """HTTP, in turns."""
    return Pool(**{"id": _id(3, number), **_CHILD, "protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN", **fields})


def member(number: int, pool_number: int = 1, **fields: Any) -> Member:
    """On port 8080."""
    given = {"address": f"198.51.100.{number}", "protocol_port": 8080}
    return Member(**{"id": _id(4, number), "pool_id": _id(3, pool_number), **_CHILD, **given, **fields})


def monitor(type: str, pool_number: int = 1, **fields: Any) -> HealthMonitor:
    """Each 5 s."""
    given = {"type": type, "delay": 5, "timeout": 3, "max_retries": 2, "max_retries_down": 4}
    return HealthMonitor(**{"id": _id(5, pool_number), "pool_id": _id(3, pool_number), **_CHILD, **given, **fields})


def l7_policy(number: int, action: str, listener_number: int = 1, **fields: Any) -> L7Policy:
    """At the position of that number."""
    given = {"listener_id": _id(2, listener_number), "action": action, "position": number}
    return L7Policy(**{"id": _id(6, number), **_CHILD, **given, **fields})


def l7_rule(type: str, comparison: str, value: str, policy_number: int = 1, number: int = 1, **fields: Any) -> L7Rule:
    """One of a policy's rules, by its number there."""
    given = {"l7policy_id": _id(6, policy_number), "type": type, "compare_type": comparison, "value": value}
    return L7Rule(**{"id": _id(7, 100 * policy_number + number), **_CHILD, **given, **fields})


def tree(*parts: Child, **fields: Any) -> Tree:
    """A load balancer of those parts."""
    return Tree(
        load_balancer=load_balancer(**fields),
        listeners=tuple(p for p in parts if isinstance(p, Listener)),
        pools=tuple(p for p in parts if isinstance(p, Pool)),
        members=tuple(p for p in parts if isinstance(p, Member)),
        health_monitors=tuple(p for p in parts if isinstance(p, HealthMonitor)),
        l7policies=tuple(p for p in parts if isinstance(p, L7Policy)),
        l7rules=tuple(p for p in parts if isinstance(p, L7Rule)),
    )


def logged(text: str, *parts: Child, **fields: Any) -> Tree:
    """A load balancer of those parts whose flavor has its accesses logged so."""
    return evolve(tree(*parts, **fields), terms=Terms({"logs": True, "log_format": text}))


# Type, comparison, value and further fields.
L7_RULES: Final[tuple[tuple[str, str, str, dict[str, Any]], ...]] = (
    ("HOST_NAME", "EQUAL_TO", "www.example.com", {}),
    ("HOST_NAME", "ENDS_WITH", ".example.com:8080", {}),
    ("HOST_NAME", "REGEX", r"^(a|b)\.example\.com$", {"invert": True}),
    ("PATH", "STARTS_WITH", "/api/", {}),
    ("PATH", "CONTAINS", "it's 100% \"#\\ $HOME é", {}),
    ("FILE_TYPE", "EQUAL_TO", "jpg", {}),
    ("FILE_TYPE", "REGEX", "^(jpe?g|png)$", {}),
    ("HEADER", "EQUAL_TO", "XMLHttpRequest", {"key": "X-Requested-With"}),
    ("HEADER", "CONTAINS", "(KHTML, like Gecko)", {"key": "User-Agent"}),
    ("HEADER", "REGEX", "^[a-z]{2,3}$", {"key": "X.Language"}),
    ("COOKIE", "EQUAL_TO", "yes", {"key": "it's"}),
)


def secret(what: str) -> str:
    """A reference."""
    return f"https://secrets.example.com/{what}"


def terminated(number: int = 1, **fields: Any) -> Listener:
    """A listener that terminates TLS, on port 443."""
    given = {"protocol": "TERMINATED_HTTPS", "protocol_port": 443, "default_tls_container_ref": secret("one")}
    return listener(number, **{**given, **fields})


def gallery() -> dict[str, Tree]:
    """All trees, by name."""
    http = (listener(), pool(), member(1), member(2))
    return {
        "http": tree(
            listener(insert_headers={f"X-Forwarded-{what}": "true" for what in ("For", "Port", "Proto")}),
            *http[1:],
            monitor("HTTP", http_method="GET", url_path="/", expected_codes="200", http_version=1.0),
        ),
        "terminated_https": tree(terminated(), *http[1:]),
        "terminated_https_whole": tree(
            terminated(
                sni_container_refs=(secret("two"), secret("three")),
                insert_headers=dict.fromkeys((*FORWARDED_HEADERS, *CERTIFICATE_HEADERS), "true"),
                alpn_protocols=("http/1.1", "http/1.0"),
                tls_ciphers="ECDHE-ECDSA-AES128-GCM-SHA256:TLS_AES_128_GCM_SHA256:!RC4:@SECLEVEL=1",
                tls_versions=("TLSv1.3", "TLSv1.1", "TLSv1.2"),
                client_authentication="MANDATORY",
                client_ca_tls_container_ref=secret("authority"),
                client_crl_container_ref=secret("revocations"),
                hsts_max_age=31536000,
                hsts_include_subdomains=True,
                hsts_preload=True,
            ),
            *http[1:],
            l7_policy(1, "REJECT"),
            l7_rule("SSL_CONN_HAS_CERT", "EQUAL_TO", "True", 1, 1),
            l7_rule("SSL_VERIFY_RESULT", "EQUAL_TO", "10", 1, 2, invert=True),
            l7_rule("SSL_DN_FIELD", "STARTS_WITH", "it's me", 1, 3, key="CN"),
        ),
        "tls_to_members": tree(
            terminated(
                client_authentication="OPTIONAL",
                client_ca_tls_container_ref=secret("authority"),
                alpn_protocols=(),
                tls_ciphers="TLS_AES_128_GCM_SHA256",
            ),
            pool(1, tls_enabled=True),
            member(1, 1),
            monitor("TLS-HELLO", 1),
            listener(2),
            pool(
                2,
                protocol="PROXY",
                tls_enabled=True,
                tls_container_ref=secret("two"),
                ca_tls_container_ref=secret("authority"),
                crl_container_ref=secret("revocations"),
                tls_ciphers="HIGH",
                tls_versions=("TLSv1.2",),
                alpn_protocols=("h2", "http/1.1"),
            ),
            member(2, 2, backup=True),
            monitor("HTTPS", 2, domain_name="www.example.com", http_version=1.1),
        ),
        "prometheus": tree(
            *http, listener(2, protocol="PROMETHEUS", protocol_port=8088, default_pool_id=None, connection_limit=2)
        ),
        "prometheus_tls": tree(
            terminated(
                protocol="PROMETHEUS",
                protocol_port=8443,
                default_pool_id=None,
                sni_container_refs=(secret("two"),),
                allowed_cidrs=("192.0.2.0/24",),
                client_authentication="MANDATORY",
                client_ca_tls_container_ref=secret("authority"),
                tls_versions=("TLSv1.3",),
            )
        ),
        "without_pool": tree(listener(default_pool_id=None)),
        "without_member": tree(listener(), pool()),
        "https_and_tcp": tree(
            listener(1, protocol="HTTPS", protocol_port=443),
            pool(1, protocol="HTTPS", lb_algorithm="LEAST_CONNECTIONS"),
            member(1, 1, protocol_port=8443),
            monitor("TLS-HELLO", 1),
            listener(2, protocol="TCP", protocol_port=5432),
            pool(2, protocol="TCP", lb_algorithm="SOURCE_IP"),
            member(2, 2, protocol_port=5432),
            monitor("TCP", 2),
            listener(3, protocol="TCP", protocol_port=6379),
            pool(3, protocol="TCP", lb_algorithm="SOURCE_IP_PORT"),
            member(3, 3, protocol_port=6379),
            listener(4, protocol="TCP", protocol_port=8000),
            pool(4, protocol="HTTP", session_persistence=SessionPersistence(type="HTTP_COOKIE")),
            member(4, 4),
        ),
        "proxy_protocol": tree(
            listener(1),
            pool(1, protocol="PROXY"),
            member(1, 1),
            listener(2, protocol="TCP"),
            pool(2, protocol="PROXYV2"),
            member(2, 2),
            monitor("TCP", 2),
        ),
        "persistence": tree(
            listener(1),
            pool(1, session_persistence=SessionPersistence(type="SOURCE_IP")),
            member(1, 1),
            listener(2),
            pool(2, session_persistence=SessionPersistence(type="HTTP_COOKIE")),
            member(2, 2),
            listener(3),
            pool(3, session_persistence=SessionPersistence(type="APP_COOKIE", cookie_name="JSESSION#ID")),
            member(3, 3),
            listener(4, protocol="TCP"),
            pool(4, protocol="TCP", session_persistence=SessionPersistence(type="SOURCE_IP")),
            member(4, 4),
        ),
        "monitors": tree(
            *http,
            monitor(
                "HTTP", http_method="HEAD", url_path="/it's/alive?a=1;b=$HOME", expected_codes="200, 202,302",
                http_version=1.1, domain_name="www.example.com",
            ),
            listener(2), pool(2),
            member(3, 2, monitor_address="2001:db8::9", monitor_port=9000), member(4, 2, monitor_port=9001),
            monitor("HTTP", 2, http_version=1.1),
            listener(3), pool(3), member(5, 3),
            monitor("HTTPS", 3, url_path="/health", expected_codes="204", http_version=1.1, domain_name="example.com"),
            listener(4), pool(4), member(6, 4),
            monitor("TCP", 4, admin_state_up=False),
            listener(5), pool(5, protocol="PROXY"), member(7, 5, monitor_address="2001:db8::7", monitor_port=7),
            monitor("PING", 5),
        ),
        "ipv6": tree(
            listener(allowed_cidrs=("2001:db8::/32", "192.0.2.77/24")), pool(), member(1, address="2001:DB8::0:1"),
            vip_address="2001:db8::10",
            additional_vips=[AdditionalVip(ip_address="192.0.2.11"), AdditionalVip(ip_address="2001:db8::11")],
        ),
        "members": tree(
            listener(), pool(), member(1, weight=256), member(2, weight=0), member(3, backup=True),
            member(4, admin_state_up=False, backup=True), monitor("TCP"),
        ),
        "disabled": tree(
            listener(1, admin_state_up=False), pool(1), member(1, 1), listener(2), pool(2, admin_state_up=False),
            member(2, 2),
        ),
        "limits_and_timeouts": tree(
            listener(
                connection_limit=100, timeout_client_data=0, timeout_member_connect=1, timeout_member_data=2073600000,
                timeout_tcp_inspect=500,
            ),
            pool(), member(1), monitor("TCP", delay=10**9, timeout=0),
            listener(2, protocol="TCP", timeout_tcp_inspect=500), pool(2, protocol="TCP"), member(2, 2),
        ),
        "shared_pool": tree(listener(1), listener(2, default_pool_id=_id(3, 1)), pool(), member(1)),
        "l7_rules": tree(
            *http,
            l7_policy(1, "REJECT"),
            *(
                l7_rule(type, comparison, value, 1, number, **fields)
                for number, (type, comparison, value, fields) in enumerate(L7_RULES, 1)
            ),
        ),
        "l7_policies": tree(
            listener(1, default_pool_id=_id(3, 1)), pool(1), member(1, 1),
            l7_policy(1, "REDIRECT_TO_POOL", redirect_pool_id=_id(3, 2)),
            l7_rule("PATH", "STARTS_WITH", "/one", 1),
            l7_policy(2, "REDIRECT_TO_URL", redirect_url="https://www.example.com/it's?a=%20b", redirect_http_code=301),
            l7_rule("PATH", "STARTS_WITH", "/two", 2),
            l7_policy(3, "REJECT"),
            l7_rule("PATH", "STARTS_WITH", "/three", 3, 1), l7_rule("PATH", "ENDS_WITH", "/", 3, 2, invert=True),
            l7_policy(4, "REDIRECT_PREFIX", redirect_prefix="https://www.example.com"),
            l7_rule("PATH", "STARTS_WITH", "/four", 4),
            l7_policy(5, "REJECT", admin_state_up=False), l7_rule("PATH", "STARTS_WITH", "/five", 5),
            l7_policy(6, "REJECT"), l7_rule("PATH", "STARTS_WITH", "/six", 6, admin_state_up=False),
            l7_policy(7, "REJECT"),
            l7_policy(8, "REDIRECT_TO_POOL", redirect_pool_id=_id(3, 3)), l7_rule("PATH", "EQUAL_TO", "/eight", 8),
            l7_policy(9, "REDIRECT_TO_POOL", redirect_pool_id=_id(3, 1)), l7_rule("PATH", "EQUAL_TO", "/nine", 9),
            pool(
                2, protocol="PROXY", lb_algorithm="SOURCE_IP_PORT",
                session_persistence=SessionPersistence(type="SOURCE_IP"),
            ),
            member(2, 2), monitor("TCP", 2),
            pool(3, admin_state_up=False), member(3, 3),
        ),
        "additional_vips_with_tls": tree(
            terminated(hsts_max_age=0), pool(protocol="PROXYV2", tls_enabled=True), member(1), monitor("HTTPS"),
            additional_vips=[AdditionalVip(ip_address="192.0.2.11"), AdditionalVip(ip_address="2001:db8::11")],
        ),
        "nothing_enabled": tree(listener(admin_state_up=False), pool(), member(1)),
        "load_balancer_disabled": tree(*http, admin_state_up=False),
        "names_are_not_written": tree(
            listener(name="a\nname", description="a\ndescription"), pool(name="\nx", description="\ny"),
            member(1, name="\nz"), monitor("TCP", name="\nu"), name="\nglobal", description="\ndefaults",
        ),
        "logged": logged(DEFAULT, listener(), listener(2, protocol="TCP"), pool(), member(1), pool(2), member(2, 2)),
        "logged_as_json": logged(
            '{"lb":"{{ lb_id }}","it\'s":"%ci","request":%{+Q}r,"ok":"100 %%"}', listener(), pool(), member(1)
        ),
    }  # fmt: skip


def log_format(shown: Tree) -> str | None:
    """That of a tree whose flavor has one."""
    return shown.terms.flavor.get("log_format")


def write() -> None:
    """Write the golden files."""
    renderer = Renderer(log_format=log_format)
    for name, shown in gallery().items():
        (GOLDEN / f"{name}.cfg").write_text(renderer.render(shown, AMPHORA))


if __name__ == "__main__":
    write()
