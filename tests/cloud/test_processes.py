"""Tests of C{octavia_tx.cloud.processes}: who is found, on an invented host."""

from __future__ import annotations

from pathlib import Path
from uuid import uuid4

from twisted.trial.unittest import SynchronousTestCase

from octavia_tx.cloud.processes import Processes


class ProcessesTests(SynchronousTestCase):
    """L{Processes}."""

    def setUp(self) -> None:
        self.proc = Path(self.mktemp())
        self.proc.mkdir()
        (self.proc / "version").touch()
        self.processes = Processes(self.proc)
        self.directory = Path("/state") / str(uuid4())

    def runs(self, pid: int, *arguments: str, terminal: int = 0) -> None:
        entry = self.proc / str(pid)
        entry.mkdir(exist_ok=True)
        (entry / "cmdline").write_bytes(b"".join(a.encode() + b"\0" for a in arguments))
        (entry / "stat").write_text(f"{pid} (a (b) c) S 1 {pid} {pid} {terminal} -1")

    def agent(self, pid: int, directory: Path | None = None) -> None:
        self.runs(pid, "python", "agent", "--config", f"{directory or self.directory}/agent.toml")

    def test_an_agent_is_found_by_its_configuration(self) -> None:
        self.agent(7)
        self.agent(8, Path("/state") / str(uuid4()))
        self.assertEqual(self.processes.agents([self.directory]), {self.directory: 7})

    def test_an_agent_that_ended_is_not_found(self) -> None:
        self.agent(7)
        self.processes.agents([self.directory])
        self.runs(7)  # a zombie has no command line
        self.assertEqual(self.processes.agents([self.directory]), {})

    def test_another_process_under_the_old_number_is_no_agent(self) -> None:
        self.agent(7)
        self.processes.agents([self.directory])
        self.runs(7, "sshd")
        self.agent(9)
        self.assertEqual(self.processes.agents([self.directory]), {self.directory: 9})

    def test_haproxy_belongs_to_the_machine(self) -> None:
        self.agent(7)
        self.runs(8, "/usr/sbin/haproxy", "-W", "-f", f"{self.directory}/load_balancers/1/haproxy.cfg")
        self.runs(9, "/usr/sbin/haproxy", "-W", "-f", f"/state/{uuid4()}/haproxy.cfg")
        self.assertEqual(self.processes.all_of(self.directory), {7, 8})
        self.assertEqual(self.processes.agents_of(self.directory), {7})

    def test_who_reads_or_edits_its_files_does_not(self) -> None:
        self.runs(7, "tail", "-f", f"{self.directory}/agent.log")
        self.runs(8, "vim", f"{self.directory}/agent.toml", terminal=34816)
        self.assertEqual(self.processes.all_of(self.directory), frozenset())

    def test_another_machine_with_a_longer_name_does_not(self) -> None:
        self.agent(7, Path(f"{self.directory}-copy"))
        self.assertEqual(self.processes.all_of(self.directory), frozenset())

    def test_an_agent_begun_by_hand_belongs(self) -> None:
        self.runs(7, "twistd", "--config", f"{self.directory}/agent.toml", terminal=34816)
        self.assertEqual(self.processes.all_of(self.directory), {7})

    def test_the_last_argument_may_lack_its_value(self) -> None:
        self.runs(7, "daemon", "--config")
        self.assertEqual(self.processes.agents([self.directory]), {})
