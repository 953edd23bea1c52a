"""All load balancers of this amphora."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from twisted.application.service import Service
from twisted.internet.defer import CancelledError, DeferredSemaphore
from twisted.logger import Logger
from twisted.python.failure import Failure

from amphora.certificates import Certificates, sweep
from amphora.fence import Fences
from amphora.haproxy import StartFailed
from amphora.load_balancer import Absent, LoadBalancer, Observer
from amphora.runner import Program
from octavia_tx.wire.heartbeat import is_identifier
from octavia_tx.wire.rest import CERTIFICATES

LOAD_BALANCERS: Final = "load_balancers"
FENCES: Final = "fences"
REVIVALS: Final = 8  # at once; more would be no faster, and take much memory


class LoadBalancers(Service):
    """
    Finds them on disk when it starts, and has each served again, whoever else is there or not.

    When it stops, they go on.

    @param certificates: where their certificates lie, in a directory for each; C{None}: there's no place for them.
    """

    log = Logger()

    def __init__(
        self, reactor: Any, directory: Path, program: Program, observer: Observer, certificates: Path | None
    ) -> None:
        self._reactor = reactor
        self._directory = directory / LOAD_BALANCERS
        self._program = program
        self._fences = Fences(directory / FENCES)
        self._observer = observer
        self._certificates = certificates
        self._known: dict[str, LoadBalancer] = {}
        self._reviving = DeferredSemaphore(REVIVALS)

    def startService(self) -> None:
        """See to it that all that lies on disk is served."""
        super().startService()  # type: ignore[no-untyped-call]
        paths = sorted(self._directory.iterdir()) if self._directory.exists() else ()
        found = [path.name for path in paths if is_identifier(path.name) and path.is_dir()]
        sweep(self._certificates, found)
        for name in found:
            load_balancer = self.place(name)
            self._reviving.run(load_balancer.revive).addErrback(self._not_yet, load_balancer.identifier)

    def stopService(self) -> None:
        """Leave haproxy alone from now on."""
        super().stopService()  # type: ignore[no-untyped-call]
        for load_balancer in self._known.values():
            load_balancer.life.release()

    def place(self, identifier: str) -> LoadBalancer:
        """That load balancer, whether it exists yet or not."""
        if identifier not in self._known:
            directory = self._directory / identifier
            files = self._certificates and self._certificates / identifier
            self._known[identifier] = LoadBalancer(
                self._reactor,
                directory,
                self._program,
                self._fences,
                self._observer,
                Certificates(files, directory / CERTIFICATES),
            )
        return self._known[identifier]

    def find(self, identifier: str) -> LoadBalancer:
        """
        That load balancer.

        @raise Absent: this amphora has none of that id.
        """
        found = self._known.get(identifier)
        if found is None or not found.exists:
            raise Absent(identifier)
        return found

    def all(self) -> tuple[LoadBalancer, ...]:
        """Those that exist."""
        return tuple(lb for lb in self._known.values() if lb.exists)

    def changes(self) -> Mapping[str, int]:
        """See L{Fences.changes}."""
        return self._fences.changes()

    def _not_yet(self, failure: Failure, identifier: str) -> None:
        if not failure.check(StartFailed, CancelledError):
            self.log.failure("load balancer {identifier}", failure, identifier=identifier)
