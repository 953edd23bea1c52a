"""
Where settings come from: one TOML file, C{OCTAVIA_TX_SECTION__KEY} in the environment over it. All mistakes at once.
"""

from __future__ import annotations

import math
import operator
import shutil
import ssl
import tomllib
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from functools import partial
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints
from urllib.parse import urlsplit

import cattrs
from attrs import fields

from octavia_tx import config, log_settings
from octavia_tx.config import Settings
from octavia_tx.errors import SettingsError
from octavia_tx.listening import Listen

ENVIRONMENT = "OCTAVIA_TX_"
_MOST = 1000  # of whatever is counted
_LARGEST = 2**30  # bytes of whatever is kept in one piece


def _text(given: object, _type: type) -> str:
    if not isinstance(given, str):
        raise ValueError(f"{given!r} isn't a text. Accepted: a text in quotes")
    return given


def _number(
    kind: type[int] | type[float], accepted: str, most: float, least: float = math.ulp(0.0)
) -> Callable[[object, object], float]:
    def structure(given: object, _type: object) -> float:
        if isinstance(given, (int, float, str)) and not isinstance(given, bool):
            with suppress(ValueError, OverflowError):
                number = kind(given)
                if least <= number <= most and number == float(given):
                    return number
        raise ValueError(f"{given!r} can't be used. Accepted: {accepted}")

    return structure


def _is_literal(wanted: Any) -> bool:
    return bool(get_origin(wanted) == Literal)


def _literal(given: object, wanted: object) -> str:
    accepted = get_args(wanted)
    if given not in accepted:
        raise ValueError(f"{given!r} isn't known. Accepted: {', '.join(accepted)}")
    return str(given)


def _texts(given: object, _type: object) -> tuple[str, ...]:
    if isinstance(given, str):
        return tuple(part.strip() for part in given.split(",") if part.strip())
    if isinstance(given, list) and all(isinstance(part, str) for part in given):
        return tuple(given)
    raise ValueError(f"{given!r} isn't a list of texts. Accepted: a list, or a text with commas")


def _directory(given: object, _type: object) -> Path:
    text = _text(given, str)
    if not text.strip():
        raise ValueError("it is empty. Accepted: a directory")
    return Path(text).expanduser().absolute()


def _listen(kind: str) -> Callable[[object, object], Listen]:
    def structure(given: object, _type: object) -> Listen:
        listen = Listen.parse(_text(given, str))
        if listen.kind != kind:
            raise ValueError(
                f"{given!r} is of the wrong kind. Accepted: {kind}:PORT, with or without :interface=ADDRESS"
            )
        return listen

    return structure


def _receivers(given: object, _type: object) -> tuple[str, ...]:
    for text in (texts := _texts(given, str)):
        host, _, port = text.rpartition(":")
        try:
            ip_address(host.removeprefix("[").removesuffix("]"))
            valid = 0 < int(port) < 65536
        except ValueError:
            valid = False
        if not valid:
            raise ValueError(f"{text!r} is no receiver. Accepted: ADDRESS:PORT, [ADDRESS]:PORT for IPv6")
    return texts


def _urls(given: object, _type: object) -> tuple[str, ...]:
    for text in (texts := _texts(given, str)):
        if urlsplit(text).scheme != "https" or not urlsplit(text).hostname:
            raise ValueError(f"{text!r} is no URL of this API. Accepted: https://HOST:PORT")
    return texts


def _auth_url(given: object, _type: object) -> str:
    text = _text(given, str)
    accepted = "Accepted: http(s)://HOST[:PORT][/PATH], without a user's name"
    if "@" in text:
        raise ValueError(f"it holds a user's name or password. {accepted}")
    if text and not _is_address(text):
        raise ValueError(f"{text!r} is no address of a service of OpenStack's. {accepted}")
    return text


def _is_address(text: str) -> bool:
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        return False
    plain = text.isascii() and text.isprintable() and not set(text) & set(' "?#\\')
    return plain and parts.scheme in {"http", "https"} and bool(parts.hostname) and port != 0


def _certificate(given: object, _type: object) -> str:
    text = _text(given, str)
    if not text:
        return ""
    try:
        ssl.create_default_context().load_verify_locations(text)
    except (OSError, ValueError) as error:
        reason = "it holds no certificate" if isinstance(error, ssl.SSLError) else "it can't be read"
        raise ValueError(f"{text!r}: {reason}. Accepted: a PEM file with certificates") from error
    return text


def _secret(given: object, _type: object) -> str:
    """A text that no complaint repeats."""
    if not isinstance(given, str):
        raise ValueError("it isn't a text. Accepted: a text in quotes")
    return given


def _base_uri(given: object, _type: object) -> str:
    text = _text(given, str)
    if text and ("@" in text or not _is_address(text)):
        raise ValueError(f"{text!r} is no URI of the API. Accepted: http(s)://HOST[:PORT][/PATH]")
    return text.rstrip("/")


def _program(given: object, _type: object) -> str:
    text = _text(given, str)
    if text and shutil.which(text) is None:
        raise ValueError(f"{text!r} is no program here. Accepted: a program's path or name")
    return text


def _templates(given: object, _type: object) -> str:
    text = _text(given, str)
    if text and not Path(text).is_dir():
        raise ValueError(f"{text!r} is no directory. Accepted: a directory with templates")
    return text


def _enabled(given: object, _type: object) -> dict[str, str]:
    """Names with descriptions, or names alone."""
    names = given if isinstance(given, dict) else dict.fromkeys(_texts(given, str), "")
    good = all(
        0 < len(name) <= 64 and name.isprintable() and isinstance(description, str) and len(description) <= 255
        for name, description in names.items()
    )
    if not names or not good:
        raise ValueError(f"{given!r} can't be used. Accepted: names, or a table of names and short descriptions")
    return names


def _tables(given: object, _type: object) -> dict[str, dict[str, Any]]:
    """A table for each name; what the environment says stands under the name and the key, C{NAME__KEY}."""
    found: dict[str, dict[str, Any]] = {}
    said: list[tuple[str, str, Any]] = []
    assert isinstance(given, dict)
    for name, table in given.items():
        owner, separator, key = name.partition("__")
        if isinstance(table, dict):
            found[name] = dict(table)
        elif separator and owner and key:
            said.append((owner, key, table))
        else:
            raise ValueError(f"{name} = {table!r} is nobody's. Accepted: [provider.NAME], and below it its settings")
    for owner, key, value in said:
        found.setdefault(owner, {})[key] = value
    return found


def _flag(given: Any, _: Any) -> bool:
    found = {True: True, False: False, "true": True, "false": False}.get(given) if type(given) in (bool, str) else None
    if found is None:
        raise ValueError(f"{given!r} isn't true or false")
    return found


_HOOKS: Mapping[object, Callable[[Any, Any], Any]] = {
    config.Count: _number(int, f"a whole number from 1 to {_MOST}", _MOST),
    config.Limit: _number(int, "a whole number from 0, or -1 for any", 2_000_000_000, -1),
    config.Bytes: _number(int, f"bytes, from 1 to {_LARGEST}", _LARGEST),
    config.Seconds: _number(float, "seconds, above 0", 1e9),
    config.Share: _number(float, "a share, from 0.01 to 0.8", 0.8, 0.01),
    config.Tcp: _listen("tcp"),
    config.Udp: _listen("udp"),
    config.Receivers: _receivers,
    config.Names: _texts,
    config.Port: _number(int, "a port, or 0 for the usual one", 65535, 0),
    config.Urls: _urls,
    config.AuthUrl: _auth_url,
    config.Certificate: _certificate,
    config.Secret: _secret,
    config.BaseUri: _base_uri,
    config.Program: _program,
    config.Templates: _templates,
    config.Enabled: _enabled,
    config.Tables: _tables,
    config.LogTargets: _tables,
}


def _converter() -> cattrs.Converter:
    converter = cattrs.Converter(forbid_extra_keys=True, detailed_validation=True)
    converter.register_structure_hook(str, _text)
    converter.register_structure_hook(bool, _flag)
    converter.register_structure_hook(Path, _directory)
    converter.register_structure_hook_func(_is_literal, _literal)
    for wanted, hook in _HOOKS.items():
        converter.register_structure_hook_func(partial(operator.is_, wanted), hook)
    return converter


def _overlay(given: dict[str, Any], environ: Mapping[str, str]) -> Iterator[str]:
    """Put the environment's values over the file's; say which of them name no setting."""
    for name, value in sorted(environ.items()):
        if not name.startswith(ENVIRONMENT):
            continue
        section, separator, key = name.removeprefix(ENVIRONMENT).lower().partition("__")
        if not separator or not key:
            yield f"{name} in the environment names no setting. Accepted: {ENVIRONMENT}SECTION__KEY"
        elif isinstance(given.setdefault(section, {}), dict):
            given[section][key] = value


def _problems(error: BaseException, path: str = "") -> Iterator[str]:
    """One sentence for each mistake in what cattrs found."""
    if isinstance(error, cattrs.ForbiddenExtraKeysError):
        known = ", ".join(a.name for a in fields(error.cl))
        for name in sorted(error.extra_fields):
            yield f"{path}{name}: no such setting. Known: {known}"
    elif isinstance(error, cattrs.BaseValidationError):
        grouped = error.group_exceptions()[0] if isinstance(error, cattrs.ClassValidationError) else []
        noted = {id(inner): note.name for inner, note in grouped}
        for inner in error.exceptions:
            name = noted.get(id(inner), "")
            leaf = "." if isinstance(inner, cattrs.BaseValidationError) else ""
            yield from _problems(inner, f"{path}{name}{leaf}")
    else:
        yield f"{path}: {error}"


def _beyond_loopback(api: config.ApiSettings) -> Iterator[str]:
    interface = api.listen.interface
    if api.auth == "noauth" and not (interface and ip_address(interface).is_loopback):
        yield (
            f"api.listen: noauth believes every caller and so listens on loopback alone, not on "
            f"{interface or 'all addresses'}. Accepted: tcp:{api.listen.port}:interface=127.0.0.1"
        )


_PASSWORD = ("username", "password", "project_name")
_APPLICATION = ("application_credential_id", "application_credential_secret")
_WANTED = {
    "auth_url": "http(s)://HOST[:PORT][/PATH]",
    "username": "our user's name there, or an application credential (application_credential_id) instead",
    "password": "our user's password",
    "project_name": "the project in which our user has the role service",
    "application_credential_id": "the id of our user's application credential",
    "application_credential_secret": "that credential's secret",
}


def _without_keystone(given: Mapping[str, Any]) -> Iterator[str]:
    """
    What the choice of keystone, or of what keystone lets us ask, needs and doesn't have.

    @param given: as written, for the sections themselves may be wrong in some other way.
    """
    keystone = given.get("keystone", {})
    wanting = [
        f"{section}.{key} is {choice}"
        for section, key, choice in (("api", "auth", "keystone"), ("certificates", "manager", "barbican"))
        if isinstance(table := given.get(section), dict) and table.get(key) == choice
    ]
    if not wanting or not isinstance(keystone, dict):
        return
    credentials = _APPLICATION if any(keystone.get(name) for name in _APPLICATION) else _PASSWORD
    for name in ("auth_url", *credentials):
        if keystone.get(name, "") == "":
            yield f"keystone.{name}: it is missing, and {wanting[0]}. Accepted: {_WANTED[name]}"
    if credentials is _APPLICATION:
        for name in _PASSWORD:
            if keystone.get(name):
                yield (
                    f"keystone.{name}: an application credential is given too, and says all by itself. "
                    f"Accepted: either that, or {', '.join(_PASSWORD)}"
                )


def _unlisted(providers: config.ProvidersSettings, tables: Mapping[str, Any]) -> Iterator[str]:
    known = ", ".join(providers.enabled)
    if providers.default and providers.default not in providers.enabled:
        yield f"providers.default: {providers.default!r} isn't enabled. Accepted: {known}"
    for name in sorted(set(tables) - set(providers.enabled)):
        yield f"provider.{name}: no provider of that name is enabled. Known: {known}"


def load(file: Path | None, environ: Mapping[str, str]) -> Settings:
    """
    The settings of a file, with the environment's over them.

    @raise SettingsError: naming every bad setting.
    """
    given: dict[str, Any] = {}
    if file is not None:
        try:
            given = tomllib.loads(file.read_text("utf-8"))
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise SettingsError((f"{file}: can't be read: {error}",)) from error
    problems = list(_overlay(given, environ))
    known: dict[str, Any] = get_type_hints(Settings)
    problems += [f"{name}: no such section. Known: {', '.join(known)}" for name in sorted(given) if name not in known]
    converter, sections = _converter(), {}
    for name, kind in known.items():
        section = given.get(name, {})
        try:
            if not isinstance(section, dict):
                raise ValueError(f"{section!r} is no section. Accepted: [{name}], and below it its settings")
            sections[name] = converter.structure(section, kind)
        except (cattrs.BaseValidationError, ValueError) as error:
            problems += _problems(error, f"{name}." if isinstance(error, cattrs.BaseValidationError) else name)
    if isinstance(api := sections.get("api"), config.ApiSettings):
        problems += _beyond_loopback(api)
    problems += _without_keystone(given)
    if isinstance(providers := sections.get("providers"), config.ProvidersSettings):
        problems += _unlisted(providers, sections.get("provider", {}))
    targets, wrong = log_settings.read(sections.get("log_targets", {}), converter.structure, _problems)
    sections["log_targets"] = targets
    problems += wrong
    if isinstance(logs := sections.get("logs"), config.LogsSettings):
        problems += log_settings.wrong(logs, targets)
    if problems:
        raise SettingsError(tuple(problems))
    return Settings(**sections)
