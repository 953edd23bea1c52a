"""C{twistd octavia-amphora-agent}: where the agent's parts are put together."""

from __future__ import annotations

import fcntl
import gc
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from random import random
from typing import Any, Final

from twisted.application.service import MultiService, Service
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IProtocolFactory
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.python import usage

from amphora import durable, openstack_settings, preamble, udp_check
from amphora.answers import application
from amphora.api import AgentApi
from amphora.certificates import tell_where
from amphora.credential import OwnCertificate
from amphora.fetch import Fetch
from amphora.heartbeat import Heartbeats
from amphora.keepalived import Keepalived, find
from amphora.ledger import Ledger
from amphora.logs.api import LogsApi
from amphora.logs.renewal import TermsRenewal
from amphora.logs.service import Logs
from amphora.network import Network
from amphora.network_api import NetworkApi
from amphora.next_start import NextStart
from amphora.observer import Observation, Observers
from amphora.pull import Pull
from amphora.registry import FENCES, LoadBalancers
from amphora.renewal import Renewal
from amphora.runner import Program
from amphora.sealing import sealer
from amphora.settings import Address, BadSettings, Parse, Settings, parse, read
from amphora.site import AgentSite
from amphora.supervision import Keepaliveds
from amphora.udp_listeners import UdpListeners
from amphora.udp_observer import UdpObservation
from amphora.vrrp import SCRIPTS, Vrrp
from octavia_tx.wire.rest import peer_name
from octavia_tx.wire.tls import MutualTLS

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
        [
            "config",
            "c",
            "agent.toml",
            "The configuration file, TOML; if named *.conf, as OpenStack's controllers write it.",
        ],
        ["listen", "l", None, "Where controllers reach it, in place of the file's: tcp:PORT[:interface=ADDRESS]."],
        ["haproxy", None, None, "haproxy's program, a name or a path, in place of the file's."],
    ]

    settings: Settings

    @property
    def path(self) -> Path:
        """The configuration file's."""
        return Path(self["config"])

    @property
    def _reader(self) -> Parse:
        return openstack_settings.parse if self.path.suffix == openstack_settings.SUFFIX else parse

    def parse(self, text: bytes) -> Settings:
        """The settings that the file would come to with another text. Raises L{BadSettings}."""
        return self._reader(text, self.path, self["listen"], self["haproxy"])

    def postOptions(self) -> None:
        """Read all settings, and tell all that's bad at once."""
        try:
            self.settings = read(self.path, self["listen"], self["haproxy"], self._reader)
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


def _take(settings: Settings, path: Path) -> int:
    """As L{hold}, and remove what an agent that was killed left half written. Not all of it need lie there."""
    durable.make_directory(settings.directory)
    lock = hold(settings.directory)
    for directory in (settings.directory, settings.directory / FENCES):
        durable.remove_drafts(directory)
    for each in (path, settings.credential_file):
        durable.remove_drafts(each.parent, each.name)
    return lock


class AgentService(MultiService):
    """All of the agent. Holds its directory's lock as long as it exists."""

    def __init__(self, lock: int, parts: Iterable[Service]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._lock = lock
        for part in parts:
            part.setServiceParent(self)


def makeService(options: Options) -> MultiService:
    """The agent, of these settings."""
    from twisted.internet import reactor

    whole = assemble(reactor, options.settings, options.path, options.parse)
    # What is there by now stays: Python needn't look through it, and so collects sooner what comes and goes.
    gc.collect()
    gc.freeze()
    return whole


def assemble(reactor: Any, settings: Settings, path: Path, parse: Callable[[bytes], Settings]) -> MultiService:
    """
    The agent.

    @param path: of the file that holds its settings.
    @param parse: the settings that it would come to with another text; raises L{BadSettings}.
    @raise SystemExit: another one has its directory.
    """
    lock = _take(settings, path)
    ledger = Ledger()
    seal = sealer(settings.amphora_id, settings.heartbeat, reactor)
    network = Network(reactor, settings.network, settings.directory)
    pair, udp = _keepaliveds(reactor, settings.directory, network.prefix)
    vrrp = Vrrp(pair.place("vrrp"))
    heartbeats = Heartbeats(reactor, settings.heartbeat, seal, ledger, settings.listen.host, vrrp.is_down)
    observation = Observation(reactor, ledger, heartbeats)
    udp_observation = UdpObservation(reactor, udp, ledger, heartbeats)
    program = _haproxy(settings, network)
    logs = Logs(reactor, settings.amphora_id, settings.directory, random)
    observers = Observers(observation, logs)
    load_balancers = LoadBalancers(reactor, settings.directory, program, observers, settings.certificates)
    logs_api = LogsApi(logs, load_balancers)
    tls = MutualTLS(settings.credential, settings.controller, settings.least_tls)
    fetch, whom = Fetch(reactor, tls), (settings.controllers, settings.amphora_id)
    pull = Pull(reactor, fetch, *whom, load_balancers, random, logs_api.go_by)
    heartbeats.on_notice = pull.notice
    terms = TermsRenewal(reactor, fetch, *whom, logs, logs_api.go_by)
    logs.denied = terms.want
    renewal = Renewal(settings, path, parse, NextStart(reactor, settings).check, (heartbeats, pull, terms))
    others = UdpListeners(udp, settings.amphora_id)
    api = AgentApi(reactor, settings, load_balancers, renewal.put, network.traffic, vrrp, others)
    own = OwnCertificate(reactor, settings.credential_file, settings.amphora_id, settings.credential, tls.renew)
    app = application((api, own, NetworkApi(network), vrrp, others, logs_api))
    listening = Listening(reactor, settings.listen, TLSMemoryBIOFactory(tls, False, AgentSite(app.answer)))
    # The network first: it makes the namespace in which all else is started.
    parts = (
        network, listening, logs, load_balancers, pair, udp, heartbeats, observation, udp_observation, pull, terms
    )  # fmt: skip
    return AgentService(lock, parts)


def _haproxy(settings: Settings, network: Network) -> Program:
    before = preamble.place(settings.directory, settings.preamble)
    if before is not None:
        udp_check.place(settings.directory)
    tell_where(settings.certificates)
    return Program(settings.haproxy, peer_name(settings.amphora_id), before, network.prefix)


def _keepaliveds(reactor: Any, directory: Path, prefix: tuple[str, ...] = ()) -> tuple[Keepaliveds, Keepaliveds]:
    """For the VIP of a pair, and for listeners of UDP. The prefix leads to where their traffic is."""
    path = find("keepalived")
    return (
        Keepaliveds(reactor, directory, Keepalived(path, "--vrrp", prefix, SCRIPTS), ("vrrp",)),
        Keepaliveds(reactor, directory / "udp_listeners", Keepalived(path, "--check", prefix)),
    )
