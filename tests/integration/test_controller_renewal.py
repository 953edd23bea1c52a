"""Amphorae's certificates are renewed before they end, and amphorae replaced when it's too late."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from uuid import uuid4

from attrs import evolve
from twisted.internet import reactor
from twisted.internet.defer import Deferred

from octavia_tx.amphora_driver.haproxy import HaproxyDriver
from octavia_tx.amphora_driver.render import Renderer
from octavia_tx.cloud.authority import Authority
from octavia_tx.controller.renewal import REPLACED_AT_MOST, Renewals
from octavia_tx.db import amphorae
from octavia_tx.errors import AmphoraError, AmphoraRefused, AmphoraUnreachable
from octavia_tx.model.amphora import Amphora
from octavia_tx.model.statuses import AmphoraState, ProvisioningStatus
from octavia_tx.testing.cloud import ModelAmphorae
from octavia_tx.wire.tls import Credential, Role
from tests.controller.world import HASTY, World
from tests.integration.test_amphora_driver import AgentProcess
from tests.integration.test_controller_convergence import ConvergenceCase


class Unreachable(ModelAmphorae):
    """Agents that get no new certificates."""

    async def renew_certificate(self, amphora: Amphora, credential: Credential) -> None:
        raise AmphoraUnreachable(amphora.id, "There is nobody.")


class RenewalCase(ConvergenceCase):
    async def served(self, world: World, **left: float) -> Amphora:
        """The amphora of a new load balancer, whose certificate ends in that time."""
        before = {row.id for row in await world.rows()}
        await world.create()
        await world.settle()
        (row,) = [row for row in await world.rows() if row.id not in before]
        return await self.ending(world, row, **left)

    async def ending(self, world: World, row: Amphora, **left: float) -> Amphora:
        end = world.means.now() + timedelta(**left)
        async with self.database.transaction() as tx:
            await amphorae.record(tx, row.id, cert_expiration=end)
        return evolve(row, cert_expiration=end)

    async def spare(self, world: World, **left: float) -> Amphora:
        row = Amphora(id=str(uuid4()), state="READY", created_at=world.means.now())
        async with self.database.transaction() as tx:
            await amphorae.insert(tx, row)
        world.compute.machines[row.id] = evolve(next(iter(world.compute.machines.values())), amphora_id=row.id)
        async with self.database.transaction() as tx:
            await amphorae.record(tx, row.id, lb_network_ip=world.compute.machines[row.id].lb_network_ip)
        return await self.ending(world, row, **left)

    async def look(self, world: World) -> None:
        await Renewals(world.means).look()

    async def row(self, id: str) -> Amphora:
        async with self.database.transaction() as tx:
            found = await amphorae.get(tx, id)
        assert found is not None
        return found


class Renewing(RenewalCase):
    async def test_one_that_is_due_is_renewed_once_and_others_are_left(self) -> None:
        world = self.world()
        due, other = await self.served(world, days=10), await self.served(world, days=40)
        await self.look(world)
        self.assertEqual(await world.settle(), 1)
        renewed = await self.row(due.id)
        self.assertNotEqual(renewed.certificate_serial, due.certificate_serial)
        self.assertEqual(renewed.certificate_serial, world.compute.serials[due.id])
        self.assertEqual((await self.row(other.id)).certificate_serial, other.certificate_serial)
        await self.look(world)
        self.assertEqual(await world.settle(), 0)
        self.assertEqual(world.faults.passed.count("amphora.renew_certificate"), 1)
        self.assertEqual(world.amphorae.pushes, 2)

    async def test_a_spares_is_renewed_too(self) -> None:
        world = self.world()
        await self.served(world, days=40)
        spare = await self.spare(world, days=10)
        await self.look(world)
        renewed = await self.row(spare.id)
        self.assertEqual(renewed.certificate_serial, world.compute.serials[spare.id])
        assert renewed.cert_expiration is not None and spare.cert_expiration is not None
        self.assertGreater(renewed.cert_expiration, spare.cert_expiration)

    async def test_one_that_cannot_be_reached_keeps_its_own_and_is_tried_again(self) -> None:
        world = self.world()
        due = await self.served(world, days=10)
        spare = await self.spare(world, days=10)
        assert due.load_balancer_id is not None
        reachable = world.means
        world.means = evolve(reachable, driver=Unreachable(world.compute))
        for _ in range(3):
            await self.look(world)
            self.assertEqual(await world.settle(), 1)
            for row in (due, spare):
                self.assertEqual((await self.row(row.id)).cert_expiration, row.cert_expiration)
            shown = await world.show(due.load_balancer_id)
            assert shown is not None
            self.assertIs(shown.provisioning_status, ProvisioningStatus.ACTIVE)
            self.assertIsNone(shown.error)
        world.means = reachable
        await self.look(world)
        await world.settle()
        for row in (due, spare):
            self.assertEqual((await self.row(row.id)).certificate_serial, world.compute.serials[row.id])

    async def test_one_whose_load_balancer_cannot_be_served_is_renewed_all_the_same(self) -> None:
        world = self.world(settings=evolve(HASTY, slow_retry=60.0))
        due = await self.served(world, days=10)
        assert due.load_balancer_id is not None
        world.amphorae.rejects = "no"
        await world.change(due.load_balancer_id)
        await world.settle()
        self.assertEqual((await self.row(due.id)).certificate_serial, world.compute.serials[due.id])
        self.assertNotEqual(world.compute.serials[due.id], due.certificate_serial)


class Ended(RenewalCase):
    async def test_the_amphora_is_replaced_and_the_load_balancer_served(self) -> None:
        world = self.world()
        ended = await self.served(world, days=-1)
        assert ended.load_balancer_id is not None
        await self.look(world)
        self.assertIs((await self.row(ended.id)).state, AmphoraState.DRAINING)
        await world.settle()
        await self.assert_served(world, ended.load_balancer_id)
        self.assertNotIn(ended.id, world.compute.machines)
        self.assertEqual(world.amphorae.gaps, 0)

    async def test_few_are_replaced_in_one_look(self) -> None:
        world = self.world()
        for _ in range(REPLACED_AT_MOST + 2):
            await self.served(world, days=-1)
        for left in (2, 0):
            await self.look(world)
            states = [row.state for row in await world.rows()]
            self.assertEqual(states.count(AmphoraState.ALLOCATED), left)

    async def test_a_spare_is_retired(self) -> None:
        world = self.world()
        await self.served(world, days=40)
        spare = await self.spare(world, days=-1)
        await self.look(world)
        self.assertIs((await self.row(spare.id)).state, AmphoraState.DELETING)


class WithAgent(RenewalCase):
    """The same, with a real agent."""

    async def agent(self, world: World, lifetime: timedelta) -> tuple[Amphora, HaproxyDriver]:
        """An amphora with such a certificate, at whose address an agent runs; and the driver for it."""
        directory = Path(self.mktemp())
        short = Authority.load_or_create(directory, lifetime=lifetime)
        amphora = await self.served(world, seconds=lifetime.total_seconds())
        agent = AgentProcess(amphora.id, short.issue(Role.AMPHORA, amphora.id))
        self.addCleanup(lambda: Deferred.fromCoroutine(agent.stop()))
        issuing = Authority.load_or_create(directory)
        world.means.boots._authority = issuing
        driver = HaproxyDriver(reactor, issuing.issue(Role.CONTROLLER, "controller"), Renderer(), agent.port)
        self.addCleanup(lambda: Deferred.fromCoroutine(driver.close()))
        async with self.database.transaction() as tx:
            await amphorae.record(tx, amphora.id, lb_network_ip="127.0.0.1")
        world.means = evolve(world.means, driver=driver)
        amphora = evolve(amphora, lb_network_ip="127.0.0.1")
        while isinstance(said := await self.answer(driver, amphora), AmphoraUnreachable):
            await self.pause(0.05)
        self.said = said
        return amphora, driver

    async def pause(self, seconds: float) -> None:
        waiting: Deferred[None] = Deferred()
        reactor.callLater(seconds, waiting.callback, None)  # type: ignore[attr-defined]
        await waiting

    async def answer(self, driver: HaproxyDriver, amphora: Amphora) -> AmphoraError | None:
        """Why the agent doesn't answer."""
        try:
            await driver.info(amphora)
        except AmphoraError as error:
            return error
        return None

    async def test_an_agent_is_reached_when_its_first_certificate_has_ended(self) -> None:
        world = self.world()
        amphora, driver = await self.agent(world, timedelta(seconds=5))
        self.assertIsNone(self.said)
        await self.look(world)
        await world.settle()
        assert amphora.cert_expiration is not None
        while world.means.now() <= amphora.cert_expiration:
            await self.pause(0.05)
        await driver.close()
        self.assertIsNone(await self.answer(driver, amphora))

    async def test_one_whose_certificate_has_ended_is_not_believed(self) -> None:
        world = self.world()
        await self.agent(world, timedelta(seconds=-1))
        self.assertIsInstance(self.said, AmphoraRefused)
