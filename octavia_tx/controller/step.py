"""
What a step of a plan is.

Each sees to one thing: done again, it changes nothing more. Each records what it made before it is done, in a
transaction of its own that holds only if the lease does; there's no remote call inside one. Each gives the situation
that follows, so that the next doesn't have to read what is known.
"""

from __future__ import annotations

from typing import ClassVar, Protocol

from attrs import frozen

from octavia_tx.controller.situation import Situation
from octavia_tx.controller.work import Work
from octavia_tx.errors import OctaviaError


class Replan(OctaviaError):
    """What the plan was made of isn't so any more; make a new one at once."""


class Later(OctaviaError):
    """
    What is waited for takes its time; look again after a while, and let others have their turn.

    @ivar seconds: until then.
    """

    def __init__(self, sentence: str, seconds: float) -> None:
        super().__init__(sentence)
        self.seconds = seconds


class Step(Protocol):
    """
    @cvar name: what it does, for people.
    @ivar amphora_id: whom it is about; C{None}: the load balancer alone.
    """

    name: ClassVar[str]

    @property
    def amphora_id(self) -> str | None: ...

    async def do(self, situation: Situation, work: Work) -> Situation:
        """
        Do it, whatever of it was done already, and record it.

        @return: the situation that follows.
        @raise Replan: the tenant or the cloud changed what the plan was made of.
        @raise Later: there's nothing to do but to wait.
        @raise LeaseLost: another controller goes on.
        @raise OctaviaError: it didn't work; it may be tried again.
        """


@frozen
class OfLoadBalancer:
    """What is about the load balancer alone."""

    amphora_id: ClassVar[None] = None


@frozen
class OfAmphora:
    """What is about one amphora."""

    amphora_id: str
