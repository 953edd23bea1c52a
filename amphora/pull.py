"""At its start, an agent asks a controller what it should run: it may have missed a push."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any, Final

from attrs import field, frozen
from twisted.application.service import Service
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.logger import Logger

from amphora.certificates import BadName, NoMemory
from amphora.fence import StaleFence
from amphora.fetch import NoAnswer
from amphora.haproxy import StartFailed
from amphora.load_balancer import Invalid
from amphora.registry import LoadBalancers
from amphora.runner import ReloadRefused
from amphora.settings import Settings
from octavia_tx.wire.heartbeat import is_identifier
from octavia_tx.wire.logs import LogTerms, decode
from octavia_tx.wire.rest import load_balancers_path

FIRST_DELAY: Final = 0.5  # seconds; each further one is twice as long, give or take a half
LAST_DELAY: Final = 60.0

# Gives status and body of a URL.
Fetching = Callable[[str], Coroutine[Any, Any, tuple[int, bytes]]]


@frozen
class Wanted:
    """
    What a controller says that this amphora should run.

    @ivar text: haproxy's configuration; empty where there's nothing to serve.
    @ivar certificates: the files that it names, as far as they aren't there yet.
    @ivar logs: the terms of its access log, if it has one.
    """

    load_balancer_id: str
    fence: int
    text: bytes
    certificates: Mapping[str, bytes] = field(factory=dict, repr=False)
    logs: LogTerms | None = None


def read(body: bytes) -> tuple[Wanted, ...]:
    """
    Read a controller's answer.

    @raise NoAnswer: it isn't of the expected shape.
    """
    try:
        return tuple(
            _wanted(item["id"], item["fence"], item["haproxy"], item.get("certificates", {}), item.get("logs"))
            for item in json.loads(body)["load_balancers"]
        )
    except (ValueError, TypeError, KeyError) as e:
        raise NoAnswer(f"its answer isn't of the expected shape: {e!r}") from e


def _wanted(identifier: object, fence: object, text: object, certificates: object, logs: object) -> Wanted:
    if not isinstance(identifier, str) or not is_identifier(identifier):
        raise ValueError("an id isn't a UUID")
    if not isinstance(text, str) or type(fence) is not int or fence < 0:
        raise ValueError("a load balancer lacks text or fence")
    if not isinstance(certificates, dict) or not all(isinstance(content, str) for content in certificates.values()):
        raise ValueError("certificates aren't texts by their names")
    files = {name: pem.encode() for name, pem in certificates.items()}
    terms = None if logs is None else decode(json.dumps(logs).encode())
    return Wanted(identifier, fence, text.encode(), files, terms)


def _places(urls: tuple[str, ...], amphora_id: str) -> tuple[str, ...]:
    return tuple(url + load_balancers_path(amphora_id) for url in urls)


class Pull(Service):
    """
    Asks one controller after the other until one answers, and applies what differs.

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
        self._places = _places(urls, amphora_id)
        self._load_balancers = load_balancers
        self._random = random
        self._log = log
        self._work: Deferred[None] | None = None

    def startService(self) -> None:
        """Begin to ask."""
        super().startService()  # type: ignore[no-untyped-call]
        self._begin()

    async def renew(self, settings: Settings) -> None:
        """Ask these controllers, if none has answered yet."""
        self._places = _places(settings.controllers, settings.amphora_id)
        if self.running and self._work is None:
            self._begin()

    def _begin(self) -> None:
        if self._places:
            self._work = Deferred.fromCoroutine(self._until_answered())
            self._work.addErrback(lambda f: f.trap(CancelledError) and None)
            self._work.addErrback(lambda f: self.log.failure("asking controllers ended", f))

    def stopService(self) -> Deferred[None] | None:
        """Ask no more."""
        super().stopService()  # type: ignore[no-untyped-call]
        work, self._work = self._work, None
        if work is not None:
            work.cancel()
        return work

    async def _until_answered(self) -> None:
        delay = FIRST_DELAY
        # A connection that is cancelled may look like one that failed: the service knows better.
        while self.running:
            for place in self._places:
                try:
                    wanted = await self._ask(place)
                except NoAnswer as e:
                    if not self.running:
                        return
                    self.log.warn("{place}: {reason}", place=place, reason=str(e))
                    continue
                for one in wanted:
                    await self._apply(one)
                return
            await deferLater(self._reactor, delay * (0.5 + self._random()))
            delay = min(LAST_DELAY, delay * 2)

    async def _ask(self, place: str) -> tuple[Wanted, ...]:
        status, body = await self._fetch(place)
        if status != 200:
            raise NoAnswer(f"answered {status}: {body[:200].decode(errors='replace')}")
        return read(body)

    async def _apply(self, wanted: Wanted) -> None:
        load_balancer = self._load_balancers.place(wanted.load_balancer_id)
        try:
            if wanted.logs is not None:
                await self._log(wanted.load_balancer_id, wanted.logs, wanted.fence)
            if wanted.text:
                await load_balancer.apply(wanted.text, wanted.fence, wanted.certificates)
            else:
                await load_balancer.remove(wanted.fence)
        except (StaleFence, Invalid, ReloadRefused, StartFailed, BadName, NoMemory, OSError) as e:
            self.log.error(
                "load balancer {identifier} isn't as its controller wants it: {reason}",
                identifier=wanted.load_balancer_id,
                reason=str(e),
            )
