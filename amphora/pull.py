"""At its start, and on a notice that work is waiting, an agent asks a controller what it should run."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextlib import suppress
from typing import Any, Final, Protocol

from attrs import field, frozen
from twisted.application.service import Service
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.logger import Logger

from amphora.certificates import BadName, NoMemory
from amphora.fence import Overtaken, StaleFence, number
from amphora.fetch import NoAnswer
from amphora.haproxy import StartFailed
from amphora.load_balancer import Invalid
from amphora.registry import LoadBalancers
from amphora.runner import ReloadRefused
from amphora.settings import Settings
from octavia_tx.wire.heartbeat import is_identifier
from octavia_tx.wire.logs import LogTerms, decode
from octavia_tx.wire.rest import applied_path, load_balancers_path

FIRST_DELAY: Final = 0.5  # seconds; each further one is twice as long, give or take a half
LAST_DELAY: Final = 60.0

_UNFIT: Final = (StaleFence, Invalid, ReloadRefused, StartFailed, BadName, NoMemory, OSError)


class Fetching(Protocol):
    """See L{Fetch<amphora.fetch.Fetch>}."""

    def __call__(self, url: str, method: str = "GET") -> Coroutine[Any, Any, tuple[int, bytes]]:
        """Status and body of an answer."""


@frozen
class Wanted:
    """
    What a controller says that this amphora should run.

    @ivar text: haproxy's configuration; empty where there's nothing to serve.
    @ivar certificates: the files that it names, as far as they aren't there yet.
    @ivar revision: what the controller calls it; C{None}: it doesn't want to hear of it again.
    @ivar logs: the terms of its access log, if it has one.
    """

    load_balancer_id: str
    fence: int
    text: bytes
    certificates: Mapping[str, bytes] = field(factory=dict, repr=False)
    revision: int | None = None
    logs: LogTerms | None = None


def read(body: bytes) -> tuple[Wanted, ...]:
    """
    Read a controller's answer.

    @raise NoAnswer: it isn't of the expected shape.
    """
    try:
        return tuple(
            _wanted(item["id"], item["fence"], item["haproxy"], item) for item in json.loads(body)["load_balancers"]
        )
    except (ValueError, TypeError, KeyError, RecursionError) as e:
        raise NoAnswer(f"its answer isn't of the expected shape: {e!r}") from e


def _wanted(identifier: object, fence: object, text: object, item: Mapping[str, object]) -> Wanted:
    certificates, revision, logs = item.get("certificates", {}), item.get("revision"), item.get("logs")
    if not isinstance(identifier, str) or not is_identifier(identifier):
        raise ValueError("an id isn't a UUID")
    if not isinstance(text, str):
        raise ValueError("a load balancer lacks text")
    if revision is not None and (type(revision) is not int or revision < 0):
        raise ValueError("a revision isn't a number")
    if not isinstance(certificates, dict) or not all(isinstance(content, str) for content in certificates.values()):
        raise ValueError("certificates aren't texts by their names")
    files = {name: pem.encode() for name, pem in certificates.items()}
    terms = None if logs is None else decode(json.dumps(logs).encode())
    known = revision if isinstance(revision, int) else None
    return Wanted(identifier, number(fence), text.encode(), files, known, terms)


class Pull(Service):
    """
    Asks one controller after the other until one answers, applies what differs, and tells the controller so.

    @param fetch: raises L{NoAnswer} when there's none.
    @param random: gives numbers from 0 to 1.
    @param log: lets a load balancer's access log go by terms, under a fence.
    """

    log = Logger()

    def __init__(
        self,
        reactor: IReactorTime,
        fetch: Fetching,
        urls: tuple[str, ...],
        amphora_id: str,
        load_balancers: LoadBalancers,
        random: Callable[[], float],
        log: Callable[[str, LogTerms, int | None], Awaitable[None]],
    ) -> None:
        self._reactor = reactor
        self._fetch = fetch
        self._urls = urls
        self._amphora_id = amphora_id
        self._load_balancers = load_balancers
        self._random = random
        self._log = log
        self._work: Deferred[None] | None = None
        self._sleep: Deferred[None] | None = None
        self._again = False
        self._silent: dict[str, str] = {}
        self._delay = 0.0
        self._answered = False

    def startService(self) -> None:
        """Begin to ask."""
        super().startService()  # type: ignore[no-untyped-call]
        self._begin()

    async def renew(self, settings: Settings) -> None:
        """Ask these controllers, if none has answered yet."""
        self._urls = settings.controllers
        if self._work is None and not self._answered:
            self._begin()

    def notice(self) -> None:
        """
        Work is waiting. Somebody must be there again, so whoever waits for a controller asks at once; but not one who
        couldn't apply what was wanted.
        """
        if self._work is None:
            self._begin()
            return
        self._again = True
        if self._sleep is not None and self._silent:
            self._sleep.cancel()

    def _begin(self) -> None:
        if self._urls and self.running:
            self._again = False
            self._work = Deferred.fromCoroutine(self._until_answered())
            self._work.addErrback(lambda f: f.trap(CancelledError) and None)
            self._work.addErrback(lambda f: self.log.failure("asking controllers ended", f))
            self._work.addCallback(self._ended)

    def _ended(self, _: object) -> None:
        self._work = None
        if self._again:
            self._begin()

    def stopService(self) -> Deferred[None] | None:
        """Ask no more."""
        super().stopService()  # type: ignore[no-untyped-call]
        work, self._work = self._work, None
        if work is not None:
            work.cancel()
        return work

    async def _until_answered(self) -> None:
        while await self._rested():
            for url in self._urls:
                since = self._load_balancers.changes()
                try:
                    wanted = await self._ask(url)
                except NoAnswer as e:
                    # A connection that is cancelled may look like one that failed: the service knows better.
                    if not self.running:
                        return
                    self._unanswered(url, str(e))
                    continue
                if self._silent:
                    self.log.info("{url} answers", url=url)
                self._silent.clear()
                self._answered = True
                if all([await self._apply(url, one, since) for one in wanted]):
                    self._delay = 0.0
                return

    async def _rested(self) -> bool:
        """After a while, which is none the first time: whether the service still runs."""
        if self._delay:
            self._sleep = deferLater(self._reactor, self._delay * (0.5 + self._random()))
            with suppress(CancelledError):  # a notice came, or the service ends
                await self._sleep
            self._sleep = None
        self._delay = min(LAST_DELAY, 2 * self._delay or FIRST_DELAY)
        return bool(self.running)

    def _unanswered(self, url: str, reason: str) -> None:
        """Once for each outage: it may last for days."""
        if self._silent.get(url) != reason:
            self.log.warn("{url} doesn't say what to run: {reason}", url=url, reason=reason)
        self._silent[url] = reason

    async def _ask(self, url: str) -> tuple[Wanted, ...]:
        status, body = await self._fetch(url + load_balancers_path(self._amphora_id))
        if status != 200:
            raise NoAnswer(f"answered {status}: {body[:200].decode(errors='replace')}")
        return read(body)

    async def _apply(self, url: str, wanted: Wanted, since: Mapping[str, int]) -> bool:
        """Whether what runs is as wanted now, or need not be."""
        load_balancer = self._load_balancers.place(wanted.load_balancer_id)
        try:
            if wanted.logs is not None:
                await self._log(wanted.load_balancer_id, wanted.logs, wanted.fence)
            if wanted.text:
                await load_balancer.apply(wanted.text, wanted.fence, wanted.certificates, since)
            else:
                await load_balancer.remove(wanted.fence, since)
        except Overtaken:
            return True  # what was pushed meanwhile is as new, or newer; should it not be, there's a further notice
        except _UNFIT as e:
            self.log.error(
                "load balancer {identifier} isn't as its controller wants it: {reason}",
                identifier=wanted.load_balancer_id,
                reason=str(e),
            )
            return False
        if wanted.revision is not None:
            path = applied_path(self._amphora_id, wanted.load_balancer_id, wanted.fence, wanted.revision)
            with suppress(NoAnswer):  # there's a further notice then
                await self._fetch(url + path, "PUT")
        return True
