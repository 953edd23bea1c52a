"""All access logs of this amphora: begun and ended as controllers and the configurations of haproxy say."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from twisted.application.service import Service
from twisted.internet.defer import CancelledError, Deferred, DeferredList
from twisted.logger import Logger

from amphora import durable
from amphora.load_balancer import LoadBalancer
from amphora.registry import LOAD_BALANCERS
from amphora.runner import CONFIGURATION
from octavia_tx.wire.heartbeat import is_identifier
from octavia_tx.wire.logs import HAPROXY_TARGET, BadTerms, LogTerms, decode, encode

if TYPE_CHECKING:
    from amphora.logs.log import AccessLog

LOGS: Final = "logs"
TERMS: Final = "terms.json"


def is_logged(configuration: str) -> bool:
    """Whether a configuration of haproxy's has lines written for us."""
    return any(line.strip() == HAPROXY_TARGET for line in configuration.splitlines())


class Logs(Service):
    """
    An L{Observer<amphora.load_balancer.Observer>}, by which it learns when a load balancer logs no more.

    @param random: gives numbers from 0 to 1.
    @ivar denied: called when a target doesn't let us in.
    """

    log = Logger()

    def __init__(self, reactor: Any, amphora_id: str, directory: Path, random: Callable[[], float]) -> None:
        self.denied: Callable[[], None] = lambda: None
        self._reactor = reactor
        self._amphora_id = amphora_id
        self._directory = directory / LOGS
        self._load_balancers = directory / LOAD_BALANCERS
        self._random = random
        self._logs: dict[str, AccessLog] = {}
        self._farewells: dict[str, Deferred[None]] = {}

    def startService(self) -> None:
        """Go on with what an earlier agent left."""
        super().startService()  # type: ignore[no-untyped-call]
        for path in sorted(self._directory.iterdir()) if self._directory.exists() else ():
            if is_identifier(path.name) and path.is_dir():
                self._take_over(path)

    def _take_over(self, path: Path) -> None:
        try:
            log = self._made(path.name, decode((path / TERMS).read_bytes()))
            text = (self._load_balancers / path.name / CONFIGURATION).read_text(errors="replace")
        except FileNotFoundError:
            text = ""
        except (OSError, BadTerms) as e:
            self.log.error("the log of {id} can't be gone on with: {reason}", id=path.name, reason=str(e))
            return
        if path.name not in self._logs:
            durable.remove_directory(path)  # its terms were never written
        elif is_logged(text):
            log.listen()
        else:
            self._begin_farewell(log)

    def stopService(self) -> Deferred[Any]:
        """Leave everything to the next agent."""
        super().stopService()  # type: ignore[no-untyped-call]
        farewells, self._farewells = self._farewells, {}
        for farewell in farewells.values():
            farewell.cancel()
        logs, self._logs = self._logs, {}
        stopping = [Deferred.fromCoroutine(log.stop()) for log in logs.values()]
        return DeferredList([*farewells.values(), *stopping], consumeErrors=True)

    async def put(self, identifier: str, terms: LogTerms) -> None:
        """
        Let a load balancer's log go by these terms. Its lines come once its configuration has them written.

        @raise OSError: they can't be written down.
        """
        if (farewell := self._farewells.pop(identifier, None)) is not None:
            farewell.cancel()  # it is back
            await farewell
            await self._logs.pop(identifier).stop()
        if (log := self._logs.get(identifier)) is not None:
            await log.go_by(terms)
            return
        directory = self._directory / identifier
        durable.make_directory(self._directory)
        durable.make_directory(directory)
        durable.write(directory / TERMS, encode(terms))
        self._made(identifier, terms)

    def find(self, identifier: str) -> AccessLog | None:
        """That load balancer's log, also while what is left of it is shipped."""
        return self._logs.get(identifier)

    def all(self) -> tuple[AccessLog, ...]:
        """Those of load balancers that are logged."""
        return tuple(log for identifier, log in self._logs.items() if identifier not in self._farewells)

    async def before(self, load_balancer: LoadBalancer) -> None:
        """See L{Observer<amphora.load_balancer.Observer>}."""

    async def after(self, load_balancer: LoadBalancer) -> None:
        """See L{Observer<amphora.load_balancer.Observer>}: its configuration may log no more, or only now."""
        log = self._logs.get(load_balancer.identifier)
        if log is None or load_balancer.identifier in self._farewells:
            return
        if load_balancer.exists and is_logged(load_balancer.text().decode(errors="replace")):
            log.listen()
        else:
            self._begin_farewell(log)

    def _made(self, identifier: str, terms: LogTerms) -> AccessLog:
        # Where nothing is logged, nobody pays for the means.
        from amphora.logs.log import AccessLog

        made = self._logs[identifier] = AccessLog(
            self._reactor,
            self._amphora_id,
            self._load_balancers / identifier,
            self._directory / identifier,
            TERMS,
            terms,
            lambda: self.denied(),
            self._random,
        )
        return made

    def _begin_farewell(self, log: AccessLog) -> None:
        farewell = Deferred.fromCoroutine(log.leave())
        self._farewells[log.identifier] = farewell
        farewell.addCallback(self._forget, log.identifier)
        farewell.addErrback(lambda failure: failure.trap(CancelledError) and None)
        farewell.addErrback(lambda f: self.log.failure("the log of {id} isn't ended", f, id=log.identifier))

    def _forget(self, _left: None, identifier: str) -> None:
        self._farewells.pop(identifier, None)
        self._logs.pop(identifier, None)
