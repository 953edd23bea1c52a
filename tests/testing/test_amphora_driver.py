"""The amphora driver's suite finds drivers that break the contract."""

from __future__ import annotations

from collections.abc import Callable
from unittest import TestResult

from attrs import define, evolve
from twisted.trial.runner import TestLoader
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from octavia_tx.errors import AmphoraError, StaleFence
from octavia_tx.interfaces import IAmphoraDriver
from octavia_tx.model.amphora import AgentInfo, Amphora
from octavia_tx.model.certificates import Secrets
from octavia_tx.model.tree import Tree
from octavia_tx.testing.amphora import MemoryAmphora, MemoryAmphorae
from octavia_tx.testing.amphora_driver import make_amphora_driver_tests
from octavia_tx.wire.tls import Credential
from tests.conformance.test_amphora_driver import MemoryFixture


@implementer(IAmphoraDriver)
@define
class Wrapped:
    """Amphorae in memory behind a driver that is right; others below are wrong in one thing."""

    inner: MemoryAmphorae

    async def info(self, amphora: Amphora) -> AgentInfo:
        return await self.inner.info(amphora)

    async def apply(self, amphora: Amphora, tree: Tree, fence: int, secrets: Secrets) -> None:
        await self.inner.apply(amphora, tree, fence, secrets)

    async def withdraw(self, amphora: Amphora, load_balancer_id: str, fence: int) -> None:
        await self.inner.withdraw(amphora, load_balancer_id, fence)

    async def drain(self, amphora: Amphora, load_balancer_id: str, fence: int) -> int:
        return await self.inner.drain(amphora, load_balancer_id, fence)

    async def unshipped(self, amphora: Amphora, load_balancer_id: str) -> int:
        return await self.inner.unshipped(amphora, load_balancer_id)

    async def configure(self, amphora: Amphora, text: str) -> None:
        await self.inner.configure(amphora, text)

    async def renew_certificate(self, amphora: Amphora, credential: Credential) -> None:
        await self.inner.renew_certificate(amphora, credential)


class Unfenced(Wrapped):
    """Applies whatever the fence."""

    async def apply(self, amphora: Amphora, tree: Tree, fence: int, secrets: Secrets) -> None:
        if (running := self.inner.running.get(amphora.lb_network_ip or "")) is not None:
            running.fences.clear()
        await self.inner.apply(amphora, tree, fence, secrets)


class ForgetsFences(Wrapped):
    """Loses the fence with what it withdraws."""

    async def withdraw(self, amphora: Amphora, load_balancer_id: str, fence: int) -> None:
        await self.inner.withdraw(amphora, load_balancer_id, fence)
        running: MemoryAmphora = self.inner.running[amphora.lb_network_ip or ""]
        running.fences.pop(load_balancer_id, None)


class StopsOnRejection(Wrapped):
    """Stops what ran when a new tree is rejected."""

    async def apply(self, amphora: Amphora, tree: Tree, fence: int, secrets: Secrets) -> None:
        try:
            await self.inner.apply(amphora, tree, fence, secrets)
        except StaleFence:
            raise
        except AmphoraError:
            await self.inner.withdraw(amphora, tree.load_balancer.id, fence)
            raise


class Adds(Wrapped):
    """Leaves listeners that aren't in the newest tree."""

    async def apply(self, amphora: Amphora, tree: Tree, fence: int, secrets: Secrets) -> None:
        before = None
        if (running := self.inner.running.get(amphora.lb_network_ip or "")) is not None:
            before = running.serving.get(tree.load_balancer.id)
        more = () if before is None or len(tree.listeners) < 2 else before.listeners
        await self.inner.apply(amphora, evolve(tree, listeners=tree.listeners + more), fence, secrets)


class Alone(Wrapped):
    """Serves one load balancer at a time."""

    async def apply(self, amphora: Amphora, tree: Tree, fence: int, secrets: Secrets) -> None:
        await self.inner.apply(amphora, tree, fence, secrets)
        serving = self.inner.running[amphora.lb_network_ip or ""].serving
        for other in set(serving) - {tree.load_balancer.id}:
            del serving[other]


class KeepsAccepting(Wrapped):
    """Says that it drained, and does nothing."""

    async def drain(self, amphora: Amphora, load_balancer_id: str, fence: int) -> int:
        return 0


class Gullible(Wrapped):
    """Takes any certificate."""

    async def renew_certificate(self, amphora: Amphora, credential: Credential) -> None:
        await self.inner.info(amphora)


class Deaf(Wrapped):
    """Takes silence for success."""

    async def withdraw(self, amphora: Amphora, load_balancer_id: str, fence: int) -> None:
        try:
            await self.inner.withdraw(amphora, load_balancer_id, fence)
        except StaleFence:
            raise
        except AmphoraError:
            pass


def failing(kind: Callable[[MemoryAmphorae], IAmphoraDriver]) -> set[str]:
    """The names of the suite's tests that such a driver fails."""

    class Fixture(MemoryFixture):
        async def start(self) -> None:
            await super().start()
            self.stranger = kind(self.stranger)
            self.memory, self.driver = self.driver, kind(self.driver)

        async def listens(self, port: int) -> bool:
            return self.memory.listens(self.vip_address, port)

    class SuiteTests(make_amphora_driver_tests(Fixture)):  # type: ignore[misc]
        pass

    result = TestResult()
    TestLoader().loadClass(SuiteTests).run(result)
    return {case.id().rpartition(".")[2].removeprefix("test_") for case, _ in result.failures + result.errors}


class SuiteTests(SynchronousTestCase):
    """Each way to be wrong is found by the tests that name it."""

    def test_a_right_driver_passes(self) -> None:
        self.assertEqual(failing(Wrapped), set())

    def test_what_each_wrong_driver_fails(self) -> None:
        expected = {
            Unfenced: {"a_lower_fence_applies_nothing", "a_lower_fence_does_not_bring_back_what_was_withdrawn"},
            ForgetsFences: {"a_lower_fence_does_not_bring_back_what_was_withdrawn"},
            StopsOnRejection: {"a_rejected_tree_leaves_what_runs"},
            Adds: {"it_serves_nothing_more_than_the_newest_tree"},
            Alone: {"load_balancers_of_one_amphora_do_not_touch_each_other"},
            KeepsAccepting: {
                "a_lower_fence_drains_nothing",
                "one_that_is_drained_accepts_no_more_and_again_changes_nothing",
            },
            Gullible: {"a_certificate_by_which_it_could_not_be_known_is_rejected"},
            Deaf: {
                "a_strange_controller_is_refused",
                "an_amphora_that_does_not_answer_is_unreachable",
                "an_amphora_without_an_address_is_unreachable",
                "another_amphora_at_the_address_is_refused",
            },
        }
        for kind, names in expected.items():
            found = failing(kind)
            self.assertTrue(names <= found, f"{kind.__name__}: {sorted(names - found)}")
