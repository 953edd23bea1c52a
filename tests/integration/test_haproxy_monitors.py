"""What each field of a health monitor does to members, and so to clients, of haproxy itself."""

from __future__ import annotations

from typing import Any

from twisted.internet import reactor
from twisted.internet.task import deferLater

from octavia_tx.model.resources import HealthMonitor
from octavia_tx.model.tree import Tree
from tests.amphora_driver.gallery import monitor
from tests.integration.haproxy_process import Asked, MemberServer
from tests.integration.traffic import VIP, RawServer, TrafficCase, certificate

PATH = "/check"
QUICK: dict[str, Any] = {"delay": 1, "timeout": 1, "max_retries": 1, "max_retries_down": 1}


def checking(type: str, **fields: Any) -> HealthMonitor:
    """Each second; one answer decides. Those that speak HTTP ask for a path of their own."""
    path = {"url_path": PATH} if type in ("HTTP", "HTTPS") else {}
    return monitor(type, **{**QUICK, **path, **fields})


class HttpTests(TrafficCase):
    """Monitors of HTTP and HTTPS."""

    def checks(self, number: int = 0) -> list[Asked]:
        """What a member was asked by the monitor."""
        return [asked for asked in self.members[number].asked if asked.path == PATH]

    async def anew(self) -> None:
        """Members that weren't asked yet, and a port for another haproxy."""
        self.members = [await MemberServer(name).start(self) for name in ("first", "second", "third")]
        self.another()

    async def test_the_method_the_path_and_the_version_are_those_of_the_monitor(self) -> None:
        for method, version in (("GET", 1.0), ("HEAD", 1.1), ("OPTIONS", 1.0), ("POST", 1.1), ("DELETE", 1.0)):
            await self.running(self.tree(checking("HTTP", http_method=method, http_version=version)))
            await self.until_true(self.checks)
            found = self.checks()[0]
            self.assertEqual((found.method, found.version), (method, f"HTTP/{version}"))
            await self.anew()

    async def test_a_path_comes_as_it_was_given(self) -> None:
        for path in ("/it's/$HOME", "/a?b=%20c&d=(e)*!;f=~g,h@i:j", "/''/%25", "/-f"):
            await self.running(self.tree(checking("HTTP", url_path=path)))
            await self.until_true(lambda: self.members[0].asked)
            self.assertEqual(self.members[0].asked[0].path, path)
            await self.anew()

    async def test_the_host_is_the_domain_name_else_the_vip_if_the_version_needs_one(self) -> None:
        for fields, expected in (
            ({"http_version": 1.1, "domain_name": "www.example.com"}, "www.example.com"),
            ({"http_version": 1.1}, VIP),
            ({"http_version": 1.0}, None),
        ):
            await self.running(self.tree(checking("HTTP", **fields)))
            await self.until_true(self.checks)
            asked = self.members[0]
            self.assertEqual(asked.hosts[[each.path for each in asked.asked].index(PATH)], expected)
            await self.anew()

    async def test_one_code_a_list_and_a_range_are_expected(self) -> None:
        for codes, statuses, up in (
            ("202", (200, 202, 202), ("second", "third")),
            ("200,404", (404, 200, 503), ("first", "second")),
            ("200-204", (205, 204, 200), ("second", "third")),
        ):
            for server, status in zip(self.members, statuses, strict=True):
                server.statuses[PATH] = status
            self.another()
            await self.running(self.tree(checking("HTTP", expected_codes=codes)))
            await self.until_served_by(*up)

    async def test_https_asks_within_tls(self) -> None:
        await self._members_of_tls()
        await self.running(self._to_tls(checking("HTTPS", http_version=1.1, domain_name="name")))
        await self.until_served_by("first", "second")
        self.assertIn("name", self.secure[0].hosts)
        self.secure[0].statuses[PATH] = 500
        await self.until_served_by("second")

    async def test_tls_hello_asks_for_tls_and_no_more(self) -> None:
        await self._members_of_tls()
        self.secure[0].statuses[PATH] = 500
        await self.running(self._to_tls(checking("TLS-HELLO")))
        await self.until_served_by("first", "second")
        self.assertEqual(self.secure[0].asked, [])

    async def _members_of_tls(self) -> None:
        self.secure = [await MemberServer(n).start(self, tls=certificate(n)) for n in ("first", "second")]

    def _to_tls(self, check: HealthMonitor) -> Tree:
        """Members that serve HTTP at one port and are checked at another, the last one at that of HTTP."""
        ports = [{"monitor_port": server.port} for server in self.secure]
        return self.with_members(self.tree(check), *ports)

    async def test_a_disabled_monitor_takes_nobody_out(self) -> None:
        self.members[0].statuses[PATH] = 500
        for enabled, names in ((True, ("second", "third")), (False, ("first", "second", "third"))):
            self.another()
            await self.running(self.tree(checking("HTTP", admin_state_up=enabled)))
            await self.until_served_by(*names)

    async def test_another_address_or_port_is_checked_instead(self) -> None:
        judge = await MemberServer("judge").start(self, "127.0.0.2")
        elsewhere = {"monitor_address": "127.0.0.2", "monitor_port": judge.port}
        nobody = {"monitor_address": "127.0.0.3"}
        shown = self.with_members(self.tree(checking("HTTP")), elsewhere, nobody)
        self.members[0].statuses[PATH] = 500
        await self.running(shown)
        await self.until_served_by("first", "third")
        self.assertEqual(self.checks(), [])
        judge.statuses[PATH] = 500
        await self.until_served_by("third")

    async def test_checks_come_at_the_delay_and_as_many_decide_as_told(self) -> None:
        await self.running(self.tree(checking("HTTP", max_retries_down=2, max_retries=3)))
        await self.until_true(self.checks)
        self.members[0].statuses[PATH], before = 500, len(self.checks())
        await self.until_served_by("second", "third")
        failed = len(self.checks())
        self.members[0].statuses[PATH] = 200
        await self.until_served_by("first", "second", "third")
        self.assertEqual((failed - before, len(self.checks()) - failed), (2, 3))
        times = [asked.seconds for asked in self.checks()]
        for first, second in zip(times, times[1:], strict=False):
            self.assertLess(abs(second - first - QUICK["delay"]), 0.4)

    async def test_an_answer_after_the_timeout_is_none(self) -> None:
        self.members[0].silent.add(PATH)
        began = reactor.seconds()
        await self.running(self.tree(checking("HTTP")))
        await self.until_served_by("second", "third")
        self.assertLess(reactor.seconds() - began, 4)


class TcpTests(TrafficCase):
    """Monitors of TCP."""

    async def test_whoever_accepts_a_connection_is_up(self) -> None:
        mute, gone = await RawServer("not HTTP\r\n\r\n").start(self), await MemberServer("gone").start(self)
        await gone.stop()
        ports = [{"monitor_port": server.port} for server in (mute, gone)]
        await self.running(self.with_members(self.tree(checking("TCP")), *ports))
        await self.until_served_by("first", "third")
        await deferLater(reactor, QUICK["delay"] + 0.2)  # By then each has been checked.
        self.assertEqual(set(await self.names(6)), {"first", "third"})

    async def test_members_of_the_proxy_protocol_are_checked_without_it_at_a_port_of_their_own(self) -> None:
        judge = await MemberServer("judge").start(self)
        shown = self.tree(checking("HTTP"), pool_fields={"protocol": "PROXY"})
        await self.running(self.with_members(shown, {"monitor_port": judge.port}))
        await self.until_true(lambda: judge.asked)
