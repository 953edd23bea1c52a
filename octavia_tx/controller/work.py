"""What convergence and its steps have at hand while they hold a lease."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime

from attrs import frozen
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater

from octavia_tx.controller.boots import BootMaterial
from octavia_tx.db import leases
from octavia_tx.db.database import Database
from octavia_tx.db.leases import Lease
from octavia_tx.db.transaction import Transaction
from octavia_tx.driver.registry import Providers
from octavia_tx.errors import LeaseLost
from octavia_tx.interfaces import IAmphoraDriver, ICertificateManager, IComputeDriver, INetworkDriver
from octavia_tx.model.flavor import Terms


@frozen(kw_only=True)
class ConvergenceSettings:
    """
    Times are in seconds.

    @ivar lease_seconds: for which a load balancer belongs to one controller, unless renewed.
    @ivar concurrency: load balancers worked on at once; others' providers may be at work on more.
    @ivar boot_timeout: for an amphora's agent to answer, from the start of its machine.
    @ivar first_look, longest_look: between two questions to a booting amphora, growing.
    @ivar first_retry, longest_retry: between attempts, growing.
    @ivar drain: for a replaced amphora to finish its connections; C{silence}: for one that doesn't answer.
    @ivar give_up_after: of failures, until the load balancer is shown as C{ERROR}; it is retried still.
    @ivar slow_retry: between attempts once it is C{ERROR}.
    @ivar rounds: of gathering and planning in one lease, at most; C{longest_rest}: between two while changes come.
    @ivar poll: between looks for due work that no notification told of.
    @ivar housekeeping: between sweeps for what has no row; C{second_look}: until a find is confirmed.
    @ivar history: for which events are kept.
    @ivar rotation: between looks whether tenants' certificates have another content.
    @ivar renewal: the share of an amphora's certificate's validity that is left when it is renewed.
    @ivar grace: for running steps to be recorded when the controller stops; then as long again for them to end.
    """

    lease_seconds: float = 4.0
    concurrency: int = 16
    boot_timeout: float = 120.0
    first_look: float = 0.05
    longest_look: float = 1.0
    first_retry: float = 0.2
    longest_retry: float = 30.0
    drain: float = 60.0
    silence: float = 5.0
    give_up_after: float = 300.0
    slow_retry: float = 60.0
    rounds: int = 50
    longest_rest: float = 0.05
    poll: float = 1.0
    housekeeping: float = 60.0
    second_look: float = 5.0
    history: float = 604800.0
    rotation: float = 300.0
    renewal: float = 1 / 3
    grace: float = 3.0


@frozen(kw_only=True)
class Means:
    """
    What every load balancer's work is done with.

    @ivar certificates: who keeps those that tenants refer to; C{None}: references stand for nothing.
    @ivar logged: whether load balancers of such a flavor have access logs.
    """

    clock: IReactorTime
    database: Database
    compute: IComputeDriver
    network: INetworkDriver
    driver: IAmphoraDriver
    boots: BootMaterial
    providers: Providers
    settings: ConvergenceSettings
    certificates: ICertificateManager | None = None
    logged: Callable[[Terms], bool] = lambda _terms: False

    def now(self) -> datetime:
        """The clock's time."""
        return datetime.fromtimestamp(self.clock.seconds(), UTC)


class Work:
    """
    One load balancer, while it is ours.

    @ivar news: whether the tenant may have changed it since this was last C{False}.
    @ivar doubted: whether a machine was found missing that the rows have.
    @ivar waits: whether somebody else is at it, who may take their time.
    @ivar stopping: whether to leave off at the next safe point: after a step is recorded.
    """

    def __init__(self, means: Means, lease: Lease) -> None:
        self.means = means
        self.lease = lease
        self.news = False
        self.doubted = False
        self.waits = False
        self.stopping = False
        self._pause: Deferred[None] | None = None
        self._resting = False

    @property
    def interrupted(self) -> bool:
        """Whether waiting any longer may be in vain."""
        return self.news or self.stopping

    def tell(self) -> None:
        """There is news of the load balancer."""
        self.news = True
        if not self._resting:
            self._wake()

    def stop(self) -> None:
        """Leave off at the next safe point."""
        self.stopping = True
        self._wake()

    def _wake(self) -> None:
        pause, self._pause = self._pause, None
        if pause is not None:
            pause.cancel()

    async def pause(self, seconds: float) -> None:
        """Wait, but no longer than until there's news, or it's time to stop."""
        if not self.interrupted:
            await self._sleep(seconds)

    async def rest(self, seconds: float) -> None:
        """Wait even if there's news, but no longer than until it's time to stop."""
        self._resting = True
        try:
            if not self.stopping:
                await self._sleep(seconds)
        finally:
            self._resting = False

    async def _sleep(self, seconds: float) -> None:
        pause = self._pause = deferLater(self.means.clock, seconds)
        try:
            await pause
        except CancelledError:
            if self._pause is pause:
                raise  # nobody woke it: the work itself is cancelled
        finally:
            self._pause = None

    @contextmanager
    def aside(self) -> Iterator[None]:
        """While others are waited for, who may take their time, this is none of those that are worked on at once."""
        self.waits = True
        try:
            yield
        finally:
            self.waits = False

    @asynccontextmanager
    async def recording(self, step: str) -> AsyncIterator[Transaction]:
        """
        A transaction that holds only if the lease does.

        Rows are locked in one order by everyone: amphora, load balancer and its children, and the lease last; a
        tenant's change takes them in this order too, so that nobody waits in a circle.

        @raise LeaseLost: another controller has the load balancer; nothing was written.
        """
        async with self.means.database.transaction() as tx:
            yield tx
            await self.prove(tx, step)

    async def prove(self, tx: Transaction, step: str) -> None:
        """
        Make sure that the lease is ours, and stays so until the transaction ends.

        @raise LeaseLost: another controller has the load balancer.
        """
        if not await leases.progress(tx, self.lease, step):
            raise self.lost()

    def lost(self) -> LeaseLost:
        """What to raise when the lease turns out to be another's."""
        return LeaseLost(f"Load balancer {self.lease.load_balancer_id} is another controller's now.")
