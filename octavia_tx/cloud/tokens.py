"""
What is known of tokens: remembered for a while, and asked for once however many wait for it.

A token itself is never kept, only its hash: who reads this process's memory, or its log, can't act for a tenant.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable
from hashlib import sha256
from typing import Any, Generic, NoReturn, TypeVar

from attrs import define, field, frozen
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure

from octavia_tx.errors import IdentityUnavailable
from octavia_tx.model.caller import Caller

DEADLINE = 10.0
"""Seconds for which a request waits to hear of its token."""
REFUSED = 10.0
"""Seconds for which a token is remembered not to be valid."""

_MOST = 10_000
_T = TypeVar("_T")


@frozen(kw_only=True)
class Token:
    """
    What is known of a token that is valid, or was until it expired.

    @ivar expires: seconds since 1970.
    """

    caller: Caller
    expires: float


Validate = Callable[[str, bool], Awaitable[Token | None]]
"""
Asks what a token is: C{None} where it isn't valid. With C{True} also one that has expired lately is told.
Raises L{IdentityUnavailable} when that can't be told now.
"""


class Recent(Generic[_T]):
    """Values that were used last, each until its time, and at most so many."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._held: OrderedDict[bytes, tuple[_T, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._held)

    def get(self, key: bytes, now: float) -> _T | None:
        """The value, or C{None} where there's none any more."""
        if key not in self._held:
            return None
        value, until = self._held[key]
        if until <= now:
            del self._held[key]
            return None
        self._held.move_to_end(key)
        return value

    def put(self, key: bytes, value: _T, until: float) -> None:
        """Hold it, and let go of the one that nobody has used for longest, where there's no room."""
        self._held[key] = value, until
        self._held.move_to_end(key)
        if len(self._held) > self._most:
            self._held.popitem(last=False)


@define
class _Question:
    """One that is being asked, and who waits for its answer."""

    waiters: list[Deferred[Token | None]] = field(factory=list)
    asking: Deferred[Any] | None = None


class Tokens:
    """
    Tokens by their text.

    @param validate: asks who knows.
    @param remember: seconds for which a valid token is believed without asking again; so long a revoked one lives on.
    @param most: how many valid tokens are remembered, and how many others. Apart, so that no flood of nonsense makes
        the valid ones forgotten.
    """

    def __init__(self, clock: IReactorTime, validate: Validate, remember: float, most: int = _MOST) -> None:
        self._clock = clock
        self._validate = validate
        self._remember = remember
        self._valid: Recent[Token] = Recent(most)
        self._refused: Recent[bool] = Recent(most)
        self._questions: dict[bytes, _Question] = {}

    async def find(self, token: str, expired_too: bool = False) -> Token | None:
        """
        What is known of a token, C{None} where it isn't valid. One that is remembered may have expired meanwhile.

        May be cancelled, which disturbs nobody else who waits for the same.

        @param expired_too: also one that has expired lately.
        @raise IdentityUnavailable: that can't be told now.
        """
        key, now = _key(token, expired_too), self._clock.seconds()
        known = self._valid.get(key, now)
        if known is not None or self._refused.get(key, now):
            return known
        return await self._ask(key, token, expired_too)

    def _ask(self, key: bytes, token: str, expired_too: bool) -> Deferred[Token | None]:
        async def validating() -> Token | None:
            return await self._validate(token, expired_too)

        question = self._questions.get(key)
        waiter: Deferred[Token | None] = Deferred(lambda waiter: self._leave(key, waiter))
        waiter.addTimeout(DEADLINE, self._clock, onTimeoutCancel=_late)
        if question is not None:
            question.waiters.append(waiter)
        else:
            question = self._questions[key] = _Question([waiter])
            question.asking = Deferred.fromCoroutine(validating())
            question.asking.addBoth(self._answered, key)
        return waiter

    def _answered(self, answer: Token | None | Failure, key: bytes) -> None:
        """Whatever came of it, a failure too, is for those who wait."""
        if not isinstance(answer, Failure):
            self._keep(key, answer)
        for waiter in self._questions.pop(key).waiters:
            if not waiter.called:
                waiter.callback(answer)

    def _keep(self, key: bytes, token: Token | None) -> None:
        now = self._clock.seconds()
        if token is None:
            self._refused.put(key, True, now + REFUSED)
        else:
            self._valid.put(key, token, now + self._remember)

    def _leave(self, key: bytes, waiter: Deferred[Token | None]) -> None:
        question = self._questions.get(key)
        if question is None or waiter not in question.waiters:
            return
        question.waiters.remove(waiter)
        # Nobody waits any more: what hasn't begun needn't, or a backlog would outlive the trouble that made it.
        if not question.waiters and question.asking is not None:
            question.asking.cancel()


def _key(token: str, expired_too: bool) -> bytes:
    return sha256(token.encode("utf-8", "surrogatepass")).digest() + bytes([expired_too])


def _late(_result: Any, seconds: float) -> NoReturn:
    raise IdentityUnavailable(f"Keystone didn't tell within {seconds:g} seconds whose token this is. Try again later.")
