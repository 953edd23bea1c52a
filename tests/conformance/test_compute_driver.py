"""The compute drivers that start no process keep the contract. The process driver's turn is in C{integration}."""

from __future__ import annotations

from uuid import uuid4

from twisted.trial.unittest import TestCase

from octavia_tx.cloud.noop import NoopCompute
from octavia_tx.interfaces import IComputeDriver
from octavia_tx.testing.compute import make_compute_driver_tests
from octavia_tx.testing.memory import MemoryCompute, MemoryMachines

_machines: dict[str, MemoryMachines] = {}


async def _memory(case: TestCase) -> IComputeDriver:
    if case.id() not in _machines:
        _machines[case.id()] = MemoryMachines()
        case.addCleanup(_machines.pop, case.id())
    return MemoryCompute(_machines[case.id()])


async def _noop(case: TestCase) -> IComputeDriver:
    return NoopCompute()


class MemoryComputeTests(make_compute_driver_tests(_memory)):  # type: ignore[misc]
    """The fake, verified."""


class NoopComputeTests(make_compute_driver_tests(_noop)):  # type: ignore[misc]
    """Its deviations: it remembers nothing from before a restart, and so it finds everything."""

    async def test_a_machine_that_never_was_is_not_found(self) -> None:
        found = await NoopCompute().find(str(uuid4()))
        self.assertTrue(found is not None and found.running)

    async def test_a_restarted_controller_destroys_what_an_earlier_one_made(self) -> None:
        amphora_id, restarted = str(uuid4()), NoopCompute()
        await restarted.destroy(amphora_id)
        self.assertIsNone(await restarted.find(amphora_id))
