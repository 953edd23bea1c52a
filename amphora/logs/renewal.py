"""Asking for new terms of access logs, before those that there are end."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any, Final

from twisted.application.service import Service
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from amphora.fence import StaleFence, number
from amphora.fetch import NoAnswer
from amphora.logs.service import Logs
from amphora.pull import Fetching
from amphora.settings import Settings
from octavia_tx.wire.logs import BadTerms, LogTerms, decode
from octavia_tx.wire.rest import log_terms_path

PERIOD: Final = 60.0  # seconds between two looks whether it's time, and two questions to controllers

GoBy = Callable[[str, LogTerms, int | None], Awaitable[None]]


class TermsRenewal(Service):
    """
    Asks one controller after the other until one answers; again and again, as long as none does.

    @param go_by: lets a load balancer's log go by terms, under a fence.
    """

    log = Logger()

    def __init__(
        self, reactor: Any, fetch: Fetching, urls: tuple[str, ...], amphora_id: str, logs: Logs, go_by: GoBy
    ) -> None:
        self._reactor = reactor
        self._fetch = fetch
        self._urls = urls
        self._path = log_terms_path(amphora_id)
        self._logs = logs
        self._go_by = go_by
        self._wanted = False
        self._work: Deferred[None] | None = None
        self._loop = LoopingCall(self._look)
        self._loop.clock = reactor

    def startService(self) -> None:
        """Begin to look."""
        super().startService()  # type: ignore[no-untyped-call]
        self._loop.start(PERIOD, now=False).addErrback(lambda f: self.log.failure("terms aren't renewed any more", f))

    def stopService(self) -> Deferred[None] | None:
        """Look no more."""
        super().stopService()  # type: ignore[no-untyped-call]
        if self._loop.running:
            self._loop.stop()
        work, self._work = self._work, None
        if work is not None:
            work.cancel()
        return work

    def want(self) -> None:
        """Those that there are don't serve."""
        self._wanted = True

    async def renew(self, settings: Settings) -> None:
        """Ask these controllers, and at once."""
        self._urls = settings.controllers
        self._wanted = True
        if self.running:
            self._look()

    def _look(self) -> None:
        logs = self._logs.all()
        now = self._reactor.seconds()
        due = any(log.terms.renew_at is not None and log.terms.renew_at <= now for log in logs)
        if logs and (due or self._wanted) and (self._work is None or self._work.called):
            self._work = Deferred.fromCoroutine(self._ask())
            self._work.addErrback(lambda failure: failure.trap(CancelledError) and None)
            self._work.addErrback(lambda f: self.log.failure("asking for terms ended", f))

    async def _ask(self) -> None:
        for url in self._urls:
            try:
                status, body = await self._fetch(url + self._path)
                if status != 200:
                    raise NoAnswer(f"answered {status}")
                found = _read(body)
            except NoAnswer as e:
                if not self.running:
                    return
                self.log.warn("{url} tells no terms of logs: {reason}", url=url, reason=str(e))
                continue
            self._wanted = False
            for identifier, fence, terms in found:
                await self._take(identifier, fence, terms)
            return

    async def _take(self, identifier: str, fence: int, terms: LogTerms) -> None:
        if identifier not in {log.identifier for log in self._logs.all()}:
            return
        try:
            await self._go_by(identifier, terms, fence)
        except (StaleFence, OSError) as e:
            self.log.error("new terms for the log of {id} aren't taken: {reason}", id=identifier, reason=str(e))


def _read(body: bytes) -> list[tuple[str, int, LogTerms]]:
    try:
        found = json.loads(body)["load_balancers"]
        return [(str(each["id"]), number(each["fence"]), decode(json.dumps(each["logs"]).encode())) for each in found]
    except (BadTerms, ValueError, TypeError, KeyError, RecursionError) as e:
        raise NoAnswer(f"its answer isn't of the expected shape: {e}") from e
