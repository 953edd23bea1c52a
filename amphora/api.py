"""The agent's REST, as controllers call it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Final
from uuid import UUID

from twisted.internet.defer import Deferred
from twisted.web.iweb import IRequest

from amphora import commands, system
from amphora.answers import Malformed, answer, fence, logged, refuse_other, said
from amphora.load_balancer import LoadBalancer, checksum
from amphora.registry import LoadBalancers
from amphora.routing import Route
from amphora.settings import Settings
from amphora.udp_listeners import UdpListeners
from amphora.vrrp import Vrrp
from octavia_tx.wire.rest import API_VERSION

_ACTIONS: Final[dict[str, Callable[[LoadBalancer, int | None], Deferred[Any]]]] = {
    "drain": LoadBalancer.drain,
    "start": LoadBalancer.start,
    "stop": LoadBalancer.stop,
    "reload": LoadBalancer.reload,
}


class AgentApi:
    """What controllers may ask of this amphora and its load balancers."""

    def __init__(
        self,
        reactor: Any,
        settings: Settings,
        load_balancers: LoadBalancers,
        renew: Callable[[bytes], Awaitable[None]],
        traffic: Callable[[], Awaitable[dict[str, Any]]],
        vrrp: Vrrp,
        udp_listeners: UdpListeners,
    ) -> None:
        self._reactor = reactor
        self._renew = renew
        self._traffic = traffic
        self._amphora_id = settings.amphora_id
        self._haproxy = settings.haproxy
        self._load_balancers = load_balancers
        self._vrrp = vrrp
        self._udp_listeners = udp_listeners

    def routes(self) -> Iterable[Route]:
        """See L{Part<amphora.answers.Part>}."""
        return (
            ("GET", "/", self.version),
            ("GET", "/1.0/info", self.info),
            ("GET", "/1.0/details", self.details),
            ("GET", "/1.0/listeners", self.listeners),
            ("PUT", "/1.0/loadbalancer/<uuid:amphora>/<uuid:identifier>/haproxy", self.upload),
            ("GET", "/1.0/loadbalancer/<uuid:identifier>/haproxy", self.configuration),
            ("GET", "/1.0/loadbalancer/<uuid:_amphora>/<uuid:identifier>/haproxy", self.configuration_of),
            ("GET", "/1.0/loadbalancer/<uuid:identifier>/certificates", self.certificates),
            ("PUT", "/1.0/loadbalancer/<uuid:identifier>/certificates/<name>", self.put_certificate),
            ("GET", "/1.0/loadbalancer/<uuid:identifier>/certificates/<name>", self.certificate),
            ("DELETE", "/1.0/loadbalancer/<uuid:identifier>/certificates/<name>", self.delete_certificate),
            ("PUT", "/1.0/loadbalancer/<uuid:identifier>/<action>", self.act),
            ("DELETE", "/1.0/listeners/<uuid:identifier>", self.remove),
            ("PUT", "/1.0/config", self.configure),
        )

    def version(self, request: IRequest) -> bytes:
        """Which API this is."""
        return answer(request, 200, {"api_version": API_VERSION})

    async def info(self, request: IRequest) -> bytes:
        """Which programs run here."""
        return answer(request, 200, await system.info(self._reactor, self._haproxy))

    async def details(self, request: IRequest) -> bytes:
        """The same, and how the machine does."""
        info = await system.info(self._reactor, self._haproxy)
        all_of = self._load_balancers.all()
        others = {each["uuid"] for each in self._udp_listeners.listed()}
        ours = {
            "networks": await self._traffic(),
            "haproxy_count": sum(lb.life.serves() for lb in all_of),
            "lvs_listener_process_count": self._udp_listeners.running(),
            "listeners": sorted(others.union(*(lb.listeners() for lb in all_of))),
        }
        return answer(request, 200, info | system.figures() | self._vrrp.topology() | ours)

    def listeners(self, request: IRequest) -> bytes:
        """Which listeners there are, and whether they are served."""
        found = [
            {"status": "ACTIVE" if lb.life.serves() else "OFFLINE", "uuid": listener, "type": kind}
            for lb in self._load_balancers.all()
            for listener, kind in lb.listeners().items()
        ]
        return answer(request, 200, found + self._udp_listeners.listed())

    async def upload(self, request: IRequest, amphora: UUID, identifier: UUID) -> bytes:
        """Put a configuration in place."""
        refuse_other(amphora, self._amphora_id)
        text = request.content.read()
        if not text.strip():
            raise Malformed("The body must be haproxy's configuration.")
        digest = await logged(request, self._load_balancers.place(str(identifier)).upload(text, fence(request)))
        request.setHeader("ETag", digest)
        return answer(request, 202, {"message": "OK"})

    def configuration(self, request: IRequest, identifier: UUID) -> bytes:
        """The configuration in place."""
        return _text(request, self._load_balancers.find(str(identifier)))

    def configuration_of(self, request: IRequest, _amphora: UUID, identifier: UUID) -> bytes:
        """The same, where it was put."""
        return _text(request, self._load_balancers.find(str(identifier)))

    def certificates(self, request: IRequest, identifier: UUID) -> bytes:
        """Which files with certificates there are, by their checksums."""
        return answer(
            request, 200, {"certificates": self._load_balancers.place(str(identifier)).certificates.digests()}
        )

    async def put_certificate(self, request: IRequest, identifier: UUID, name: str) -> bytes:
        """Put a file with a certificate in place. Its content is never told."""
        load_balancer, content = self._load_balancers.place(str(identifier)), request.content.read()
        if not content.strip():
            raise Malformed("The body must be a certificate.")

        async def put() -> str:
            return load_balancer.certificates.put(name, content)

        digest = await logged(request, load_balancer.alone(fence(request), put))
        request.setHeader("ETag", digest)
        return answer(request, 200, {"message": "OK"})

    def certificate(self, request: IRequest, identifier: UUID, name: str) -> bytes:
        """The checksum of a file with a certificate."""
        digest = checksum(self._load_balancers.place(str(identifier)).certificates.read(name))
        request.setHeader("ETag", digest)
        return answer(request, 200, {"md5sum": digest})

    async def delete_certificate(self, request: IRequest, identifier: UUID, name: str) -> bytes:
        """Remove a file with a certificate, if there is one."""
        load_balancer = self._load_balancers.place(str(identifier))

        async def delete() -> None:
            load_balancer.certificates.delete(name)

        await logged(request, load_balancer.alone(fence(request), delete))
        return answer(request, 200, {"message": "OK"})

    async def act(self, request: IRequest, identifier: UUID, action: str) -> bytes:
        """Start, drain, stop or reload haproxy, or a UDP listener's keepalived."""
        if (udp := self._udp_listeners.find(str(identifier))) is not None:
            return await commands.act(request, udp, action)
        act = _ACTIONS.get(action.lower())
        if act is None:
            return answer(request, 400, said("Invalid Request", f"Unknown action: {action}"))
        load_balancer = self._load_balancers.find(str(identifier))
        left = await logged(request, act(load_balancer, fence(request)))
        connections = {} if left is None else {"connections": left}
        return answer(request, 202, said("OK", f"{action} of {identifier} done") | connections)

    async def remove(self, request: IRequest, identifier: UUID) -> bytes:
        """Forget a load balancer, or a UDP listener."""
        if (udp := self._udp_listeners.find(str(identifier))) is not None:
            return await commands.remove(request, udp)
        await logged(request, self._load_balancers.place(str(identifier)).remove(fence(request)))
        return answer(request, 200, {"message": "OK"})

    async def configure(self, request: IRequest) -> bytes:
        """Go by these settings of the agent's own from now on."""
        await logged(request, self._renew(request.content.read()))
        return answer(request, 202, {"message": "OK"})


def _text(request: IRequest, load_balancer: LoadBalancer) -> bytes:
    text = load_balancer.text()
    request.setHeader("ETag", checksum(text))
    request.setHeader("Content-Type", "text/plain; charset=utf-8")
    return text
