"""
Settings: one TOML file, C{OCTAVIA_TX_SECTION__KEY} in the environment over it; typed, and all errors at once.

Nothing reads settings but the composition root in C{tap/}, which hands each part what it needs.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Literal, NewType, get_args, get_origin

import cattrs
from attrs import field, fields, frozen
from platformdirs import user_state_path

from octavia_tx.errors import SettingsError
from octavia_tx.listening import Listen

ENVIRONMENT = "OCTAVIA_TX_"


Seconds = NewType("Seconds", float)
Count = NewType("Count", int)


@frozen(kw_only=True)
class State:
    """@ivar directory: where everything of ours that must survive a restart lies."""

    directory: Path = field(factory=lambda: user_state_path("octavia-tx"))


@frozen(kw_only=True)
class DatabaseSettings:
    """
    @ivar dsn: C{postgresql://...}; empty: a private PostgreSQL under the state directory.
    @ivar connections: of each process.
    @ivar deadline: seconds until a transaction without an answer is given up.
    """

    dsn: str = ""
    connections: Count = Count(5)
    deadline: Seconds = Seconds(5.0)


@frozen(kw_only=True)
class ApiSettings:
    """
    @ivar listen: of the tenants' and operators' API.
    @ivar auth: C{noauth} believes every caller, and so listens on loopback alone.
    """

    listen: Listen = Listen("tcp", 9876, "127.0.0.1")
    auth: Literal["noauth"] = "noauth"


@frozen(kw_only=True)
class AmphoraApiSettings:
    """
    @ivar listen: of the controller's API for amphorae.
    @ivar urls: how amphorae reach it; empty: at the address listened on.
    """

    listen: Listen = Listen("tcp", 9444, "127.0.0.1")
    urls: tuple[str, ...] = ()


@frozen(kw_only=True)
class HealthSettings:
    """
    @ivar listen: of the heartbeat receiver.
    @ivar receivers: C{address:port} to which amphorae send; empty: the address listened on.
    @ivar interval: seconds between an amphora's heartbeats.
    @ivar flush_interval: seconds for which reports are gathered into one write.
    @ivar shared_key: the one key of OpenStack's amphorae, where there are any.
    """

    listen: Listen = Listen("udp", 5555, "127.0.0.1")
    receivers: tuple[str, ...] = ()
    interval: Seconds = Seconds(5.0)
    flush_interval: Seconds = Seconds(0.2)
    shared_key: str = field(default="", repr=False)


@frozen(kw_only=True)
class ComputeSettings:
    """@ivar driver: where amphorae's machines come from."""

    driver: Literal["process", "noop"] = "process"


@frozen(kw_only=True)
class NetworkSettings:
    """@ivar driver: where addresses come from."""

    driver: Literal["loopback", "noop"] = "loopback"


@frozen(kw_only=True)
class AmphoraSettings:
    """
    @ivar driver: how amphorae are spoken to.
    @ivar haproxy: the program that embedded amphorae run; empty: the system's, else the installed package's.
    @ivar templates: a directory whose templates take the place of ours.
    """

    driver: Literal["haproxy", "noop"] = "haproxy"
    haproxy: str = ""
    templates: str = ""


@frozen(kw_only=True)
class ControllerSettings:
    """
    @ivar lease: seconds for which a load balancer belongs to one controller, unless renewed.
    @ivar concurrency: load balancers worked on at once.
    @ivar boot_timeout: seconds for an amphora to come up.
    @ivar give_up_after: seconds of failures until a load balancer is shown as C{ERROR}; it is still retried.
    """

    lease: Seconds = Seconds(4.0)
    concurrency: Count = Count(16)
    boot_timeout: Seconds = Seconds(120.0)
    give_up_after: Seconds = Seconds(300.0)


@frozen(kw_only=True)
class Settings:
    """All of them; the names of the attributes are the sections of the file."""

    state: State = field(factory=State)
    database: DatabaseSettings = DatabaseSettings()
    api: ApiSettings = ApiSettings()
    amphora_api: AmphoraApiSettings = AmphoraApiSettings()
    health: HealthSettings = HealthSettings()
    compute: ComputeSettings = ComputeSettings()
    network: NetworkSettings = NetworkSettings()
    amphora: AmphoraSettings = AmphoraSettings()
    controller: ControllerSettings = ControllerSettings()


def _text(given: object, _type: type) -> str:
    if not isinstance(given, str):
        raise ValueError(f"{given!r} isn't a text. Accepted: a text in quotes")
    return given


def _number(kind: type[int] | type[float], accepted: str) -> Callable[[object, object], float]:
    def structure(given: object, _type: object) -> float:
        if isinstance(given, (int, float, str)) and not isinstance(given, bool):
            with suppress(ValueError, OverflowError):
                number = kind(given)
                if 0 < number < 1e9 and number == float(given):
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


def _texts(given: object, _type: type) -> tuple[str, ...]:
    if isinstance(given, str):
        return tuple(part.strip() for part in given.split(",") if part.strip())
    if isinstance(given, list) and all(isinstance(part, str) for part in given):
        return tuple(given)
    raise ValueError(f"{given!r} isn't a list of texts. Accepted: a list, or a text with commas")


def _converter() -> cattrs.Converter:
    converter = cattrs.Converter(forbid_extra_keys=True, detailed_validation=True)
    converter.register_structure_hook(str, _text)
    converter.register_structure_hook_func(lambda wanted: wanted is Count, _number(int, "a whole number above 0"))
    converter.register_structure_hook_func(lambda wanted: wanted is Seconds, _number(float, "seconds, above 0"))
    converter.register_structure_hook_func(_is_literal, _literal)
    converter.register_structure_hook_func(lambda wanted: wanted == tuple[str, ...], _texts)
    converter.register_structure_hook(Path, lambda given, _type: Path(_text(given, str)).expanduser())
    converter.register_structure_hook(Listen, lambda given, _type: Listen.parse(_text(given, str)))
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


def _beyond_loopback(settings: Settings) -> Iterator[str]:
    interface = settings.api.listen.interface
    if settings.api.auth == "noauth" and not (interface and ip_address(interface).is_loopback):
        yield (
            f"api.listen: noauth believes every caller and so listens on loopback alone, not on "
            f"{interface or 'all addresses'}. Accepted: tcp:{settings.api.listen.port}:interface=127.0.0.1"
        )


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
    settings = Settings()
    try:
        settings = _converter().structure(given, Settings)
    except cattrs.BaseValidationError as error:
        problems += _problems(error)
    else:
        problems += _beyond_loopback(settings)
    if problems:
        raise SettingsError(tuple(problems))
    return settings
