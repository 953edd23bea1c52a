"""The agent runs keepalived: for a pair's VIP, and for listeners of UDP."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any
from uuid import uuid4

from twisted.internet.defer import Deferred
from twisted.trial.unittest import TestCase

from amphora.keepalived import Keepalived, find
from amphora.load_balancer import Invalid
from amphora.supervision import Keepaliveds, Supervised
from amphora.vrrp import SCRIPTS, Vrrp
from tests.integration import test_agent_api
from tests.integration.agent_process import AMPHORA, LB, AgentCase, Answer, command, real, run

NO_KEEPALIVED = None if find("keepalived") else "needs keepalived: apt install keepalived"
NO_ROOT = "only root can make network namespaces" if os.geteuid() else None
LISTENER = "66666666-6666-4666-8666-666666666666"
IDLE = b"global_defs {\n    router_id one\n}\n"
INSTANCE = """
vrrp_script check {{
    script {script}
    interval 1
    fall 1
    rise 1
}}
vrrp_instance pair {{
    state MASTER
    interface {interface}
    virtual_router_id 7
    priority 100
    nopreempt
    version 3
    advert_int 0.1
    unicast_src_ip 198.51.100.5
    unicast_peer {{
        198.51.100.6
    }}
    virtual_ipaddress {{
        {vip}/24
    }}
    virtual_routes {{
        203.0.113.0/24 dev {interface} gateway 198.51.100.2 onlink table 1
    }}
    track_script {{
        check
    }}
}}
"""
BALANCING = b"""
virtual_server_group ipv4 {
    198.51.100.9 53
}
virtual_server group ipv4 {
    lb_algo rr
    lb_kind NAT
    protocol UDP
    delay_loop 30
    real_server 198.51.100.10 53 {
        weight 1
        MISC_CHECK {
            misc_path "/var/lib/octavia/lvs/check/udp_check.sh 198.51.100.10 53"
        }
    }
}
virtual_server_group ipv6 {
    2001:db8::9 53
}
virtual_server group ipv6 {
    lb_algo sh
    lb_kind NAT
    protocol UDP
}
"""


class KeepalivedCase(AgentCase):
    """What is asked of an agent that runs keepalived."""

    skip = NO_KEEPALIVED

    async def put(self, text: bytes) -> Answer:
        return await self.call("PUT", "/1.0/vrrp/upload", text)

    async def told(self, action: str) -> Answer:
        return await self.call("PUT", f"/1.0/vrrp/{action}")

    async def topology(self) -> tuple[str, str]:
        details = (await self.call("GET", "/1.0/details")).json
        return details["topology"], details["topology_status"]

    def running(self) -> list[int]:
        return [pid for pid in self.processes() if "keepalived.conf" in command(pid)]

    async def running_one(self) -> int:
        await self.until(lambda: len(self.running()) == 1)
        return self.running()[0]


class Pairs(KeepalivedCase):
    @run
    async def test_from_upload_to_stop(self) -> None:
        await self.start()
        self.assertEqual(await self.topology(), ("SINGLE", "OK"))
        uploaded = await self.put(IDLE)
        self.assertEqual((uploaded.status, uploaded.json), (200, {"message": "OK"}))
        self.assertEqual(uploaded.headers.getRawHeaders("ETag"), [hashlib.md5(IDLE).hexdigest()])
        self.assertEqual(self.running(), [])
        self.assertEqual(await self.topology(), ("ACTIVE_STANDBY", "DOWN"))
        started = await self.told("start")
        self.assertEqual((started.status, started.json["message"]), (202, "OK"))
        pid = await self.running_one()
        self.assertEqual(await self.topology(), ("ACTIVE_STANDBY", "UNKNOWN"))
        for action in ("start", "reload", "RELOAD"):
            self.assertEqual((await self.told(action)).status, 202)
            self.assertEqual(self.running(), [pid])
        for _ in range(2):
            self.assertEqual((await self.told("stop")).status, 202)
            self.assertEqual(self.running(), [])
        self.assertEqual((await self.told("reload")).status, 202)
        await self.running_one()

    @run
    async def test_what_cannot_be_done_is_told(self) -> None:
        await self.start()
        for action in ("start", "stop", "reload"):
            refused = await self.told(action)
            self.assertEqual((refused.status, refused.json["details"]), (500, "It has no configuration."))
        unknown = await self.told("explode")
        self.assertEqual((unknown.status, unknown.json["message"]), (400, "Invalid Request"))
        self.assertEqual((await self.put(b"")).status, 400)

    @run
    async def test_what_keepalived_does_not_accept_is_refused_with_its_own_words(self) -> None:
        await self.start()
        wrong = INSTANCE.format(script="/bin/true", interface="none", vip="198.51.100.9").encode()
        for text, why in ((b"nonsense {\n", "Unknown keyword 'nonsense'"), (wrong, "Non-existent interface")):
            refused = await self.put(text)
            self.assertEqual((refused.status, refused.json["message"]), (400, "Invalid request"))
            self.assertIn(why, refused.json["details"])
            self.assertNotIn(str(self.directory), refused.json["details"])
        self.assertEqual(await self.topology(), ("SINGLE", "OK"))
        await self.put(IDLE)
        await self.put(b"nonsense {\n")
        self.assertEqual((self.agent_directory / "vrrp" / "keepalived.conf").read_bytes(), IDLE)

    @run
    async def test_the_next_agent_adopts_it_and_one_that_died_is_started_again(self) -> None:
        agent = await self.start()
        await self.put(IDLE)
        await self.told("start")
        pid = await self.running_one()
        self.kill(agent)
        agent = await self.restart()
        await self.until(lambda: self.status("UNKNOWN"))
        self.assertEqual(self.running(), [pid])
        os.kill(pid, signal.SIGKILL)
        await self.until(lambda: self.running() not in ([], [pid]))
        pid = await self.running_one()
        self.kill(agent, signal.SIGTERM)
        self.assertEqual(self.running(), [pid])
        os.kill(pid, signal.SIGKILL)
        await self.until(lambda: self.running() == [])
        await self.restart()
        await self.running_one()

    @run
    async def test_one_that_was_stopped_stays_so_after_a_restart(self) -> None:
        agent = await self.start()
        await self.put(IDLE)
        await self.told("start")
        await self.told("stop")
        self.kill(agent)
        await self.restart()
        self.assertEqual(await self.topology(), ("ACTIVE_STANDBY", "DOWN"))
        self.assertEqual(self.running(), [])

    async def status(self, wanted: str) -> bool:
        return (await self.topology())[1] == wanted

    @run
    async def test_while_it_should_run_and_does_not_the_amphora_is_silent(self) -> None:
        await self.start()
        await self.put(IDLE)
        await self._heard()  # only uploaded
        await self.told("start")
        await self._heard()
        directory = self.agent_directory / "vrrp"
        (directory / "vrrp.pid").mkdir()  # so that it can't be started again
        os.kill(await self.running_one(), signal.SIGKILL)
        await self.until(lambda: self.status("DOWN"))
        told = len(self.receiver.datagrams)
        await self.until(lambda: "it is started again in 1.6 s" in self.log())  # after three heartbeats' time
        self.assertEqual((await self.told("start")).status, 500)
        self.assertEqual(len(self.receiver.datagrams), told)
        (directory / "vrrp.pid").rmdir()
        await self._heard()
        await self.told("stop")
        await self._heard()

    async def _heard(self) -> None:
        before = len(self.receiver.datagrams)
        await self.until(lambda: len(self.receiver.datagrams) > before)

    @run
    async def test_versions_are_told(self) -> None:
        await self.start()
        self.assertRegex((await self.call("GET", "/1.0/info")).json["keepalived_version"], r"^\d+\.\d+\.\d+$")


class UdpListeners(KeepalivedCase):
    """IPVS needn't be in the kernel: then all but running is to be as if it were."""

    async def put(self, text: bytes) -> Answer:
        return await self.call("PUT", f"/1.0/listeners/{AMPHORA}/{LISTENER}/udp_listener", text)

    async def told(self, action: str) -> Answer:
        return await self.call("PUT", f"/1.0/loadbalancer/{LISTENER}/{action}")

    async def configuration_of(self, id: str) -> Answer:
        return await self.call("GET", f"/1.0/listeners/{id}/udp_listener")

    listeners = test_agent_api.Asking.listeners

    @run
    async def test_from_upload_to_deletion(self) -> None:
        agent = await self.start()
        for text, kind in ((BALANCING.replace(b"UDP", b"SCTP"), "SCTP"), (BALANCING, "UDP")):
            uploaded = await self.put(text)
            self.assertEqual((uploaded.status, uploaded.json), (200, {"message": "OK"}), uploaded.body)
            self.assertEqual(uploaded.headers.getRawHeaders("ETag"), [hashlib.md5(text).hexdigest()])
            shown = await self.configuration_of(LISTENER)
            self.assertEqual((shown.status, shown.body), (200, text))
            self.assertEqual(await self.listeners(), [{"status": "OFFLINE", "uuid": LISTENER, "type": kind}])
        self.assertEqual((await self.told("stop")).status, 202)
        self.kill(agent)
        await self.restart()
        details = (await self.call("GET", "/1.0/details")).json
        self.assertEqual((details["listeners"], details["lvs_listener_process_count"]), ([LISTENER], 0))
        for _ in range(2):
            deleted = await self.call("DELETE", f"/1.0/listeners/{LISTENER}")
            self.assertEqual((deleted.status, deleted.json), (200, {"message": "OK"}))
        self.assertEqual(await self.listeners(), [])
        self.assertEqual(list((self.agent_directory / "udp_listeners").iterdir()), [])

    @run
    async def test_a_start_without_ipvs_tells_so_and_hangs_nobody(self) -> None:
        if Path("/proc/net/ip_vs").exists():
            return  # it has it
        await self.start()
        await self.put(BALANCING)
        for action in ("start", "reload"):
            refused = await self.told(action)
            self.assertEqual(refused.status, 500)
            self.assertIn("IPVS: Can't initialize ipvs", refused.json["details"])
        self.assertEqual((await self.listeners())[0]["status"], "ERROR")
        self.assertEqual((await self.told("stop")).status, 202)
        self.assertEqual((await self.listeners())[0]["status"], "OFFLINE")
        self.assertEqual(self.running(), [])

    test_a_start_without_ipvs_tells_so_and_hangs_nobody.skip = NO_KEEPALIVED or NO_ROOT  # type: ignore[attr-defined]

    @run
    async def test_one_with_nothing_to_serve_runs_and_is_offline(self) -> None:
        await self.start()
        await self.put(IDLE)
        self.assertEqual((await self.told("start")).status, 202)
        await self.running_one()
        self.assertEqual(await self.listeners(), [{"status": "OFFLINE", "uuid": LISTENER, "type": "UDP"}])
        details = (await self.call("GET", "/1.0/details")).json
        self.assertEqual((details["lvs_listener_process_count"], details["topology"]), (1, "SINGLE"))
        self.assertEqual((await self.call("DELETE", f"/1.0/listeners/{LISTENER}")).status, 200)
        self.assertEqual(self.running(), [])

    @run
    async def test_what_is_wrong_with_a_request_is_told(self) -> None:
        await self.start()
        missing = await self.configuration_of(LISTENER)
        self.assertEqual((missing.status, missing.json["message"]), (404, "UDP Listener Not Found"))
        self.assertEqual((await self.told("start")).status, 404)
        others = await self.call("PUT", f"/1.0/listeners/{LB}/{LISTENER}/udp_listener", IDLE)
        self.assertEqual((others.status, others.json["message"]), (404, "Amphora Not Found"))
        self.assertEqual((await self.configuration_of(LISTENER)).status, 404)
        refused = await self.put(b"nonsense {\n")
        self.assertEqual((refused.status, refused.json["message"]), (400, "Invalid request"))
        self.assertIn("Unknown keyword", refused.json["details"])
        self.assertEqual((await self.configuration_of(LISTENER)).status, 404)
        await self.put(IDLE)
        for action in ("drain", "explode"):
            self.assertEqual((await self.told(action)).json["details"], f"Unknown action: {action}")
        self.assertEqual((await self.configuration_of(LB)).status, 404)


class InNamespace(TestCase):
    """A real VRRP instance on an interface of a network namespace, to which a prefix leads."""

    skip = NO_KEEPALIVED or NO_ROOT
    timeout = 30

    def setUp(self) -> None:
        self.directory = Path(self.mktemp()).absolute()
        self.directory.mkdir()
        self.namespace = f"otx-{uuid4().hex[:8]}"
        self.ip("netns", "add", self.namespace)
        self.addCleanup(self.ip, "netns", "del", self.namespace)
        for words in ("link add one type veth peer name two", "link set one up", "link set two up"):
            self.ip("-n", self.namespace, *words.split())
        self.ip("-n", self.namespace, "addr", "add", "198.51.100.5/24", "dev", "one")
        prefix = ("/usr/bin/env", "ip", "netns", "exec", self.namespace)
        self.called = Keepalived(find("keepalived"), "--vrrp", prefix, SCRIPTS)
        self.script = self.directory / "vrrp" / "check_script.sh"

    def ip(self, *words: str) -> str:
        return subprocess.run(["ip", *words], check=True, capture_output=True, text=True).stdout

    def text(self, vip: str, script: str | None = None) -> bytes:
        return INSTANCE.format(script=script or self.script, interface="one", vip=vip).encode()

    def addresses(self) -> str:
        return self.ip("-n", self.namespace, "addr", "show", "dev", "one")

    async def until(self, holds: Any) -> None:
        while not holds():
            waiting: Deferred[None] = Deferred()
            real.callLater(0.02, waiting.callback, None)
            await waiting

    def pair(self) -> Supervised:
        every = Keepaliveds(real, self.directory, self.called, ("vrrp",))
        every.startService()
        self.addCleanup(every.stopService)
        pair = every.place("vrrp")
        self.addCleanup(pair.remove)
        return pair

    @run
    async def test_it_has_the_vip_only_while_each_haproxy_lives(self) -> None:
        pair = self.pair()
        vrrp = Vrrp(pair)
        await pair.upload(self.text("198.51.100.9"))
        await pair.start()
        await self.until(lambda: "198.51.100.9/24" in self.addresses())
        served = self.directory / "load_balancers" / LB
        served.mkdir(parents=True)
        (served / "haproxy.pid").write_text(f"{os.getpid()}\n")
        gone = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True)
        self.assertEqual(subprocess.run([self.script]).returncode, 0)
        (served / "haproxy.pid").write_bytes(gone.stdout)
        await self.until(lambda: "198.51.100.9/24" not in self.addresses())
        self.assertEqual(vrrp.topology()["topology_status"], "FAULT")
        (served / "drained").write_text("")
        await self.until(lambda: "198.51.100.9/24" in self.addresses())

    @run
    async def test_it_holds_the_vip_until_it_is_stopped(self) -> None:
        pair = self.pair()
        vrrp = Vrrp(pair)
        await pair.upload(self.text("198.51.100.9"))  # of which keepalived says that some makes no sense
        self.assertFalse(vrrp.is_down())
        await pair.start()
        await self.until(lambda: vrrp.topology()["topology_status"] == "MASTER")
        await self.until(lambda: "198.51.100.9/24" in self.addresses())
        await pair.upload(self.text("198.51.100.10", "/nowhere/check.sh"))
        self.assertIn("198.51.100.9/24", self.addresses())
        await pair.start()
        await self.until(lambda: "198.51.100.10/24" in self.addresses())
        self.assertNotIn("198.51.100.9/24", self.addresses())
        self.assertEqual(vrrp.topology(), {"topology": "ACTIVE_STANDBY", "topology_status": "MASTER"})
        with self.assertRaises(Invalid):
            await pair.upload(self.text("198.51.100.11").replace(b"interface one", b"interface three"))
        await pair.stop()
        self.assertNotIn("198.51.100.10/24", self.addresses())
        self.assertFalse(vrrp.is_down())
