"""
The settings with which OpenStack's controllers boot an amphora, and which they send it later: an INI file.

What isn't read here is for programs that this agent has no use for, or for controllers; it may be there.
"""

from __future__ import annotations

import os
import pwd
from collections.abc import Callable
from configparser import ConfigParser, Error
from ipaddress import ip_address
from pathlib import Path
from typing import Final, TypeVar

from twisted.internet.ssl import TLSVersion

from amphora.network_settings import NetworkSettings, topology
from amphora.preamble import preamble
from amphora.settings import (
    Address,
    BadSettings,
    Heartbeat,
    Settings,
    credential,
    identifier,
    interval,
    listening,
    program,
    receivers,
)
from octavia_tx.wire.tls import Credential, Peer

SUFFIX: Final = ".conf"
_AGENT: Final = "amphora_agent"
_HAPROXY: Final = "haproxy_amphora"
_HEALTH: Final = "health_manager"
NAMESPACE: Final = "amphora-haproxy"  # where traffic flows in their image; without root there's none
# What is spoken at least, where their setting names it: nothing before 1.2, whatever it says.
_TLS: Final[dict[str, TLSVersion]] = {
    "SSLv3": TLSVersion.TLSv1_2,
    "TLSv1": TLSVersion.TLSv1_2,
    "TLSv1.1": TLSVersion.TLSv1_2,
    "TLSv1.2": TLSVersion.TLSv1_2,
    "TLSv1.3": TLSVersion.TLSv1_3,
}
T = TypeVar("T")


def parse(text: bytes, path: Path, listen: str | None = None, haproxy: str | None = None) -> Settings:
    """
    The settings that a file with this text at this path would have.

    @param listen: in place of the file's C{bind_host} and C{bind_port}, as L{listening} reads it.
    @param haproxy: in place of the file's C{haproxy_cmd}.
    @raise BadSettings: listing all that is wrong.
    """
    # No section's settings are those of others, and no value refers to another.
    file = ConfigParser(
        default_section="", interpolation=None, strict=False, comment_prefixes=("#", ";"), inline_comment_prefixes=None
    )
    try:
        file.read_string(text.decode(), str(path))
    except (Error, UnicodeDecodeError) as e:
        raise BadSettings((f"{path}: not an INI file: {type(e).__name__}.",)) from e
    return _Reader(file).settings(listen, haproxy)


class _Reader:
    """Takes values out of a file, and remembers every complaint."""

    def __init__(self, file: ConfigParser) -> None:
        self._file = file
        self._problems: list[str] = []

    def settings(self, listen: str | None, haproxy: str | None) -> Settings:
        heartbeat = Heartbeat(
            receivers=self._value(_HEALTH, "controller_ip_port_list", _receivers) or (),
            key=self._value(_HEALTH, "heartbeat_key", str.encode) or b"",
            interval=self._value(_HEALTH, "heartbeat_interval", _interval, "10") or 10.0,
            envelope="openstack",
        )
        pem = self._value(_AGENT, "agent_server_cert", _path, "/etc/octavia/certs/server.pem")
        settings = Settings(
            directory=self._value(_HAPROXY, "base_path", _path, "/var/lib/octavia") or Path(),
            amphora_id=self._value(_AGENT, "amphora_id", identifier) or "",
            listen=self._listen(listen),
            haproxy=self._value(_HAPROXY, "haproxy_cmd", lambda v: program(haproxy or v), "/usr/sbin/haproxy") or "",
            heartbeat=heartbeat,
            controllers=(),
            certificates=self._value(_HAPROXY, "base_cert_dir", _path, "/var/lib/octavia/certs"),
            credential=self._credential(pem),
            credential_file=pem or Path(),
            controller=Peer(role=None),
            least_tls=self._value(_AGENT, "agent_tls_protocol", _tls, "TLSv1.2") or TLSVersion.TLSv1_2,
            preamble=preamble(os.geteuid(), os.getegid(), _nobody()),
            network=NetworkSettings(
                namespace=None if os.geteuid() else NAMESPACE,
                topology=self._value("controller_worker", "loadbalancer_topology", topology, "SINGLE") or "",
            ),
        )
        if self._problems:
            raise BadSettings(tuple(self._problems))
        return settings

    def _value(self, section: str, name: str, read: Callable[[str], T], default: str | None = None) -> T | None:
        value = self._file.get(section, name, fallback=default)
        if value is None or not (value := _unquoted(value)):
            self._problems.append(f"[{section}] {name}: missing.")
            return None
        try:
            return read(value)
        except ValueError as e:
            self._problems.append(f"[{section}] {name}: {e}.")
            return None

    def _listen(self, given: str | None) -> Address:
        if given is not None:
            try:
                return listening(given)
            except ValueError as e:
                self._problems.append(f"listen: {e}.")
        host = self._value(_HAPROXY, "bind_host", lambda v: str(ip_address(v)), "::")
        return Address(host or "", self._value(_HAPROXY, "bind_port", _port, "9443") or 0)

    def _credential(self, pem: Path | None) -> Credential:
        authority = self._value(_AGENT, "agent_server_ca", _path, "/etc/octavia/certs/client_ca.pem")
        if pem is not None and authority is not None:
            try:
                return credential(pem, authority)
            except BadSettings as e:
                self._problems += e.problems
        return Credential(pem=b"", authority=b"")


def _unquoted(value: str) -> str:
    """Their files may have quotes around a value."""
    return value[1:-1] if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'" else value


def _receivers(value: str) -> tuple[Address, ...]:
    return receivers([_bracketed(part.strip()) for part in value.split(",") if part.strip()])


def _bracketed(address: str) -> str:
    """Theirs may be of IPv6 without brackets."""
    host, _, port = address.rpartition(":")
    return f"[{host}]:{port}" if ":" in host and not host.startswith("[") else address


def _interval(value: str) -> float:
    try:
        seconds = float(value)
    except ValueError:
        seconds = -1.0
    return interval(seconds)


def _port(value: str) -> int:
    return listening(f"tcp:{value}").port


def _path(value: str) -> Path:
    path = Path(value)
    if not path.is_absolute():
        raise ValueError(f"{value!r} isn't a whole path")
    return path


def _tls(value: str) -> TLSVersion:
    if value not in _TLS:
        raise ValueError(f"{value!r} isn't known; accepted: {', '.join(_TLS)}")
    return _TLS[value]


def _nobody() -> int | None:
    """The group of the user as whom their configurations have haproxy run; C{None} where there's no such user."""
    try:
        return pwd.getpwnam("nobody").pw_gid
    except KeyError:
        return None
