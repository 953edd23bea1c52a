"""Who owns a directory, and who is next."""

from __future__ import annotations

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from octavia_tx.db.ownership import Ownership


class OwnershipTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.directory = Path(self.mktemp())
        self.directory.mkdir()
        self.owner = self.one()
        self.other = self.one()

    def one(self) -> Ownership:
        made = Ownership(self.directory)
        self.addCleanup(made.wait_no_more)
        self.addCleanup(made.release)
        return made

    def test_one_at_a_time_owns_it(self) -> None:
        self.assertTrue(self.owner.claim())
        self.assertTrue(self.owner.claim(), "again is no error")
        self.assertFalse(self.other.claim())
        self.assertEqual((self.owner.held, self.other.held), (True, False))
        self.owner.release()
        self.assertTrue(self.other.claim())
        self.assertFalse(self.owner.held)

    def test_the_owner_learns_whether_anyone_waits(self) -> None:
        self.owner.claim()
        self.assertFalse(self.owner.awaited())
        another = self.one()
        for waiting in (self.other, another):
            waiting.wait()
            waiting.wait()
        self.assertTrue(self.owner.awaited())
        self.assertTrue(self.other.wait_no_more())
        self.assertTrue(self.owner.awaited(), "one still does")
        self.assertTrue(another.wait_no_more())
        self.assertFalse(self.owner.awaited())
        self.assertFalse(another.wait_no_more(), "it didn't any more")

    def test_an_owner_alone_leaves_one_file(self) -> None:
        self.owner.claim()
        self.owner.awaited()
        self.owner.release()
        self.owner.release()
        self.assertEqual([path.name for path in self.directory.iterdir()], ["owner.lock"])

    def test_a_lock_that_can_not_be_made_is_told(self) -> None:
        with self.assertRaises(OSError):
            Ownership(self.directory / "nowhere").claim()
        self.assertFalse(Ownership(self.directory / "nowhere").awaited())
