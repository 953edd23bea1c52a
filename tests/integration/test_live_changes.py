"""The whole system while it is used: changes of members and listeners through the API, and nobody notices."""

from __future__ import annotations

import json
import sys
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.protocol import ProcessProtocol, connectionDone
from twisted.python.failure import Failure

from amphora.master import Master, Processes
from amphora.statistics import parse
from octavia_tx.cloud.loopback import IPV4_SUBNET_ID
from tests.integration.system import SystemCase

PATIENCE = 10.0  # seconds for a change to be live
CHANGES = 100
RATE = 1000
# What members are, as haproxy tells it: status, weight, whether it is a backup.
Members = dict[str, tuple[str, str, str]]


class Users(ProcessProtocol):
    """The load, in a process of its own that ends with this one, and tells how it went."""

    def __init__(self, address: str, port: int) -> None:
        self._said = b""
        self._ended: Deferred[None] = Deferred()
        command = [sys.executable, "-m", "benchmarks.steady", address, str(port), "--rate", str(RATE)]
        self._process = reactor.spawnProcess(  # type: ignore[attr-defined]
            self, sys.executable, [*command, "--seconds", "150"], env=None, childFDs={0: "w", 1: "r", 2: 2}
        )

    def outReceived(self, data: bytes) -> None:
        self._said += data

    def processEnded(self, reason: Failure = connectionDone) -> None:
        self._ended.callback(None)

    async def end(self) -> dict[str, Any]:
        """No further request; gives what C{benchmarks.steady} tells."""
        self.stop()
        await self._ended
        told: dict[str, Any] = json.loads(self._said)
        return told

    def stop(self) -> None:
        """No further request."""
        self._process.closeStdin()


class LiveChanges(SystemCase):
    async def begin(self) -> None:
        """A pool of two members, which stay, and users who ask."""
        self.system.start_controller()
        await self.system.wait_for_api()
        for name in ("red", "blue", "green"):
            await self.system.start_back_end(name)
        ports = self.system.members
        members = [{"address": "127.0.0.1", "protocol_port": ports[name]} for name in ("red", "blue")]
        pool = {"protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN", "members": members}
        listener = {"name": "web", "protocol": "HTTP", "protocol_port": 8080, "default_pool": pool}
        made = await self.tenant.create(
            "/loadbalancers", "loadbalancer", name="lb", vip_subnet_id=IPV4_SUBNET_ID, listeners=[listener]
        )
        shown = await self.until_active(made["id"])
        self.load_balancer, self.address = made["id"], shown["vip_address"]
        self.listener, self.pool = shown["listeners"][0]["id"], shown["pools"][0]["id"]
        (directory,) = (self.system.directory / "state" / "amphorae").glob("*-*-*-*-*/load_balancers/*")
        self.master = Master(reactor, directory)
        self.users = Users(self.address, 8080)
        self.addCleanup(self.users.stop)

    async def served(self) -> Members:
        """What haproxy's members are."""
        rows = parse(await self.master.ask("@1 show stat -1 4 -1"))
        return {row["svname"]: (row["status"], row["weight"], row["bck"]) for row in rows}

    async def wanted(self, method: str, path: str, **fields: Any) -> dict[str, Any]:
        """One change of the API."""
        kind = "member" if "/members" in path else "listener"
        code, answer = await self.tenant.call(method, path, {kind: fields} if fields else None)
        self.assertLess(code, 300, answer)
        return answer[kind] if answer else {}

    async def until_live(self, member: str, wanted: tuple[str, str, str] | None) -> None:
        deadline = self.system.reactor.seconds() + PATIENCE
        while (now := (await self.served()).get(member)) != wanted:
            if (now is None or now[0] == "MAINT") and wanted is None:
                return  # it gets nothing, and is forgotten as soon as nobody uses it any more
            self.assertLess(self.system.reactor.seconds(), deadline, f"{now} isn't {wanted}")
            await self.pause(0.005)

    def pushes(self) -> int:
        """How many there were."""
        return (self.system.directory / "controller.log").read_text().count("Step begins: apply,")

    async def settled(self) -> Processes:
        await self.until_active(self.load_balancer)
        return await self.master.processes()

    async def change_members(self) -> int:
        """Each kind of change, of one member after the other; gives how many there were."""
        members, done = f"/pools/{self.pool}/members", 0
        green = {"address": "127.0.0.1", "protocol_port": self.system.members["green"]}
        while done < CHANGES:
            made = await self.wanted("POST", members, **green, weight=2)
            await self.until_live(made["id"], ("no check", "2", "0"))
            for fields, then in (
                ({"weight": 5}, ("no check", "5", "0")),
                ({"weight": 0}, ("no check", "0", "0")),
                ({"weight": 1}, ("no check", "1", "0")),
                ({"backup": True}, ("no check", "1", "1")),
                ({"backup": False}, ("no check", "1", "0")),
                ({"admin_state_up": False}, ("MAINT", "1", "0")),
                ({"admin_state_up": True}, ("no check", "1", "0")),
            ):
                await self.wanted("PUT", f"{members}/{made['id']}", **fields)
                await self.until_live(made["id"], then)
            await self.wanted("DELETE", f"{members}/{made['id']}")
            await self.until_live(made["id"], None)
            done += 9
        return done

    async def test_no_request_fails_while_members_and_listeners_change(self) -> None:
        await self.begin()
        before = await self.settled()
        self.assertGreaterEqual(await self.change_members(), CHANGES)
        after = await self.settled()
        self.assertEqual((after.workers, after.reloads), (before.workers, before.reloads), "there was a reload")
        for number in range(5):
            made = await self.wanted(
                "POST", "/listeners", loadbalancer_id=self.load_balancer, protocol="TCP", protocol_port=9000 + number,
                default_pool_id=self.pool,
            )  # fmt: skip
            await self.settled()
            await self.wanted("PUT", f"/listeners/{self.listener}", timeout_client_data=40000 + number)
            await self.settled()
            await self.wanted("DELETE", f"/listeners/{made['id']}")
        self.assertGreater((await self.settled()).reloads, before.reloads)
        told = await self.users.end()
        self.assertEqual(told["failed"], {})
        self.assertEqual(set(told["served"]), {"red", "blue", "green"})
        self.assertGreater(told["answered"], RATE)

    async def test_changes_that_come_quickly_are_few_pushes(self) -> None:
        await self.begin()
        await self.settled()
        before, count = self.pushes(), 40
        for number in range(count):
            await self.wanted(
                "POST", f"/pools/{self.pool}/members", address="127.0.0.1", protocol_port=1 + number, weight=0
            )
        await self.settled()
        self.assertEqual(len(await self.served()), count + 2)
        self.assertLess(self.pushes() - before, count / 2)
        self.assertEqual((await self.users.end())["failed"], {})
