"""OpenStack's own controller boots our agent, which isn't root, and drives it by its own driver; users are served."""

from __future__ import annotations

import json
import signal
import ssl
from hashlib import md5
from pathlib import Path
from typing import Any

from cryptography import x509
from twisted.internet.threads import deferToThread
from twisted.web.server import Site

from tests.integration.agent_process import (
    AMPHORA,
    LB,
    LISTENER,
    MEMBER,
    POOL,
    BackEnd,
    free_address,
    real,
    run,
)
from tests.integration.haproxy_process import Answer, exchange
from tests.integration.tls_peers import Client, Heard, TlsMember
from tests.model.certificates import Issued, issue
from tests.slow.openstack import ControllerCase, Tree

OTHER_LISTENER = "66666666-6666-4666-8666-666666666666"
OTHER_POOL = "77777777-7777-4777-8777-777777777777"
OTHER_MEMBER = "88888888-8888-4888-8888-888888888888"
ABSENT = "99999999-9999-4999-8999-999999999999"
CONFIGURATION = f"loadbalancer/{AMPHORA}/{LB}/haproxy"
DETAILS = {
    "hostname", "haproxy_version", "api_version", "keepalived_version", "ipvsadm_version", "networks", "active",
    "haproxy_count", "cpu_count", "cpu", "memory", "disk", "load", "active_tuned_profiles", "topology",
    "topology_status", "listeners", "packages",
}  # fmt: skip


class OneAmphora(ControllerCase):
    """Has an agent that the controller booted, and helpers to be a user."""

    async def begin(self) -> None:
        await self.restart()

    async def get(self, path: str = "/", *headers: str, port: int | None = None) -> Answer:
        """One request to the load balancer."""
        lines = (f"GET {path} HTTP/1.1", "Host: www.example.com", "Connection: close", *headers)
        return await exchange(self.vip, port or self.vip_port, "\r\n".join((*lines, "", "")).encode())

    def another_member(self, name: bytes) -> int:
        """The port of a member that says this, of six letters."""

        class Named(BackEnd):
            def render_GET(self, request: Any) -> bytes:
                return name

        site = Site(Named())  # type: ignore[no-untyped-call]
        site.log = lambda request: None  # type: ignore[method-assign,assignment]
        listening = real.listenTCP(0, site, interface="127.0.0.1")
        self.addCleanup(listening.stopListening)
        return int(listening.getHost().port)

    def two_listeners(self) -> Tree:
        """C{LISTENER} and C{OTHER_LISTENER}, on C{self.other_port}."""
        tree = self.tree()
        self.other_port = free_address()[1]
        tree["listeners"].append(
            {"id": OTHER_LISTENER, "protocol": "HTTP", "protocol_port": self.other_port, "pool": POOL}
        )
        return tree


class Driving(OneAmphora):
    @run
    async def test_it_says_what_it_is(self) -> None:
        await self.begin()
        self.assertEqual((await self.do("versions"))[0], "1.0")
        info = await self.do("client.get_info")
        self.assertEqual(set(info) - {"hostname"}, DETAILS & set(info) - {"hostname"})
        self.assertRegex(info["haproxy_version"], r"^\d+\.\d+\.")
        details = await self.do("client.get_details")
        self.assertEqual(DETAILS - set(details), set())
        self.assertEqual(set(details["cpu"]), {"total", "user", "system", "soft_irq"})
        self.assertEqual(set(details["memory"]), {"total", "free", "buffers", "cached", "swap_used", "shared", "slab"})
        self.assertEqual(set(details["disk"]), {"used", "available"})
        self.assertEqual(len(details["load"]), 3)

    @run
    async def test_users_are_served_as_its_templates_say(self) -> None:
        await self.begin()
        await self.provide(self.tree())
        self.assertEqual((await self.get()).body, b"member")
        text = await self.do("render")
        self.assertIn("user nobody", text)
        there = await self.do("client.get", f"loadbalancer/{LB}/haproxy")
        self.assertEqual((there["status"], there["body"]), (200, text))
        self.assertEqual(there["etag"], md5(text.encode()).hexdigest())
        self.assertEqual(
            await self.do("client.get_all_listeners"), [{"status": "ACTIVE", "uuid": LISTENER, "type": "HTTP"}]
        )
        details = await self.do("client.get_details")
        self.assertEqual((details["haproxy_count"], details["listeners"]), (1, [LISTENER]))

    @run
    async def test_haproxy_runs_as_the_agents_user_where_that_is_not_root(self) -> None:
        await self.begin()
        await self.provide(self.tree())
        agent = Path(f"/proc/{self.agents[0].pid}").stat().st_uid
        self.assertNotEqual(agent, 0)
        self.assertEqual({Path(f"/proc/{pid}").stat().st_uid for pid in self.haproxies()}, {agent})
        socket = self.base / f"{LB}.sock"
        self.assertTrue(socket.is_socket())

    @run
    async def test_start_stop_and_reload(self) -> None:
        await self.begin()
        await self.provide(self.tree())
        self.assertEqual(await self.do("act", "stop", LB), 202)
        self.assertFalse(await self.serves())
        self.assertEqual(self.haproxies(), [])
        await self.do("start")
        self.assertTrue(await self.serves())
        await self.do("act", "STOP", LB)
        await self.do("reload")
        self.assertTrue(await self.serves())
        before = self.master()
        await self.do("reload")
        self.assertEqual(self.master(), before)

    @run
    async def test_what_is_not_there_or_not_valid_is_told_as_its_driver_expects(self) -> None:
        await self.begin()
        for action in ("start", "stop", "reload"):
            self.assertEqual(await self.refused("act", action, LB), "NotFound")
        self.assertEqual(await self.refused("client.upload_config", LB, "fish\n"), "InvalidRequest")
        self.assertEqual((await self.do("client.delete_listener", ABSENT))["status"], 200)
        self.assertEqual((await self.do("client.delete_cert_pem", LB, "no.pem"))["status"], 200)
        await self.provide(self.tree())
        self.assertEqual(await self.refused("act", "dance", LB), "InvalidRequest")
        said = await self.refused("client.upload_config", LB, "frontend x\n    bind fish\n")
        self.assertEqual(said, "InvalidRequest")
        self.assertTrue(await self.serves())

    @run
    async def test_listeners_go_one_by_one_and_then_the_load_balancer(self) -> None:
        await self.begin()
        await self.provide(self.two_listeners())
        self.assertEqual((await self.get(port=self.other_port)).body, b"member")
        await self.do("delete", OTHER_LISTENER)
        self.assertTrue(await self.serves())
        with self.assertRaises(Exception):  # noqa: B017 - refused, in whatever words
            await self.get(port=self.other_port)
        await self.do("delete", LISTENER)
        self.assertEqual(await self.do("client.get_all_listeners"), [])
        self.assertEqual(self.haproxies(), [])
        self.assertFalse((self.base / "load_balancers" / LB).exists())

    @run
    async def test_members_come_and_go_without_a_new_worker_as_with_our_own_controller(self) -> None:
        await self.begin()
        tree = self.tree()
        await self.provide(tree)
        before = self.workers()
        members = tree["pools"][0]["members"]
        members.append({"id": OTHER_MEMBER, "ip_address": "127.0.0.1", "protocol_port": self.another_member(b"second")})
        await self.provide(tree)
        bodies = {(await self.get()).body for _ in range(4)}
        self.assertEqual(bodies, {b"member", b"second"})
        del members[0]
        await self.provide(tree)
        self.assertEqual({(await self.get()).body for _ in range(4)}, {b"second"})
        self.assertEqual(self.workers(), before)

    @run
    async def test_a_member_that_is_down_stays_so_over_a_reload(self) -> None:
        await self.begin()
        tree = self.tree()
        down = {"id": OTHER_MEMBER, "ip_address": "127.0.0.1", "protocol_port": free_address()[1]}
        tree["pools"][0]["members"].append(down)
        await self.provide(tree)
        await self.until(self._is_down)
        tree["listeners"][0]["insert_headers"] = {"X-Forwarded-For": "True"}
        await self.provide(tree)
        self.assertIn(OTHER_MEMBER, (self.base / "load_balancers" / LB / "servers.state").read_text())
        self.assertEqual({(await self.get()).status for _ in range(6)}, {200})

    def _is_down(self) -> bool:
        heard = (self.base / "load_balancers" / LB / "haproxy.log").read_text()
        return f"{OTHER_MEMBER} is DOWN" in heard

    @run
    async def test_additional_vips_of_the_other_version_of_ip(self) -> None:
        await self.begin()
        await self.provide({**self.tree(), "more_vips": ["::1"]})
        request = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        self.assertEqual((await exchange("::1", self.vip_port, request)).body, b"member")
        self.assertEqual((await self.get()).body, b"member")
        await self.do("reload")
        self.assertEqual((await exchange("::1", self.vip_port, request)).body, b"member")

    @run
    async def test_layer_7(self) -> None:
        await self.begin()

        def rule(number: int, kind: str, compare: str, value: str, **more: Any) -> dict[str, Any]:
            return {"id": f"rule{number}", "type": kind, "compare_type": compare, "value": value, **more}

        policies = [
            {"id": "p1", "action": "REJECT", "rules": [rule(1, "PATH", "STARTS_WITH", "/secret")]},
            {
                "id": "p2", "action": "REDIRECT_TO_URL", "redirect_url": "http://elsewhere.example/",
                "redirect_http_code": 303, "rules": [rule(2, "FILE_TYPE", "EQUAL_TO", "pdf")],
            },
            {
                "id": "p3", "action": "REDIRECT_PREFIX", "redirect_prefix": "https://safe.example",
                "redirect_http_code": 302, "rules": [rule(3, "COOKIE", "EQUAL_TO", "yes", key="safe")],
            },
            {
                "id": "p4", "action": "REDIRECT_TO_POOL", "pool": OTHER_POOL,
                "rules": [
                    rule(4, "HEADER", "CONTAINS", "second", key="X-Which"),
                    rule(5, "HOST_NAME", "REGEX", "^never", invert=True),
                ],
            },
        ]  # fmt: skip
        tree = self.tree(policies=policies, insert_headers={"X-Forwarded-For": "True", "X-Forwarded-Port": "True"})
        second = {"id": OTHER_MEMBER, "ip_address": "127.0.0.1", "protocol_port": self.another_member(b"second")}
        tree["pools"].append({"id": OTHER_POOL, "protocol": "HTTP", "members": [second]})
        await self.provide(tree)
        self.assertEqual((await self.get()).body, b"member")
        self.assertEqual((await self.get("/secret/1")).status, 403)
        redirected = await self.get("/x.pdf")
        self.assertEqual((redirected.status, redirected.headers[b"location"]), (303, b"http://elsewhere.example/"))
        prefixed = await self.get("/y", "Cookie: safe=yes")
        self.assertEqual((prefixed.status, prefixed.headers[b"location"]), (302, b"https://safe.example/y"))
        self.assertEqual((await self.get("/", "X-Which: the second")).body, b"second")

    @run
    async def test_each_kind_of_session_persistence(self) -> None:
        await self.begin()
        tree = self.tree()
        pool = tree["pools"][0]
        second = {"id": OTHER_MEMBER, "ip_address": "127.0.0.1", "protocol_port": self.another_member(b"second")}
        pool["members"].append(second)
        pool["persistence"] = {"type": "HTTP_COOKIE"}
        await self.provide(tree)
        first = await self.get()
        cookie = first.headers[b"set-cookie"].decode().partition(";")[0]
        self.assertEqual({(await self.get("/", f"Cookie: {cookie}")).body for _ in range(4)}, {first.body})
        pool["persistence"] = {"type": "APP_COOKIE", "cookie_name": "session"}
        await self.provide(tree)
        self.assertEqual((await self.get()).status, 200)
        pool["persistence"] = {"type": "SOURCE_IP"}
        await self.provide(tree)
        first = await self.get()
        self.assertEqual({(await self.get()).body for _ in range(4)}, {first.body})

    @run
    async def test_plain_tcp_and_each_kind_of_monitor_without_a_program(self) -> None:
        await self.begin()
        tree = self.tree(protocol="TCP")
        pool = tree["pools"][0]
        pool["protocol"] = "TCP"
        for monitor in ({"type": "TCP"}, {"type": "HTTP", "http_version": 1.1, "domain_name": "x.example",
                        "http_method": "GET", "url_path": "/", "expected_codes": "200-204"}):  # fmt: skip
            pool["monitor"] = monitor
            await self.provide(tree)
            self.assertEqual((await self.get()).body, b"member")
        for kind in ("HTTPS", "TLS-HELLO"):
            pool["monitor"] = {"type": kind, "http_method": "GET", "url_path": "/", "expected_codes": "200"}
            await self.provide(tree)
        self.assertEqual((await self.do("client.get_all_listeners"))[0]["type"], "TCP")

    @run
    async def test_what_serves_prometheus_within_is_not_reported_as_a_tenants(self) -> None:
        await self.begin()
        tree = self.tree()
        port = free_address()[1]
        tree["listeners"].append({"id": OTHER_LISTENER, "protocol": "PROMETHEUS", "protocol_port": port})
        await self.provide(tree)
        # Their listener hands it on to a program of their image, which isn't there.
        self.assertEqual((await self.get("/metrics", port=port)).status, 503)
        await self.do("remember")
        heard = await self.do("hear")
        while OTHER_LISTENER not in heard["listeners"]:
            heard = await self.do("hear")
        self.assertEqual(set(heard["listeners"]), {LISTENER, OTHER_LISTENER})


class Terminating(OneAmphora):
    async def heard(self, name: str, client: Client | None = None) -> Heard | None:
        return await (client or Client(self)).ask(self.vip, self.vip_port, name)

    @run
    async def test_users_come_by_tls_and_each_name_has_its_certificate(self) -> None:
        await self.begin()
        (default, _), (named, _) = await self.do("store", "www.example.com"), await self.do("store", "sni.example.com")
        tree = self.tree(
            protocol="TERMINATED_HTTPS", tls_certificate_id=default, sni=[named], hsts_max_age=60,
            tls_versions=["TLSv1.2", "TLSv1.3"], tls_ciphers="ECDHE-RSA-AES256-GCM-SHA384:TLS_AES_256_GCM_SHA384",
            alpn_protocols=["http/1.1"], insert_headers={"X-Forwarded-Proto": "True"},
        )  # fmt: skip
        await self.provide(tree)
        self.assertEqual(await self._shown("www.example.com"), "www.example.com")
        self.assertEqual(await self._shown("sni.example.com"), "sni.example.com")
        heard = await self.heard("www.example.com")
        assert heard is not None
        self.assertEqual((heard.body, heard.headers["strict-transport-security"]), (b"member", "max-age=60;"))
        self.assertEqual((await self.do("client.get_all_listeners"))[0]["type"], "TERMINATED_HTTPS")

        (renewed, _) = await self.do("store", "new.example.com")
        tree["listeners"][0]["tls_certificate_id"] = renewed
        await self.provide(tree)
        self.assertEqual(await self._shown("www.example.com"), "new.example.com")
        self.assertEqual(await self._shown("sni.example.com"), "sni.example.com")

        await self.do("delete", LISTENER)
        left = [path for path in (self.memory / "certs").rglob("*") if path.is_file()]
        self.assertEqual(left, [])

    async def _shown(self, name: str) -> str | None:
        heard = await self.heard(name)
        return heard.host if heard is not None and heard.status == 200 else None

    @run
    async def test_clients_must_have_a_certificate_where_that_is_asked_for(self) -> None:
        await self.begin()
        clients, others = issue("clients", authority=True), issue("others", authority=True)
        tree = self.tree(
            protocol="TERMINATED_HTTPS", tls_certificate_id=(await self.do("store", "www.example.com"))[0],
            client_ca_tls_certificate_id=await self.do("secret", clients.pem.decode()),
            client_authentication="MANDATORY", insert_headers={"X-SSL-Client-CN": "True"},
        )  # fmt: skip
        await self.provide(tree)
        self.assertIsNone(await self.heard("www.example.com"))
        self.assertIsNone(await self.heard("www.example.com", Client(self, issue("client", others))))
        heard = await self.heard("www.example.com", Client(self, issue("client", clients)))
        self.assertEqual(heard and heard.body, b"member")

    @run
    async def test_members_behind_tls(self) -> None:
        await self.begin()
        members = issue("members", authority=True)
        (own, _pem) = await self.do("store", "our-client")
        # It believes this one alone.
        believed = x509.load_pem_x509_certificate((self.directory / "server_ca.pem").read_bytes())
        clients = Issued(certificate=believed, key=members.key)
        member = TlsMember(self, issue("member", members), clients)
        tree = self.tree()
        pool = tree["pools"][0]
        del pool["monitor"]
        pool["members"][0]["protocol_port"] = member.port
        pool |= {
            "tls_enabled": True, "tls_certificate_id": own,
            "ca_tls_certificate_id": await self.do("secret", members.pem.decode()), "tls_versions": ["TLSv1.2"],
            "tls_ciphers": "ECDHE-ECDSA-AES256-GCM-SHA384",
        }  # fmt: skip
        await self.provide(tree)
        heard = json.loads((await self.get()).body)
        self.assertEqual((heard["version"], heard["client"]), ("TLSv1.2", "our-client"))

    @run
    async def test_files_with_certificates(self) -> None:
        await self.begin()
        path = self.memory / "certs" / LB / "some.pem"
        put = await self.do("client.upload_cert_pem", LB, "some.pem", "content")
        digest = md5(b"content").hexdigest()
        self.assertEqual((put["status"], put["etag"]), (200, digest))
        self.assertEqual(path.read_bytes(), b"content")
        self.assertEqual(path.stat().st_mode & 0o777, 0o600)
        self.assertEqual(await self.do("client.get_cert_md5sum", LB, "some.pem"), digest)
        self.assertEqual((await self.do("client.delete_cert_pem", LB, "some.pem"))["status"], 200)
        self.assertEqual(await self.refused("client.get_cert_md5sum", LB, "some.pem"), "NotFound")
        self.assertEqual(await self.refused("client.upload_cert_pem", LB, "some", "content"), "InvalidRequest")


class Renewing(OneAmphora):
    @run
    async def test_new_settings_are_taken_up_at_once_and_at_the_next_start(self) -> None:
        await self.begin()
        await self.provide(self.tree())
        before = self.haproxies()
        await self.do("update_settings", 2, "SINGLE")
        text = self.configuration_file.read_text()
        self.assertIn("heartbeat_interval = 2", text)
        self.kill(self.agents[0], signal.SIGTERM)
        await self.restart()
        self.assertEqual(self.haproxies(), before)
        self.assertTrue(await self.serves())

    @run
    async def test_a_new_certificate_of_its_own_is_shown_at_once_and_after_a_start(self) -> None:
        await self.begin()
        before = await self._certificate()
        await self.do("upload_certificate")
        self.assertNotEqual(await self._certificate(), before)
        await self.do("versions")
        self.assertIn(await self._certificate(), (self.directory / "server.pem").read_text())
        self.kill(self.agents[0], signal.SIGTERM)
        await self.restart()
        self.assertEqual(await self.refused("client.update_cert_for_rotation", "fish"), "InvalidRequest")

    async def _certificate(self) -> str:
        """What the agent shows."""
        shown: str = await deferToThread(ssl.get_server_certificate, (self.host, self.port))
        return shown.strip()

    @run
    async def test_only_who_the_clients_authority_vouches_for_may(self) -> None:
        await self.begin()
        with self.assertRaises(Exception):  # noqa: B017 - TLS tells it in many ways
            await self.call("GET", "/")  # with our own controller's certificate


class Reporting(OneAmphora):
    async def until_known(self, *wanted: tuple[str, str]) -> dict[str, Any]:
        """Hear heartbeats until the controller's database says this; gives what it says."""
        for _ in range(30):
            heard = await self.do("hear")
            known: dict[str, Any] = await self.do("known")
            if set(wanted) <= set(known["statuses"].items()):
                break
        else:
            self.fail(f"never {wanted}: {known}, {heard}")
        return known

    @run
    async def test_its_health_manager_learns_who_is_well_and_what_went_through(self) -> None:
        await self.begin()
        tree = self.tree()
        tree["pools"].append({"id": OTHER_POOL, "protocol": "HTTP", "members": []})
        tree["listeners"].append(
            {"id": OTHER_LISTENER, "protocol": "HTTP", "protocol_port": free_address()[1], "pool": OTHER_POOL}
        )
        await self.provide(tree)
        await self.do("remember")
        online = [(each, "ONLINE") for each in (LB, LISTENER, POOL, MEMBER, OTHER_LISTENER, OTHER_POOL)]
        known = await self.until_known(*online)
        self.assertEqual(list(known["heard"]), [AMPHORA])
        for _ in range(5):
            await self.get()
        for _ in range(30):
            known = await self.do("known")
            statistics = known["statistics"][LISTENER]
            if statistics["total_connections"] >= 5:
                break
            await self.do("hear")
        self.assertEqual(statistics["total_connections"], 5)
        self.assertGreater(statistics["bytes_in"], 5 * 50)
        self.assertGreater(statistics["bytes_out"], 5 * 50)

    @run
    async def test_a_member_that_fails_is_an_error_in_its_database_and_online_again(self) -> None:
        await self.begin()
        tree = self.tree()
        port = free_address()[1]
        member = {"id": OTHER_MEMBER, "ip_address": "127.0.0.1", "protocol_port": port}
        tree["pools"][0]["members"].append(member)
        await self.provide(tree)
        await self.do("remember")
        await self.until_known((OTHER_MEMBER, "ERROR"), (POOL, "DEGRADED"), (MEMBER, "ONLINE"), (LB, "DEGRADED"))

    @run
    async def test_a_heartbeat_as_it_is(self) -> None:
        await self.begin()
        await self.provide(self.tree())
        heard = await self.do("hear")
        while not heard["pools"]:
            heard = await self.do("hear")
        heard.pop("recv_time")
        self.assertEqual((heard["id"], heard["ver"]), (AMPHORA, 3))
        self.assertEqual(heard["listeners"][LISTENER]["status"], "OPEN")
        self.assertEqual(set(heard["listeners"][LISTENER]["stats"]), {"tx", "rx", "conns", "totconns", "ereq"})
        self.assertEqual(heard["pools"], {f"{POOL}:{LISTENER}": {"status": "UP", "members": {MEMBER: "UP"}}})
        following = await self.do("hear")
        self.assertGreater(following["seq"], heard["seq"])
