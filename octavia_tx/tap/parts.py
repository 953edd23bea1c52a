"""How each part is made from the settings. The daemons' own modules say which parts they have, and in which order."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attrs import asdict, field, frozen
from twisted.internet.defer import maybeDeferred
from twisted.internet.error import CannotListenError
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.protocols.tls import TLSMemoryBIOFactory

from octavia_tx.amphora_driver.haproxy import HaproxyDriver
from octavia_tx.amphora_driver.logs import Logging
from octavia_tx.amphora_driver.noop import NoopDriver, renderable
from octavia_tx.amphora_driver.render import Renderer
from octavia_tx.amphora_driver.tls import files
from octavia_tx.api import neighbours
from octavia_tx.api.call import Parts as ApiParts
from octavia_tx.api.channel import Limits
from octavia_tx.api.resource import Served
from octavia_tx.api.root import Api
from octavia_tx.cloud.authority import Authority
from octavia_tx.cloud.binaries import find_haproxy
from octavia_tx.cloud.certificates import CertificateManager
from octavia_tx.cloud.keystone import KeystoneIdentity
from octavia_tx.cloud.loopback import LoopbackNetwork
from octavia_tx.cloud.noauth import NoAuth
from octavia_tx.cloud.noop import NoopCompute, NoopNetwork
from octavia_tx.cloud.process import ProcessCompute
from octavia_tx.cloud.threads import Threads
from octavia_tx.config import Settings
from octavia_tx.controller.amphora_api import AmphoraApi
from octavia_tx.controller.preview import Preview
from octavia_tx.db.database import Database
from octavia_tx.db.embedded import EmbeddedPostgres
from octavia_tx.db.migrations import migrate
from octavia_tx.db.vault import Vault
from octavia_tx.driver.amphora import AmphoraProvider
from octavia_tx.driver.entry_points import load_providers
from octavia_tx.driver.registry import Providers
from octavia_tx.errors import SettingsError
from octavia_tx.health.service import HealthService
from octavia_tx.interfaces import (
    IAmphoraDriver,
    ICertificateManager,
    IComputeDriver,
    IIdentity,
    INetworkDriver,
    IPreview,
)
from octavia_tx.listening import Listen
from octavia_tx.model import tls
from octavia_tx.model.bounds import Bounds
from octavia_tx.resources import entered
from octavia_tx.tap import keeping, templates
from octavia_tx.tap.keeping import Kept
from octavia_tx.tap.logs import logging
from octavia_tx.tap.site import QuietSite
from octavia_tx.wire.tls import Credential, MutualTLS, Peer, Role

if TYPE_CHECKING:
    from octavia_tx.cloud.validation import Credentials

_log = Logger()
_CONTROLLER = (Role.CONTROLLER, "controller")
_RENEWAL = 86400.0
_VALIDATIONS = 8  # of tokens by keystone at once


@frozen
class Parts:
    """
    The makers of parts for one daemon.

    @ivar stack: takes each part's closing.
    """

    reactor: Any
    settings: Settings
    stack: AsyncExitStack
    _renewals: list[Callable[[], None]] = field(factory=list, init=False)

    async def database(self, *, owner: bool) -> Database:
        """
        The database, open and with the present schema.

        @param owner: whether this daemon starts the embedded server and migrates; the others join what runs.
        """
        settings = self.settings.database
        dsn = settings.dsn
        if not dsn:
            embedded = EmbeddedPostgres(self.reactor, self._state() / "postgresql")
            if owner:
                self.stack.push_async_callback(embedded.stop)
                dsn = await embedded.start()
            else:
                dsn = await embedded.join()
        database = Database(self.reactor, dsn, size=settings.connections, deadline=settings.deadline)
        await entered(self.stack, database)
        if owner:
            _log.info("database at schema version {version}", version=await migrate(database))
        return database

    def _state(self) -> Path:
        directory = self.settings.state.directory
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise SettingsError((f"state.directory: {directory} can't be made: {error.strerror}",)) from error
        if not os.access(directory, os.W_OK | os.X_OK):
            raise SettingsError((f"state.directory: {directory} can't be written to by this user",))
        return directory

    def heed_hangup(self) -> None:
        """On SIGHUP, which would end the process otherwise, take new certificates at once."""

        def renew() -> None:
            _log.info("SIGHUP: {count} certificates are renewed", count=len(self._renewals))
            for each in self._renewals:
                each()

        signal.signal(signal.SIGHUP, lambda _number, _frame: self.reactor.callFromThread(renew))

    def authority(self) -> Authority:
        """Who vouches for controllers and amphorae; made at the first start."""
        return Authority.load_or_create(self._state() / "authority")

    def network(self) -> INetworkDriver:
        """Where addresses come from."""
        if self.settings.network.driver == "noop":
            return NoopNetwork()
        return LoopbackNetwork()

    async def compute(self) -> IComputeDriver:
        """Where machines come from."""
        if self.settings.compute.driver == "noop":
            return NoopCompute()
        haproxy = self.settings.amphora.haproxy or find_haproxy()
        return await entered(self.stack, ProcessCompute(self.reactor, self._state() / "amphorae", haproxy))

    async def identity(self) -> IIdentity:
        """Who tells whom a request comes from."""
        if self.settings.api.auth == "noauth":
            return NoAuth()
        from octavia_tx.cloud.validation import Validator

        settings, credentials = self.settings.keystone, self._credentials()
        session = credentials.session()
        self.stack.callback(session.session.close)
        threads = await entered(self.stack, Threads(self.reactor, _VALIDATIONS, "keystone"))
        validator = Validator(threads, session, credentials.versioned_url)
        return KeystoneIdentity(self.reactor, validator.validate, settings.auth_url, remember=settings.token_cache)

    def _credentials(self) -> Credentials:
        """Who we are to keystone."""
        # keystoneauth takes time to import and memory: whoever doesn't use it doesn't pay for it.
        from octavia_tx.cloud.validation import Credentials

        settings = self.settings.keystone
        return Credentials(
            auth_url=settings.auth_url,
            username=settings.username,
            password=settings.password,
            project_name=settings.project_name,
            user_domain_id=settings.user_domain_id,
            project_domain_id=settings.project_domain_id,
            cafile=settings.cafile,
            application_credential_id=settings.application_credential_id,
            application_credential_secret=settings.application_credential_secret,
        )

    def vault(self, database: Database) -> Vault:
        """The embedded store of secrets."""
        return keeping.vault(self.settings, database, self._state())

    async def certificates(self, database: Database) -> Kept:
        """Who keeps tenants' certificates."""
        manager: ICertificateManager | None = None
        vault = None
        if self.settings.certificates.manager == "barbican":
            manager = await keeping.barbican(self.reactor, self.settings, self._credentials(), self.stack)
        else:
            vault = self.vault(database)
            manager = CertificateManager(vault)
        return Kept(None if self.settings.amphora.driver == "noop" else manager, vault)

    async def check_templates(self) -> None:
        """
        Try an operator's templates, before anything is opened that would have to be closed again.

        @raise SettingsError: naming all that is wrong with them.
        """
        own = self.settings.amphora
        if own.templates:
            await templates.check(self.reactor, Path(own.templates), own.haproxy)

    def renderer(self) -> Renderer:
        """Trees to haproxy's configuration."""
        override = self.settings.amphora.templates
        return Renderer(Path(override) if override else None, self.logging().format_of)

    def logging(self) -> Logging:
        """What is logged of accesses, and where to."""
        return logging(self.settings, self.reactor.seconds)

    def amphora_driver(self, authority: Authority, renderer: Renderer) -> IAmphoraDriver:
        """How amphorae are spoken to."""
        if self.settings.amphora.driver == "noop":
            return NoopDriver()
        credential = authority.issue(*_CONTROLLER)
        driver = HaproxyDriver(self.reactor, credential, renderer, log_terms=self.logging().terms)
        self.stack.push_async_callback(driver.close)
        self._renewed(authority, driver.renew)
        return driver

    def _renewed(self, authority: Authority, renew: Callable[[Credential], None]) -> None:
        """A new certificate each day, long before the old one ends. The first one was just issued."""

        def again() -> None:
            renew(authority.issue(*_CONTROLLER))

        self._renewals.append(again)
        daily = LoopingCall(again)
        daily.clock = self.reactor
        daily.start(_RENEWAL, now=False).addErrback(
            lambda failure: _log.failure("Certificates aren't renewed any more", failure)
        )
        self.stack.callback(daily.stop)

    async def health(self, authority: Authority, database: Database) -> str:
        """The heartbeat receiver; gives the C{address:port} to which amphorae send."""
        settings = self.settings.health
        service = HealthService(
            self.reactor,
            database,
            authority.heartbeat_key,
            flush_interval=settings.flush_interval,
            shared_key=settings.shared_key.encode() or None,
        )
        await entered(self.stack, service)
        port = self._listen("health.listen", settings.listen, service.receiver)
        return settings.listen.reachable(port)

    def providers(self) -> Providers:
        """Those who provide load balancers, as the API and the controller know them. Others' are made here, once."""
        wanted = self.settings.providers
        is_noop = self.settings.amphora.driver == "noop"
        amphora = AmphoraProvider(accept_all=is_noop, log_targets=self.settings.log_targets)
        return load_providers(
            wanted.enabled,
            wanted.default,
            self.settings.provider,
            amphora,
            self.reactor,
            wanted.timeout,
            wanted.patience,
        )

    def preview(self, providers: Providers) -> IPreview:
        """What a controller would do, for who only wants to know."""
        render = self.renderer().render
        is_noop = self.settings.amphora.driver == "noop"
        return Preview(renderable(render) if is_noop else render, providers, self.logging().is_on)

    async def api(
        self, database: Database, providers: Providers, kept: Kept, listen: Callable[[QuietSite], Any] | None = None
    ) -> None:
        """
        The tenants' and operators' API.

        @param listen: serves it on a socket that is open already, and gives the port.
        """
        api = Api(
            ApiParts(
                clock=self.reactor,
                database=database,
                providers=providers,
                network=self.network(),
                identity=await self.identity(),
                base_uri=self.settings.api.base_uri,
                quotas=asdict(self.settings.quotas),
                bounds=self._bounds(),
                preview=self.preview(providers),
                certificates=kept.manager,
                vault=kept.vault,
            ),
            self._neighbours(),
        )
        self.stack.push_async_callback(api.drain)
        settings = self.settings.api
        limits = Limits(request_timeout=settings.request_timeout, largest_body=settings.largest_body)
        site = QuietSite(api.resource(), self.reactor, limits)
        self.stack.push_async_callback(site.drain)
        self._listen("api.listen", settings.listen, site, listen)

    def _bounds(self) -> Bounds:
        settings = self.settings.api
        prohibited = frozenset(filter(None, settings.prohibited_ciphers.split(":")))
        usual = sorted(prohibited.intersection(tls.DEFAULTS["tls_ciphers"].split(":")))
        if usual:
            raise SettingsError((f"api.prohibited_ciphers: {', '.join(usual)} is used where tenants name no ciphers",))
        return Bounds(
            minimum_tls_version=settings.minimum_tls_version,
            prohibited_ciphers=prohibited,
            ping=settings.allow_ping_monitors,
        )

    def _neighbours(self) -> tuple[Served, ...]:
        """What clients ask of others, as far as there are no others."""
        driver = self.settings.network.driver
        networks = neighbours.networks(any_id=driver == "noop") if driver in ("loopback", "noop") else ()
        keys = neighbours.key_manager() if self.settings.certificates.manager == "embedded" else ()
        return networks + keys + (neighbours.identity() if self.settings.api.auth == "noauth" else ())

    def amphora_api(self, authority: Authority, database: Database, renderer: Renderer, kept: Kept) -> str:
        """The API for amphorae; gives its URL."""
        settings = self.settings.amphora_api
        api = AmphoraApi(database, renderer.render, files, kept.manager, log_terms=self.logging().terms)
        tls = MutualTLS(authority.issue(*_CONTROLLER), Peer(role=Role.AMPHORA))
        self._renewed(authority, tls.renew)
        port = self._listen(
            "amphora_api.listen",
            settings.listen,
            TLSMemoryBIOFactory(tls, False, QuietSite(api.resource(), self.reactor), self.reactor),
        )
        return f"https://{settings.listen.reachable(port)}"

    def _listen(self, name: str, where: Listen, protocol: Any, adopt: Callable[[Any], Any] | None = None) -> int:
        try:
            if adopt is not None:
                port = adopt(protocol)
            elif where.kind == "udp":
                port = self.reactor.listenUDP(where.port, protocol, where.interface, maxPacketSize=65535)
            else:
                port = self.reactor.listenTCP(where.port, protocol, interface=where.interface)
        except CannotListenError as error:
            raise SettingsError((f"{name}: port {where.port} can't be listened on: {error.socketError}",)) from error

        async def close() -> None:
            await maybeDeferred(port.stopListening)

        self.stack.push_async_callback(close)
        _log.info("{name} on {address}", name=name, address=where.reachable(port.getHost().port))
        return int(port.getHost().port)
