"""Access logs as the operator's settings have them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final, get_args
from urllib.parse import parse_qs, quote, urlsplit

from octavia_tx.amphora_driver.logs import Destination, Logging, Signing
from octavia_tx.config import Facility, LogTarget, Settings, SwiftTarget, SyslogTarget
from octavia_tx.errors import SettingsError
from octavia_tx.model.log_format import DEFAULT
from octavia_tx.wire.logs import Store, Syslog

_PORTS: Final = {"udp": 514, "tcp": 601, "tls": 6514}
_FACILITIES: Final = get_args(Facility)


def logging(settings: Settings, now: Callable[[], float]) -> Logging:
    """
    What the operator says of them.

    @raise SettingsError: a file can't be read.
    """
    own = settings.logs
    try:
        destinations = {name: _destination(name, target) for name, target in settings.log_targets.items()}
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError((f"log_targets: a file can't be read: {error}",)) from error
    return Logging(
        enabled=own.enabled,
        format=own.format or DEFAULT,
        targets=own.targets,
        destinations=destinations,
        spool=own.spool,
        rotate_bytes=own.rotate_bytes,
        rotate_after=own.rotate_after,
        farewell=own.farewell,
        now=now,
    )


def _destination(name: str, target: LogTarget) -> Destination:
    return _syslog(name, target) if isinstance(target, SyslogTarget) else _swift(name, target)


def _syslog(name: str, target: SyslogTarget) -> Syslog:
    return Syslog(
        name=name,
        host=target.host,
        port=target.port or _PORTS[target.transport],
        transport=target.transport,
        facility=_FACILITIES.index(target.facility),
        server=target.server_name or target.host,
        authorities=_text(target.cafile),
        certificate=_text(target.certificate),
    )


def _swift(name: str, target: SwiftTarget) -> Store | Signing:
    authorities = _text(target.cafile)
    if target.temp_url:
        parts = urlsplit(target.temp_url)
        prefix = parse_qs(parts.query)["temp_url_prefix"][-1]
        path = "/".join(parts.path[parts.path.index("/v1/") :].split("/")[:4])
        base = f"{parts.scheme}://{parts.netloc}{parts.path[: parts.path.index('/v1/')]}{path}"
        url = f"{base}/{quote(prefix)}{'' if prefix.endswith('/') else '/'}"
        return Store(name=name, url=url, query=parts.query, authorities=authorities)
    store = Store(
        name=name,
        url=f"{target.url}/{target.prefix}/",
        keystone=target.auth_url if target.application_credential_id else "",
        credential_id=target.application_credential_id,
        credential_secret=target.application_credential_secret,
        authorities=authorities,
    )
    if not target.temp_url_key:
        return store
    return Signing(
        store=store,
        container=urlsplit(target.url).path,
        key=target.temp_url_key,
        validity=target.temp_url_validity,
    )


def _text(path: str) -> str:
    return Path(path).read_text() if path else ""
