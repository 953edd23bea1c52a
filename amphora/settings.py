"""The agent's settings: one TOML file, whose directory holds all that the agent keeps."""

from __future__ import annotations

import ipaddress
import os
import re
import shutil
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit
from uuid import UUID

from attrs import field, frozen
from OpenSSL import SSL, crypto
from twisted.internet.ssl import TLSVersion

from amphora import network_settings
from amphora.certificates import in_memory
from amphora.network_settings import NetworkSettings
from octavia_tx.wire.rest import certificates_directories
from octavia_tx.wire.tls import Credential, MutualTLS, Peer, Role

ENVELOPES: Final = ("octavia-tx", "openstack")
CREDENTIAL: Final = "agent.pem"  # the agent's certificate and private key
KNOWN: Final = {
    "": ("amphora_id", "listen", "haproxy", "heartbeat", "controllers", "certificates", "network"),
    "heartbeat": ("receivers", "key", "interval", "envelope"),
    "controllers": ("urls",),
    "certificates": ("directory",),
    "network": network_settings.KNOWN,
}
_LISTEN: Final = re.compile(r"tcp:(?:port=)?(\d+)(?::interface=(\S+))?").fullmatch
_KEY: Final = re.compile(r"[0-9a-fA-F]{64}").fullmatch
T = TypeVar("T")
# The settings that a file with a text would have, at a path, with overrides of where it listens, and of haproxy.
Parse = Callable[[bytes, Path, str | None, str | None], "Settings"]


class BadSettings(Exception):
    """
    The agent can't start with these settings.

    @ivar problems: a sentence for each that is bad, all of them.
    """

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


@frozen
class Address:
    """An IP address and a port. An empty C{host} stands for all of the machine's."""

    host: str
    port: int


@frozen(kw_only=True)
class Heartbeat:
    """
    Whom to tell that the amphora lives, and how.

    @ivar interval: seconds between heartbeats.
    @ivar envelope: one of L{ENVELOPES}.
    """

    receivers: tuple[Address, ...]
    key: bytes = field(repr=False)
    interval: float
    envelope: str


@frozen(kw_only=True)
class Settings:
    """
    All that the agent is told.

    @ivar directory: where it keeps what it writes.
    @ivar haproxy: path of the program.
    @ivar controllers: URLs of those whom it asks for its configuration.
    @ivar credential_file: where the agent's own certificate and key lie.
    @ivar certificates: where tenants' certificates and private keys lie; C{None} where there's no place for them.
    @ivar controller: who may command it.
    @ivar least_tls: what controllers must speak at least.
    @ivar preamble: what haproxy reads before each configuration.
    """

    directory: Path
    amphora_id: str
    listen: Address
    haproxy: str
    heartbeat: Heartbeat
    controllers: tuple[str, ...]
    certificates: Path | None
    credential: Credential
    credential_file: Path
    controller: Peer = Peer(role=Role.CONTROLLER)
    least_tls: TLSVersion = TLSVersion.TLSv1_2
    preamble: str = ""
    network: NetworkSettings = NetworkSettings()


def read(path: Path, listen: str | None = None, haproxy: str | None = None, reader: Parse | None = None) -> Settings:
    """
    The settings in a file, and the credential beside it.

    @param listen: in place of the file's C{listen}.
    @param haproxy: in place of the file's C{haproxy}.
    @param reader: of another kind of file, in place of L{parse}.
    @raise BadSettings: listing all that is wrong.
    """
    try:
        text = path.read_bytes()
    except OSError as e:
        raise BadSettings((f"{path}: can't be read: {e.strerror}.",)) from e
    return (reader or parse)(text, path, listen, haproxy)


def parse(text: bytes, path: Path, listen: str | None = None, haproxy: str | None = None) -> Settings:
    """
    The settings that a file with this text at this path would have, with the credential beside it. As by L{read}.

    @raise BadSettings: listing all that is wrong.
    """
    try:
        document = tomllib.loads(text.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as e:
        raise BadSettings((f"{path}: not TOML: {e}.",)) from e
    overrides = {"listen": listen, "haproxy": haproxy}
    return _Reader(path, document | {name: given for name, given in overrides.items() if given is not None}).settings()


class _Reader:
    """Takes values out of a document, and remembers every complaint."""

    def __init__(self, path: Path, document: dict[str, Any]) -> None:
        self._path = path
        self._document = document
        self._problems: list[str] = []

    def settings(self) -> Settings:
        self._complain_of_unknown()
        heartbeat = Heartbeat(
            receivers=self._value("heartbeat", "receivers", receivers) or (),
            key=self._value("heartbeat", "key", _key) or b"",
            interval=self._value("heartbeat", "interval", interval, 5.0) or 5.0,
            envelope=self._value("heartbeat", "envelope", _envelope, "octavia-tx") or "",
        )
        settings = Settings(
            directory=self._path.parent.absolute(),
            amphora_id=self._value("", "amphora_id", identifier) or "",
            listen=self._value("", "listen", listening, "tcp:9443") or Address("", 0),
            haproxy=self._value("", "haproxy", program, "haproxy") or "",
            heartbeat=heartbeat,
            controllers=self._value("controllers", "urls", _urls, []) or (),
            certificates=self._certificates(),
            credential=self._credential(),
            credential_file=self._path.parent.absolute() / CREDENTIAL,
            network=self._network(),
        )
        if self._problems:
            raise BadSettings(tuple(self._problems))
        return settings

    def _value(self, section: str, name: str, read: Callable[[Any], T], default: object = None) -> T | None:
        table = self._document.get(section, {}) if section else self._document
        value = table.get(name, default) if isinstance(table, dict) else default
        shown = f"{section}.{name}" if section else name
        if value is None:
            self._problems.append(f"{shown}: missing.")
            return None
        try:
            return read(value)
        except ValueError as e:
            self._problems.append(f"{shown}: {e}.")
            return None

    def _complain_of_unknown(self) -> None:
        for section, known in KNOWN.items():
            table = self._document.get(section, {}) if section else self._document
            if not isinstance(table, dict):
                self._problems.append(f"{section}: must be a table.")
                continue
            self._problems += [
                f"{section + '.' if section else ''}{name}: unknown. Known here: {', '.join(known)}."
                for name in table
                if name not in known
            ]

    def _network(self) -> NetworkSettings:
        return NetworkSettings(
            namespace=self._value("network", "namespace", network_settings.namespace, "") or None,
            topology=self._value("network", "topology", network_settings.topology, "SINGLE") or "",
        )

    def _certificates(self) -> Path | None:
        if "certificates" in self._document:
            return self._value("certificates", "directory", _directory)
        try:
            places = certificates_directories(identifier(self._document.get("amphora_id")))
        except ValueError:
            return None  # which is complained of already
        return next((place for place in places if in_memory(place) and os.access(place.parent, os.W_OK)), None)

    def _credential(self) -> Credential:
        pem, authority = (self._path.parent / name for name in (CREDENTIAL, "authority.pem"))
        try:
            return credential(pem, authority)
        except BadSettings as e:
            self._problems += e.problems
            return Credential(pem=b"", authority=b"")


def credential(pem: Path, authority: Path) -> Credential:
    """
    The credential in two files.

    @raise BadSettings: there's none.
    """
    contents, problems = [], []
    for path in (pem, authority):
        try:
            contents.append(path.read_bytes())
        except OSError as e:
            problems.append(f"{path}: can't be read: {e.strerror}.")
    if problems:
        raise BadSettings(tuple(problems))
    found = Credential(pem=contents[0], authority=contents[1])
    try:
        MutualTLS(found, Peer(role=Role.CONTROLLER))
    except (SSL.Error, crypto.Error, ValueError) as e:
        raise BadSettings(
            (
                f"{pem.name}, {authority.name}: not a certificate with its key, and an authority's certificate: "
                f"{type(e).__name__}.",
            )
        ) from e
    return found


def _text(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError("must be a text that isn't empty")
    return value


def _texts(value: object) -> list[str]:
    if not isinstance(value, list):
        raise ValueError("must be a list of texts")
    return [_text(v) for v in value]


def identifier(value: object) -> str:
    """The id that a value holds. Raises L{ValueError} for anything else."""
    try:
        return str(UUID(_text(value)))
    except ValueError as e:
        raise ValueError("must be a UUID") from e


def listening(value: object) -> Address:
    """Where a value says that the agent listens. Raises L{ValueError} for anything else."""
    match = _LISTEN(_text(value))
    if match is None:
        raise ValueError(f"{value!r} isn't of the form tcp:PORT or tcp:PORT:interface=ADDRESS")
    interface = (match[2] or "").replace("\\:", ":").strip("[]")
    if interface:
        _ip(interface)
    return Address(interface, _port(match[1], least=0))


def _directory(value: object) -> Path:
    path = Path(_text(value))
    if not path.is_absolute():
        raise ValueError(f"{value!r} isn't a whole path")
    return path


def program(value: object) -> str:
    """The path of the program that a value names. Raises L{ValueError} for anything else."""
    found = shutil.which(_text(value))
    if found is None:
        raise ValueError(f"there's no program {value!r}")
    return str(Path(found).absolute())


def receivers(value: object) -> tuple[Address, ...]:
    """The addresses that a list of texts names, at least one. Raises L{ValueError} for anything else."""
    found = tuple(_receiver(text) for text in _texts(value))
    if not found:
        raise ValueError("must name at least one receiver")
    return found


def _receiver(text: str) -> Address:
    host, colon, port = text.rpartition(":")
    bare = host.removeprefix("[").removesuffix("]")
    if not colon or (":" in bare and bare == host):
        raise ValueError(f"{text!r} isn't of the form ADDRESS:PORT or [ADDRESS]:PORT")
    return Address(_ip(bare), _port(port))


def _ip(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError as e:
        raise ValueError(f"{text!r} isn't an IP address") from e


def _port(text: str, least: int = 1) -> int:
    if not text.isascii() or not text.isdigit() or not least <= int(text) <= 65535:
        raise ValueError(f"{text!r} isn't a port; accepted: {least} to 65535")
    return int(text)


def _key(value: object) -> bytes:
    if not isinstance(value, str) or not _KEY(value):
        raise ValueError("must be 64 hexadecimal digits")
    return bytes.fromhex(value)


def interval(value: object) -> float:
    """The seconds that a value holds. Raises L{ValueError} for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0.1 <= value <= 3600:
        raise ValueError("must be a number of seconds from 0.1 to 3600")
    return float(value)


def _envelope(value: object) -> str:
    if value not in ENVELOPES:
        raise ValueError(f"{value!r} isn't known; accepted: {', '.join(ENVELOPES)}")
    return str(value)


def _urls(value: object) -> tuple[str, ...]:
    for url in _texts(value):
        try:
            parts = urlsplit(url)
            usable = parts.scheme == "https" and parts.hostname and parts.port != 0 and parts.path in ("", "/")
        except ValueError:
            usable = False
        if not usable:
            raise ValueError(f"{url!r} isn't of the form https://HOST:PORT")
    return tuple(url.rstrip("/") for url in _texts(value))
