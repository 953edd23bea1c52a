"""The tour itself: what is shown, in which order, and what must be true at each point."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from octavia_tx.cloud.loopback import IPV4_SUBNET_ID
from octavia_tx.demo import processes
from octavia_tx.demo.narrator import Narrator
from octavia_tx.demo.stage import Stage
from octavia_tx.demo.tenant import Visitor, pause

BACK_ENDS = ("red", "blue")


class Disappointed(Exception):
    """The tour promised something that didn't happen."""


class Tour:
    """One tour: L{run} makes, uses, breaks, heals and removes; with C{keep} it stops before the removal."""

    def __init__(self, reactor: Any, narrator: Narrator, stage: Stage) -> None:
        self._reactor = reactor
        self._narrator = narrator
        self.stage = stage
        self._tenant = stage.tenant
        self._members: dict[str, str] = {}
        self._listener = ""
        self.load_balancer = ""
        self.vip = ""
        self._visitor: Visitor

    async def run(self, *, keep: bool) -> None:
        """Give the tour. Raises L{Disappointed} or L{Impatient} when something isn't as promised."""
        await self._set_up()
        await self._create()
        await self._use()
        await self._break_and_heal()
        await self._count()
        if keep:
            self.stage.keep()
            return
        await remove(self._narrator, self.stage, ((self.vip, self.stage.ports["vip"]),))

    async def _set_up(self) -> None:
        narrator, stage = self._narrator, self.stage
        narrator.heading("A system from nothing")
        with narrator.step("twistd octavia-controller: PostgreSQL, authority, API"):
            stage.start_controller()
            await stage.wait_for_api()
        with narrator.step("two HTTP back ends"):
            for name in BACK_ENDS:
                await stage.start_back_end(name)
        ports = ", ".join(f"{name} on port {stage.members[name]}" for name in BACK_ENDS)
        narrator.say(f"API at {self._tenant.endpoint}; {ports}")

    async def _create(self) -> None:
        narrator, tenant = self._narrator, self._tenant
        narrator.heading("A tenant asks for a load balancer")
        with narrator.step("load balancer, listener, pool, two members, monitor: asked for"):
            load_balancer = await tenant.create(
                "/loadbalancers", "loadbalancer", name="tour", vip_subnet_id=IPV4_SUBNET_ID
            )
            self.load_balancer = load_balancer["id"]
            listener = await tenant.create(
                "/listeners", "listener", name="web", protocol="HTTP", protocol_port=self.stage.ports["vip"],
                loadbalancer_id=self.load_balancer,
            )  # fmt: skip
            self._listener = listener["id"]
            pool = await tenant.create(
                "/pools", "pool", name="shop", protocol="HTTP", lb_algorithm="ROUND_ROBIN", listener_id=listener["id"]
            )
            for name in BACK_ENDS:
                await self._create_member(pool["id"], name)
            await tenant.create(
                "/healthmonitors", "healthmonitor", type="HTTP", delay=1, timeout=1, max_retries=1,
                max_retries_down=2, pool_id=pool["id"],
            )  # fmt: skip
        with narrator.step("until it is ACTIVE: an amphora boots, haproxy starts"):
            shown = await tenant.wait_for(
                f"/loadbalancers/{self.load_balancer}", "loadbalancer", _is("provisioning_status", "ACTIVE")
            )
        assert shown is not None
        self.vip = str(shown["vip_address"])
        self._visitor = Visitor(self._reactor, self.vip, self.stage.ports["vip"])
        for name in BACK_ENDS:
            with narrator.step(f"until member {name} is ONLINE"):
                await self._until_member(name, "ONLINE")

    async def _create_member(self, pool: str, name: str) -> None:
        member = await self._tenant.create(
            f"/pools/{pool}/members", "member", name=name, address="127.0.0.1", protocol_port=self.stage.members[name]
        )
        self._members[name] = f"/pools/{pool}/members/{member['id']}"

    async def _until_member(self, name: str, status: str) -> None:
        await self._tenant.wait_for(self._members[name], "member", _is("operating_status", status))

    async def _use(self) -> None:
        narrator = self._narrator
        narrator.heading(f"A user's requests: curl {self._visitor.url}")
        with narrator.step("20 requests through the VIP"):
            for _ in range(20):
                await self._visitor.visit()
        narrator.say(_tally(self._visitor))
        self._promise(set(self._visitor.served) == set(BACK_ENDS), "both members answer")
        self._promise(not self._visitor.failed, "no request fails")

    async def _break_and_heal(self) -> None:
        narrator, visitor = self._narrator, self._visitor
        narrator.heading("A back end dies, while requests go on")
        visits = visitor.keep_visiting(every=0.02)
        await pause(self._reactor, 0.3)
        before = visitor.served.copy()
        with narrator.step("red killed; until its member is ERROR"):
            self.stage.kill_back_end("red")
            await self._until_member("red", "ERROR")
        narrator.say(f"meanwhile {_tally(visitor, before)}")
        with narrator.step("red started again; until its member is ONLINE"):
            await self.stage.start_back_end("red")
            await self._until_member("red", "ONLINE")
        before = visitor.served.copy()
        with narrator.step("until red serves again"):
            while visitor.served["red"] == before["red"]:
                await pause(self._reactor, 0.02)
        visitor.leave()
        await visits
        narrator.say(f"in all {_tally(visitor)}")
        self._promise(not visitor.failed, "no request fails")

    async def _count(self) -> None:
        narrator, made = self._narrator, self._visitor.requests
        narrator.heading("Statistics")
        with narrator.step(f"until the API counts the {made} connections that were made"):
            stats = await self._tenant.wait_for(
                f"/listeners/{self._listener}/stats", "stats", lambda s: bool(s and s["total_connections"] >= made)
            )
        assert stats is not None
        narrator.say(", ".join(f"{name} {value}" for name, value in sorted(stats.items())))
        self._promise(stats["total_connections"] == made, f"{made} connections are counted, no more")
        self._promise(stats["request_errors"] == 0, "no request error is counted")

    @staticmethod
    def _promise(kept: bool, promise: str) -> None:
        if not kept:
            raise Disappointed(promise)


async def remove(narrator: Narrator, stage: Stage, places: tuple[tuple[str, int], ...]) -> None:
    """Delete all load balancers, stop the stage, and look for anything left."""
    narrator.heading("Everything goes")
    answers = await stage.tenant.answers()
    if answers:
        with narrator.step("load balancers deleted; until the API knows them no more"):
            await _delete_all(stage)
    amphorae = [command for command in stage.left().values() if answers and "octavia-amphora-agent" in command]
    with narrator.step("controller and back ends asked to end"):
        await (stage.stop() if answers else stage.clear())
    if not answers:
        narrator.say("the API didn't answer; what it would have removed was ended")
    left = stage.left()
    ports = [("127.0.0.1", port) for port in (stage.ports["api"], stage.ports["amphora_api"])]
    listening = [f"{address}:{port}" for address, port in (*places, *ports) if processes.listens(address, port)]
    await stage.clear()
    narrator.say(
        f"processes left: {len(left)}; ports still open: {len(listening)}; "
        f"files left: {len(list(stage.directory.parent.glob(stage.directory.name)))}"
    )
    if amphorae or left or listening or stage.directory.exists():
        raise Disappointed(f"nothing is left, but there were {[*amphorae, *left.values(), *listening]}")


async def _delete_all(stage: Stage) -> None:
    _code, listed = await stage.tenant.call("GET", "/loadbalancers")
    for found in listed["loadbalancers"]:
        path = f"/loadbalancers/{found['id']}"
        await stage.tenant.call("DELETE", f"{path}?cascade=true")
        await stage.tenant.wait_for(path, "loadbalancer", lambda shown: shown is None)


def _is(field: str, status: str) -> Any:
    return lambda shown: bool(shown and shown[field] == status)


def _tally(visitor: Visitor, since: Any = None) -> str:
    served = visitor.served - since if since else visitor.served
    by_name = ", ".join(f"{name} {count}" for name, count in sorted(served.items()))
    failed = f"failed: {dict(visitor.failed)}" if visitor.failed else "failed: 0"
    return f"{served.total()} requests: {by_name}; {failed}"


def how_to_use(stage: Stage, vip: str) -> str:
    """What a viewer needs who wants to go on alone."""
    return f"""
It runs on. Use it:

  curl http://{vip}:{stage.ports["vip"]}/
  curl {stage.tenant.endpoint}/v2/lbaas/loadbalancers

With OpenStack's own client (pip install python-openstackclient python-octaviaclient):

  export OS_CLIENT_CONFIG_FILE={_clouds(stage.directory)} OS_CLOUD=octavia-tx
  openstack loadbalancer create --name mine --vip-subnet-id loopback-ipv4 --wait
  openstack loadbalancer list

That file says:

{clouds_yaml(stage)}
Log: {stage.directory}/controller.log
Stop it:

  make demo-stop DIRECTORY={stage.directory}
"""


def _clouds(directory: Path) -> Path:
    return directory / "clouds.yaml"


def clouds_yaml(stage: Stage) -> str:
    """
    A cloud named C{octavia-tx} for the C{openstack} client and the SDK: this endpoint, and no authentication.
    Barbican's commands know of one endpoint alone, and so have a cloud of their own.
    """
    return f"""clouds:
  octavia-tx:
    auth_type: none
    auth:
      endpoint: {stage.tenant.endpoint}
    load_balancer_endpoint_override: {stage.tenant.endpoint}
    network_endpoint_override: {stage.tenant.endpoint}/network
    key_manager_endpoint_override: {stage.tenant.endpoint}/key-manager
  octavia-tx-keys:
    auth_type: none
    auth:
      endpoint: {stage.tenant.endpoint}/key-manager/v1
"""
