"""What a tenant does: JSON over the API, and requests through the VIP."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from typing import Any

import treq
from twisted.internet.defer import Deferred, TimeoutError
from twisted.internet.error import ConnectError, ConnectionClosed
from twisted.internet.task import deferLater
from twisted.web.client import Agent, HTTPConnectionPool, ResponseFailed, readBody
from twisted.web.http_headers import Headers


class Refused(Exception):
    """The API answered with an error."""


class Impatient(Exception):
    """What was waited for didn't happen in time."""


class Tenant:
    """@ivar endpoint: the API's, without a path."""

    def __init__(self, reactor: Any, endpoint: str) -> None:
        self._reactor = reactor
        self.endpoint = endpoint
        self._http = treq.client.HTTPClient(Agent(reactor, pool=HTTPConnectionPool(reactor, persistent=False)))

    async def call(self, method: str, path: str, body: dict[str, Any] | None = None) -> tuple[int, Any]:
        """One request below C{/v2/lbaas}: its status, and the JSON answered."""
        response = await self._http.request(
            method,
            f"{self.endpoint}/v2/lbaas{path}",
            data=json.dumps(body).encode() if body is not None else None,
            headers=Headers({"content-type": ["application/json"]}),
            timeout=10,
        )
        content = await response.content()
        return response.code, json.loads(content) if content else None

    async def create(self, path: str, key: str, **fields: Any) -> dict[str, Any]:
        """Create an object; gives it as the API shows it."""
        code, answer = await self.call("POST", path, {key: fields})
        if code != 201:
            raise Refused(f"POST {path}: {code} {answer}")
        created: dict[str, Any] = answer[key]
        return created

    async def show(self, path: str, key: str) -> dict[str, Any] | None:
        """An object, or C{None} when it isn't there."""
        code, answer = await self.call("GET", path)
        if code == 404:
            return None
        if code != 200:
            raise Refused(f"GET {path}: {code} {answer}")
        shown: dict[str, Any] = answer[key]
        return shown

    async def wait_for(
        self, path: str, key: str, until: Callable[[dict[str, Any] | None], bool], seconds: float = 20.0
    ) -> dict[str, Any] | None:
        """Ask until the object is as wanted. Raises L{Impatient} with what it was last."""
        deadline = self._reactor.seconds() + seconds
        while True:
            shown = await self.show(path, key)
            if until(shown):
                return shown
            if self._reactor.seconds() > deadline:
                raise Impatient(f"after {seconds:.0f} s {path} is still {shown}")
            await pause(self._reactor, 0.05)

    async def answers(self) -> bool:
        """Whether the API is up."""
        try:
            response = await self._http.get(f"{self.endpoint}/", timeout=2)
            await response.content()
        except (ConnectError, ConnectionClosed, ResponseFailed):
            return False
        return bool(response.code == 200)


class Visitor:
    """
    A user of the load balancer: each request on a connection of its own.

    @ivar served: who answered, and how often; C{failed} says what went wrong instead.
    """

    def __init__(self, reactor: Any, address: str, port: int) -> None:
        self._reactor = reactor
        self.url = f"http://[{address}]:{port}/" if ":" in address else f"http://{address}:{port}/"
        # Not treq, which can't take an IPv6 address in a URL.
        self._agent = Agent(reactor, pool=HTTPConnectionPool(reactor, persistent=False))
        self.served: Counter[str] = Counter()
        self.failed: Counter[str] = Counter()
        self._visiting = False

    @property
    def requests(self) -> int:
        """How many requests were made."""
        return self.served.total() + self.failed.total()

    async def visit(self) -> str | None:
        """One request; who answered, or C{None} when it failed."""
        try:
            asked = self._agent.request(b"GET", self.url.encode()).addTimeout(5, self._reactor)
            response = await asked
            text = (await readBody(response)).decode().strip()
        except (ConnectError, ConnectionClosed, ResponseFailed, TimeoutError) as error:
            self.failed[type(error).__name__] += 1
            return None
        if response.code != 200:
            self.failed[str(response.code)] += 1
            return None
        self.served[text] += 1
        return text

    def keep_visiting(self, every: float) -> Deferred[None]:
        """Go on requesting until L{leave}; fires after the last answer."""
        self._visiting = True

        async def visits() -> None:
            while self._visiting:
                await self.visit()
                await pause(self._reactor, every)

        return Deferred.fromCoroutine(visits())

    def leave(self) -> None:
        """Make no further request."""
        self._visiting = False


async def pause(reactor: Any, seconds: float) -> None:
    """Let the reactor go on for a while."""
    await deferLater(reactor, seconds)
