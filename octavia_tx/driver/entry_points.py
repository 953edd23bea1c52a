"""
The providers that are enabled: our own, and those that other installed packages bring.

A package brings one by an entry point of the group C{octavia_tx.provider_drivers}: its name is what tenants write, and
what it names is called with the provider's settings, a mapping, and gives an L{IProviderDriver}.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Final

from jsonschema import Draft202012Validator
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from zope.interface import Invalid
from zope.interface.verify import verifyObject

from octavia_tx.driver.registry import PATIENCE, TIMEOUT, Providers, octavia
from octavia_tx.errors import SettingsError
from octavia_tx.interfaces import IProviderDriver

GROUP: Final = "octavia_tx.provider_drivers"

_log = Logger()


def load_providers(
    enabled: Mapping[str, str],
    default: str,
    settings: Mapping[str, Mapping[str, Any]],
    amphora: IProviderDriver,
    clock: IReactorTime,
    timeout: float = TIMEOUT,
    patience: float = PATIENCE,
) -> Providers:
    """
    The providers that an operator has enabled.

    @param enabled: their names, and descriptions that take the place of their own where they aren't empty.
    @param default: the name of the usual one; empty: the first.
    @param settings: each one's own, by its name.
    @param amphora: our own, which is C{amphora} and C{octavia}.
    @param timeout: seconds in which one has to answer the API; C{patience}: in which it has to do what it provides.
    @raise SettingsError: naming each that can't be had, and why.
    """
    ours = {each.name: each for each in (amphora, octavia(amphora))}
    problems: list[str] = []
    found: list[IProviderDriver] = []
    for name in enabled:
        try:
            found.append(ours[name] if name in ours else _made(name, settings.get(name, {})))
        except SettingsError as error:
            problems += error.problems
    problems += [f"provider.{name}: it has no settings of its own" for name in sorted(ours.keys() & settings.keys())]
    if problems:
        raise SettingsError(tuple(problems))
    return Providers(
        tuple(found),
        clock,
        timeout=timeout,
        patience=patience,
        default=default or None,
        descriptions=enabled,
        aliased=False,
    )


def _made(name: str, settings: Mapping[str, Any]) -> IProviderDriver:
    point = _point(name)
    try:
        driver = point.load()(settings)
    except SettingsError as error:
        raise SettingsError(tuple(f"provider.{name}: {problem}" for problem in error.problems)) from error
    except (Exception, SystemExit) as error:  # noqa: BLE001  the boundary: third parties' code may fail in any way
        _log.failure("Provider {name} can't be made", name=name)
        told = f"{type(error).__name__}: {error}"
        raise SettingsError((f"providers.enabled: provider {name!r} ({point.value}) can't be made: {told}",)) from error
    wrong = tuple(f"providers.enabled: provider {name!r} ({point.value}) {what}" for what in _faults(name, driver))
    if wrong:
        raise SettingsError(wrong)
    return driver  # type: ignore[no-any-return]


def _point(name: str) -> EntryPoint:
    known = entry_points(group=GROUP)
    found = {point.value: point for point in known if point.name == name}
    if len(found) == 1:
        return next(iter(found.values()))
    why = f"is brought by several: {', '.join(found)}" if found else "isn't installed"
    accepted = ", ".join(sorted({"amphora", "octavia", *known.names}))
    raise SettingsError((f"providers.enabled: provider {name!r} {why}. Accepted: {accepted}",))


def _faults(name: str, driver: Any) -> Iterator[str]:
    """What keeps this from being a provider of that name."""
    try:
        verifyObject(IProviderDriver, driver)
    except Invalid as error:
        yield f"isn't one: {' '.join(str(error).split())}"
        return
    if driver.name != name:
        yield f"calls itself {driver.name!r}"
    for kind in ("flavor_schema", "availability_zone_schema"):
        try:
            Draft202012Validator.check_schema(getattr(driver, kind))
        except Exception as error:  # noqa: BLE001  the boundary, as above
            yield f"has a {kind} that is none: {str(error).splitlines()[0] if str(error) else type(error).__name__}"
