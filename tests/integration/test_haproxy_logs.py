"""What haproxy writes of accesses."""

from __future__ import annotations

import json
import re
from pathlib import Path
from subprocess import run
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet import reactor
from twisted.internet.endpoints import connectProtocol
from twisted.internet.protocol import Protocol
from twisted.internet.task import deferLater
from twisted.trial.unittest import SynchronousTestCase, TestCase

from octavia_tx.amphora_driver.tls import files
from octavia_tx.cloud.binaries import find_haproxy
from octavia_tx.model.log_format import DEFAULT, LONGEST, SAMPLES, VARIABLES
from octavia_tx.model.tree import Tree
from octavia_tx.wire.rest import peer_name
from tests.amphora_driver.gallery import AMPHORA, listener, logged, member, pool, terminated
from tests.amphora_driver.secrets import secrets
from tests.integration.haproxy_process import (
    HaproxyProcess,
    MemberServer,
    endpoint,
    exchange,
    free_port,
    place,
    without_states,
)
from tests.integration.tls_peers import Client
from tests.integration.traffic import RENDERER, VIP
from tests.model.test_log_format import PIECES

PARTS: Any = (listener(), listener(2, protocol="TCP"), terminated(3), *(pool(n) for n in (1, 2, 3)), member(1))


class Accepting(SynchronousTestCase):
    """What the API accepts, haproxy does."""

    def check(self, shown: Tree) -> None:
        path = Path(self.mktemp()).absolute() / "haproxy.cfg"
        path.parent.mkdir(parents=True)
        path.write_text(RENDERER.render(shown, AMPHORA))
        place(path.parent, files(shown, secrets(shown)))
        command = [find_haproxy(), "-c", "-C", str(path.parent), "-L", peer_name(AMPHORA), "-f", str(path)]
        done = run(command, capture_output=True, text=True, timeout=10)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertNotIn("WARNING", without_states(done.stderr))

    def test_every_variable_is_known_in_every_kind_of_listener(self) -> None:
        self.check(logged(" ".join(f"%{name} %{{+Q}}{name}" for name in VARIABLES), *PARTS))
        self.check(logged(" ".join(f"%[{name}] %{{+Q}}[{name}]" for name in SAMPLES), *PARTS))

    def test_as_many_spaces_as_can_be_are_taken(self) -> None:
        self.check(logged(" " * LONGEST, *PARTS))

    @settings(max_examples=40, deadline=None)
    @given(st.lists(PIECES, min_size=1, max_size=30))
    def test_any_format_is_taken(self, given: list[tuple[str, Any]]) -> None:
        self.check(logged("".join(text + (" " if p.kind == "variable" else "") for text, p in given)[:1024], *PARTS))


class Writing(TestCase):
    """Lines of real requests."""

    async def setUp(self) -> None:  # type: ignore[override]
        self.port = free_port(VIP)
        self.member = await MemberServer("member").start(self)

    async def start(self, text: str, listening: Any) -> None:
        serving = member(1, address="127.0.0.1", protocol_port=self.member.port)
        shown = logged(text, listening, pool(), serving, vip_address=VIP)
        self.haproxy = HaproxyProcess(self, RENDERER.render(shown, AMPHORA), AMPHORA, files(shown, secrets(shown)))
        await self.haproxy.serves(VIP, self.port)

    async def line(self, containing: str = "") -> str:
        """The next line of the access log with that in it."""
        for _ in range(200):
            for line in self.haproxy.said:
                if line.startswith("<6>") and containing in line:
                    return line.removeprefix("<6>")
            await deferLater(reactor, 0.02)
        raise AssertionError(self.haproxy.said)

    async def get(self, path: str) -> None:
        await exchange(VIP, self.port, f"GET {path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n".encode())

    async def test_openstacks_format_says_who_asked_what_of_whom(self) -> None:
        await self.start(DEFAULT, listener(protocol_port=self.port))
        await self.get("/a?b=1")
        ids = (pool().id, listener().id, member(1).id)
        self.assertTrue(
            re.fullmatch(
                rf"a-project \S+ {ids[1]} 127\.0\.0\.1 \d+ \S+ "
                rf'"GET /a\?b=1 HTTP/1\.1" 200 \d+ \d+ - "" {ids[0]}:{ids[1]} {ids[2]} \d+ ----',
                line := await self.line("/a"),
            ),
            line,
        )

    async def test_every_space_of_the_format_is_written(self) -> None:
        await self.start("  a  b   %ci {{ lb_id }}  %HM  ", listener(protocol_port=self.port))
        await self.get("/a")
        line = await self.line("GET")
        self.assertRegex(line, r"^  a  b   127\.0\.0\.1 \S+  GET  $")

    async def test_of_a_connection_that_is_passed_on_it_says_what_it_knows(self) -> None:
        await self.start("%ci %{+Q}r %HM %s %B %U %ts", listener(protocol="TCP", protocol_port=self.port))
        await self.get("/a")
        line = await self.line(" --")
        self.assertTrue(re.fullmatch(rf'127\.0\.0\.1 "-" - {member(1).id} \d+ \d+ --', line), line)

    async def test_a_request_is_one_line_whatever_the_format_says(self) -> None:
        for text in ("%t %HM %HP", "%{+Q}r", "%HP %b", "%cp %HM", "%HP %ST", "only text", "%[ssl_c_verify]"):
            self.port = free_port(VIP)
            await self.start(text, listener(protocol_port=self.port))
            before = await self.lines()
            for _ in range(5):
                await self.get("/a")
            self.assertEqual(await self.lines() - before, 5, text)

    async def lines(self) -> int:
        """How many lines there are, when no more come."""
        await deferLater(reactor, 0.2)
        return sum(line.startswith("<6>") for line in self.haproxy.said)

    async def test_whatever_a_client_asks_it_stays_one_line_and_within_its_quotes(self) -> None:
        await self.start('{"request":%{+Q}r,"client":"%ci"}', listener(protocol_port=self.port))
        await self.get('/x"y%0a{}|')
        line = await self.line("/x")
        self.assertEqual(set(json.loads(line)), {"request", "client"})

    async def test_a_handshake_that_fails_is_a_line_of_the_same_form(self) -> None:
        await self.start("%ci|%HM|%ST|%[ssl_fc_sni]", terminated(protocol_port=self.port))
        client = await connectProtocol(endpoint(VIP, self.port), Protocol())
        client.transport.write(b"this is no TLS\r\n\r\n")
        self.assertEqual((await self.line("BADREQ")), "127.0.0.1|<BADREQ>|0|-")

    async def test_it_knows_what_tls_tells(self) -> None:
        await self.start("%ST %{+Q}[ssl_fc_sni] %sslv", terminated(protocol_port=self.port))
        await Client(self, None).ask(VIP, self.port, "www.example.com")
        self.assertTrue((await self.line("www")).startswith('200 "www.example.com" TLSv1.'))
