"""Certificate managers over a real store keep the contract: the embedded one, and barbican's over its own words."""

from __future__ import annotations

from typing import Any

import openstack
from twisted.internet import reactor
from twisted.internet.defer import Deferred, maybeDeferred

from octavia_tx.cloud.barbican import BarbicanSource
from octavia_tx.cloud.certificates import CertificateManager
from octavia_tx.cloud.threads import Threads
from octavia_tx.testing.certificates import PROJECT, Material, Stage, make_certificate_manager_tests
from tests.integration.key_manager import KeyManagerCase, Tenant


async def _embedded(case: Any) -> Stage:
    foreign = await Tenant(case, "other").secret(Material.new().pkcs12)
    manager = CertificateManager(case.vault)

    async def silence() -> None:
        await case.database.stopService()

    return Stage(manager=manager, keeper=case.keeper, foreign=foreign, silence=silence)


async def _barbican(case: Any) -> Stage:
    foreign = await Tenant(case, "other").secret(Material.new().pkcs12)

    async def silence() -> None:
        await maybeDeferred(case.port.stopListening)
        await case.site_drained()

    return Stage(manager=barbican_over(case), keeper=case.keeper, foreign=foreign, silence=silence)


def barbican_over(case: Any) -> CertificateManager:
    """Barbican's manager, as a user in L{PROJECT}."""
    cloud = openstack.connect(
        auth_type="none", endpoint=case.base, key_manager_endpoint_override=f"{case.base}/key-manager"
    )
    cloud.session.additional_headers["X-Project-Id"] = PROJECT
    case.addCleanup(cloud.close)
    threads = Threads(reactor, 2, "barbican")
    threads.startService()
    case.addCleanup(threads.stopService)
    return CertificateManager(BarbicanSource(threads, cloud))


class EmbeddedManagerTests(make_certificate_manager_tests(_embedded), KeyManagerCase):  # type: ignore[misc]
    """The store in the database."""


class BarbicanManagerTests(make_certificate_manager_tests(_barbican), KeyManagerCase):  # type: ignore[misc]
    """Barbican, in whose place the embedded store answers."""

    async def site_drained(self) -> None:
        await Deferred.fromCoroutine(self.site.drain())
