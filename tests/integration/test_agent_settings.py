"""The agent's settings, renewed while it runs, by whom and how it reports."""

from __future__ import annotations

import stat
from typing import Any

from twisted.internet.protocol import Factory, Protocol

from amphora import durable
from octavia_tx.wire import envelope, heartbeat
from octavia_tx.wire.tls import Role
from tests.integration.agent_process import AMPHORA, KEY, LB, AgentCase, Answer, Receiver, real, run

OTHER_KEY = bytes(range(1, 33))


class Renewing(AgentCase):
    def _text(self, receiver: str, key: bytes = KEY, **more: Any) -> str:
        given = {"amphora_id": AMPHORA, "interval": 0.2, "urls": "[]", **more}
        return f"""
amphora_id = "{given["amphora_id"]}"
[heartbeat]
receivers = ["{receiver}"]
key = "{key.hex()}"
interval = {given["interval"]}
[controllers]
urls = {given["urls"]}
"""

    def _receiver(self) -> tuple[Receiver, str]:
        receiver = Receiver()
        heard = real.listenUDP(0, receiver, interface="127.0.0.1")
        self.addCleanup(heard.stopListening)
        return receiver, f"127.0.0.1:{heard.getHost().port}"

    async def _put(self, text: str) -> Answer:
        return await self.call("PUT", "/1.0/config", text.encode())

    @run
    async def test_it_reports_to_whom_it_is_told_at_once_and_haproxy_runs_on(self) -> None:
        child = await self.start()
        await self.serve()
        before = self.haproxies()
        receiver, where = self._receiver()
        renewed = await self._put(self._text(where, OTHER_KEY))
        self.assertEqual((renewed.status, renewed.json), (202, {"message": "OK"}))
        await self.until(lambda: len(receiver.datagrams) > 2)
        count = len(self.receiver.datagrams)
        report = heartbeat.decode(envelope.unseal(OTHER_KEY, receiver.datagrams[-1])[1])
        self.assertEqual(report.load_balancers, (LB,))
        await self.until(lambda: len(receiver.datagrams) > 6)
        self.assertEqual(len(self.receiver.datagrams), count)
        self.assertEqual(self.haproxies(), before)
        self.assertTrue(await self.serves())

        self.kill(child)
        told = len(receiver.datagrams)
        await self.restart()
        await self.until(lambda: len(receiver.datagrams) > told)
        self.assertEqual(self.haproxies(), before)

    @run
    async def test_what_it_can_not_go_by_is_refused_and_nothing_changed(self) -> None:
        await self.start()
        path = self.agent_directory / "agent.toml"
        before = path.read_bytes()
        _receiver, where = self._receiver()
        for wrong, said in (
            ("fish = [", "not TOML"),
            ("\x00", "not TOML"),
            ("", "amphora_id: missing"),
            (self._text("nowhere"), "heartbeat.receivers"),
            (self._text(where, amphora_id=LB), f"this is amphora {AMPHORA}"),
            (self._text(where, urls='["ftp://x"]'), "controllers.urls"),
            (self._text(where) + "\nmore = 1", "more: unknown"),
            (self._text(where) + '\n[network]\nnamespace = "other"', "network.namespace: must stay"),
        ):
            refused = await self._put(wrong)
            self.assertEqual((refused.status, refused.json["message"]), (400, "Invalid request"), wrong)
            self.assertIn(said, refused.json["details"])
            self.assertNotIn(KEY.hex(), refused.json["details"])
        self.assertEqual(path.read_bytes(), before)
        self.assertNotIn(KEY.hex(), self.log())

    @run
    async def test_the_file_is_its_owners_alone_and_the_whole_of_what_was_sent(self) -> None:
        await self.start()
        _receiver, where = self._receiver()
        for interval in (0.5, 0.7):
            text = self._text(where, interval=interval)
            self.assertEqual((await self._put(text)).status, 202)
            path = self.agent_directory / "agent.toml"
            self.assertEqual(path.read_text(), text)
            self.assertEqual(stat.S_IMODE(path.stat().st_mode), 0o600)

    @run
    async def test_drafts_of_an_agent_that_was_killed_are_gone_at_the_next_start(self) -> None:
        directory = self.place()
        for name in ("agent.toml", "agent.pem"):
            durable.write_draft(directory / name, b"half")
        (directory / "fences").mkdir()
        durable.write_draft(directory / "fences" / LB, b"1")
        await self.restart()
        self.assertEqual(list(directory.rglob("*.tmp")), [])
        self.assertTrue((directory / "agent.pem").exists())

    @run
    async def test_only_controllers_may(self) -> None:
        await self.start()
        _receiver, where = self._receiver()
        before = (self.agent_directory / "agent.toml").read_bytes()
        with self.assertRaises(Exception):  # noqa: B017 - TLS tells it in many ways
            await self.call(
                "PUT", "/1.0/config", self._text(where).encode(), credential=self.authority.issue(Role.AMPHORA, AMPHORA)
            )
        self.assertEqual((self.agent_directory / "agent.toml").read_bytes(), before)
        self.assertEqual((await self.call("GET", "/1.0/config")).status, 405)

    @run
    async def test_an_agent_that_nobody_answered_asks_the_new_controllers(self) -> None:
        connections: list[object] = []

        class Controller(Factory[Protocol]):
            def buildProtocol(self, addr: object) -> None:
                connections.append(addr)

        port = real.listenTCP(0, Controller(), interface="127.0.0.1")
        self.addCleanup(port.stopListening)
        await self.start()
        _receiver, where = self._receiver()
        urls = f'["https://127.0.0.1:{port.getHost().port}"]'
        self.assertEqual((await self._put(self._text(where, urls=urls))).status, 202)
        await self.until(lambda: bool(connections))
