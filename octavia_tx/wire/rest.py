"""The names that both ends of the HTTPS between controllers and amphorae use."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path
from typing import Final

API_VERSION: Final = "1.0"
AGENT_PORT: Final = 9443

FENCE_HEADER: Final = "X-Octavia-TX-Fence"
REQUEST_ID_HEADER: Final = "X-Octavia-TX-Request-Id"


def certificates_directories(amphora_id: str) -> tuple[Path, ...]:
    """Where an amphora's certificates lie: in the first of these that is in a memory file system. Others use it too."""
    return tuple(Path(place) / f"octavia-tx-{amphora_id}" for place in ("/dev/shm", "/run"))  # noqa: S108 - checked


# What an agent serves to controllers.
VERSION_PATH: Final = "/"
INFO_PATH: Final = "/1.0/info"
DETAILS_PATH: Final = "/1.0/details"
LISTENERS_PATH: Final = "/1.0/listeners"
CONFIG_PATH: Final = "/1.0/config"
CREDENTIAL_PATH: Final = "/1.0/certificate"
VRRP_PATH: Final = "/1.0/vrrp"

# Where haproxy finds the files that are put at a load balancer's certificate paths: relative to where it is started.
CERTIFICATES: Final = "certificates"


def haproxy_path(amphora_id: str, load_balancer_id: str) -> str:
    """PUT: the load balancer's configuration, as text."""
    return f"/1.0/loadbalancer/{amphora_id}/{load_balancer_id}/haproxy"


def haproxy_text_path(load_balancer_id: str) -> str:
    """GET: the configuration that it runs."""
    return f"/1.0/loadbalancer/{load_balancer_id}/haproxy"


def action_path(load_balancer_id: str, action: str) -> str:
    """PUT: C{start}, C{stop}, C{reload}, or C{drain}, which tells in C{connections} how many there are still."""
    return f"/1.0/loadbalancer/{load_balancer_id}/{action}"


def removal_path(load_balancer_id: str) -> str:
    """DELETE: forget the load balancer."""
    return f"/1.0/listeners/{load_balancer_id}"


def certificate_path(load_balancer_id: str, name: str) -> str:
    """PUT, GET, DELETE: a file that the configuration names, C{NAME.pem}. PUT and GET answer its MD5 as C{ETag}."""
    return f"/1.0/loadbalancer/{load_balancer_id}/certificates/{name}"


def certificates_path(load_balancer_id: str) -> str:
    """GET: the MD5 of each such file, by its name: C{{"certificates": {"NAME.pem": "…"}}}. Our own agent has it."""
    return f"/1.0/loadbalancer/{load_balancer_id}/certificates"


def logs_path(load_balancer_id: str) -> str:
    """
    PUT: the terms of the load balancer's access log, see L{octavia_tx.wire.logs}. GET: C{left}, bytes that wait, and
    each of C{targets}; 404 where there's no log, or none any more. Our own agent has it.
    """
    return f"/1.0/loadbalancer/{load_balancer_id}/logs"


# What a controller serves to amphorae.
def log_terms_path(amphora_id: str) -> str:
    """GET: the present terms of its logs: C{{"load_balancers": [{"id": UUID, "fence": number, "logs": terms}]}}."""
    return f"/1.0/amphorae/{amphora_id}/logs"


def load_balancers_path(amphora_id: str) -> str:
    """
    GET: what the amphora should run::

        {"load_balancers": [{"id": UUID, "fence": number, "revision": number, "haproxy": text,
                             "certificates": {"NAME.pem": text}, "logs": terms}]}

    C{certificates} are all files that the configuration names. Without them the amphora keeps those that it has.
    C{logs} are as put to L{logs_path}, where the configuration logs.
    """
    return f"/1.0/amphorae/{amphora_id}/load_balancers"


def applied_path(amphora_id: str, load_balancer_id: str, fence: int, revision: int) -> str:
    """PUT, without a body: the amphora runs what it got with this fence and revision."""
    return f"{load_balancers_path(amphora_id)}/{load_balancer_id}/applied/{fence}/{revision}"


def peer_name(amphora_id: str) -> str:
    """
    The amphora's name among haproxy's peers: what both C{haproxy -L} and the configuration must say.

    The alphabet's last two characters are in OpenStack's order, C{_-}, not in that of RFC 4648. haproxy would take a
    leading hyphen for an option.
    """
    digest = hashlib.sha1(amphora_id.encode(), usedforsecurity=False).digest()
    name = base64.b64encode(digest, b"_-").decode().rstrip("=")
    return "x" + name[1:] if name.startswith("-") else name
