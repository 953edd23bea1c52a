"""The agent's settings, renewed while it runs: as a controller sends them. haproxy isn't touched."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Protocol

from attrs import field, frozen
from twisted.internet.defer import Deferred, DeferredLock
from twisted.logger import Logger

from amphora import durable
from amphora.settings import BadSettings, Settings


class Part(Protocol):
    """A part of the agent that takes new settings up while it runs."""

    async def renew(self, settings: Settings) -> None:
        """Go by these from now on."""


@frozen
class Renewal:
    """
    Where new settings are put.

    @ivar settings: those that the agent was started with.
    @ivar path: of the file that holds them.
    @ivar parse: settings of a file's text; raises L{BadSettings}.
    @ivar check: raises L{BadSettings} for those that the agent couldn't start with.
    """

    _settings: Settings
    _path: Path
    _parse: Callable[[bytes], Settings]
    _check: Callable[[Settings], Awaitable[None]]
    _parts: Sequence[Part]
    _lock: DeferredLock = field(factory=DeferredLock, init=False)
    _log = Logger()

    async def put(self, text: bytes) -> None:
        """
        Put this in the file's place, and go by it; one after another. Where the agent listens, which haproxy it
        runs, and where certificates lie, is taken up at its next start.

        @raise BadSettings: these can't be; nothing is changed.
        @raise OSError: the file can't be written; nothing is changed.
        """
        await self._lock.run(lambda: Deferred.fromCoroutine(self._put(text)))

    async def _put(self, text: bytes) -> None:
        settings = self._parse(text)
        if settings.amphora_id != self._settings.amphora_id:
            raise BadSettings((f"amphora_id: this is amphora {self._settings.amphora_id}.",))
        await self._check(settings)
        durable.write(self._path, text)
        for part in self._parts:
            await part.renew(settings)
        self._log.info("new settings are taken up")
