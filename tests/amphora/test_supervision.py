"""What is known of a keepalived by what it said."""

from __future__ import annotations

from pathlib import Path

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from amphora.keepalived import Keepalived, KeepalivedFailed
from amphora.runner import LOG_LIMIT
from amphora.supervision import Supervised

BEGUN = "Sat Nov 28 19:27:03 2026: Starting Keepalived v2.2.7 (01/16,2022)"
INSTANCES = "vrrp_instance one {\n}\n  vrrp_instance two{\n}\n"


def entering(name: str, state: str) -> str:
    return f"Sat Nov 28 19:27:03 2026: ({name}) Entering {state} STATE (init)"


class States(SynchronousTestCase):
    def setUp(self) -> None:
        self.directory = Path(self.mktemp())
        self.directory.mkdir()
        (self.directory / "keepalived.conf").write_text(INSTANCES)
        self.keepalived = Supervised(Clock(), self.directory, Keepalived("/nowhere", "--vrrp"))

    def say(self, *lines: str) -> None:
        with (self.directory / "keepalived.log").open("a") as log:
            log.writelines(f"{line}\n" for line in lines)

    def test_the_newest_of_each_instance_counts(self) -> None:
        self.assertEqual(self.keepalived.states(), {})
        self.say(BEGUN, entering("one", "BACKUP"), entering("two", "BACKUP"), entering("one", "MASTER"))
        for _ in range(2):
            self.assertEqual(self.keepalived.states(), {"one": "MASTER", "two": "BACKUP"})
        self.say("something else", entering("two", "FAULT"))
        self.assertEqual(self.keepalived.states(), {"one": "MASTER", "two": "FAULT"})

    def test_what_an_earlier_run_said_is_forgotten(self) -> None:
        self.say(BEGUN, entering("one", "MASTER"))
        self.keepalived.states()
        self.say(BEGUN, entering("two", "BACKUP"))
        self.assertEqual(self.keepalived.states(), {"two": "BACKUP"})

    def test_an_instance_that_is_not_configured_any_more_is_not_told(self) -> None:
        self.say(BEGUN, entering("one", "MASTER"), entering("three", "MASTER"))
        self.assertEqual(self.keepalived.states(), {"one": "MASTER"})

    def test_the_log_is_shortened_and_nothing_forgotten(self) -> None:
        self.say(BEGUN, entering("one", "MASTER"), "x" * LOG_LIMIT)
        self.assertEqual(self.keepalived.states(), {"one": "MASTER"})
        self.assertEqual((self.directory / "keepalived.log").stat().st_size, 0)
        self.say(entering("two", "BACKUP"))
        self.assertEqual(self.keepalived.states(), {"one": "MASTER", "two": "BACKUP"})

    def test_without_keepalived_nothing_is_put_in_place(self) -> None:
        absent = Supervised(Clock(), self.directory.with_name("absent"), Keepalived(None, "--vrrp"))
        self.failureResultOf(absent.upload(b"text"), KeepalivedFailed)
        self.assertFalse(absent.exists)
        self.assertFalse(self.directory.with_name("absent").exists())
