"""What a new machine is given so that it becomes an amphora: its agent's settings and its own certificate."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path

from attrs import frozen
from cryptography import x509
from jinja2 import Environment, FileSystemLoader, StrictUndefined

import octavia_tx
from octavia_tx.interfaces import ICertificateAuthority
from octavia_tx.model.amphora import Boot
from octavia_tx.wire.keys import amphora_key
from octavia_tx.wire.tls import Credential, Role

_TEMPLATE = "agent/agent.toml.j2"


@frozen(kw_only=True)
class Issued:
    """
    A credential and what is worth recording of it.

    @ivar serial: of its certificate, in lower-case hexadecimal.
    @ivar expires: the end of the certificate's validity.
    """

    credential: Credential
    serial: str
    expires: datetime


@frozen(kw_only=True)
class Material:
    """A L{Boot}, and what is worth recording of it: see L{Issued}."""

    boot: Boot
    serial: str
    expires: datetime


class BootMaterial:
    """
    Makes it, for one amphora after the other.

    @param master_key: of which each amphora's heartbeat key is derived.
    @param receivers: C{address:port} of heartbeat receivers.
    @param controllers: URLs of the API for amphorae.
    @param interval: seconds between heartbeats.
    @param listen: where the agent listens, as Twisted's endpoints are written.
    @param haproxy: the program, as it is called on the machine.
    @param templates: a directory whose templates take the place of ours.
    """

    def __init__(
        self,
        authority: ICertificateAuthority,
        master_key: bytes,
        *,
        receivers: tuple[str, ...],
        controllers: tuple[str, ...],
        interval: float = 5.0,
        envelope: str = "octavia-tx",
        listen: str = "tcp:9443",
        haproxy: str = "haproxy",
        templates: Path | None = None,
    ) -> None:
        self._authority = authority
        self._master_key = master_key
        self._receivers = receivers
        self._controllers = controllers
        self._interval = interval
        self._envelope = envelope
        self._listen = listen
        self._haproxy = haproxy
        directories = [_directory()] if templates is None else [templates, _directory()]
        environment = Environment(
            loader=FileSystemLoader(directories),
            undefined=StrictUndefined,
            keep_trailing_newline=True,
            autoescape=False,
        )
        environment.filters["toml"] = _toml
        self._template = environment.get_template(_TEMPLATE)

    def make(self, amphora_id: str) -> Material:
        """Everything for this amphora, with a new certificate each time."""
        issued = self.issue(amphora_id)
        files = {
            "agent.toml": self.settings(amphora_id).encode(),
            "agent.pem": issued.credential.pem,
            "authority.pem": issued.credential.authority,
        }
        boot = Boot(amphora_id=amphora_id, files=files)
        return Material(boot=boot, serial=issued.serial, expires=issued.expires)

    def issue(self, amphora_id: str) -> Issued:
        """A new certificate for this amphora."""
        credential = self._authority.issue(Role.AMPHORA, amphora_id)
        certificate = x509.load_pem_x509_certificate(credential.pem)
        serial, expires = format(certificate.serial_number, "x"), certificate.not_valid_after_utc
        return Issued(credential=credential, serial=serial, expires=expires)

    def validity(self) -> timedelta:
        """For how long a certificate is valid that is issued now."""
        return self._authority.validity()

    def settings(self, amphora_id: str) -> str:
        """The agent's configuration file, as it should be now. Secret: it holds the heartbeat key."""
        return self._template.render(
            amphora_id=amphora_id,
            listen=self._listen,
            haproxy=self._haproxy,
            receivers=self._receivers,
            key=amphora_key(self._master_key, amphora_id).hex(),
            interval=float(self._interval),
            envelope=self._envelope,
            controllers=self._controllers,
        )


def _toml(text: str) -> str:
    """A TOML string. It is written as JSON's, but for one control character that JSON lets pass."""
    return json.dumps(str(text), ensure_ascii=False).replace("\x7f", "\\u007f")


def _directory() -> Path:
    """Where the templates lie: inside the installed package, or beside it in a checkout."""
    package = Path(octavia_tx.__file__).parent
    installed = package / "templates"
    return installed if installed.is_dir() else package.parent / "templates"
