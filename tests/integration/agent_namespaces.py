"""An agent whose traffic flows in a network namespace, with users and members in others. Needs root."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from twisted.internet.error import ConnectError, TimeoutError
from twisted.web.client import ResponseFailed
from twisted.web.server import Site

from octavia_tx.wire.tls import Credential, MutualTLS, Peer, Role
from tests.integration.agent_process import AMPHORA, HAPROXY, LISTENER, MEMBER, POOL, AgentCase, Answer, real
from tests.integration.netns import browser, cable, inside, ip, make, named, obstacle

VIP_MAC, MEMBER_MAC = "fa:16:3e:00:00:01", "fa:16:3e:00:00:02"
VIP, VRRP, GATEWAY, SUBNET = "198.51.100.9", "198.51.100.5", "198.51.100.1", "198.51.100.0/24"
VIP6, GATEWAY6, SUBNET6 = "2001:db8:1::9", "2001:db8:1::1", "2001:db8:1::/64"
# A user behind the gateway, who is in the members' network's neighbourhood by number alone.
FAR, NEAR = "203.0.113.9", "198.51.100.2"
FAR6, NEAR6 = "2001:db8:ff::9", "2001:db8:1::2"
FIXED, MEMBERS, MEMBER_IP = "203.0.113.130", "203.0.113.128/26", "203.0.113.131"
FIXED6, MEMBERS6, MEMBER_IP6 = "2001:db8:2::130", "2001:db8:2::/64", "2001:db8:2::131"
REMOTE_NET, REMOTE = "203.0.113.192/26", "203.0.113.200"
UNREACHED = (ConnectError, TimeoutError, ResponseFailed)


class NetworkCase(AgentCase):
    """The agent in a namespace, users in one, members in one; traffic flows in one that the agent makes."""

    timeout = 60
    topology = "SINGLE"
    skip = obstacle()

    def setUp(self) -> None:
        super().setUp()
        self.host = "127.0.0.1"
        self.programs = self.directory / "programs"  # before those that the machine has
        self.programs.mkdir()
        self.management, self.users, self.members = (make(self, n) for n in ("agent", "users", "members"))
        self.traffic = named(self, "traffic")
        ip("-n", self.users, "address", "add", f"{FAR}/32", "dev", "lo")
        ip("-n", self.users, "address", "add", f"{FAR6}/128", "dev", "lo", "nodad")
        ip("-n", self.members, "address", "add", f"{REMOTE}/32", "dev", "lo")
        self.machine()
        site = Site(self.back_end)  # type: ignore[no-untyped-call]
        site.log = lambda request: None  # type: ignore[method-assign,assignment]
        with inside(self.members):
            member = real.listenTCP(8080, site, interface="::")
        self.addCleanup(member.stopListening)

    def machine(self) -> None:
        """The machine's interfaces, as a boot finds them."""
        users = (f"{NEAR}/24", f"{GATEWAY}/24", f"{NEAR6}/64", f"{GATEWAY6}/64")
        cable(self.management, VIP_MAC, self.users, "vip", *users)
        cable(self.management, MEMBER_MAC, self.members, "members", f"{MEMBER_IP}/26", f"{MEMBER_IP6}/64")

    def place(self, directory: Path | None = None) -> Path:
        placed = super().place(directory)
        with (placed / "agent.toml").open("a") as settings:
            settings.write(f'\n[network]\nnamespace = "{self.traffic}"\ntopology = "{self.topology}"\n')
        return placed

    def launch(self) -> subprocess.Popen[bytes]:
        twistd = str(Path(sys.executable).with_name("twistd"))
        listen = f"tcp:{self.port}:interface={self.host}"
        options = ["--config", str(self.agent_directory / "agent.toml"), "--listen", listen, "--haproxy", HAPROXY]
        with (self.directory / "agent.log").open("ab") as log:
            child = subprocess.Popen(
                ["nsenter", f"--net=/run/netns/{self.management}", sys.executable, twistd, "-n", "--pidfile=",
                 "octavia-amphora-agent", *options],
                stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True,
                env={**os.environ, "PATH": f"{self.programs}:{os.environ['PATH']}"},
            )  # fmt: skip
        self.agents.append(child)
        return child

    def spoil(self, program: str) -> None:
        """Have a program fail from now on."""
        (self.programs / program).write_text("#!/bin/sh\necho It is spoilt. >&2\nexit 1\n")
        (self.programs / program).chmod(0o755)

    def mend(self, program: str) -> None:
        """Have the machine's own one again."""
        (self.programs / program).unlink()

    async def call(
        self, method: str, path: str, body: bytes = b"", fence: int | None = None, credential: Credential | None = None
    ) -> Answer:
        tls = MutualTLS(self.credential, Peer(role=Role.AMPHORA, identifier=AMPHORA))
        agent = browser(self.management, tls=tls)
        return await self.request(agent, method, self.url(path), body=body)

    async def plug_vip(self, vip: str = VIP, **changed: Any) -> Answer:
        body = {
            "subnet_cidr": SUBNET, "gateway": GATEWAY, "mac_address": VIP_MAC, "vrrp_ip": VRRP, "mtu": 1450,
            "host_routes": [], "is_sriov": False,
            "additional_vips": [
                {"ip_address": VIP6, "subnet_cidr": SUBNET6, "gateway": GATEWAY6, "host_routes": []}
            ],
        }  # fmt: skip
        return await self.call("POST", f"/1.0/plug/vip/{vip}", json.dumps(body | changed).encode())

    async def plug_network(self, **changed: Any) -> Answer:
        fixed = [
            {
                "ip_address": FIXED, "subnet_cidr": MEMBERS, "gateway": None,
                "host_routes": [{"destination": REMOTE_NET, "nexthop": MEMBER_IP}],
            },
            {"ip_address": FIXED6, "subnet_cidr": MEMBERS6, "host_routes": []},
        ]  # fmt: skip
        body = {"mac_address": MEMBER_MAC, "fixed_ips": fixed, "mtu": 1450, "is_sriov": False}
        return await self.call("POST", "/1.0/plug/network", json.dumps(body | changed).encode())

    async def allow(self, rules: Any, address: str = VIP) -> Answer:
        return await self.call("PUT", f"/1.0/interface/{address}/rules", json.dumps(rules).encode())

    def listening(self, member: str = MEMBER_IP) -> bytes:
        """What haproxy shall do."""
        host = f"[{member}]" if ":" in member else member
        return f"""
defaults
    mode http
    timeout connect 1s
    timeout client 10s
    timeout server 10s
frontend {LISTENER}
    bind {VIP}:80
    bind [{VIP6}]:80
    default_backend {POOL}:{LISTENER}
backend {POOL}:{LISTENER}
    server {MEMBER} {host}:8080
""".encode()

    async def user(self, vip: str = VIP, source: str | None = None) -> str:
        """What a user gets."""
        host = f"[{vip}]" if ":" in vip else vip
        return (await self.request(browser(self.users, source), "GET", f"http://{host}/")).body.decode()

    async def reaches(self, vip: str = VIP, source: str | None = None) -> bool:
        try:
            return await self.user(vip, source) == "member"
        except UNREACHED:
            return False

    def links(self) -> list[Any]:
        """All interfaces where traffic flows."""
        found: list[Any] = json.loads(ip("-n", self.traffic, "-j", "link"))
        return found

    def interface(self, name: str) -> Any:
        (found,) = json.loads(ip("-n", self.traffic, "-j", "address", "show", "dev", name))
        return found

    def addresses(self, name: str) -> set[str]:
        """Those of an interface, but for link-local ones."""
        return {
            f"{each['local']}/{each['prefixlen']}" for each in self.interface(name)["addr_info"]
            if each["scope"] != "link"
        }  # fmt: skip

    def state(self) -> str:
        """All of the namespace, but for what the kernel finds out of its own addresses."""
        asked = (("address",), ("route", "show", "table", "all"), ("-6", "route", "show", "table", "all"), ("rule",))
        seen = [ip("-n", self.traffic, "-d", *each) for each in (*asked, ("-6", "rule"))]
        nft = subprocess.run(
            ["ip", "netns", "exec", self.traffic, "nft", "list", "ruleset"], capture_output=True, text=True, check=True
        )
        return "\n".join((*seen, nft.stdout)).replace(" tentative", "")
