"""The process compute driver with the real agent and the real haproxy."""

from __future__ import annotations

import os
import shutil
import signal
import socket
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from uuid import uuid4

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase

from octavia_tx.amphora_driver.haproxy import HaproxyDriver
from octavia_tx.amphora_driver.render import Renderer
from octavia_tx.cloud.authority import Authority
from octavia_tx.cloud.binaries import find_haproxy
from octavia_tx.cloud.loopback import IPV4_SUBNET_ID, LoopbackNetwork
from octavia_tx.controller.boots import BootMaterial
from octavia_tx.errors import AmphoraError, AmphoraUnreachable
from octavia_tx.interfaces import IComputeDriver
from octavia_tx.model.amphora import AgentInfo, Amphora, Boot
from octavia_tx.model.certificates import Secrets
from octavia_tx.model.resources import Listener, LoadBalancer
from octavia_tx.model.tree import Tree
from octavia_tx.testing.compute import make_compute_driver_tests
from octavia_tx.wire.tls import Role
from tests.integration.machines import agents, controller, naming, own_directory, sleep

WHEN = datetime(2026, 1, 1, tzinfo=UTC)


def authority_of(root: Path) -> Authority:
    return Authority.load_or_create(root / "authority")


def real_boot(authority: Authority, amphora_id: str) -> Boot:
    material = BootMaterial(
        authority, authority.heartbeat_key, receivers=("127.0.0.1:9",), controllers=("https://127.0.0.1:9",)
    )
    return material.make(amphora_id).boot


async def _compute(case: TestCase) -> IComputeDriver:
    return controller(case, haproxy=find_haproxy(), standin=False)


def _boot(amphora_id: str) -> Boot:
    # Any authority does: nobody talks to these agents.
    return real_boot(_authority(), amphora_id)


@cache
def _authority() -> Authority:
    return authority_of(Path("process-agent").resolve())


class RealAgentContractTests(make_compute_driver_tests(_compute, boot=_boot)):  # type: ignore[misc]
    """L{ProcessCompute} keeps the contract with the real agent too."""


class RealAgentTests(TestCase):
    """A machine is an amphora."""

    def setUp(self) -> None:
        self.root = own_directory(self)
        self.amphora_id = str(uuid4())
        self.directory = self.root / self.amphora_id
        self.authority = authority_of(self.root)
        credential = self.authority.issue(Role.CONTROLLER, "controller")
        self.driver = HaproxyDriver(reactor, credential, Renderer())
        self.addCleanup(lambda: Deferred.fromCoroutine(self.driver.close()))
        self.compute = controller(self, haproxy=find_haproxy(), standin=False)

    async def amphora(self) -> Amphora:
        machine = await self.compute.ensure(real_boot(self.authority, self.amphora_id))
        return Amphora(id=self.amphora_id, lb_network_ip=machine.lb_network_ip, created_at=WHEN)

    async def answers(self, amphora: Amphora, within: float) -> AgentInfo:
        deadline = reactor.seconds() + within
        while True:
            try:
                return await self.driver.info(amphora)
            except AmphoraUnreachable:
                if reactor.seconds() > deadline:
                    log = (self.directory / "agent.log").read_text()
                    raise AssertionError(f"No answer within {within} s:\n{log}") from None
            await sleep(0.05)

    async def tree(self) -> Tree:
        load_balancer = LoadBalancer(id=str(uuid4()), project_id="p", vip_subnet_id=IPV4_SUBNET_ID, created_at=WHEN)
        vip = await LoopbackNetwork().allocate_vip(load_balancer, frozenset())
        with socket.socket() as probe:
            probe.bind((vip.address, 0))
            port = probe.getsockname()[1]
        return Tree(
            load_balancer=LoadBalancer(
                id=load_balancer.id,
                project_id="p",
                vip_address=vip.address,
                vip_port_id=vip.port_id,
                vip_subnet_id=vip.subnet_id,
                vip_network_id=vip.network_id,
                created_at=WHEN,
            ),
            listeners=(
                Listener(
                    id=str(uuid4()),
                    project_id="p",
                    load_balancer_id=load_balancer.id,
                    protocol="HTTP",
                    protocol_port=port,
                    created_at=WHEN,
                ),
            ),
        )

    async def serves(self, tree: Tree) -> bool:
        """Whether haproxy answers at the VIP: with 503, for there's no pool."""

        def ask() -> bytes:
            address = (str(tree.load_balancer.vip_address), tree.listeners[0].protocol_port)
            with socket.create_connection(address, timeout=5) as connection:
                connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
                return connection.recv(1000)

        return b" 503 " in await deferToThread(ask)

    async def test_its_agent_answers_over_tls(self) -> None:
        info = await self.answers(await self.amphora(), within=10)
        self.assertIn(".", info.haproxy_version)

    async def test_a_killed_agent_answers_again_within_seconds(self) -> None:
        amphora = await self.amphora()
        await self.answers(amphora, within=10)
        (killed,) = agents(self.directory)
        os.kill(killed, signal.SIGKILL)
        await sleep(0.1)
        await self.answers(amphora, within=4)
        (again,) = agents(self.directory)
        self.assertNotEqual(again, killed)

    async def test_a_load_balancer_is_served_while_no_controller_and_no_agent_runs(self) -> None:
        amphora, tree = await self.amphora(), await self.tree()
        await self.answers(amphora, within=10)
        await self.driver.apply(amphora, tree, fence=1, secrets=Secrets())
        self.assertTrue(await self.serves(tree))
        await self.compute.stopService()
        for agent in agents(self.directory):
            os.kill(agent, signal.SIGKILL)
        await sleep(0.2)
        self.assertEqual(agents(self.directory), [])
        self.assertTrue(await self.serves(tree))
        self.compute = controller(self, haproxy=find_haproxy(), standin=False)
        await self.answers(amphora, within=4)
        self.assertTrue(await self.serves(tree))

    async def test_one_whose_directory_was_removed_by_hand_is_no_machine_and_is_made_anew(self) -> None:
        amphora, tree = await self.amphora(), await self.tree()
        await self.answers(amphora, within=10)
        await self.driver.apply(amphora, tree, fence=1, secrets=Secrets())
        before = naming(self.directory)
        shutil.rmtree(self.directory)
        with self.assertRaises(AmphoraError):
            await self.driver.apply(amphora, tree, fence=2, secrets=Secrets())
        self.assertIsNone(await self.compute.find(self.amphora_id))
        self.assertEqual(await self.compute.list(), ())
        amphora = await self.amphora()
        await self.answers(amphora, within=10)
        self.assertFalse(set(naming(self.directory)) & set(before))
        await self.driver.apply(amphora, tree, fence=1, secrets=Secrets())
        self.assertTrue(await self.serves(tree))

    async def test_nothing_is_left_of_one_that_served(self) -> None:
        amphora, tree = await self.amphora(), await self.tree()
        await self.answers(amphora, within=10)
        await self.driver.apply(amphora, tree, fence=1, secrets=Secrets())
        self.assertGreater(len(naming(self.directory)), 1)
        await self.compute.destroy(self.amphora_id)
        self.assertEqual(naming(self.directory), {})
        self.assertEqual(sorted(path.name for path in self.root.iterdir()), ["authority", "lock"])
        with self.assertRaises(ConnectionRefusedError):
            await self.serves(tree)
