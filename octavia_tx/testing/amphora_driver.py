"""
What every amphora driver must do: the suite of L{IAmphoraDriver}.

Who implements one writes an L{AmphoraDriverFixture} and runs the suite with trial::

    class MyDriverTests(make_amphora_driver_tests(MyFixture)):
        pass
"""

# Trial's own assertions have no types.
# mypy: allow-untyped-calls

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Protocol, TypeVar
from uuid import uuid4

from attrs import evolve
from twisted.internet.defer import Deferred
from twisted.trial.unittest import TestCase
from zope.interface.verify import verifyObject

from octavia_tx.errors import AmphoraRefused, AmphoraUnreachable, ConfigurationRejected, StaleFence
from octavia_tx.interfaces import IAmphoraDriver
from octavia_tx.model.amphora import Amphora
from octavia_tx.model.certificates import Secrets
from octavia_tx.model.resources import Listener, LoadBalancer, Member, Pool
from octavia_tx.model.tree import Tree
from octavia_tx.wire.tls import Credential

_CREATED_AT = datetime(2030, 1, 1, tzinfo=UTC)
NONE = Secrets()


class AmphoraDriverFixture(Protocol):
    """
    Amphorae to try a driver with; made anew for each test.

    @ivar driver: what is tested.
    @ivar stranger: a driver of the same kind whose certificate the amphora doesn't accept.
    @ivar amphora: one that runs and serves nothing yet.
    @ivar silent: one that nobody is at the address of.
    @ivar vip_address: where that amphora may listen.
    @ivar settings: a configuration file by which the amphora's agent can go.
    @ivar ports: at least four of its ports that nobody uses.
    """

    driver: IAmphoraDriver
    stranger: IAmphoraDriver
    amphora: Amphora
    silent: Amphora
    vip_address: str
    ports: tuple[int, ...]
    settings: str

    async def start(self) -> None:
        """Bring all this about."""

    def credential(self, amphora_id: str) -> Credential:
        """A new one for an amphora of that id, of the authority that the fixture's amphora trusts."""

    async def stop(self) -> None:
        """Leave nothing behind; also called when L{start} failed."""

    async def listens(self, port: int) -> bool:
        """Whether connections to that port of the VIP are accepted now."""


def tree_of(fixture: AmphoraDriverFixture, *ports: int, load_balancer_id: str | None = None) -> Tree:
    """A load balancer at the fixture's VIP with an HTTP listener on each port, without pools."""
    identifier = load_balancer_id or str(uuid4())
    return Tree(
        load_balancer=LoadBalancer(
            id=identifier, project_id="a-project", vip_address=fixture.vip_address, created_at=_CREATED_AT
        ),
        listeners=tuple(
            Listener(
                id=str(uuid4()),
                project_id="a-project",
                load_balancer_id=identifier,
                protocol="HTTP",
                protocol_port=port,
                created_at=_CREATED_AT,
            )
            for port in ports
        ),
    )


def rejected(tree: Tree) -> Tree:
    """The same with a pool that no haproxy accepts: its two members have the same id."""
    load_balancer_id = tree.load_balancer.id
    common: dict[str, Any] = {
        "project_id": "a-project",
        "load_balancer_id": load_balancer_id,
        "created_at": _CREATED_AT,
    }
    pool = Pool(id=str(uuid4()), protocol="HTTP", lb_algorithm="ROUND_ROBIN", **common)
    member = Member(id=str(uuid4()), pool_id=pool.id, address="192.0.2.1", protocol_port=80, **common)
    return evolve(
        tree,
        listeners=tuple(evolve(listener, default_pool_id=pool.id) for listener in tree.listeners),
        pools=(pool,),
        members=(member, evolve(member, address="192.0.2.2")),
    )


_Error = TypeVar("_Error", bound=Exception)


class _AmphoraDriverTests(TestCase):
    """The tests; L{make_amphora_driver_tests} binds them to a fixture."""

    fixture: AmphoraDriverFixture

    def make_fixture(self) -> AmphoraDriverFixture:
        """A new fixture."""
        raise NotImplementedError

    async def setUp(self) -> None:  # type: ignore[override]  # trial waits for it
        self.fixture = self.make_fixture()
        self.addCleanup(lambda: Deferred.fromCoroutine(self.fixture.stop()))
        await self.fixture.start()
        self.driver, self.amphora = self.fixture.driver, self.fixture.amphora

    async def listening(self) -> tuple[bool, ...]:
        """For each of the fixture's ports, whether it answers."""
        return tuple([await self.fixture.listens(port) for port in self.fixture.ports[:4]])

    async def refused(self, kind: type[_Error], call: object) -> _Error:
        """The error of that kind that a call raises."""
        try:
            await call  # type: ignore[misc]
        except kind as error:
            return error
        raise self.failureException(f"{kind.__name__} not raised")

    def test_it_provides_the_contract(self) -> None:
        self.assertTrue(verifyObject(IAmphoraDriver, self.driver))

    async def test_an_amphora_that_is_up_tells_of_itself(self) -> None:
        info = await self.driver.info(self.amphora)
        self.assertTrue(info.hostname)
        self.assertEqual(info.api_version, "1.0")
        self.assertRegex(info.haproxy_version, r"\d+\.\d+")

    async def test_it_serves_when_apply_returns(self) -> None:
        self.assertEqual(await self.listening(), (False, False, False, False))
        await self.driver.apply(self.amphora, tree_of(self.fixture, *self.fixture.ports[:2]), 1, NONE)
        self.assertEqual(await self.listening(), (True, True, False, False))

    async def test_applying_again_changes_nothing(self) -> None:
        tree = tree_of(self.fixture, self.fixture.ports[0])
        await self.driver.apply(self.amphora, tree, 1, NONE)
        await self.driver.apply(self.amphora, tree, 1, NONE)
        self.assertEqual(await self.listening(), (True, False, False, False))

    async def test_it_serves_nothing_more_than_the_newest_tree(self) -> None:
        first = tree_of(self.fixture, *self.fixture.ports[:2])
        await self.driver.apply(self.amphora, first, 1, NONE)
        second = tree_of(self.fixture, *self.fixture.ports[1:3], load_balancer_id=first.load_balancer.id)
        await self.driver.apply(self.amphora, second, 2, NONE)
        self.assertEqual(await self.listening(), (False, True, True, False))

    async def test_a_tree_with_nothing_enabled_is_not_served(self) -> None:
        tree = tree_of(self.fixture, self.fixture.ports[0])
        for disabled in (
            evolve(tree, listeners=(evolve(tree.listeners[0], admin_state_up=False),)),
            evolve(tree, load_balancer=evolve(tree.load_balancer, admin_state_up=False)),
        ):
            await self.driver.apply(self.amphora, tree, 1, NONE)
            await self.driver.apply(self.amphora, disabled, 1, NONE)
            self.assertEqual(await self.listening(), (False, False, False, False))
        await self.driver.apply(self.amphora, evolve(tree, listeners=()), 1, NONE)
        await self.driver.apply(self.amphora, tree, 1, NONE)
        self.assertEqual(await self.listening(), (True, False, False, False))

    async def test_a_rejected_tree_leaves_what_runs(self) -> None:
        tree = tree_of(self.fixture, self.fixture.ports[0])
        await self.driver.apply(self.amphora, tree, 1, NONE)
        wrong = rejected(
            tree_of(self.fixture, self.fixture.ports[1], load_balancer_id=tree.load_balancer.id),
        )
        error = await self.refused(ConfigurationRejected, self.driver.apply(self.amphora, wrong, 2, NONE))
        self.assertIn(self.amphora.id, str(error))
        self.assertEqual(await self.listening(), (True, False, False, False))

    async def test_a_certificate_that_is_missing_is_rejected(self) -> None:
        tree = tree_of(self.fixture, self.fixture.ports[0])
        asked: dict[str, Any] = {"protocol": "TERMINATED_HTTPS", "default_tls_container_ref": "a-reference"}
        secured = evolve(tree, listeners=tuple(evolve(listener, **asked) for listener in tree.listeners))
        error = await self.refused(ConfigurationRejected, self.driver.apply(self.amphora, secured, 1, NONE))
        self.assertIn("a-reference", str(error))
        self.assertEqual(await self.listening(), (False, False, False, False))

    async def test_it_applies_a_good_tree_after_a_rejected_one(self) -> None:
        tree = tree_of(self.fixture, self.fixture.ports[0])
        await self.refused(ConfigurationRejected, self.driver.apply(self.amphora, rejected(tree), 1, NONE))
        self.assertEqual(await self.listening(), (False, False, False, False))
        await self.driver.apply(self.amphora, tree, 1, NONE)
        self.assertEqual(await self.listening(), (True, False, False, False))

    async def test_a_lower_fence_applies_nothing(self) -> None:
        tree = tree_of(self.fixture, self.fixture.ports[0])
        await self.driver.apply(self.amphora, tree, 7, NONE)
        older = tree_of(self.fixture, self.fixture.ports[1], load_balancer_id=tree.load_balancer.id)
        await self.refused(StaleFence, self.driver.apply(self.amphora, older, 6, NONE))
        self.assertEqual(await self.listening(), (True, False, False, False))

    async def test_a_lower_fence_withdraws_nothing(self) -> None:
        tree = tree_of(self.fixture, self.fixture.ports[0])
        await self.driver.apply(self.amphora, tree, 7, NONE)
        await self.refused(StaleFence, self.driver.withdraw(self.amphora, tree.load_balancer.id, 6))
        self.assertEqual(await self.listening(), (True, False, False, False))

    async def test_a_lower_fence_does_not_bring_back_what_was_withdrawn(self) -> None:
        tree = tree_of(self.fixture, self.fixture.ports[0])
        await self.driver.apply(self.amphora, tree, 6, NONE)
        await self.driver.withdraw(self.amphora, tree.load_balancer.id, 7)
        await self.refused(StaleFence, self.driver.apply(self.amphora, tree, 6, NONE))
        self.assertEqual(await self.listening(), (False, False, False, False))

    async def test_withdrawing_ends_service_and_may_be_repeated(self) -> None:
        tree = tree_of(self.fixture, self.fixture.ports[0])
        await self.driver.apply(self.amphora, tree, 1, NONE)
        await self.driver.withdraw(self.amphora, tree.load_balancer.id, 1)
        self.assertEqual(await self.listening(), (False, False, False, False))
        await self.driver.withdraw(self.amphora, tree.load_balancer.id, 1)

    async def test_one_that_is_drained_accepts_no_more_and_again_changes_nothing(self) -> None:
        tree = tree_of(self.fixture, self.fixture.ports[0])
        await self.driver.apply(self.amphora, tree, 1, NONE)
        for _ in range(2):
            await self.drained(tree.load_balancer.id)
            self.assertEqual(await self.listening(), (False, False, False, False))

    async def drained(self, load_balancer_id: str) -> None:
        """Drain until no connection is left: the last look whether it serves may be one still."""
        for _ in range(500):
            if not await self.driver.drain(self.amphora, load_balancer_id, 2):
                return
        self.fail("connections are left, though nobody has any")

    async def test_draining_what_was_never_applied_or_was_withdrawn_is_no_error(self) -> None:
        self.assertEqual(await self.driver.drain(self.amphora, str(uuid4()), 1), 0)
        tree = tree_of(self.fixture, self.fixture.ports[0])
        await self.driver.apply(self.amphora, tree, 1, NONE)
        await self.driver.withdraw(self.amphora, tree.load_balancer.id, 1)
        self.assertEqual(await self.driver.drain(self.amphora, tree.load_balancer.id, 1), 0)

    async def test_one_that_was_drained_may_serve_again_or_be_withdrawn(self) -> None:
        tree = tree_of(self.fixture, self.fixture.ports[0])
        await self.driver.apply(self.amphora, tree, 1, NONE)
        await self.driver.drain(self.amphora, tree.load_balancer.id, 1)
        await self.driver.apply(self.amphora, tree, 1, NONE)
        self.assertEqual(await self.listening(), (True, False, False, False))
        await self.driver.drain(self.amphora, tree.load_balancer.id, 1)
        await self.driver.withdraw(self.amphora, tree.load_balancer.id, 1)
        self.assertEqual(await self.listening(), (False, False, False, False))

    async def test_a_lower_fence_drains_nothing(self) -> None:
        tree = tree_of(self.fixture, self.fixture.ports[0])
        await self.driver.apply(self.amphora, tree, 7, NONE)
        await self.refused(StaleFence, self.driver.drain(self.amphora, tree.load_balancer.id, 6))
        self.assertEqual(await self.listening(), (True, False, False, False))

    async def test_new_settings_touch_nothing_that_is_served_and_may_be_sent_again(self) -> None:
        await self.driver.apply(self.amphora, tree_of(self.fixture, self.fixture.ports[0]), 1, NONE)
        for _ in range(2):
            await self.driver.configure(self.amphora, self.fixture.settings)
            self.assertEqual(await self.listening(), (True, False, False, False))
            await self.driver.info(self.amphora)

    async def test_settings_that_make_no_sense_are_rejected(self) -> None:
        error = await self.refused(ConfigurationRejected, self.driver.configure(self.amphora, "no = [settings"))
        self.assertIn(self.amphora.id, str(error))
        await self.driver.info(self.amphora)

    async def test_a_new_certificate_touches_nothing_that_is_served_and_may_be_sent_again(self) -> None:
        await self.driver.apply(self.amphora, tree_of(self.fixture, self.fixture.ports[0]), 1, NONE)
        credential = self.fixture.credential(self.amphora.id)
        for _ in range(2):
            await self.driver.renew_certificate(self.amphora, credential)
            await self.driver.info(self.amphora)
        self.assertEqual(await self.listening(), (True, False, False, False))

    async def test_a_certificate_by_which_it_could_not_be_known_is_rejected(self) -> None:
        nonsense = Credential(pem=b"no certificate", authority=b"")
        for wrong in (nonsense, self.fixture.credential(str(uuid4()))):
            error = await self.refused(ConfigurationRejected, self.driver.renew_certificate(self.amphora, wrong))
            self.assertIn(self.amphora.id, str(error))
            await self.driver.info(self.amphora)

    async def test_withdrawing_what_was_never_applied_is_no_error(self) -> None:
        await self.driver.withdraw(self.amphora, str(uuid4()), 1)

    async def test_load_balancers_of_one_amphora_do_not_touch_each_other(self) -> None:
        first, second = tree_of(self.fixture, self.fixture.ports[0]), tree_of(self.fixture, self.fixture.ports[1])
        await self.driver.apply(self.amphora, first, 9, NONE)
        await self.driver.apply(self.amphora, second, 1, NONE)
        self.assertEqual(await self.listening(), (True, True, False, False))
        await self.driver.withdraw(self.amphora, first.load_balancer.id, 9)
        self.assertEqual(await self.listening(), (False, True, False, False))

    async def test_an_amphora_that_does_not_answer_is_unreachable(self) -> None:
        await self.each_is_refused(AmphoraUnreachable, self.driver, self.fixture.silent)

    async def test_an_amphora_without_an_address_is_unreachable(self) -> None:
        await self.each_is_refused(AmphoraUnreachable, self.driver, evolve(self.amphora, lb_network_ip=None))

    async def test_another_amphora_at_the_address_is_refused(self) -> None:
        await self.each_is_refused(AmphoraRefused, self.driver, evolve(self.amphora, id=str(uuid4())))

    async def test_of_what_is_not_logged_there_is_nothing_to_ship(self) -> None:
        tree = tree_of(self.fixture, self.fixture.ports[0])
        self.assertEqual(await self.driver.unshipped(self.amphora, tree.load_balancer.id), 0)
        await self.driver.apply(self.amphora, tree, 1, NONE)
        self.assertEqual(await self.driver.unshipped(self.amphora, tree.load_balancer.id), 0)

    async def test_a_strange_controller_is_refused(self) -> None:
        await self.each_is_refused(AmphoraRefused, self.fixture.stranger, self.amphora)

    async def each_is_refused(self, kind: type[_Error], driver: IAmphoraDriver, amphora: Amphora) -> None:
        """No call of this driver with this amphora does anything."""
        tree = tree_of(self.fixture, self.fixture.ports[0])
        await self.refused(kind, driver.info(amphora))
        await self.refused(kind, driver.apply(amphora, tree, 1, NONE))
        await self.refused(kind, driver.drain(amphora, tree.load_balancer.id, 1))
        await self.refused(kind, driver.unshipped(amphora, tree.load_balancer.id))
        await self.refused(kind, driver.configure(amphora, self.fixture.settings))
        await self.refused(kind, driver.renew_certificate(amphora, self.fixture.credential(amphora.id)))
        await self.refused(kind, driver.withdraw(amphora, tree.load_balancer.id, 1))
        self.assertEqual(await self.listening(), (False, False, False, False))


def make_amphora_driver_tests(fixture: Callable[[], AmphoraDriverFixture]) -> type[TestCase]:
    """
    The suite for the driver that a fixture holds, to be subclassed in a test module.

    @param fixture: makes a new fixture for each test.
    """

    class BoundTests(_AmphoraDriverTests):
        def make_fixture(self) -> AmphoraDriverFixture:
            return fixture()

    return BoundTests
