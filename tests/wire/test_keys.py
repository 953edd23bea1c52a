from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from octavia_tx.wire.keys import amphora_key

ONE, OTHER = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"


class AmphoraKey(SynchronousTestCase):
    """L{amphora_key}."""

    def test_it_is_always_the_same_for_the_same_amphora(self) -> None:
        self.assertEqual(amphora_key(b"m" * 32, ONE), amphora_key(b"m" * 32, ONE))

    def test_it_stays_the_same_across_versions(self) -> None:
        """Amphorae that run keep the key that they were booted with."""
        expected = "61b95d982f98e6c8a0c627f3b8e0f63dad45987870363656f3758004a39dd7ed"
        self.assertEqual(amphora_key(bytes(32), ONE).hex(), expected)

    def test_each_amphora_has_its_own(self) -> None:
        self.assertNotEqual(amphora_key(b"m" * 32, ONE), amphora_key(b"m" * 32, OTHER))

    def test_another_master_key_gives_another(self) -> None:
        self.assertNotEqual(amphora_key(b"m" * 32, ONE), amphora_key(b"n" * 32, ONE))

    def test_it_has_32_bytes(self) -> None:
        self.assertEqual(len(amphora_key(b"m" * 32, ONE)), 32)
