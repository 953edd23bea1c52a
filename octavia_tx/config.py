"""
Settings, typed. L{octavia_tx.settings_file} reads them.

Nothing knows them but the composition root in C{tap/}, which hands each part what it needs.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, NewType

from attrs import field, frozen
from platformdirs import user_state_path

from octavia_tx.listening import Listen

Seconds = NewType("Seconds", float)
Count = NewType("Count", int)
Bytes = NewType("Bytes", int)
Limit = NewType("Limit", int)
Share = NewType("Share", float)
Tcp = NewType("Tcp", Listen)
Udp = NewType("Udp", Listen)
Receivers = NewType("Receivers", tuple[str, ...])
Names = NewType("Names", tuple[str, ...])
Urls = NewType("Urls", tuple[str, ...])
BaseUri = NewType("BaseUri", str)
Program = NewType("Program", str)
Templates = NewType("Templates", str)
AuthUrl = NewType("AuthUrl", str)
Certificate = NewType("Certificate", str)
Secret = NewType("Secret", str)
Enabled = NewType("Enabled", Mapping[str, str])
Tables = NewType("Tables", Mapping[str, Mapping[str, Any]])
Port = NewType("Port", int)
Facility = Literal[
    "kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv", "ftp",
    "ntp", "security", "console", "clock",
    "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7",
]  # fmt: skip
"""In the order of their numbers."""


@frozen(kw_only=True)
class State:
    """@ivar directory: where everything of ours that must survive a restart lies."""

    directory: Path = field(factory=lambda: user_state_path("octavia-tx"))


@frozen(kw_only=True)
class DatabaseSettings:
    """
    @ivar dsn: C{postgresql://...}; empty: a private PostgreSQL under the state directory.
    @ivar connections: of each process.
    @ivar deadline: seconds until a transaction without an answer is given up.
    """

    dsn: str = ""
    connections: Count = Count(5)
    deadline: Seconds = Seconds(5.0)


@frozen(kw_only=True)
class ApiSettings:
    """
    @ivar listen: of the tenants' and operators' API.
    @ivar auth: C{keystone} knows callers by their tokens; C{noauth} believes all, and so listens on loopback alone.
    @ivar base_uri: how clients reach the API through a proxy, for the links in answers; empty: as they say themselves.
    @ivar request_timeout: seconds in which a request has to arrive as a whole.
    @ivar largest_body: of a request, in bytes.
    @ivar minimum_tls_version: the oldest that tenants may have spoken; empty: any.
    @ivar prohibited_ciphers: that tenants may not name, with colons between.
    @ivar allow_ping_monitors: whether health monitors may be of type C{PING}.
    """

    listen: Tcp = Tcp(Listen("tcp", 9876, "127.0.0.1"))
    auth: Literal["noauth", "keystone"] = "noauth"
    base_uri: BaseUri = BaseUri("")
    request_timeout: Seconds = Seconds(60.0)
    largest_body: Bytes = Bytes(8 * 1024 * 1024)
    minimum_tls_version: Literal["", "SSLv3", "TLSv1", "TLSv1.1", "TLSv1.2"] = ""
    prohibited_ciphers: str = ""
    allow_ping_monitors: bool = True


@frozen(kw_only=True)
class KeystoneSettings:
    """
    Who we are to keystone: a user with a password in a project, or an application credential.

    @ivar auth_url: where keystone is, for us and for clients.
    @ivar region_name: whose services are ours to use; empty: there's one.
    @ivar cafile: PEM file of who vouches for keystone's certificate; empty: whom the system trusts.
    @ivar token_cache: seconds for which a valid token is believed without asking again.
    """

    auth_url: AuthUrl = AuthUrl("")
    username: str = ""
    password: Secret = field(default=Secret(""), repr=False)
    project_name: str = ""
    user_domain_id: str = "default"
    project_domain_id: str = "default"
    region_name: str = ""
    cafile: Certificate = Certificate("")
    application_credential_id: str = ""
    application_credential_secret: Secret = field(default=Secret(""), repr=False)
    token_cache: Seconds = Seconds(300.0)


@frozen(kw_only=True)
class AmphoraApiSettings:
    """
    @ivar listen: of the controller's API for amphorae.
    @ivar urls: how amphorae reach it; empty: at the address listened on.
    """

    listen: Tcp = Tcp(Listen("tcp", 9444, "127.0.0.1"))
    urls: Urls = Urls(())


@frozen(kw_only=True)
class HealthSettings:
    """
    @ivar listen: of the heartbeat receiver.
    @ivar receivers: C{address:port} to which amphorae send; empty: the address listened on.
    @ivar interval: seconds between an amphora's heartbeats.
    @ivar flush_interval: seconds for which reports are gathered into one write.
    @ivar shared_key: the one key of OpenStack's amphorae, where there are any.
    """

    listen: Udp = Udp(Listen("udp", 5555, "127.0.0.1"))
    receivers: Receivers = Receivers(())
    interval: Seconds = Seconds(5.0)
    flush_interval: Seconds = Seconds(0.2)
    shared_key: Secret = field(default=Secret(""), repr=False)


@frozen(kw_only=True)
class QuotasSettings:
    """How many objects of each kind a project may have that has no limits of its own; -1 for any number."""

    load_balancer: Limit = Limit(-1)
    listener: Limit = Limit(-1)
    pool: Limit = Limit(-1)
    member: Limit = Limit(-1)
    health_monitor: Limit = Limit(-1)
    l7policy: Limit = Limit(-1)
    l7rule: Limit = Limit(-1)


@frozen(kw_only=True)
class ProvidersSettings:
    """
    @ivar enabled: who provides load balancers, by name, each with a description that takes the place of its own, or
        with an empty one.
    @ivar default: of them, for load balancers that name none; empty: the first.
    @ivar timeout: seconds in which one has to answer the API; C{patience}: in which it has to do what it provides.
    """

    enabled: Enabled = Enabled({"amphora": "", "octavia": ""})
    default: str = ""
    timeout: Seconds = Seconds(10.0)
    patience: Seconds = Seconds(60.0)


@frozen(kw_only=True)
class ComputeSettings:
    """@ivar driver: where amphorae's machines come from."""

    driver: Literal["process", "noop"] = "process"


@frozen(kw_only=True)
class NetworkSettings:
    """@ivar driver: where addresses come from."""

    driver: Literal["loopback", "noop"] = "loopback"


@frozen(kw_only=True)
class CertificatesSettings:
    """
    @ivar manager: who keeps tenants' certificates: this system's own database, or barbican, asked as [keystone] says.
    @ivar key_file: of the keys that seal them in the database; empty: C{vault.keys} below C{state.directory}.
    @ivar endpoint: of barbican; empty: the catalogue's.
    @ivar look: seconds between looks whether one has another content.
    """

    manager: Literal["embedded", "barbican"] = "embedded"
    key_file: str = ""
    endpoint: AuthUrl = AuthUrl("")
    look: Seconds = Seconds(300.0)


@frozen(kw_only=True)
class AmphoraSettings:
    """
    @ivar driver: how amphorae are spoken to.
    @ivar haproxy: the program that embedded amphorae run; empty: the system's, else the installed package's.
    @ivar templates: a directory whose templates take the place of ours.
    """

    driver: Literal["haproxy", "noop"] = "haproxy"
    haproxy: Program = Program("")
    templates: Templates = Templates("")


@frozen(kw_only=True)
class LogsSettings:
    """
    Of load balancers' access logs.

    @ivar enabled: whether load balancers have one whose flavor doesn't say; so with C{format} and C{targets}.
    @ivar format: of a line; see L{octavia_tx.model.log_format}; empty: OpenStack's.
    @ivar targets: by their names in [log_targets]; empty: all.
    @ivar spool: bytes that wait on an amphora's disk, for each load balancer.
    @ivar rotate_bytes: after which a file is closed and stored; C{rotate_after}: seconds, as well.
    @ivar farewell: seconds for which what is left is still shipped when a load balancer or amphora goes.
    """

    enabled: bool = False
    format: str = ""
    targets: Names = Names(())
    spool: Bytes = Bytes(64 * 1024 * 1024)
    rotate_bytes: Bytes = Bytes(4 * 1024 * 1024)
    rotate_after: Seconds = Seconds(300.0)
    farewell: Seconds = Seconds(30.0)


@frozen(kw_only=True)
class SwiftTarget:
    """
    An object store of OpenStack's API. It lets us in by one of three ways: a key, a temporary URL, or a credential.

    @ivar url: of a container; C{prefix}: of all objects' names in it.
    @ivar temp_url_key: by which the controller signs temporary URLs, which are valid for C{temp_url_validity} seconds.
    @ivar temp_url: one that somebody else signed, with a prefix, for PUT.
    @ivar auth_url: of keystone, for the application credential.
    @ivar cafile: PEM file of who vouches for both; empty: whom the amphora's system trusts.
    """

    kind: Literal["swift"] = "swift"
    url: AuthUrl = AuthUrl("")
    prefix: str = "octavia"
    temp_url_key: Secret = field(default=Secret(""), repr=False)
    temp_url_validity: Seconds = Seconds(604800.0)
    temp_url: Secret = field(default=Secret(""), repr=False)
    auth_url: AuthUrl = AuthUrl("")
    application_credential_id: str = ""
    application_credential_secret: Secret = field(default=Secret(""), repr=False)
    cafile: Certificate = Certificate("")


@frozen(kw_only=True)
class SyslogTarget:
    """
    A receiver of syslog.

    @ivar port: 0: the transport's usual one.
    @ivar server_name: that its certificate must hold; empty: C{host}.
    @ivar cafile: PEM file of who vouches for it; empty: whom the amphora's system trusts.
    @ivar certificate: PEM file of our own certificate with its key; empty: none.
    """

    kind: Literal["syslog"] = "syslog"
    host: str = ""
    port: Port = Port(0)
    transport: Literal["udp", "tcp", "tls"] = "tcp"
    facility: Facility = "local0"
    server_name: str = ""
    cafile: Certificate = Certificate("")
    certificate: Certificate = Certificate("")


LogTarget = SwiftTarget | SyslogTarget
LogTargets = NewType("LogTargets", Mapping[str, LogTarget])


@frozen(kw_only=True)
class ControllerSettings:
    """
    @ivar lease: seconds for which a load balancer belongs to one controller, unless renewed.
    @ivar concurrency: load balancers worked on at once.
    @ivar boot_timeout: seconds for an amphora to come up.
    @ivar drain: seconds for which a replaced amphora may finish its connections.
    @ivar give_up_after: seconds of failures until a load balancer is shown as C{ERROR}; it is still retried.
    @ivar history: seconds for which it is remembered how objects' statuses changed.
    @ivar certificate_renewal: the share of its validity that an amphora's certificate has left when it is renewed.
    """

    lease: Seconds = Seconds(4.0)
    concurrency: Count = Count(16)
    boot_timeout: Seconds = Seconds(120.0)
    drain: Seconds = Seconds(60.0)
    give_up_after: Seconds = Seconds(300.0)
    history: Seconds = Seconds(604800.0)
    certificate_renewal: Share = Share(0.33)


@frozen(kw_only=True)
class Settings:
    """
    All of them; the names of the attributes are the sections of the file.

    @ivar provider: by a provider's name, its own settings, which are its own driver's to read.
    @ivar log_targets: where access logs may go, by names that flavors know.
    """

    state: State = field(factory=State)
    database: DatabaseSettings = DatabaseSettings()
    api: ApiSettings = ApiSettings()
    keystone: KeystoneSettings = KeystoneSettings()
    amphora_api: AmphoraApiSettings = AmphoraApiSettings()
    health: HealthSettings = HealthSettings()
    quotas: QuotasSettings = QuotasSettings()
    providers: ProvidersSettings = ProvidersSettings()
    provider: Tables = Tables({})
    compute: ComputeSettings = ComputeSettings()
    network: NetworkSettings = NetworkSettings()
    certificates: CertificatesSettings = CertificatesSettings()
    amphora: AmphoraSettings = AmphoraSettings()
    logs: LogsSettings = LogsSettings()
    log_targets: LogTargets = LogTargets({})
    controller: ControllerSettings = ControllerSettings()
