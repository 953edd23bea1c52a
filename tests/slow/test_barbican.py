"""The certificate manager for barbican over a real one, with a real keystone's tokens, as the settings make it."""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase

from octavia_tx.errors import ReferenceDenied
from octavia_tx.interfaces import ICertificateManager
from octavia_tx.model.certificates import from_parts
from octavia_tx.settings_file import load
from octavia_tx.tap.parts import Parts
from octavia_tx.testing.certificates import PROJECT, WHERE, Material, Stage, make_certificate_manager_tests
from tests.integration.keystone import OTHER, PASSWORD, SERVICES, TENANT, shared_keystone
from tests.slow.barbican import READER, Barbican, Tenant

_running: list[Barbican] = []


def _barbican() -> Barbican:
    """This process's, which may hold what other tests left."""
    if not _running:
        _running.append(Barbican(shared_keystone()))
        reactor.addSystemEventTrigger("after", "shutdown", _remove)
    return _running[0]


def _remove() -> None:
    while _running:
        _running.pop().remove()


async def _tenant(user: str = "member", project: str = TENANT, *, lets_read: bool = True) -> Tenant:
    barbican, keystone = _barbican(), shared_keystone()
    token = await deferToThread(keystone.token, user, project)
    return Tenant(barbican.base, token, (keystone.users[READER],) if lets_read else ())


async def _manager(case: TestCase) -> ICertificateManager:
    """As the daemons have it."""
    file = Path(case.mktemp())
    file.write_text(
        f'[certificates]\nmanager = "barbican"\nendpoint = "{_barbican().base}"\n'
        f'[keystone]\nauth_url = "{shared_keystone().url}"\n'
        f'username = "{READER}"\npassword = "{PASSWORD}"\nproject_name = "{SERVICES}"\n'
    )
    stack = AsyncExitStack()
    case.addCleanup(lambda: Deferred.fromCoroutine(stack.aclose()))
    database: Any = None  # is asked for nothing
    kept = await Parts(reactor, load(file, {}), stack).certificates(database)
    assert kept.manager is not None
    return kept.manager


async def _stage(case: TestCase) -> Stage:
    foreign = await (await _tenant("other-member", OTHER, lets_read=False)).secret(Material.new().pkcs12)

    async def silence() -> None:
        _remove()

    return Stage(manager=await _manager(case), keeper=await _tenant(), foreign=foreign, silence=silence)


class BarbicanTests(make_certificate_manager_tests(_stage)):  # type: ignore[misc]
    """It keeps the contract."""

    timeout = 120


class AccessTests(TestCase):
    """What tenants let us read, and what not."""

    timeout = 120

    async def denied(self, asking: Any) -> str:
        with self.assertRaises(ReferenceDenied) as caught:
            await asking
        return str(caught.exception)

    async def test_a_secret_is_read_once_its_owner_lets_us_and_until_they_do_not(self) -> None:
        manager, made = await _manager(self), Material.new()
        owner = await _tenant(lets_read=False)
        reference = await owner.secret(made.pkcs12)
        told = await self.denied(manager.bundle(reference, PROJECT, WHERE))
        for word in (WHERE, reference.rpartition("/")[2]):
            self.assertIn(word, told)
        # What the tenant is told to do.
        reader = told.partition("openstack acl user add --user ")[2].split()[0]
        await owner.let_read(reference, reader)
        bundle = await manager.bundle(reference, PROJECT, WHERE)
        self.assertEqual(bundle.certificate.encode(), made.certificate)
        await owner.let_read(reference)
        await self.denied(manager.secret(reference, PROJECT, WHERE))

    async def test_of_a_container_each_secret_must_be_readable(self) -> None:
        manager, made = await _manager(self), Material.new()
        owner, reader = await _tenant(lets_read=False), shared_keystone().users[READER]
        parts = {
            "certificate": await owner.secret(made.certificate),
            "private_key": await owner.secret(made.key),
        }
        container = await owner.container(parts)
        waiting = {"containers": container, **parts}
        for reference in waiting.values():
            told = await self.denied(manager.bundle(container, PROJECT, WHERE))
            self.assertIn(reference.rpartition("/")[2], told)
            await owner.let_read(reference, reader)
        bundle = await manager.bundle(container, PROJECT, WHERE)
        self.assertEqual(bundle, from_parts(made.certificate, made.key))
