"""A real agent that ships to a real rsyslog, where Debian's is installed (rsyslog, rsyslog-openssl)."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
from typing import Any

from octavia_tx.wire.logs import Syslog
from tests.integration.agent_process import AMPHORA, LB, run
from tests.integration.ports import free_port
from tests.integration.test_agent_logs import Case, syslog
from tests.model.certificates import issue

PROGRAM = shutil.which("rsyslogd", path="/usr/sbin:/usr/bin:/sbin:/bin")
CONFIGURATION = """
global(workDirectory="{directory}" maxMessageSize="16k"
       DefaultNetstreamDriverCAFile="{directory}/ca.pem" DefaultNetstreamDriverCertFile="{directory}/server.pem"
       DefaultNetstreamDriverKeyFile="{directory}/server.key")
template(name="all" type="list" option.jsonf="on") {{
  property(outname="host" name="hostname" format="jsonf")
  property(outname="program" name="app-name" format="jsonf")
  property(outname="process" name="procid" format="jsonf")
  property(outname="kind" name="msgid" format="jsonf")
  property(outname="severity" name="syslogseverity-text" format="jsonf")
  property(outname="facility" name="syslogfacility-text" format="jsonf")
  property(outname="text" name="msg" format="jsonf")
}}
module(load="imudp")
module(load="imtcp" StreamDriver.Name="ossl" StreamDriver.Mode="{mode}" StreamDriver.AuthMode="{auth}")
input(type="imudp" port="{udp}" address="127.0.0.1")
input(type="imtcp" port="{tcp}" address="127.0.0.1")
action(type="omfile" file="{directory}/out" template="all")
"""


class ToRsyslog(Case):
    def receive(self, *, tls: bool = False) -> dict[str, int]:
        if PROGRAM is None:
            self.skipTest("There's no rsyslogd: apt-get install rsyslog rsyslog-openssl")
        directory = self.directory / "rsyslog"
        directory.mkdir()
        self.ca = issue("authority", authority=True)
        server = issue("logs.example", self.ca, names=("logs.example",))
        (directory / "ca.pem").write_bytes(self.ca.pem)
        (directory / "server.pem").write_bytes(server.pem)
        (directory / "server.key").write_bytes(server.key_pem())
        self.ports = {"udp": free_port(socket.SOCK_DGRAM), "tcp": free_port()}
        auth = "x509/certvalid" if tls else "anon"
        text = CONFIGURATION.format(directory=directory, mode=int(tls), auth=auth, **self.ports)
        (directory / "conf").write_text(text)
        self.out = directory / "out"
        self.launch_rsyslog()
        return self.ports

    def launch_rsyslog(self) -> None:
        directory = self.directory / "rsyslog"
        with (directory / "log").open("ab") as log:
            command = [str(PROGRAM), "-n", "-f", str(directory / "conf"), "-i", str(directory / "pid")]
            self.child = subprocess.Popen(command, stdout=log, stderr=log)
        self.addCleanup(self.end_rsyslog)

    def end_rsyslog(self) -> None:
        self.child.kill()
        self.child.wait()

    def heard(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.out.read_text().splitlines()] if self.out.exists() else []

    def texts(self) -> list[str]:
        return [message["text"] for message in self.heard()]

    @run
    async def test_every_field_of_a_message_is_understood(self) -> None:
        ports = self.receive()
        await self.log_to(*(syslog(ports[transport], transport, facility=17) for transport in ("udp", "tcp")))
        await self.visits("/a")
        await self.until(lambda: self.texts().count("GET /a 200") == 2)
        last = self.heard()[-1]
        self.assertEqual((last["host"], last["program"], last["process"]), (AMPHORA, "octavia-tx", LB))
        self.assertEqual((last["kind"], last["severity"], last["facility"]), ("access", "info", "local1"))

    @run
    async def test_a_receiver_that_restarts_misses_nothing(self) -> None:
        ports = self.receive()
        await self.log_to(syslog(ports["tcp"]))
        await self.visits("/first")
        await self.until(lambda: "GET /first 200" in self.texts())
        self.end_rsyslog()
        await self.visits(*(f"/{number}" for number in range(50)))
        self.launch_rsyslog()
        await self.until(lambda: "GET /49 200" in self.texts(), 30)
        came = [text for text in self.texts() if text not in ("GET / 200", "GET /first 200")]
        self.assertEqual(list(dict.fromkeys(came)), [f"GET /{number} 200" for number in range(50)])

    @run
    async def test_tls_with_certificates_on_both_sides(self) -> None:
        ports = self.receive(tls=True)
        own = issue("amphora", self.ca)
        await self.log_to(
            Syslog(
                name="tls",
                host="127.0.0.1",
                port=ports["tcp"],
                transport="tls",
                server="logs.example",
                authorities=self.ca.pem.decode(),
                certificate=(own.key_pem() + own.pem).decode(),
            )
        )
        await self.visits("/a")
        await self.until(lambda: "GET /a 200" in self.texts())
