"""C{twistd octavia-amphora-agent}: where the agent's parts are put together."""

from __future__ import annotations

import fcntl
import gc
import os
from collections.abc import Callable
from pathlib import Path
from random import random
from typing import Any, Final

from twisted.application.service import MultiService, Service
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IProtocolFactory
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.python import usage

from amphora.answers import application
from amphora.api import AgentApi
from amphora.certificates import tell_where
from amphora.fetch import Fetch
from amphora.heartbeat import Heartbeats
from amphora.ledger import Ledger
from amphora.observer import Observation
from amphora.pull import Pull
from amphora.registry import LoadBalancers
from amphora.renewal import Renewal
from amphora.runner import Program
from amphora.sealing import sealer
from amphora.settings import Address, BadSettings, Settings, parse, read
from amphora.site import site
from octavia_tx.wire.rest import peer_name
from octavia_tx.wire.tls import MutualTLS, Peer, Role

LOCK: Final = "agent.lock"


class Options(usage.Options):
    """The command line. C{settings} holds what it, and the file that it names, come to."""

    synopsis = "--config DIR/agent.toml [options]"
    longdesc = (
        "The agent inside an amphora: runs haproxy as controllers say, over HTTPS, and tells them by UDP how it does. "
        "All that it keeps lies in the directory of its configuration file, where agent.pem (its certificate and key) "
        "and authority.pem must be too. haproxy goes on serving when the agent ends; the next one takes it over."
    )
    optParameters = [
        ["config", "c", "agent.toml", "The configuration file, TOML."],
        ["listen", "l", None, "Where controllers reach it, in place of the file's: tcp:PORT[:interface=ADDRESS]."],
        ["haproxy", None, None, "haproxy's program, a name or a path, in place of the file's."],
    ]

    settings: Settings

    @property
    def path(self) -> Path:
        """The configuration file's."""
        return Path(self["config"])

    def parse(self, text: bytes) -> Settings:
        """The settings that the file would come to with another text. Raises L{BadSettings}."""
        return parse(text, self.path, self["listen"], self["haproxy"])

    def postOptions(self) -> None:
        """Read all settings, and tell all that's bad at once."""
        try:
            self.settings = read(self.path, self["listen"], self["haproxy"])
        except BadSettings as e:
            raise SystemExit("The agent can't start with these settings:\n  " + "\n  ".join(e.problems)) from e


class Listening(Service):
    """A TCP port that is open from the service's start to its end."""

    def __init__(self, reactor: Any, address: Address, factory: IProtocolFactory) -> None:
        self._reactor = reactor
        self._address = address
        self._factory = factory
        self._port: Any = None

    def privilegedStartService(self) -> None:
        """Listen, while we may be root still."""
        try:
            self._port = self._reactor.listenTCP(
                self._address.port, self._factory, interface=self._address.host, backlog=128
            )
        except CannotListenError as e:
            raise SystemExit(f"The agent can't listen: {e}") from e

    def stopService(self) -> Deferred[None]:
        """Listen no more."""
        super().stopService()  # type: ignore[no-untyped-call]
        port, self._port = self._port, None
        return maybeDeferred(port.stopListening) if port is not None else maybeDeferred(lambda: None)


def hold(directory: Path) -> int:
    """
    Take the directory for this process, for as long as it lives.

    @return: the lock's descriptor.
    @raise SystemExit: another agent has it.
    """
    descriptor = os.open(directory / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as e:
        os.close(descriptor)
        raise SystemExit(f"Another agent runs in {directory}: it holds {LOCK}.") from e
    return descriptor


class AgentService(MultiService):
    """All of the agent. Holds its directory's lock as long as it exists."""

    def __init__(self, lock: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._lock = lock


def makeService(options: Options) -> MultiService:
    """The agent, of these settings."""
    from twisted.internet import reactor

    return assemble(reactor, options.settings, options.path, options.parse)


def assemble(reactor: Any, settings: Settings, path: Path, parse: Callable[[bytes], Settings]) -> MultiService:
    """
    The agent.

    @param path: of the file that holds its settings.
    @param parse: the settings that it would come to with another text; raises L{BadSettings}.
    @raise SystemExit: another one has its directory.
    """
    whole = AgentService(hold(settings.directory))
    ledger = Ledger()
    seal = sealer(settings.amphora_id, settings.heartbeat, reactor)
    heartbeats = Heartbeats(reactor, settings.heartbeat, seal, ledger, settings.listen.host)
    observation = Observation(reactor, ledger, heartbeats)
    program = Program(settings.haproxy, peer_name(settings.amphora_id))
    tell_where(settings.certificates)
    load_balancers = LoadBalancers(reactor, settings.directory, program, observation, settings.certificates)
    tls = MutualTLS(settings.credential, Peer(role=Role.CONTROLLER))
    pull = Pull(reactor, Fetch(reactor, tls), settings.controllers, settings.amphora_id, load_balancers, random)
    heartbeats.on_notice = pull.notice
    renewal = Renewal(settings, path, parse, (heartbeats, pull))
    api = AgentApi(reactor, settings.amphora_id, settings.haproxy, load_balancers, renewal.put)
    https = TLSMemoryBIOFactory(tls, False, site(application((api,)).resource()))
    parts = (Listening(reactor, settings.listen, https), load_balancers, heartbeats, observation, pull)
    for part in parts:
        part.setServiceParent(whole)  # type: ignore[no-untyped-call]
    # What is there by now stays: Python needn't look through it, and so collects sooner what comes and goes.
    gc.collect()
    gc.freeze()
    return whole
