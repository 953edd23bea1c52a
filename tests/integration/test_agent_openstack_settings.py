"""An agent that isn't root, with the settings of OpenStack's controllers: their texts are served, settings renewed."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from octavia_tx.wire import openstack
from octavia_tx.wire.tls import Role
from tests.integration.agent_process import AMPHORA, HAPROXY, LB, LISTENER, AgentCase, give, rootless, run

SETTINGS = """
[haproxy_amphora]
base_path = {0.agent_directory}
base_cert_dir = {0.memory}
bind_host = {0.host}
bind_port = {0.port}
haproxy_cmd = {1}
[health_manager]
controller_ip_port_list = {2}
heartbeat_key = {3}
heartbeat_interval = 0.2
[amphora_agent]
amphora_id = {4}
agent_server_ca = {0.directory}/client_ca.pem
agent_server_cert = {0.directory}/server.pem
"""


class Booted(AgentCase):
    def mktemp(self) -> str:
        """A short path, since sockets lie there."""
        directory = tempfile.mkdtemp(prefix="octavia-tx-test-")
        self.addCleanup(subprocess.run, ["rm", "-rf", directory], check=True)
        return f"{directory}/d"

    def place(self, directory: Path | None = None) -> Path:
        self.agent_directory = self.directory / "base"
        credential = self.authority.issue(Role.AMPHORA, AMPHORA)
        (self.directory / "server.pem").write_bytes(credential.pem)
        (self.directory / "client_ca.pem").write_bytes(credential.authority)
        (self.directory / "amphora-agent.conf").write_text(self.settings("some key"))
        give(self.directory)
        return self.agent_directory

    def settings(self, key: str) -> str:
        return SETTINGS.format(self, HAPROXY, self.receivers[0], key, AMPHORA)

    def launch(self) -> subprocess.Popen[bytes]:
        twistd = str(Path(sys.executable).with_name("twistd"))
        options = ["--config", str(self.directory / "amphora-agent.conf")]
        with (self.directory / "agent.log").open("ab") as log:
            child = subprocess.Popen(
                [*rootless(), sys.executable, twistd, "-n", "--pidfile=", "octavia-amphora-agent", *options],
                stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True, cwd="/",
            )  # fmt: skip
        self.agents.append(child)
        return child

    def configuration(self, *, more: str = "", check: str = "check inter 200ms fall 2 rise 1") -> bytes:
        """With what their templates have in C{global}."""
        ours = super().configuration(more=more, check=check).decode().partition("defaults\n")[2]
        theirs = f"""
global
    daemon
    user nobody
    stats socket {self.agent_directory}/{LB}.sock mode 0666 level user
    server-state-file {self.agent_directory}/{LB}/servers-state
    maxconn 1000000
defaults
"""
        return (theirs + ours).encode()

    @run
    async def test_their_text_is_served_by_the_agents_user_and_kept_as_it_is(self) -> None:
        await self.start()
        text = self.configuration()
        await self.serve(text)
        await self.until(self.serves)
        self.assertTrue((self.agent_directory / f"{LB}.sock").is_socket())
        agent = Path(f"/proc/{self.agents[0].pid}").stat().st_uid
        self.assertEqual({Path(f"/proc/{pid}").stat().st_uid for pid in self.haproxies()}, {agent})
        self.assertEqual((await self.call("GET", f"/1.0/loadbalancer/{LB}/haproxy")).body, text)
        self.assertEqual((await self.act("RELOAD")).status, 202)
        self.assertTrue(await self.serves())

    @run
    async def test_what_it_tells_of_a_text_is_of_that_text_alone(self) -> None:
        await self.start()
        refused = await self.upload(self.configuration(more="fish"))
        self.assertEqual(refused.status, 400)
        self.assertIn("fish", refused.json["details"])
        self.assertNotIn("already specified", refused.json["details"])
        self.assertNotIn("preamble", refused.json["details"])

    @run
    async def test_heartbeats_are_theirs_and_follow_new_settings(self) -> None:
        await self.start()
        await self.serve()
        await self.until(lambda: self._heard(b"some key"))
        renewed = await self.call("PUT", "/1.0/config", self.settings("another").encode())
        self.assertEqual((renewed.status, renewed.json), (202, {"message": "OK"}))
        await self.until(lambda: self._heard(b"another"))
        wrong = await self.call("PUT", "/1.0/config", b"[amphora_agent]\n")
        self.assertEqual((wrong.status, wrong.json["message"]), (400, "Invalid request"))
        self.assertEqual((self.directory / "amphora-agent.conf").read_text(), self.settings("another"))

    def _heard(self, key: bytes) -> bool:
        """Whether the last heartbeat is of this key and tells of the listener."""
        try:
            report = openstack.unseal(key, self.receiver.datagrams[-1]).report
        except (IndexError, openstack.BadSignature):
            return False
        return [each.listener_id for each in report.listeners] == [LISTENER]
