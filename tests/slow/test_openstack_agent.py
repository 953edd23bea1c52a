"""OpenStack's own agent and ours are asked the same, mostly wrong things: status and body, field by field."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from attrs import frozen
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import SkipTest

from tests.integration.agent_process import AMPHORA, HAPROXY, LB, AgentCase, run
from tests.slow.openstack import INSTALLED, PYTHON

AGENT = Path(__file__).with_name("openstack_agent.py")
ABSENT = "99999999-9999-4999-8999-999999999999"
MAC = "02:00:00:00:00:99"
JSON = "application/json"
TEXT = "text/plain"


@frozen
class Ask:
    """A request."""

    method: str
    path: str
    body: str = ""
    kind: str = TEXT

    def __str__(self) -> str:
        return f"{self.method} {self.path} {self.body[:60]}".strip()


@frozen
class Told:
    """An answer."""

    status: int
    kind: str
    body: Any

    def says_all_of(self, other: Told) -> bool:
        """Whether it is as good as the other for a program that goes by that."""
        return (self.status, self.kind) == (other.status, other.kind) and says_all_of(self.body, other.body)


def says_all_of(ours: Any, theirs: Any, name: str = "") -> bool:
    """Whether each name is there, each value is of the same type, and messages are the same, up to a colon."""
    if type(ours) is not type(theirs):
        return False
    if isinstance(theirs, dict):
        # What is by the machine's interfaces and packages isn't compared.
        wanted = {} if name in ("networks", "packages") else theirs
        return all(key in ours and says_all_of(ours[key], value, key) for key, value in wanted.items())
    if isinstance(theirs, list):
        return len(ours) == len(theirs) and all(map(says_all_of, ours, theirs))
    if name in ("message", "error"):
        return bool(ours.partition(":")[0] == theirs.partition(":")[0])
    return name != "http_code" or bool(ours == theirs)


def asks(paths: str, *methods: str) -> tuple[Ask, ...]:
    return tuple(Ask(method, path) for path in paths.split() for method in methods)


def bodies(method: str, path: str, *bodies: object) -> tuple[Ask, ...]:
    return tuple(Ask(method, path, b if isinstance(b, str) else json.dumps(b), JSON) for b in bodies)


UNKNOWN = (
    *asks("/nothing /1.0 /1.0/nothing /1.0/info/more /0.5/info", "GET", "PUT", "POST", "DELETE"),
    *asks(f"/1.0/loadbalancer /1.0/loadbalancer/{LB} /1.0/loadbalancer/{LB}/certificates/a.pem/b", "PUT"),
)
WRONG_METHODS = (
    *asks("/ /1.0/info /1.0/details /1.0/listeners", "PUT", "POST", "DELETE", "PATCH"),
    *asks(f"/1.0/config /1.0/loadbalancer/{LB}/start /1.0/listeners/{LB}", "GET", "POST"),
    *asks(f"/1.0/loadbalancer/{LB}/certificates/a.pem", "POST", "PATCH"),
)
ABSENT_ONES = (
    *(Ask("PUT", f"/1.0/loadbalancer/{ABSENT}/{action}") for action in ("start", "stop", "reload", "dance")),
    *(Ask("PUT", f"/1.0/loadbalancer/{LB}/{action}") for action in ("dance", "STOPP")),
    Ask("GET", f"/1.0/loadbalancer/{ABSENT}/haproxy"),
    Ask("DELETE", f"/1.0/listeners/{ABSENT}"),
)
# Ours knows ids alone: what isn't one is an unknown path.
NO_IDS = (
    *asks("/1.0/loadbalancer/fish/start /1.0/loadbalancer/fish/dance", "PUT"),
    *asks("/1.0/loadbalancer/fish/haproxy /1.0/listeners/fish/udp_listener", "GET"),
    *asks("/1.0/listeners/fish", "DELETE"),
)
CERTIFICATES = (
    *asks(f"/1.0/loadbalancer/{LB}/certificates/absent.pem", "GET", "DELETE"),
    *asks(f"/1.0/loadbalancer/{LB}/certificates/fish /1.0/loadbalancer/{LB}/certificates/a.crt", "GET", "DELETE"),
    Ask("PUT", f"/1.0/loadbalancer/{LB}/certificates/a.crt", "content"),
    Ask("PUT", f"/1.0/loadbalancer/{LB}/certificates/a.pem", "content"),
    *asks(f"/1.0/loadbalancer/{LB}/certificates/a.pem", "GET", "DELETE", "GET"),
)
CONFIGURATIONS = (
    Ask("PUT", f"/1.0/loadbalancer/{AMPHORA}/{LB}/haproxy", "fish\n"),
    Ask("PUT", f"/1.0/loadbalancer/{AMPHORA}/{ABSENT}/haproxy", "frontend x\n    bind fish\n"),
    Ask("GET", f"/1.0/loadbalancer/{LB}/haproxy"),
)
RIGHT = tuple(Ask("GET", path) for path in ("/", "/1.0/info", "/1.0/details", "/1.0/listeners"))
VIP = {"subnet_cidr": "203.0.113.0/24", "gateway": "203.0.113.1", "mac_address": MAC}
PLUGGING = (
    *bodies("POST", "/1.0/plug/vip/203.0.113.5", "", "fish", "[]", "{}", {**VIP, "mac_address": MAC}),
    *bodies("POST", "/1.0/plug/vip/203.0.113.5", *({k: v for k, v in VIP.items() if k != gone} for gone in VIP)),
    *bodies("POST", "/1.0/plug/vip/fish", VIP),
    *bodies("POST", "/1.0/plug/vip/203.0.113.5", {**VIP, "subnet_cidr": "fish"}, {**VIP, "vrrp_ip": "fish"}),
    *bodies("POST", "/1.0/plug/network", "", "fish", "[]", "{}", {"mac_address": MAC}),
    *bodies("POST", "/1.0/plug/network", {"mac_address": MAC, "fixed_ips": [{"ip_address": "fish"}]}),
    *asks("/1.0/plug/vip/203.0.113.5 /1.0/plug/network", "GET", "PUT"),
)
INTERFACES = (
    *asks("/1.0/interface/fish /1.0/interface/203.0.113.77 /1.0/interface/2001:db8::77", "GET"),
    *bodies("PUT", "/1.0/interface/203.0.113.77/rules", "[]"),
    *bodies("PUT", "/1.0/interface/fish/rules", "[]"),
)
WRONG_RULES = (
    *("fish", "", "{}", [{}], [{"protocol": "TCP"}], [{"protocol": "TCP", "cidr": 1, "port": 1}]),
    *([{"protocol": kind, "cidr": None, "port": port}] for kind, port in (("X", 1), ("TCP", 0), ("UDP", 65536))),
    [{"protocol": "TCP", "cidr": None, "port": 1, "more": 1}],
)
KEEPALIVED = (
    *asks("/1.0/vrrp/dance /1.0/vrrp/fish", "PUT"),
    *asks("/1.0/vrrp/upload /1.0/vrrp/start", "GET", "POST"),
    *asks(f"/1.0/listeners/{ABSENT}/udp_listener", "GET"),
    *asks(f"/1.0/listeners/{AMPHORA}/{ABSENT}/udp_listener /1.0/certificate", "GET", "POST"),
)


class SideBySide(AgentCase):
    """Each of these is asked of both."""

    timeout = 120

    def setUp(self) -> None:
        if os.geteuid():
            raise SkipTest("OpenStack's agent runs as root alone")
        if not INSTALLED.exists():
            raise SkipTest("OpenStack's Octavia isn't installed: make .venv/.octavia")
        super().setUp()

    async def compare(self, *asked: Ask) -> dict[Ask, tuple[Told, Told]]:
        """What both tell where they don't tell the same: theirs, and ours."""
        theirs = await deferToThread(self._theirs, asked)
        await self.start()
        await self.upload()
        different = {}
        for ask, their in zip(asked, theirs, strict=True):
            our = await self._ours(ask)
            if not our.says_all_of(their):
                different[ask] = their, our
        return different

    def _theirs(self, asked: tuple[Ask, ...]) -> list[Told]:
        with tempfile.TemporaryDirectory(prefix="octavia-tx-test-") as directory:
            done = subprocess.run(
                ["unshare", "--mount", "--net", str(PYTHON), str(AGENT), directory, HAPROXY, own_address()],
                input=json.dumps([[a.method, a.path, a.body, a.kind] for a in asked]).encode(),
                capture_output=True, timeout=60,
            )  # fmt: skip
        if done.returncode:
            raise AssertionError(done.stderr.decode())
        return [
            told(status, headers.get("Content-Type", ""), body) for status, headers, body in json.loads(done.stdout)
        ]

    async def _ours(self, ask: Ask) -> Told:
        answer = await self.call(ask.method, ask.path, ask.body.encode("latin-1"), kind=ask.kind)
        kinds = answer.headers.getRawHeaders("content-type") or [""]
        return told(answer.status, kinds[0], answer.body.decode())

    def assertSame(self, different: dict[Ask, tuple[Told, Told]]) -> None:
        lines = [f"{ask}\n  theirs {their}\n  ours   {our}" for ask, (their, our) in different.items()]
        self.assertEqual(lines, [], "\n".join(lines))

    @run
    async def test_what_there_is(self) -> None:
        self.assertSame(await self.compare(*RIGHT))

    @run
    async def test_unknown_paths_and_wrong_methods(self) -> None:
        self.assertSame(await self.compare(*UNKNOWN, *WRONG_METHODS))

    @run
    async def test_load_balancers_that_are_not_there(self) -> None:
        self.assertSame(await self.compare(*ABSENT_ONES))

    @run
    async def test_what_is_no_id_is_a_path_that_ours_does_not_have(self) -> None:
        different = await self.compare(*NO_IDS)
        self.assertEqual(set(different), set(NO_IDS))
        self.assertEqual({(our.status, our.body["http_code"]) for _their, our in different.values()}, {(404, 404)})

    @run
    async def test_certificates(self) -> None:
        self.assertSame(await self.compare(*CERTIFICATES))

    @run
    async def test_configurations(self) -> None:
        self.assertSame(await self.compare(*CONFIGURATIONS))

    @run
    async def test_plugging(self) -> None:
        self.assertSame(await self.compare(*PLUGGING))

    @run
    async def test_interfaces(self) -> None:
        rules = bodies("PUT", f"/1.0/interface/{own_address()}/rules", *WRONG_RULES)
        self.assertSame(await self.compare(*INTERFACES, Ask("GET", f"/1.0/interface/{own_address()}"), *rules))

    @run
    async def test_keepalived(self) -> None:
        self.assertSame(await self.compare(*KEEPALIVED))


def own_address() -> str:
    """An address of this machine's that isn't a loopback's: their agent gets an interface with the same."""
    said = subprocess.run(["ip", "-json", "-4", "address"], capture_output=True, check=True).stdout
    found = (each for link in json.loads(said) if "LOOPBACK" not in link["flags"] for each in link["addr_info"])
    address = next((str(each["local"]) for each in found if each["scope"] == "global"), None)
    if address is None:
        raise SkipTest("this machine has no address")
    return address


def told(status: int, kind: str, body: str) -> Told:
    kind = kind.partition(";")[0]
    return Told(status, kind, json.loads(body) if kind == JSON else body)
