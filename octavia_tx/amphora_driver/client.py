"""Calls of an amphora's REST, and what can become of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Final, NoReturn, cast

from attrs import frozen
from OpenSSL import SSL
from treq.client import HTTPClient
from treq.content import collect
from twisted.internet.defer import Deferred, TimeoutError, succeed
from twisted.internet.error import ConnectError, ConnectingCancelledError, ConnectionClosed
from twisted.internet.interfaces import IConsumer, IReactorTime
from twisted.logger import Logger
from twisted.web.client import RequestTransmissionFailed, ResponseFailed
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent, IBodyProducer
from zope.interface import implementer

from octavia_tx import tracing
from octavia_tx.errors import AmphoraError, AmphoraRefused, AmphoraUnreachable, ConfigurationRejected, StaleFence
from octavia_tx.model.amphora import Amphora
from octavia_tx.tracing import RequestIds
from octavia_tx.wire.rest import (
    AGENT_PORT,
    CONFIG_PATH,
    CREDENTIAL_PATH,
    FENCE_HEADER,
    INFO_PATH,
    REQUEST_ID_HEADER,
    action_path,
    certificate_path,
    certificates_path,
    haproxy_path,
    logs_path,
    removal_path,
)

# Seconds, connection included.
CALL_TIMEOUT: Final = 5.0
# Bytes of an answer that are kept; whatever an amphora became, it can't fill our memory.
ANSWER_LIMIT: Final = 1 << 20
# Characters of an answer's details that an error carries.
DETAILS_LIMIT: Final = 2000

_log = Logger()
_Errors = Mapping[int, type[AmphoraError]]


class _Absent(AmphoraError):
    """It has no such load balancer."""


_STALE: Final[_Errors] = {409: StaleFence}
_DRAINED: Final[_Errors] = {409: StaleFence, 404: _Absent}
_LOGGED: Final[_Errors] = {409: StaleFence, 404: _Absent, 405: _Absent}
_UPLOADED: Final[_Errors] = {409: StaleFence, 400: ConfigurationRejected}


@implementer(IBodyProducer)
class _Whole:
    """A request's body, written at once: a configuration is a few kilobytes."""

    def __init__(self, body: bytes) -> None:
        self._body = body
        self.length = len(body)

    def startProducing(self, consumer: IConsumer) -> Deferred[None]:
        """See L{IBodyProducer}, as for all of these."""
        consumer.write(self._body)
        return succeed(None)

    def pauseProducing(self) -> None: ...

    def resumeProducing(self) -> None: ...

    def stopProducing(self) -> None: ...


@frozen
class AgentClient:
    """
    What an amphora's agent can be told and asked.

    Every call raises L{AmphoraUnreachable} and L{AmphoraRefused}, and L{AmphoraError} for answers that it doesn't
    expect; those with a fence raise L{StaleFence}.

    @ivar agent_for: what makes requests of that amphora and accepts no other peer.
    """

    _reactor: IReactorTime
    _agent_for: Callable[[Amphora], IAgent]
    _port: int = AGENT_PORT

    async def info(self, amphora: Amphora) -> dict[str, Any]:
        """What the agent says of itself."""
        answer = await self._call(amphora, "GET", INFO_PATH, {})
        if not isinstance(said := _json(answer), dict):
            raise AmphoraError(amphora.id, f"{INFO_PATH} answered something else than a JSON object.")
        return said

    async def upload(self, amphora: Amphora, load_balancer_id: str, text: str, fence: int) -> None:
        """
        Put haproxy's configuration in place, without effect on what runs.

        @raise ConfigurationRejected: haproxy doesn't accept it.
        """
        path = haproxy_path(amphora.id, load_balancer_id)
        await self._call(amphora, "PUT", path, _UPLOADED, fence=fence, body=text.encode())

    async def certificates(self, amphora: Amphora, load_balancer_id: str) -> dict[str, str]:
        """The MD5 of each certificate's file that it has for the load balancer, by its name."""
        answer = _json(await self._call(amphora, "GET", certificates_path(load_balancer_id), {}))
        found = answer.get("certificates") if isinstance(answer, dict) else None
        if not isinstance(found, dict):
            raise AmphoraError(amphora.id, "it doesn't tell which certificates it has.")
        return found

    async def put_certificate(
        self, amphora: Amphora, load_balancer_id: str, name: str, content: bytes, fence: int
    ) -> None:
        """Put a certificate's file in place, which haproxy reads when it is told to reload."""
        await self._call(amphora, "PUT", certificate_path(load_balancer_id, name), _STALE, fence=fence, body=content)

    async def reload(self, amphora: Amphora, load_balancer_id: str, fence: int) -> None:
        """Make haproxy run the configuration in place; it is started where it doesn't run."""
        await self._call(amphora, "PUT", action_path(load_balancer_id, "reload"), _STALE, fence=fence)

    async def drain(self, amphora: Amphora, load_balancer_id: str, fence: int) -> int:
        """Have haproxy accept no more, and tell how many connections it has still; 0 where there's none to ask."""
        try:
            answer = await self._call(amphora, "PUT", action_path(load_balancer_id, "drain"), _DRAINED, fence=fence)
        except _Absent:
            return 0
        said = _json(answer)
        left = said.get("connections") if isinstance(said, dict) else None
        if type(left) is not int or left < 0:
            raise AmphoraError(amphora.id, "it doesn't tell how many connections it has.")
        return left

    async def put_log_terms(self, amphora: Amphora, load_balancer_id: str, terms: bytes, fence: int) -> None:
        """Tell on which terms the load balancer's access log is shipped. OpenStack's agent can't ship any."""
        try:
            await self._call(amphora, "PUT", logs_path(load_balancer_id), _LOGGED, fence=fence, body=terms)
        except _Absent as error:
            _log.warn("Amphora {amphora} ships no logs: {error}", amphora=amphora.id, error=str(error))

    async def unshipped(self, amphora: Amphora, load_balancer_id: str) -> int:
        """Bytes of its access log that wait; 0 where there's none."""
        try:
            answer = await self._call(amphora, "GET", logs_path(load_balancer_id), {404: _Absent})
        except _Absent:
            return 0
        said = _json(answer)
        left = said.get("left") if isinstance(said, dict) else None
        if type(left) is not int or left < 0:
            raise AmphoraError(amphora.id, "it doesn't tell how much of its log is left.")
        return left

    async def configure(self, amphora: Amphora, text: str) -> None:
        """
        Send the agent its own configuration file.

        @raise ConfigurationRejected: the agent can't go by it.
        """
        await self._call(amphora, "PUT", CONFIG_PATH, {400: ConfigurationRejected}, body=text.encode())

    async def renew_certificate(self, amphora: Amphora, pem: bytes) -> None:
        """
        Send the agent its own certificate and key.

        @raise ConfigurationRejected: the agent can't be known by it.
        """
        await self._call(amphora, "PUT", CREDENTIAL_PATH, {400: ConfigurationRejected}, body=pem)

    async def remove(self, amphora: Amphora, load_balancer_id: str, fence: int) -> None:
        """Stop haproxy and forget the load balancer, if there is one."""
        await self._call(amphora, "DELETE", removal_path(load_balancer_id), _STALE, fence=fence)

    async def _call(
        self,
        amphora: Amphora,
        method: str,
        path: str,
        errors: _Errors,
        *,
        fence: int | None = None,
        body: bytes | None = None,
    ) -> bytes:
        # Told with each call, so that the amphora's log and ours can be laid side by side.
        ids = tracing.current() or RequestIds.fresh()
        headers = Headers({REQUEST_ID_HEADER: [ids.own]})
        if fence is not None:
            headers.addRawHeader(FENCE_HEADER, str(fence))
        if body is not None:
            headers.addRawHeader("Content-Type", "text/plain; charset=utf-8")
        url = f"https://{amphora.id}:{self._port}{path}"
        try:
            status, answer = await Deferred.fromCoroutine(
                self._exchange(amphora, method, url, headers, body)
            ).addTimeout(CALL_TIMEOUT, self._reactor, _timed_out)
        except TimeoutError as error:
            raise AmphoraUnreachable(
                amphora.id, f"it didn't answer within {CALL_TIMEOUT:g} s: {method} {path}."
            ) from error
        except (ResponseFailed, RequestTransmissionFailed) as error:
            raise _broken(amphora.id, error.reasons) from error
        except (ConnectError, ConnectingCancelledError, ConnectionClosed) as error:
            raise AmphoraUnreachable(amphora.id, f"no connection: {error}") from error
        if not 200 <= status < 300:
            raise errors.get(status, AmphoraError)(amphora.id, f"{method} {path} answered {status}: {_details(answer)}")
        return answer

    async def _exchange(
        self, amphora: Amphora, method: str, url: str, headers: Headers, body: bytes | None
    ) -> tuple[int, bytes]:
        client = HTTPClient(self._agent_for(amphora))
        data = None if body is None else _Whole(body)
        response = await client.request(method, url, headers=headers, data=data, allow_redirects=False, unbuffered=True)
        answer = bytearray()
        await collect(response, lambda data: answer.extend(data[: ANSWER_LIMIT - len(answer)]))
        return response.code, bytes(answer)


def _timed_out(_outcome: object, seconds: float) -> NoReturn:
    """However a call ends that was given up, since a broken connection is only how it was."""
    raise TimeoutError(seconds, "Deferred")


def _broken(amphora_id: str, reasons: list[Any]) -> AmphoraError:
    """Why a connection ended early: TLS didn't come about, or it was lost."""
    if any(reason.check(SSL.Error) for reason in reasons):
        said = "; ".join(str(reason.value) for reason in reasons)
        return AmphoraRefused(amphora_id, f"a certificate, role or id isn't accepted: {said}")
    return AmphoraUnreachable(amphora_id, "; ".join(reason.getErrorMessage() for reason in reasons))


def _json(answer: bytes) -> object:
    try:
        return cast(object, json.loads(answer))
    except ValueError:
        return None


def _details(answer: bytes) -> str:
    said = _json(answer)
    if isinstance(said, dict):
        found = said.get("details") or said.get("message") or said.get("error")
        if isinstance(found, str):
            return found[:DETAILS_LIMIT]
    return answer.decode("utf-8", "replace")[:DETAILS_LIMIT]
