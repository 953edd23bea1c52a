"""Tests of C{octavia_tx.cloud.machines}."""

from __future__ import annotations

import shutil
from ipaddress import ip_address, ip_network
from pathlib import Path
from uuid import uuid4

from twisted.trial.unittest import SynchronousTestCase

from octavia_tx.cloud.addresses import MANAGEMENT
from octavia_tx.cloud.machines import Machines, Place
from octavia_tx.errors import OutOfResources
from octavia_tx.model.addresses import sequence
from octavia_tx.model.amphora import Boot
from octavia_tx.testing.compute import plain_boot
from octavia_tx.wire.rest import certificates_directories


class MachinesTests(SynchronousTestCase):
    """L{Machines}."""

    def setUp(self) -> None:
        self.root = Path(self.mktemp()).resolve()
        self.busy: set[str] = set()
        self.machines = Machines(self.root, lambda address: address not in self.busy)
        self.machines.open()
        self.amphora_id = str(uuid4())

    def names(self) -> set[str]:
        return {path.name for path in self.root.iterdir()}

    def test_a_machine_is_made_as_a_whole_and_for_our_eyes_only(self) -> None:
        place = self.machines.make(plain_boot(self.amphora_id))
        self.assertEqual(self.names(), {self.amphora_id})
        self.assertEqual(place.directory.stat().st_mode & 0o777, 0o700)
        self.assertEqual((place.directory / "agent.toml").read_bytes(), plain_boot(self.amphora_id).files["agent.toml"])
        self.assertEqual({f.stat().st_mode & 0o777 for f in place.directory.iterdir()}, {0o600})
        self.assertIn(ip_address(place.address), ip_network(MANAGEMENT))

    def test_a_machine_that_cannot_be_made_leaves_nothing(self) -> None:
        self.machines.make(plain_boot(self.amphora_id))
        self.assertRaises(OSError, self.machines.make, plain_boot(self.amphora_id))
        self.assertEqual(self.names(), {self.amphora_id})

    def test_it_is_found_again_by_another_process(self) -> None:
        place = self.machines.make(plain_boot(self.amphora_id))
        again = Machines(self.root)
        self.assertEqual(again.place(self.amphora_id), place)
        self.assertEqual(again.places(), (place,))

    def test_the_root_has_one_spelling(self) -> None:
        link = Path(self.mktemp())
        link.symlink_to(self.root)
        self.assertEqual(Machines(link).directory(self.amphora_id), self.root / self.amphora_id)

    def test_files_stay_in_the_directory(self) -> None:
        for name in ("../x", "/tmp/x", "a/b", "..", ""):
            self.assertRaises(ValueError, self.machines.make, Boot(amphora_id=self.amphora_id, files={name: b""}))
        self.assertEqual(self.names(), set())

    def test_an_id_that_is_none_names_no_directory(self) -> None:
        self.assertRaises(ValueError, self.machines.directory, "../etc")

    def test_addresses_in_use_elsewhere_are_passed_over(self) -> None:
        candidates = sequence(MANAGEMENT, self.amphora_id)
        self.busy = {next(candidates), next(candidates)}
        self.assertEqual(self.machines.make(plain_boot(self.amphora_id)).address, next(candidates))

    def test_addresses_of_other_machines_are_passed_over(self) -> None:
        other = self.machines.make(plain_boot(str(uuid4())))
        (other.directory / "machine.toml").write_text(f'address = "{next(sequence(MANAGEMENT, self.amphora_id))}"\n')
        self.assertNotEqual(
            self.machines.make(plain_boot(self.amphora_id)).address, next(sequence(MANAGEMENT, self.amphora_id))
        )

    def test_no_address_left_is_said(self) -> None:
        crowded = Machines(self.root, lambda address: False)
        error = self.assertRaises(OutOfResources, crowded.make, plain_boot(self.amphora_id))
        self.assertIn("9443", str(error))

    def test_a_condemned_machine_stays_until_it_is_erased(self) -> None:
        self.machines.make(plain_boot(self.amphora_id))
        self.machines.condemn(self.amphora_id)
        place = self.machines.place(self.amphora_id)
        assert place is not None
        self.assertTrue(place.condemned)
        self.assertEqual(self.machines.condemned(), (self.amphora_id,))
        for _ in range(2):
            self.machines.erase(self.amphora_id)
        self.assertEqual(self.names(), set())

    def test_nothing_is_left_in_memory_of_one_that_is_erased(self) -> None:
        lying, _ = certificates_directories(self.amphora_id)
        self.addCleanup(shutil.rmtree, lying, ignore_errors=True)
        lying.mkdir()
        (lying / "a.pem").write_text("a private key")
        self.machines.make(plain_boot(self.amphora_id))
        self.machines.erase(self.amphora_id)
        self.assertTrue(lying.exists())
        self.machines.condemn(self.amphora_id)
        self.machines.erase(self.amphora_id)
        self.assertFalse(lying.exists())

    def test_only_a_condemned_machine_is_erased(self) -> None:
        place = self.machines.make(plain_boot(self.amphora_id))
        self.machines.erase(self.amphora_id)
        self.assertEqual(self.machines.place(self.amphora_id), place)

    def test_an_interrupted_erasure_is_finished(self) -> None:
        place = self.machines.make(plain_boot(self.amphora_id))
        self.machines.condemn(self.amphora_id)
        for name in ("machine.toml", "agent.toml"):
            (place.directory / name).unlink()
        self.assertIsNone(self.machines.place(self.amphora_id))
        self.machines.erase(self.amphora_id)
        self.assertEqual(self.names(), set())

    def test_a_damaged_record_is_seen_and_hides_no_other_machine(self) -> None:
        other = self.machines.make(plain_boot(str(uuid4())))
        place = self.machines.make(plain_boot(self.amphora_id))
        record = place.directory / "machine.toml"
        damaged = Place(self.amphora_id, place.directory, None)
        for content in (b"", b"address = ", b"\xff", b"address = 5", b'address = "x"', b'address = "127.0.0.1"'):
            record.write_bytes(content)
            self.assertEqual(self.machines.place(self.amphora_id), damaged)
        record.unlink()
        self.assertEqual(self.machines.place(self.amphora_id), damaged)
        record.mkdir()
        self.assertEqual(self.machines.place(self.amphora_id), damaged)
        (place.directory / "agent.toml").unlink()
        (place.directory / "agent.toml").symlink_to("agent.toml")  # can't be looked at
        self.assertEqual(set(self.machines.places()), {other, damaged})
        self.assertNotEqual(self.machines.make(plain_boot(str(uuid4()))).address, other.address)

    def test_a_mended_machine_has_its_address_again(self) -> None:
        place = self.machines.make(plain_boot(self.amphora_id))
        (place.directory / "machine.toml").unlink()
        (place.directory / "machine.toml.new").touch()
        damaged = self.machines.place(self.amphora_id)
        assert damaged is not None
        self.assertEqual(self.machines.mend(damaged), place)
        self.assertEqual(self.machines.place(self.amphora_id), place)
        self.assertFalse((place.directory / "machine.toml.new").exists())

    def test_what_was_never_made_as_a_whole_is_no_machine_and_is_swept(self) -> None:
        half = self.root / ".new-abc"
        half.mkdir()
        (half / "agent.pem").touch()
        self.assertEqual(self.machines.places(), ())
        self.machines.sweep()
        self.assertEqual(self.names(), set())

    def test_strangers_in_the_root_are_left_alone(self) -> None:
        (self.root / "README").touch()
        (self.root / "notes.deleting").touch()
        self.machines.sweep()
        self.assertEqual((self.machines.places(), self.machines.condemned()), ((), ()))
        self.assertEqual(self.names(), {"README", "notes.deleting"})

    def test_one_holds_the_lock_at_a_time(self) -> None:
        lock, other = self.machines.lock(), Machines(self.root)
        assert lock is not None
        self.assertIsNone(other.lock())
        lock.close()
        again = other.lock()
        assert again is not None
        again.close()
