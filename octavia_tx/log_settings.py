"""Settings of access logs: which of them go together. L{octavia_tx.settings_file} reads them with this."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

import cattrs
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from octavia_tx.config import LogsSettings, LogTarget, LogTargets, SwiftTarget, SyslogTarget
from octavia_tx.model import log_format

KINDS: Final[Mapping[str, type[LogTarget]]] = {"swift": SwiftTarget, "syslog": SyslogTarget}
LEAST_SPOOL: Final = 1 << 16  # bytes
_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII).fullmatch
_HOST: Final = re.compile(r"[A-Za-z0-9._:-]{1,255}", re.ASCII).fullmatch
_PREFIX: Final = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*", re.ASCII).fullmatch
_CONTAINER: Final = re.compile(r".*/v1(\.0)?/[^/]+/[^/]+", re.ASCII).fullmatch
_WAYS: Final = ("temp_url_key", "temp_url", "application_credential_id")


def read(
    tables: Mapping[str, Any],
    structure: Callable[[Any, type[LogTarget]], LogTarget],
    problems: Callable[[BaseException, str], Iterator[str]],
) -> tuple[LogTargets, list[str]]:
    """
    Targets by their names, and what is wrong with them.

    @param structure: makes one of a table; raises what C{problems} puts into sentences.
    """
    found: dict[str, LogTarget] = {}
    wrong: list[str] = []
    for name, table in tables.items():
        where = f"log_targets.{name}"
        kind = KINDS.get(str(table.get("kind")))
        if _NAME(name) is None:
            wrong.append(f"{where}: no such name. Accepted: up to 64 letters, digits, - and _")
        elif kind is None:
            wrong.append(f"{where}.kind: {table.get('kind')!r} isn't known. Accepted: {', '.join(KINDS)}")
        else:
            try:
                made = structure(table, kind)
            except (cattrs.BaseValidationError, ValueError) as error:
                wrong += problems(error, f"{where}.")
            else:
                found[name] = made
                judge: Any = _swift if isinstance(made, SwiftTarget) else _syslog
                wrong += (f"{where}.{sentence}" for sentence in judge(made))
    return LogTargets(found), wrong


def wrong(logs: LogsSettings, targets: LogTargets) -> Iterator[str]:
    """What can't be, in sentences."""
    if logs.format:
        try:
            log_format.pieces(logs.format)
        except ValueError as error:
            yield f"logs.format: it {error}"
    for name in logs.targets:
        if name not in targets:
            yield f"logs.targets: there's no [log_targets.{name}]. Known: {', '.join(targets) or 'none'}"
    if logs.enabled and not targets:
        yield "logs.enabled: there's no target. Accepted: [log_targets.NAME], and below it its settings"
    if logs.spool < LEAST_SPOOL:
        yield f"logs.spool: {logs.spool} bytes are too few. Accepted: {LEAST_SPOOL} and more"


def _swift(target: SwiftTarget) -> Iterator[str]:
    given = [way for way in _WAYS if getattr(target, way)]
    if len(given) != 1:
        yield f"{given[0] if given else _WAYS[0]}: one of {', '.join(_WAYS)} is needed, and no more than one"
    if target.temp_url:
        if not is_temporary(target.temp_url):
            yield "temp_url: it isn't one with a prefix. Accepted: https://…/v1/…?temp_url_sig=…&temp_url_expires=…&temp_url_prefix=…"
    elif _CONTAINER(target.url) is None:
        yield f"url: {target.url!r} is no container's. Accepted: http(s)://HOST[:PORT]/v1/ACCOUNT/CONTAINER"
    if _PREFIX(target.prefix) is None:
        yield f"prefix: {target.prefix!r} can't be used. Accepted: letters, digits, -, _ and . with / between"
    yield from _credential(target)


def _credential(target: SwiftTarget) -> Iterator[str]:
    if not target.application_credential_id:
        for name in ("auth_url", "application_credential_secret"):
            if getattr(target, name):
                yield f"{name}: nobody asks for it without application_credential_id, which isn't given"
        return
    if not target.auth_url:
        yield "auth_url: it is missing. Accepted: http(s)://HOST[:PORT]/v3"
    if not target.application_credential_secret:
        yield "application_credential_secret: it is missing"


def is_temporary(url: str) -> bool:
    """Whether it is a temporary URL that holds for a prefix."""
    try:
        parts = urlsplit(url)
        query = parse_qs(parts.query)
    except ValueError:
        return False
    plain = url.isascii() and url.isprintable() and not set(url) & set(' "#\\')
    within = query.get("temp_url_prefix", [""])[-1]
    named = {"temp_url_sig", "temp_url_expires"} <= set(query) and bool(within)
    return plain and named and parts.scheme in {"http", "https"} and bool(parts.hostname) and "/v1/" in parts.path


def _syslog(target: SyslogTarget) -> Iterator[str]:
    if _HOST(target.host) is None:
        yield f"host: {target.host!r} can't be used. Accepted: a host's name or address"
    if target.transport != "tls":
        for name in ("server_name", "cafile", "certificate"):
            if getattr(target, name):
                yield f'{name}: nobody asks for it without TLS. Accepted: transport = "tls"'
    elif target.certificate:
        try:
            pem = Path(target.certificate).read_bytes()
            x509.load_pem_x509_certificate(pem)
            load_pem_private_key(pem, None)
        except (OSError, ValueError, TypeError):
            yield f"certificate: {target.certificate!r} isn't a certificate with its key. Accepted: a PEM file"
