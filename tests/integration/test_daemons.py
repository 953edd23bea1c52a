"""The daemons as an operator meets them: C{--help}, mistakes in the settings, a taken port, an orderly end."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import treq
from twisted.internet import reactor
from twisted.internet.defer import inlineCallbacks
from twisted.internet.task import deferLater
from twisted.internet.utils import getProcessOutputAndValue
from twisted.trial.unittest import SynchronousTestCase, TestCase

from octavia_tx.cloud.loopback import IPV4_SUBNET_ID
from octavia_tx.demo import processes
from tests.integration.ports import free_port

DAEMONS = ("octavia-controller", "octavia-api", "octavia-health", "octavia-amphora-agent")
TWISTD = [sys.executable, str(Path(sys.executable).with_name("twistd")), "-n", "--pidfile="]


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*TWISTD, *arguments], env={**os.environ, **environment}, capture_output=True, text=True, timeout=60
    )


class CommandLines(SynchronousTestCase):
    def test_twistd_knows_all_daemons(self) -> None:
        told = run("--help").stdout
        for daemon in DAEMONS:
            self.assertIn(daemon, told)

    def test_each_daemon_documents_its_options(self) -> None:
        for daemon in DAEMONS:
            told = run(daemon, "--help")
            self.assertEqual(told.returncode, 0, told.stderr)
            self.assertIn("--config", told.stdout)
            lines = [line for line in told.stdout.splitlines() if line.strip().startswith("-")]
            undocumented = [line for line in lines if len(line.split(None, 2)) < 2]
            self.assertEqual(undocumented, [], daemon)

    def test_bad_settings_are_told_all_at_once_without_a_traceback(self) -> None:
        settings = Path(self.mktemp())
        settings.write_text('[api]\nlisten = "nowhere"\n[health]\ninterval = -1\n[fish]\n')
        for daemon in DAEMONS[:3]:
            told = run(daemon, "--config", str(settings), OCTAVIA_TX_COMPUTE__DRIVER="abacus")
            self.assertEqual(told.returncode, 1, daemon)
            for name in ("api.listen", "health.interval", "fish", "compute.driver"):
                self.assertIn(name, told.stderr)
            self.assertNotIn("Traceback", told.stderr + told.stdout)

    def test_bad_settings_of_the_agent_are_told_all_at_once_without_a_traceback(self) -> None:
        settings = Path(self.mktemp())
        settings.write_text('amphora_id = "fish"\n[heartbeat]\nkey = "short"\ninterval = -1\n')
        told = run("octavia-amphora-agent", "--config", str(settings))
        self.assertEqual(told.returncode, 1, told.stdout)
        for name in ("amphora_id", "key", "interval"):
            self.assertIn(name, told.stderr)
        self.assertNotIn("Traceback", told.stderr + told.stdout)

    def test_an_unknown_option_is_an_error(self) -> None:
        for daemon in DAEMONS:
            told = run(daemon, "--fish")
            self.assertEqual(told.returncode, 1, daemon)
            self.assertNotIn("Traceback", told.stderr + told.stdout)


class Ends(TestCase):
    """Daemons without a cloud, over one private PostgreSQL."""

    def setUp(self) -> None:
        # Not below trial's own directory, which is too deep for PostgreSQL's socket.
        self.directory = Path(tempfile.mkdtemp(prefix="octavia-tx-test-"))
        self.environment = {
            "OCTAVIA_TX_STATE__DIRECTORY": str(self.directory / "state"),
            "OCTAVIA_TX_API__LISTEN": f"tcp:{free_port()}:interface=127.0.0.1",
            "OCTAVIA_TX_AMPHORA_API__LISTEN": "tcp:0:interface=127.0.0.1",
            "OCTAVIA_TX_HEALTH__LISTEN": "udp:0:interface=127.0.0.1",
        }
        self.addCleanup(self.end_all)

    @inlineCallbacks
    def end_all(self):  # type: ignore[no-untyped-def]
        for number in (signal.SIGTERM, signal.SIGKILL):
            processes.end(list(processes.belonging(self.directory)), number)
            for _ in range(100):
                if not processes.belonging(self.directory):
                    break
                yield deferLater(reactor, 0.05)
        shutil.rmtree(self.directory)

    def start(self, daemon: str, *options: str, **environment: str) -> subprocess.Popen[bytes]:
        command = [*TWISTD, daemon, *options]
        child = processes.start(command, {**self.environment, **environment}, self.directory / f"{daemon}.log")
        self.addCleanup(child.poll)
        return child

    def log(self, daemon: str) -> str:
        return (self.directory / f"{daemon}.log").read_text()

    @inlineCallbacks
    def until(self, daemon: str, words: str):  # type: ignore[no-untyped-def]
        for _ in range(600):
            if words in self.log(daemon):
                return
            yield deferLater(reactor, 0.05)
        self.fail(f"{daemon} never says {words!r}:\n{self.log(daemon)}")

    @inlineCallbacks
    def ended(self, child: subprocess.Popen[bytes]):  # type: ignore[no-untyped-def]
        for _ in range(400):
            if child.poll() is not None:
                return child.returncode
            yield deferLater(reactor, 0.05)
        return self.fail("it doesn't end")

    @inlineCallbacks
    def test_each_daemon_ends_cleanly_on_sigterm(self):  # type: ignore[no-untyped-def]
        controller = self.start("octavia-controller", "--without-api", "--without-health")
        yield self.until("octavia-controller", "amphora_api.listen")
        api, health = self.start("octavia-api"), self.start("octavia-health")
        yield self.until("octavia-api", "api.listen")
        yield self.until("octavia-health", "health.listen")
        for child, daemon in ((health, "octavia-health"), (api, "octavia-api"), (controller, "octavia-controller")):
            child.terminate()
            # twistd passes the signal on to itself when all is shut down, which is how a shell and systemd know a
            # clean end by it.
            self.assertEqual((yield self.ended(child)), -signal.SIGTERM, self.log(daemon))
            self.assertIn("Server Shut Down", self.log(daemon))
            for word in ("Traceback", "Unhandled", "CRITICAL"):
                self.assertNotIn(word, self.log(daemon), daemon)
        self.assertEqual(processes.belonging(self.directory), {})

    @inlineCallbacks
    def test_a_taken_port_ends_the_controller_with_a_sentence(self):  # type: ignore[no-untyped-def]
        taken = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(taken.close)
        where = f"tcp:{taken.getsockname()[1]}:interface=127.0.0.1"
        child = self.start("octavia-controller", OCTAVIA_TX_API__LISTEN=where)
        self.assertEqual((yield self.ended(child)), 1)
        self.assertIn("can't start: api.listen: port", self.log("octavia-controller"))
        self.assertNotIn("Traceback", self.log("octavia-controller"))
        self.assertEqual(processes.belonging(self.directory), {})

    @inlineCallbacks
    def test_what_fails_at_once_ends_each_daemon_too(self):  # type: ignore[no-untyped-def]
        for daemon in DAEMONS[:3]:
            for name, given in (("STATE__DIRECTORY", __file__), ("DATABASE__DSN", "garbage")):
                child = self.start(daemon, **{f"OCTAVIA_TX_{name}": given})
                self.assertEqual((yield self.ended(child)), 1, f"{daemon} {name}")
                self.assertIn("can't start: ", self.log(daemon))
                self.assertNotIn("Traceback", self.log(daemon))

    @inlineCallbacks
    def test_templates_that_can_not_be_used_end_each_daemon_that_renders(self):  # type: ignore[no-untyped-def]
        template = self.directory / "templates" / "haproxy" / "l7.cfg.j2"
        template.parent.mkdir(parents=True)
        template.write_text("\n{{ nobody }}\n")
        for daemon in DAEMONS[:2]:
            child = self.start(daemon, OCTAVIA_TX_AMPHORA__TEMPLATES=str(self.directory / "templates"))
            self.assertEqual((yield self.ended(child)), 1, daemon)
            said = f"can't start: amphora.templates: {template}:2: 'nobody' is undefined"
            self.assertIn(said, self.log(daemon))
            self.assertNotIn("Traceback", self.log(daemon))

    @inlineCallbacks
    def test_the_operators_command_shows_what_templates_give(self):  # type: ignore[no-untyped-def]
        template = self.directory / "templates" / "haproxy" / "l7.cfg.j2"
        template.parent.mkdir(parents=True)
        template.write_text("    # Nothing is asked here.\n")
        self.environment["OCTAVIA_TX_AMPHORA__TEMPLATES"] = str(self.directory / "templates")
        self.start("octavia-controller")
        yield self.until("octavia-controller", " api.listen on")
        port = self.environment["OCTAVIA_TX_API__LISTEN"].split(":")[1]
        asked = {"loadbalancer": {"vip_subnet_id": IPV4_SUBNET_ID, "project_id": "p"}}
        made = yield treq.post(f"http://127.0.0.1:{port}/v2/lbaas/loadbalancers", json=asked, persistent=False)
        balancer = (yield made.json())["loadbalancer"]["id"]
        listener = {"loadbalancer_id": balancer, "protocol": "HTTP", "protocol_port": 80}
        added = yield treq.post(
            f"http://127.0.0.1:{port}/v2/lbaas/listeners", json={"listener": listener}, persistent=False
        )
        identifier = (yield added.json())["listener"]["id"]
        for arguments, wanted in (([balancer], f"\nfrontend {identifier}\n"), ([], "\nfrontend 2000")):
            out, _, code = yield self.render(*arguments)
            self.assertEqual(code, 0)
            self.assertIn(wanted, out.decode())
            self.assertIn("Nothing is asked here", out.decode())
        out, said, code = yield self.render(identifier)
        self.assertEqual((code, said.decode()), (1, f"Load balancer {identifier} not found.\n"))
        template.write_text("{{ load_balancer.name }}")
        out, said, code = yield self.render(balancer)
        self.assertEqual((code, out), (1, b""))
        self.assertIn(f"{template}:1: ", said.decode())

    def render(self, *arguments: str):  # type: ignore[no-untyped-def]
        command = str(Path(sys.executable).with_name("octavia-tx"))
        return getProcessOutputAndValue(command, ["render", *arguments], {**os.environ, **self.environment})

    @inlineCallbacks
    def test_a_hangup_renews_certificates_and_ends_nothing(self):  # type: ignore[no-untyped-def]
        child = self.start("octavia-controller")
        yield self.until("octavia-controller", "api.listen")
        child.send_signal(signal.SIGHUP)
        yield self.until("octavia-controller", "SIGHUP: 2 certificates are renewed")
        self.assertIsNone(child.poll())

    @inlineCallbacks
    def test_a_database_that_is_not_there_ends_the_controller_with_a_sentence(self):  # type: ignore[no-untyped-def]
        dsn = "postgresql://somebody:secret@127.0.0.1:1/nothing"
        child = self.start("octavia-controller", OCTAVIA_TX_DATABASE__DSN=dsn)
        self.assertEqual((yield self.ended(child)), 1)
        self.assertIn("can't start", self.log("octavia-controller"))
        self.assertNotIn("secret", self.log("octavia-controller"))
        self.assertNotIn("Traceback", self.log("octavia-controller"))
