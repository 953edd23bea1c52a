"""Barbican as the daemons ask it: with credentials and a catalogue of a real keystone's, as the settings say."""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path

from twisted.internet import reactor
from twisted.internet.threads import deferToThread

from octavia_tx.cloud.keystone import KeystoneIdentity
from octavia_tx.cloud.threads import Threads
from octavia_tx.cloud.validation import Validator
from octavia_tx.errors import CloudError, ReferenceMissing
from octavia_tx.settings_file import load
from octavia_tx.tap.parts import Parts
from octavia_tx.testing.certificates import WHERE, Material
from tests.integration.key_manager import KEYS, KeyManagerCase
from tests.integration.keystone import PASSWORD, TENANT, shared_keystone
from tests.integration.ports import free_port


class KeystoneTests(KeyManagerCase):
    """The embedded store is in barbican's place in the catalogue, and asks keystone whose tokens it gets."""

    timeout = 60

    async def _prepare(self) -> None:
        self.keystone = shared_keystone()
        credentials = self.keystone.credentials
        session = credentials.session()
        self.addCleanup(session.session.close)
        threads = Threads(reactor, 4, "keystone")
        threads.startService()
        self.addCleanup(threads.stopService)
        validator = Validator(threads, session, credentials.versioned_url)
        self.identity = KeystoneIdentity(reactor, validator.validate, credentials.auth_url, remember=300.0)
        await super()._prepare()
        self.addCleanup(await deferToThread(self.keystone.enter, "key-manager", f"{self.base}/key-manager"))

    def settings(self, **further: str) -> Path:
        """A file of settings, of a user who may read what the project has."""
        file = Path(self.mktemp())
        lines = "".join(f'{name} = "{value}"\n' for name, value in further.items())
        file.write_text(
            f'[certificates]\nmanager = "barbican"\n{lines}[keystone]\nauth_url = "{self.keystone.url}"\n'
            f'username = "member"\npassword = "{PASSWORD}"\nproject_name = "{TENANT}"\n'
        )
        return file

    async def stored(self, user: str, project: str, payload: bytes) -> str:
        """Store a secret, as that user; gives its reference."""
        token = await deferToThread(self.keystone.token, user, project)
        headers = {"X-Auth-Token": token}
        reply = await self.ask("POST", f"{KEYS}/secrets", {"name": "x"}, headers)
        self.assertEqual(reply.status, 201, reply)
        reference: str = reply.body["secret_ref"]
        media = {**headers, "Content-Type": "application/octet-stream"}
        reply = await self.ask("PUT", f"{KEYS}/{self.keeper.path(reference)}", None, media, payload)
        self.assertEqual(reply.status, 204, reply)
        return reference

    async def test_it_is_found_in_the_catalogue_and_read_with_our_token(self) -> None:
        made = Material.new()
        own = await self.stored("member", TENANT, made.pkcs12)
        others = await self.stored("other-member", "other", made.pkcs12)
        async with AsyncExitStack() as stack:
            kept = await Parts(reactor, load(self.settings(), {}), stack).certificates(self.database)
            assert kept.manager is not None
            self.assertIsNone(kept.vault)
            bundle = await kept.manager.bundle(own, "any", WHERE)
            self.assertEqual(bundle.certificate.encode(), made.certificate)
            with self.assertRaises(ReferenceMissing):
                await kept.manager.bundle(others, "any", WHERE)
        with self.assertRaises(RuntimeError):
            await kept.manager.bundle(own, "any", WHERE)

    async def test_a_place_of_the_settings_wins_and_trouble_there_is_told(self) -> None:
        own = await self.stored("member", TENANT, Material.new().pkcs12)
        for endpoint, error in ((f"{self.base}/key-manager", None), (f"http://127.0.0.1:{free_port()}", CloudError)):
            async with AsyncExitStack() as stack:
                settings = load(self.settings(endpoint=endpoint), {})
                kept = await Parts(reactor, settings, stack).certificates(self.database)
                assert kept.manager is not None
                if error is None:
                    await kept.manager.bundle(own, "any", WHERE)
                else:
                    with self.assertRaises(error):
                        await kept.manager.bundle(own, "any", WHERE)

    async def test_who_may_not_store_is_refused(self) -> None:
        token = await deferToThread(self.keystone.token, "reader", TENANT)
        for headers, status in (({"X-Auth-Token": token}, 403), ({}, 401)):
            reply = await self.ask("POST", f"{KEYS}/secrets", {"name": "x"}, headers)
            self.assertEqual(reply.status, status)
        reply = await self.ask("GET", f"{KEYS}/secrets", headers={"X-Auth-Token": token})
        self.assertEqual((reply.status, reply.body), (200, {"secrets": [], "total": 0}))
