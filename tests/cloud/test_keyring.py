"""The keys that seal tenants' secrets."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from uuid import uuid4

from cryptography.fernet import Fernet
from twisted.trial.unittest import SynchronousTestCase

from octavia_tx.cloud.keyring import FILE, Keyring
from octavia_tx.errors import CloudError, SettingsError

PAYLOAD = b"-----BEGIN PRIVATE KEY-----\x00\xff"


class KeyringTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.path = Path(self.mktemp()) / "state" / FILE
        self.label = str(uuid4())

    def load(self) -> Keyring:
        return Keyring.load_or_create(self.path)

    def test_what_one_process_seals_another_opens(self) -> None:
        sealed = self.load().close(self.label, PAYLOAD)
        self.assertNotIn("PRIVATE", sealed)
        self.assertEqual(self.load().open(self.label, sealed), PAYLOAD)

    def test_only_its_owner_may_read_the_file(self) -> None:
        mask = os.umask(0)
        try:
            self.load()
        finally:
            os.umask(mask)
        self.assertEqual(stat.S_IMODE(self.path.stat().st_mode), 0o600)
        self.path.chmod(0o640)
        self.assertIn("chmod 0600", str(self.assertRaises(SettingsError, self.load)))

    def test_a_new_key_seals_and_the_old_one_still_opens(self) -> None:
        sealed = self.load().close(self.label, PAYLOAD)
        new = Fernet.generate_key()
        self.path.write_bytes(new + b"\n\n" + self.path.read_bytes())
        both = self.load()
        self.assertEqual(both.open(self.label, sealed), PAYLOAD)
        self.assertEqual(Keyring((new,)).open(self.label, both.close(self.label, PAYLOAD)), PAYLOAD)
        error = self.assertRaises(CloudError, Keyring((new,)).open, self.label, sealed)
        self.assertIn(self.label, str(error))

    def test_what_is_sealed_for_one_secret_is_not_opened_for_another(self) -> None:
        keys = self.load()
        self.assertRaises(CloudError, keys.open, str(uuid4()), keys.close(self.label, PAYLOAD))

    def test_a_damaged_file_is_refused_and_not_repeated(self) -> None:
        self.load()
        for content in (b"", b"\n", b"nonsense\n", Fernet.generate_key()[:-4] + b"\n"):
            self.path.write_bytes(content)
            error = self.assertRaises(SettingsError, self.load)
            self.assertIn(str(self.path), str(error))
            self.assertFalse(content.strip() and content.decode().strip() in str(error))
