"""
What every L{IComputeDriver} must do, as tests that a driver's author runs against it.

::

    class MyComputeTests(make_compute_driver_tests(make_my_driver)):
        pass
"""

# Trial's own assertions have no types.
# mypy: allow-untyped-calls

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from uuid import uuid4

from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.trial.unittest import TestCase
from zope.interface.verify import verifyObject

from octavia_tx.interfaces import IComputeDriver
from octavia_tx.model.amphora import Boot, Machine

Factory = Callable[[TestCase], Awaitable[IComputeDriver]]
_POLL = 0.05  # seconds


def plain_boot(amphora_id: str) -> Boot:
    """A boot whose files name the amphora and nothing else."""
    files = {
        "agent.toml": f'amphora_id = "{amphora_id}"\n'.encode(),
        "agent.pem": b"",
        "authority.pem": b"",
    }
    return Boot(amphora_id=amphora_id, files=files)


class _ComputeDriverTests(TestCase):
    _patience: float

    async def _driver(self) -> IComputeDriver:
        raise NotImplementedError

    def _boot(self, amphora_id: str) -> Boot:
        raise NotImplementedError

    async def _up(self, driver: IComputeDriver, amphora_id: str) -> Machine:
        return await _until_running(driver, amphora_id, self._patience)

    async def test_it_provides_the_interface(self) -> None:
        verifyObject(IComputeDriver, await self._driver())

    async def test_a_machine_asked_for_comes_up(self) -> None:
        driver, amphora_id = await self._driver(), str(uuid4())
        made = await driver.ensure(self._boot(amphora_id))
        self.assertEqual(made.amphora_id, amphora_id)
        up = await self._up(driver, amphora_id)
        self.assertIsNotNone(up.lb_network_ip)
        self.assertEqual(up.compute_id, made.compute_id)

    async def test_asking_again_gives_the_same_machine(self) -> None:
        driver, amphora_id = await self._driver(), str(uuid4())
        first = await driver.ensure(self._boot(amphora_id))
        second = await driver.ensure(self._boot(amphora_id))
        self.assertEqual(second.compute_id, first.compute_id)
        self.assertEqual(_ids(await driver.list()), [amphora_id])

    async def test_asking_twice_at_once_gives_one_machine(self) -> None:
        driver, amphora_id = await self._driver(), str(uuid4())
        both = [_started(driver.ensure(self._boot(amphora_id))) for _ in range(2)]
        first, second = await gatherResults(both, consumeErrors=True)
        self.assertEqual(second.compute_id, first.compute_id)
        self.assertEqual(_ids(await driver.list()), [amphora_id])

    async def test_machines_of_two_amphorae_are_two(self) -> None:
        driver, ids = await self._driver(), [str(uuid4()), str(uuid4())]
        for amphora_id in ids:
            await driver.ensure(self._boot(amphora_id))
        one, other = [await self._up(driver, amphora_id) for amphora_id in ids]
        self.assertNotEqual(one.compute_id, other.compute_id)
        self.assertNotEqual(one.lb_network_ip, other.lb_network_ip)
        self.assertEqual(_ids(await driver.list()), sorted(ids))

    async def test_a_machine_that_never_was_is_not_found(self) -> None:
        driver = await self._driver()
        self.assertIsNone(await driver.find(str(uuid4())))
        self.assertEqual(await driver.list(), ())

    async def test_a_destroyed_machine_is_not_found(self) -> None:
        driver, amphora_id = await self._driver(), str(uuid4())
        await driver.ensure(self._boot(amphora_id))
        await self._up(driver, amphora_id)
        await driver.destroy(amphora_id)
        self.assertIsNone(await driver.find(amphora_id))
        self.assertEqual(await driver.list(), ())

    async def test_a_machine_may_be_destroyed_before_it_is_up(self) -> None:
        driver, amphora_id = await self._driver(), str(uuid4())
        await driver.ensure(self._boot(amphora_id))
        await driver.destroy(amphora_id)
        self.assertIsNone(await driver.find(amphora_id))

    async def test_destroying_again_changes_nothing(self) -> None:
        driver, amphora_id = await self._driver(), str(uuid4())
        await driver.ensure(self._boot(amphora_id))
        await driver.destroy(amphora_id)
        await driver.destroy(amphora_id)
        self.assertIsNone(await driver.find(amphora_id))

    async def test_destroying_what_never_was_is_no_error(self) -> None:
        driver = await self._driver()
        await driver.destroy(str(uuid4()))

    async def test_destroying_one_machine_leaves_the_other(self) -> None:
        driver, gone, kept = await self._driver(), str(uuid4()), str(uuid4())
        for amphora_id in (gone, kept):
            await driver.ensure(self._boot(amphora_id))
        before = await self._up(driver, kept)
        await driver.destroy(gone)
        self.assertEqual(await driver.find(kept), before)
        self.assertEqual(_ids(await driver.list()), [kept])

    async def test_a_destroyed_machine_may_be_asked_for_anew(self) -> None:
        driver, amphora_id = await self._driver(), str(uuid4())
        await driver.ensure(self._boot(amphora_id))
        await driver.destroy(amphora_id)
        await driver.ensure(self._boot(amphora_id))
        await self._up(driver, amphora_id)

    async def test_a_restarted_controller_finds_the_same_machine(self) -> None:
        amphora_id = str(uuid4())
        before = await self._driver()
        await before.ensure(self._boot(amphora_id))
        up = await self._up(before, amphora_id)
        after = await self._driver()
        self.assertEqual(await after.find(amphora_id), up)
        self.assertEqual((await after.ensure(self._boot(amphora_id))).compute_id, up.compute_id)

    async def test_a_restarted_controller_destroys_what_an_earlier_one_made(self) -> None:
        amphora_id = str(uuid4())
        before = await self._driver()
        await before.ensure(self._boot(amphora_id))
        after = await self._driver()
        await after.destroy(amphora_id)
        self.assertIsNone(await after.find(amphora_id))
        self.assertIsNone(await before.find(amphora_id))


def make_compute_driver_tests(
    factory: Factory,
    *,
    boot: Callable[[str], Boot] = plain_boot,
    patience: float = 10.0,
) -> type[TestCase]:
    """
    A test case with the contract's promises, one test each.

    @param factory: gives a driver over a place that is the test case's own, and registers with C{addCleanup} what
        undoes it all. Called again with the same test case it gives what a restarted controller would have.
    @param boot: what an amphora of that id is booted with.
    @param patience: seconds within which a machine comes up.
    """

    class ComputeDriverTests(_ComputeDriverTests):
        _patience = patience

        async def _driver(self) -> IComputeDriver:
            return await factory(self)

        def _boot(self, amphora_id: str) -> Boot:
            return boot(amphora_id)

    return ComputeDriverTests


def _ids(machines: Sequence[Machine]) -> list[str]:
    return sorted(m.amphora_id for m in machines)


def _started(work: Awaitable[Machine]) -> Deferred[Machine]:
    async def run() -> Machine:
        return await work

    return Deferred.fromCoroutine(run())


async def _until_running(driver: IComputeDriver, amphora_id: str, patience: float) -> Machine:
    from twisted.internet import reactor

    clock = IReactorTime(reactor)
    deadline = clock.seconds() + patience
    while clock.seconds() < deadline:
        machine = await driver.find(amphora_id)
        if machine is not None and machine.running:
            return machine
        await deferLater(clock, _POLL)
    raise AssertionError(f"The machine of amphora {amphora_id} didn't come up within {patience} s.")
