"""C{twistd octavia-controller}: the whole system in one process."""

from __future__ import annotations

from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Any

from twisted.application.service import IService

from octavia_tx.config import Settings
from octavia_tx.controller.boots import BootMaterial
from octavia_tx.controller.service import ControllerService, ConvergenceSettings
from octavia_tx.resources import Resources, entered
from octavia_tx.tap.options import DaemonOptions, fatal
from octavia_tx.tap.parts import Parts


class Options(DaemonOptions):
    """The controller's command line."""

    synopsis = "[options]"
    longdesc = (
        "Runs the whole of Octavia-TX: convergence, the API for amphorae, and, unless told otherwise, the tenants' "
        "API and the heartbeat receiver. Without settings it keeps a private PostgreSQL under the state directory "
        "and runs amphorae as child processes. It is one process and has no workers: for more of the API than one "
        "process serves, run it --without-api, and beside it octavia-api --workers."
    )
    optFlags = [
        ["without-api", None, "Don't serve the tenants' API; octavia-api does."],
        ["without-health", None, "Don't receive heartbeats; octavia-health does."],
    ]


async def _open(reactor: Any, settings: Settings, *, api: bool, health: bool, stack: AsyncExitStack) -> None:
    parts = Parts(reactor, settings, stack)
    parts.heed_hangup()
    await parts.check_templates()
    providers = parts.providers()
    database = await parts.database(owner=True)
    authority = parts.authority()
    renderer = parts.renderer()
    receiver = (
        await parts.health(authority, database)
        if health
        else settings.health.listen.reachable(settings.health.listen.port)
    )
    kept = await parts.certificates(database)
    url = parts.amphora_api(authority, database, renderer, kept)
    boots = BootMaterial(
        authority,
        authority.heartbeat_key,
        receivers=settings.health.receivers or (receiver,),
        controllers=settings.amphora_api.urls or (url,),
        interval=settings.health.interval,
        templates=Path(settings.amphora.templates) if settings.amphora.templates else None,
    )
    await entered(
        stack,
        ControllerService(
            reactor,
            database,
            await parts.compute(),
            parts.network(),
            parts.amphora_driver(authority, renderer),
            boots,
            providers,
            _convergence(settings),
            certificates=kept.manager,
            logged=parts.logging().is_on,
        ),
    )
    if api:
        await parts.api(database, providers, kept)


def _convergence(settings: Settings) -> ConvergenceSettings:
    own = settings.controller
    return ConvergenceSettings(
        lease_seconds=own.lease,
        concurrency=own.concurrency,
        boot_timeout=own.boot_timeout,
        drain=own.drain,
        give_up_after=own.give_up_after,
        history=own.history,
        rotation=settings.certificates.look,
        renewal=own.certificate_renewal,
    )


def makeService(options: Options) -> IService:
    """The controller, from its command line."""
    from twisted.internet import reactor

    opening = partial(
        _open, reactor, options.settings, api=not options["without-api"], health=not options["without-health"]
    )
    return Resources(lambda stack: opening(stack=stack), partial(fatal, reactor))
