"""The agent's REST, on a real agent with a real haproxy."""

from __future__ import annotations

import hashlib
import os
import socket
import ssl
from pathlib import Path
from typing import Any

from twisted.internet.threads import deferToThread

from octavia_tx.cloud.authority import Authority
from octavia_tx.wire.tls import Role
from tests.integration.agent_process import AMPHORA, LB, LISTENER, AgentCase, run


class Asking(AgentCase):
    @run
    async def test_it_tells_what_it_is(self) -> None:
        await self.start()
        self.assertEqual((await self.call("GET", "/")).json, {"api_version": "1.0"})
        info = (await self.call("GET", "/1.0/info")).json
        self.assertEqual(info["api_version"], "1.0")
        self.assertEqual(info["hostname"], socket.gethostname())
        self.assertRegex(info["haproxy_version"], r"^\d+\.\d+\.\d+$")
        details = (await self.call("GET", "/1.0/details")).json
        self.assertEqual(details["haproxy_count"], 0)
        self.assertGreater(details["memory"]["total"], details["memory"]["free"])
        self.assertEqual([type(details["cpu"][k]) for k in ("total", "user", "system")], [int, str, str])
        self.assertEqual(len(details["load"]), 3)
        await self.serve()
        details = (await self.call("GET", "/1.0/details")).json
        self.assertEqual((details["haproxy_count"], details["listeners"]), (1, [LISTENER]))

    @run
    async def test_a_load_balancer_from_upload_to_deletion(self) -> None:
        await self.start()
        text = self.configuration()
        uploaded = await self.upload(text)
        self.assertEqual((uploaded.status, uploaded.json), (202, {"message": "OK"}))
        digest = hashlib.md5(text).hexdigest()
        self.assertEqual(uploaded.headers.getRawHeaders("ETag"), [digest])
        for path in (f"/1.0/loadbalancer/{LB}/haproxy", f"/1.0/loadbalancer/{AMPHORA}/{LB}/haproxy"):
            shown = await self.call("GET", path)
            self.assertEqual((shown.status, shown.body), (200, text))
        self.assertEqual(await self.listeners(), [{"status": "OFFLINE", "uuid": LISTENER, "type": "HTTP"}])
        self.assertFalse(await self.serves())
        started = await self.act("start")
        self.assertEqual((started.status, started.json["message"]), (202, "OK"))
        self.assertTrue(await self.serves())
        self.assertEqual(await self.listeners(), [{"status": "ACTIVE", "uuid": LISTENER, "type": "HTTP"}])
        self.assertEqual((await self.act("stop")).status, 202)
        self.assertFalse(await self.serves())
        self.assertEqual(self.haproxies(), [])
        self.assertFalse((self.agent_directory / "load_balancers" / LB / "haproxy.pid").exists())
        self.assertEqual((await self.act("reload")).status, 202)
        self.assertTrue(await self.serves())
        for _ in range(2):
            deleted = await self.call("DELETE", f"/1.0/listeners/{LB}")
            self.assertEqual((deleted.status, deleted.json), (200, {"message": "OK"}))
            self.assertEqual(self.haproxies(), [])
        self.assertEqual(list((self.agent_directory / "load_balancers").iterdir()), [])
        self.assertEqual(await self.listeners(), [])
        self.assertEqual((await self.act("start")).status, 404)

    async def listeners(self) -> Any:
        return (await self.call("GET", "/1.0/listeners")).json

    @run
    async def test_what_haproxy_does_not_accept_is_refused_with_its_own_words(self) -> None:
        await self.start()
        refused = await self.upload(b"global\n    fish and chips\n")
        self.assertEqual((refused.status, refused.json["message"]), (400, "Invalid request"))
        self.assertIn("unknown keyword 'fish'", refused.json["details"])
        self.assertIn("haproxy.cfg:2", refused.json["details"])
        self.assertNotIn(str(self.directory), refused.json["details"])
        self.assertEqual((await self.call("GET", f"/1.0/loadbalancer/{LB}/haproxy")).status, 404)
        self.assertFalse((self.agent_directory / "load_balancers" / LB).exists())

    @run
    async def test_what_is_wrong_with_a_request_is_told(self) -> None:
        await self.start()
        await self.upload()
        unknown = await self.call("GET", f"/1.0/loadbalancer/{AMPHORA}/haproxy")
        self.assertEqual((unknown.status, unknown.json["message"]), (404, "Loadbalancer Not Found"))
        self.assertIn(AMPHORA, unknown.json["details"])
        self.assertEqual((await self.act("explode")).status, 400)
        wrong = await self.call("POST", "/1.0/info")
        self.assertEqual((wrong.status, wrong.json["http_code"]), (405, 405))
        self.assertTrue(wrong.json["error"].startswith("405 Method Not Allowed: "))
        self.assertEqual((await self.upload(b"  \n")).status, 400)
        other = await self.call("PUT", f"/1.0/loadbalancer/{LB}/{LB}/haproxy", b"global\n")
        self.assertEqual(other.status, 404)
        for fence in ("-1", "1e3", "x", str(2**63), "9" * 5000):
            answer = await self.call("PUT", f"/1.0/loadbalancer/{LB}/stop", fence=fence)  # type: ignore[arg-type]
            self.assertEqual(answer.status, 400, fence)

    @run
    async def test_hostile_paths_lead_nowhere(self) -> None:
        await self.start()
        await self.upload()
        (self.agent_directory / "load_balancers" / "haproxy").mkdir()
        ids = ("..", "%2e%2e", "..%2f..%2fetc", "%00", f"{LB}%00", f"{LB}%2f..", "x" * 36, LB[:-1], LB + "0")
        for bad in ids:
            for method, path in (
                ("GET", f"/1.0/loadbalancer/{bad}/haproxy"),
                ("PUT", f"/1.0/loadbalancer/{AMPHORA}/{bad}/haproxy"),
                ("PUT", f"/1.0/loadbalancer/{bad}/stop"),
                ("DELETE", f"/1.0/listeners/{bad}"),
            ):
                answer = await self.call(method, path, b"global\n" if method == "PUT" else b"")
                self.assertEqual(answer.status, 404, f"{method} {path}")
                self.assertTrue(answer.json["error"].startswith("404 Not Found: "))
        malformed = await self.call("GET", "/1.0/loadbalancer/%ff/haproxy")
        self.assertEqual((malformed.status, malformed.json["http_code"]), (400, 400))
        left = {p.name for p in self.agent_directory.iterdir()}
        self.assertEqual(left, {"agent.toml", "agent.pem", "authority.pem", "agent.lock", "load_balancers"})

    @run
    async def test_a_body_beyond_all_measure_is_refused(self) -> None:
        await self.start()
        answer = await self.upload(b"#" * (8 << 20) + b"\n")
        self.assertEqual((answer.status, answer.json["http_code"]), (413, 413))
        self.assertEqual((await self.call("GET", "/")).status, 200)

    @run
    async def test_a_body_of_unknown_length_beyond_all_measure_is_refused(self) -> None:
        await self.start()
        self.assertIn(b" 413 ", await deferToThread(self.send_chunks, 9))
        self.assertEqual((await self.call("GET", "/")).status, 200)

    def send_chunks(self, megabytes: int) -> bytes:
        pem = self.directory / "controller.pem"
        pem.write_bytes(self.credential.pem)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.load_cert_chain(pem)
        context.load_verify_locations(cadata=self.credential.authority.decode())
        plain = socket.create_connection((self.host, self.port), 10)
        with context.wrap_socket(plain) as connection:
            path = f"/1.0/loadbalancer/{AMPHORA}/{LB}/haproxy"
            connection.sendall(f"PUT {path} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n".encode())
            try:
                for _ in range(megabytes):
                    connection.sendall(b"100000\r\n" + b"#" * (1 << 20) + b"\r\n")
            except OSError:
                pass  # it may hang up before all is said
            return connection.recv(1000)


class Fencing(AgentCase):
    @run
    async def test_a_controller_that_was_replaced_is_refused_also_after_a_restart_and_a_deletion(self) -> None:
        agent = await self.start()
        self.assertEqual((await self.upload(fence=7)).status, 202)
        self.assertEqual((await self.act("start", fence=7)).status, 202)
        self.kill(agent)
        await self.restart()
        for answer in (
            await self.upload(fence=6),
            await self.act("stop", fence=6),
            await self.call("DELETE", f"/1.0/listeners/{LB}", fence=6),
        ):
            self.assertEqual((answer.status, answer.json["message"]), (409, "Stale fence"))
        self.assertTrue(await self.serves())
        self.assertEqual((await self.call("DELETE", f"/1.0/listeners/{LB}", fence=8)).status, 200)
        self.assertEqual((await self.upload(fence=7)).status, 409)
        self.assertEqual((await self.upload()).status, 202)


class Strangers(AgentCase):
    @run
    async def test_only_a_controller_of_our_authority_is_heard(self) -> None:
        await self.start()
        other = Authority.load_or_create(self.directory / "other")
        for stranger in (
            self.authority.issue(Role.AMPHORA, AMPHORA),
            other.issue(Role.CONTROLLER, "controller"),
        ):
            tricked = type(stranger)(pem=stranger.pem, authority=self.credential.authority)
            with self.assertRaises(Exception) as caught:
                await self.call("GET", "/", credential=tricked)
            self.assertIn("ResponseNeverReceived", type(caught.exception).__name__)
        self.assertEqual((await self.call("GET", "/")).status, 200)


class Depths(AgentCase):
    @run
    async def test_a_directory_too_deep_for_a_sockets_path_serves_all_the_same(self) -> None:
        deep = Path(self.directory, "with, comma and space", *("x" * 50 for _ in range(3)))
        await self.start(deep)
        await self.serve()
        self.assertTrue(await self.serves())
        self.assertGreater(len(os.fsencode(deep / "load_balancers" / LB / "master.sock")), 107)
        await self.serve(self.configuration(more="maxconn 50"))
        self.assertTrue(await self.serves())
