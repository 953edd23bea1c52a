"""What providers' answers have to be: there in time, and such that they can be stored and shown."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, TypeVar

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure

from octavia_tx.errors import DriverError
from octavia_tx.model.tree import Tree

LONGEST_REASON: Final = 1000
"""How many characters may say what an object misses."""

UNSTORABLE: Final = re.compile("[\0\ud800-\udfff]")
"""What PostgreSQL's texts and JSON can't hold."""

_Answer = TypeVar("_Answer")


async def in_time(clock: IReactorTime, seconds: float, asking: Callable[[], Awaitable[_Answer]]) -> _Answer:
    """
    What is answered within so many seconds. After that nobody waits any longer, also not for one who heeds no
    cancellation, and whatever may come of it still is dropped.

    @raise DriverError: there's no answer.
    """

    given_up = False

    async def asked() -> _Answer:
        try:
            return await asking()
        except CancelledError as error:
            if given_up:
                raise
            raise RuntimeError("It cancelled itself.") from error

    work = Deferred.fromCoroutine(asked())
    if work.called:
        return await work
    answer: Deferred[_Answer] = Deferred()
    work.addBoth(answer.callback)
    answer.addTimeout(seconds, clock, _unanswered)
    try:
        return await answer
    finally:
        given_up = True
        work.cancel()


def _unanswered(_cancelled: object, seconds: float) -> Failure:
    return Failure(DriverError(f"it gave no answer within {seconds:g} seconds."))


def incomplete(tree: Tree, told: object) -> dict[str, str]:
    """
    What C{check} says that a tree misses, if it may say so: see
    L{IProviderDriver.check<octavia_tx.interfaces.IProviderDriver.check>}.

    @raise DriverError: it may not.
    """
    if not isinstance(told, Mapping):
        raise DriverError(f"its check gave no mapping of ids to sentences, but a {type(told).__name__}.")
    here = {tree.load_balancer.id, *(child.id for child in tree.children())}
    for identifier, sentence in told.items():
        if identifier not in here:
            raise DriverError(f"its check names {identifier!r:.80}, which isn't among what it was asked about.")
        if not isinstance(sentence, str):
            raise DriverError(f"its check says of {identifier} no sentence, but a {type(sentence).__name__}.")
        if not sentence.strip() or len(sentence) > LONGEST_REASON or UNSTORABLE.search(sentence):
            raise DriverError(
                f"its check says of {identifier} {sentence!r:.80}. Accepted: 1 to {LONGEST_REASON} characters, "
                "no NUL, and no half of a surrogate pair."
            )
    return {identifier: str.__str__(sentence) for identifier, sentence in told.items()}  # of words in an enum, too
