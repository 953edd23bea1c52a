"""
What every L{IIdentity} must do, as tests that its author runs against it, and one in memory that passes them.

::

    class MyIdentityTests(make_identity_tests(make_my_stage)):
        pass
"""

# Trial's own assertions have no types.
# mypy: allow-untyped-calls

from __future__ import annotations

from collections.abc import Awaitable, Callable
from uuid import uuid4

from attrs import define, evolve, frozen
from twisted.internet.defer import CancelledError, Deferred, gatherResults
from twisted.internet.interfaces import IReactorTime
from twisted.trial.unittest import TestCase
from zope.interface import implementer
from zope.interface.verify import verifyObject

from octavia_tx.errors import IdentityUnavailable, InvalidInput, OctaviaError, Unauthenticated
from octavia_tx.interfaces import IIdentity
from octavia_tx.model.caller import Caller, Presented


@frozen(kw_only=True)
class Stage:
    """
    An identity, and what its tests need around it.

    @ivar identity: what is tested.
    @ivar known: what is presented, and who it must be told to be. At least one is of a project.
    @ivar unseen: something valid that the identity wasn't asked about yet.
    @ivar brief: something valid that soon is no more.
    @ivar outlive: waits until C{brief} has expired.
    @ivar refused: what is presented in vain: unknown, expired, revoked, and what can't be read.
    @ivar silence: lets nobody answer who would tell the identity of tokens, until the test ends.
    """

    identity: IIdentity
    known: tuple[tuple[Presented, Caller], ...]
    unseen: Presented
    brief: Presented
    outlive: Callable[[], Awaitable[None]]
    refused: tuple[Presented, ...]
    silence: Callable[[], Awaitable[None]]


Factory = Callable[[TestCase], Awaitable[Stage]]


class _IdentityTests(TestCase):
    async def _stage(self) -> Stage:
        raise NotImplementedError

    async def _refused(self, identity: IIdentity, presented: Presented, *kinds: type[OctaviaError]) -> None:
        try:
            caller = await identity.caller(presented)
        except kinds as error:
            for secret in (presented.token, presented.service_token):
                self.assertFalse(secret and secret in str(error), "an error tells a token")
            return
        self.fail(f"{presented} was believed to be {caller}")

    async def test_it_provides_the_interface(self) -> None:
        verifyObject(IIdentity, (await self._stage()).identity)

    async def test_the_challenge_fits_into_a_header(self) -> None:
        challenge = (await self._stage()).identity.challenge
        self.assertTrue(challenge is None or (challenge and challenge.isascii() and challenge.isprintable()))

    async def test_who_is_known_is_told(self) -> None:
        stage = await self._stage()
        self.assertTrue(any(caller.project_id for _presented, caller in stage.known))
        for presented, caller in stage.known:
            self.assertEqual(await stage.identity.caller(presented), caller)

    async def test_asking_again_gives_the_same(self) -> None:
        stage = await self._stage()
        for presented, caller in (*stage.known, *stage.known):
            self.assertEqual(await stage.identity.caller(presented), caller)

    async def test_roles_are_in_lower_case(self) -> None:
        stage = await self._stage()
        for presented, _caller in stage.known:
            for role in (await stage.identity.caller(presented)).roles:
                self.assertEqual(role, role.lower())

    async def test_many_at_once_are_all_told(self) -> None:
        stage = await self._stage()
        asked = [(presented, caller) for presented, caller in stage.known for _ in range(20)]
        told = await gatherResults([_ask(stage.identity, presented) for presented, _caller in asked])
        self.assertEqual(told, [caller for _presented, caller in asked])

    async def test_one_that_gives_up_disturbs_no_other(self) -> None:
        stage = await self._stage()
        presented, caller = stage.known[0]
        asking = [_ask(stage.identity, presented) for _ in range(3)]
        asking[0].addErrback(lambda failure: failure.trap(CancelledError) and None)
        asking[0].cancel()
        self.assertEqual([await each for each in asking[1:]], [caller, caller])

    async def test_who_presents_nothing_is_not_known(self) -> None:
        stage = await self._stage()
        for nothing in (Presented(), Presented(token=""), Presented(project_id="p")):
            await self._refused(stage.identity, nothing, Unauthenticated)

    async def test_what_is_not_valid_is_refused_and_again(self) -> None:
        stage = await self._stage()
        for presented in (*stage.refused, *stage.refused):
            await self._refused(stage.identity, presented, Unauthenticated, InvalidInput)

    async def test_a_service_that_is_not_known_vouches_for_nobody(self) -> None:
        stage = await self._stage()
        presented, _caller = stage.known[0]
        service_token = next(refused.token for refused in stage.refused if refused.token)
        await self._refused(stage.identity, evolve(presented, service_token=service_token), Unauthenticated)

    async def test_what_expires_in_the_middle_is_refused_from_then_on(self) -> None:
        stage = await self._stage()
        await stage.identity.caller(stage.brief)
        await stage.outlive()
        await self._refused(stage.identity, stage.brief, Unauthenticated)

    async def test_what_cannot_be_told_now_is_not_taken_for_invalid(self) -> None:
        stage = await self._stage()
        await stage.silence()
        await self._refused(stage.identity, stage.unseen, IdentityUnavailable)


def make_identity_tests(factory: Factory) -> type[TestCase]:
    """
    A test case with the contract's promises, one test each.

    @param factory: sets the stage, and registers with C{addCleanup} what undoes it all.
    """

    class IdentityTests(_IdentityTests):
        async def _stage(self) -> Stage:
            return await factory(self)

    return IdentityTests


def _ask(identity: IIdentity, presented: Presented) -> Deferred[Caller]:
    async def asking() -> Caller:
        return await identity.caller(presented)

    return Deferred.fromCoroutine(asking())


@define
class _Issued:
    caller: Caller
    expires: float


@implementer(IIdentity)
class MemoryIdentity:
    """
    Tokens that are only noted down.

    @ivar silent: whether nobody answers now who a token is of.
    """

    def __init__(self, clock: IReactorTime) -> None:
        self.challenge: str | None = 'Keystone uri="http://memory.example/v3"'
        self.silent = False
        self._clock = clock
        self._issued: dict[str, _Issued] = {}

    def issue(self, caller: Caller, lifetime: float = 3600.0) -> str:
        """A new token for someone, valid for so many seconds."""
        token = uuid4().hex
        self._issued[token] = _Issued(caller, self._clock.seconds() + lifetime)
        return token

    def revoke(self, token: str) -> None:
        """It is valid no more."""
        self._issued.pop(token, None)

    async def caller(self, presented: Presented) -> Caller:
        """See L{IIdentity}."""
        if not presented.token:
            raise Unauthenticated("No token is presented.")
        if self.silent:
            raise IdentityUnavailable("Nobody answers who that is.")
        vouched = bool(presented.service_token) and "service" in self._valid(presented.service_token, False).roles
        return self._valid(presented.token, vouched)

    def _valid(self, token: str | None, expired_too: bool) -> Caller:
        issued = self._issued.get(token or "")
        if issued is None or (issued.expires <= self._clock.seconds() and not expired_too):
            raise Unauthenticated("The token isn't valid.")
        return issued.caller
