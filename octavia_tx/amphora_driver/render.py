"""
From a load balancer's tree to the text of haproxy's configuration: a pure function of its arguments.

What is asked for is sorted out here and in L{octavia_tx.amphora_driver.l7}; how haproxy is told stands in
C{templates/haproxy/}.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Final
from zlib import crc32

from attrs import frozen
from jinja2 import Environment, FileSystemLoader, StrictUndefined

import octavia_tx
from octavia_tx.amphora_driver.grammar import WORDS, Unrenderable, Word, identifier, only_words, peer
from octavia_tx.amphora_driver.l7 import Policy, policies
from octavia_tx.amphora_driver.log_format import rendered
from octavia_tx.amphora_driver.tls import Tls, back, front
from octavia_tx.model.engines import Engine, serving
from octavia_tx.model.l7 import pools_in_use
from octavia_tx.model.resources import HealthMonitor, Listener, Member, Pool, SessionPersistence
from octavia_tx.model.statuses import Algorithm, MonitorType, Persistence, Protocol
from octavia_tx.model.tree import Tree
from octavia_tx.model.validation import CERTIFICATE_HEADERS, FORWARDED_HEADERS
from octavia_tx.wire.logs import HAPROXY_TARGET
from octavia_tx.wire.rest import peer_name

TEMPLATE: Final = "haproxy/haproxy.cfg.j2"
_LARGEST: Final = 2**31 - 1

# A listener's mode is also that of its pools: haproxy looks into HTTP only where the tenant asked for it.
_HTTP: Final = Word("http")
_MODES: Final = {
    Protocol.HTTP: _HTTP,
    Protocol.TERMINATED_HTTPS: _HTTP,
    Protocol.PROMETHEUS: _HTTP,
    Protocol.HTTPS: Word("tcp"),
    Protocol.TCP: Word("tcp"),
}
_PROXY: Final = {Protocol.PROXY: Word("send-proxy"), Protocol.PROXYV2: Word("send-proxy-v2")}
_POOL_PROTOCOLS: Final[dict[Protocol, set[Protocol]]] = {
    Protocol.HTTP: {Protocol.HTTP, Protocol.PROXY, Protocol.PROXYV2},
    Protocol.TERMINATED_HTTPS: {Protocol.HTTP, Protocol.PROXY, Protocol.PROXYV2},
    Protocol.HTTPS: {Protocol.HTTPS, Protocol.TCP, Protocol.PROXY, Protocol.PROXYV2},
    Protocol.TCP: {Protocol.HTTP, Protocol.HTTPS, Protocol.TCP, Protocol.PROXY, Protocol.PROXYV2},
    Protocol.PROMETHEUS: set(),
}
_MONITORS: Final = {MonitorType.HTTP, MonitorType.HTTPS, MonitorType.TCP, MonitorType.TLS_HELLO, MonitorType.PING}
_HEADERS: Final = {Protocol.TERMINATED_HTTPS: {*FORWARDED_HEADERS, *CERTIFICATE_HEADERS}}
_BALANCE: Final = {
    Algorithm.ROUND_ROBIN: Word("roundrobin"),
    Algorithm.LEAST_CONNECTIONS: Word("leastconn"),
    Algorithm.SOURCE_IP: Word("source"),
    Algorithm.SOURCE_IP_PORT: Word("hash src,concat(:,sess.source_port)"),
}


@frozen(kw_only=True)
class Backend:
    """
    A pool as one listener uses it: a C{backend} section of haproxy.

    @ivar numbers: haproxy's of the members, by which it hashes.
    """

    name: Word
    pool: Pool
    members: tuple[Member, ...]
    numbers: Mapping[str, int]
    monitor: HealthMonitor | None
    persistence: SessionPersistence | None
    balance: Word
    proxy: Word | None
    tls: Tls | None

    @property
    def remembers(self) -> bool:
        """Whether haproxy keeps a table of which client is tied to which member."""
        return self.persistence is not None and self.persistence.type is not Persistence.HTTP_COOKIE

    @property
    def by_port(self) -> bool:
        """Whether the client's port matters as well as its address."""
        return self.pool.lb_algorithm is Algorithm.SOURCE_IP_PORT

    @property
    def hashed(self) -> bool:
        """Whether the client's address chooses the member."""
        return self.pool.lb_algorithm in (Algorithm.SOURCE_IP, Algorithm.SOURCE_IP_PORT)


@frozen(kw_only=True)
class Frontend:
    """
    A listener: a C{frontend} section of haproxy.

    @ivar headers: those to insert for the members.
    @ivar backends: of all pools that it uses.
    @ivar default: the one of them that takes what no policy sends elsewhere.
    @ivar policies: in haproxy's order.
    @ivar log_format: of its access log, if it has one.
    """

    listener: Listener
    mode: Word
    tls: Tls | None
    headers: frozenset[str]
    backends: tuple[Backend, ...]
    default: Backend | None
    policies: tuple[Policy, ...]
    log_format: Word | None


def serves(tree: Tree) -> bool:
    """
    Whether a load balancer has anything to serve: it and at least one listener are enabled.

    haproxy doesn't run with a configuration that listens nowhere, so such a load balancer has none.
    """
    return tree.load_balancer.admin_state_up and any(listener.admin_state_up for listener in tree.listeners)


def environment(directory: Path | None) -> Environment:
    """
    What compiles templates for haproxy.

    @param directory: an operator's templates; those that it doesn't hold are ours.
    """
    made = Environment(
        loader=FileSystemLoader([d for d in (directory, templates()) if d is not None]),
        # haproxy's configuration isn't HTML. What may be written is decided by only_words.
        autoescape=False,  # noqa: S701
        finalize=_written,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        auto_reload=False,
    )
    made.filters.update(WORDS)
    return made


def _written(value: object) -> object:
    if isinstance(value, StrictUndefined):
        str(value)  # raises, and says what is undefined
    return only_words(value)


class Renderer:
    """
    Renders with the templates of one directory, compiled once.

    @param directory: an operator's templates, as for L{environment}.
    @param log_format: of a load balancer's lines; C{None}: it isn't logged.
    """

    def __init__(
        self, directory: Path | None = None, log_format: Callable[[Tree], str | None] = lambda _tree: None
    ) -> None:
        self._log_format = log_format
        self._template = environment(directory).get_template(TEMPLATE)

    def render(self, tree: Tree, amphora_id: str) -> str:
        """
        The configuration of one load balancer on one amphora, or C{""} where it L{serves} nothing.

        @param tree: the living objects, with the VIP's address known.
        @raise Unrenderable: a value is unsafe, or haproxy can't do what is asked.
        """
        if not serves(tree):
            return ""
        vips = (tree.load_balancer.vip_address, *(v.ip_address for v in tree.load_balancer.additional_vips))
        try:
            log = _log(tree, self._log_format(tree), amphora_id)
            frontends = [_frontend(tree, listener, log) for listener in tree.listeners if listener.admin_state_up]
            return self._template.render(
                load_balancer=tree.load_balancer,
                vips=vips,
                frontends=frontends,
                remembers=any(b.remembers for f in frontends for b in f.backends),
                amphora_id=amphora_id,
                peer=peer(peer_name(amphora_id)),
                log_target=Word(HAPROXY_TARGET),
            )
        except Unrenderable as error:
            raise Unrenderable(f"Load balancer {tree.load_balancer.id} can't be rendered: {error}") from error


def templates() -> Path:
    """Where our templates lie: inside the installed package, or beside it in a checkout."""
    package = Path(octavia_tx.__file__).parent
    installed = package / "templates"
    return installed if installed.is_dir() else package.parent / "templates"


def _log(tree: Tree, text: str | None, amphora_id: str) -> Callable[[bool], Word | None]:
    """Gives the format of lines, of HTTP or not."""
    load_balancer = tree.load_balancer
    facts = {"project_id": load_balancer.project_id, "lb_id": load_balancer.id, "amphora_id": amphora_id}
    return lambda http: None if text is None else rendered(text, facts, http=http)


def _frontend(tree: Tree, listener: Listener, log: Callable[[bool], Word | None]) -> Frontend:
    if serving(listener.protocol) is not Engine.HAPROXY:
        raise Unrenderable(f"Listeners of protocol {listener.protocol} aren't served by haproxy here.")
    mode = _MODES[listener.protocol]
    headers = frozenset(name for name, wanted in listener.insert_headers.items() if str(wanted).lower() == "true")
    if wrong := headers - _HEADERS.get(listener.protocol, set(FORWARDED_HEADERS)):
        raise Unrenderable(f"Headers {', '.join(sorted(wrong))!r} can't be inserted.")
    backends = {pool.id: _backend(tree, listener, pool) for pool in pools_in_use(tree, listener)}
    return Frontend(
        listener=listener,
        mode=mode,
        tls=front(listener),
        headers=headers,
        backends=tuple(backends.values()),
        default=backends.get(listener.default_pool_id or ""),
        policies=policies(tree, listener, {id: backend.name for id, backend in backends.items()}),
        log_format=log(mode == _HTTP),
    )


def _backend(tree: Tree, listener: Listener, pool: Pool) -> Backend:
    if pool.protocol not in _POOL_PROTOCOLS[listener.protocol]:
        raise Unrenderable(f"A pool of protocol {pool.protocol} can't serve a listener of {listener.protocol}.")
    monitor = tree.monitor_of(pool.id)
    if monitor is not None and not monitor.admin_state_up:
        monitor = None
    if monitor is not None and monitor.type not in _MONITORS:
        raise Unrenderable(f"Health monitors of type {monitor.type} aren't served by haproxy here.")
    persistence = pool.session_persistence
    sees_cookies = _MODES[listener.protocol] == _HTTP
    if persistence is not None and persistence.type is not Persistence.SOURCE_IP and not sees_cookies:
        # A pool of HTTP may serve a listener of TCP, where haproxy sees no cookies.
        persistence = None
    members = tree.members_of(pool.id)
    return Backend(
        name=Word(f"{identifier(pool.id)}:{identifier(listener.id)}"),
        pool=pool,
        members=members,
        numbers=_numbers(members),
        monitor=monitor,
        persistence=persistence,
        balance=_BALANCE[pool.lb_algorithm],
        proxy=_PROXY.get(pool.protocol),
        tls=back(pool, listener),
    )


def _numbers(members: Iterable[Member]) -> dict[str, int]:
    """
    A number for each member, the same whoever else is there: by place, as haproxy numbers them, one that goes would
    move the clients of all others. Where two come to the same number, the later one gets the next.
    """
    found: dict[int, str] = {}
    for member in sorted(members, key=lambda each: (each.created_at, each.id)):
        number = crc32(identifier(member.id).encode()) & _LARGEST or 1
        while number in found:
            number = number % _LARGEST + 1
        found[number] = member.id
    return {member_id: number for number, member_id in found.items()}
