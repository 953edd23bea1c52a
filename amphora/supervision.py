"""Each keepalived of this amphora, supervised as haproxy is."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any, Final

from twisted.application.service import Service
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import LoopingCall
from twisted.internet.utils import getProcessOutputAndValue
from twisted.logger import Logger
from twisted.python.failure import Failure

from amphora import durable
from amphora.haproxy import Core, HaproxyLife, StartFailed, build
from amphora.keepalived import CONFIGURATION, LOG, PID, Keepalived, KeepalivedFailed, Runner
from amphora.load_balancer import Invalid, checksum
from amphora.runner import LOG_LIMIT, environment
from amphora.turns import Turns

STARTED: Final = "started"  # a file that is there while keepalived shall run
TERM_LIMIT: Final = 5.0  # seconds; it says farewell to the others of a pair
LOOK: Final = 60.0  # seconds between looks whether what it says has become too long

# What keepalived tells of, of OpenStack's texts too, and does its work all the same.
_HARMLESS: Final = re.compile(
    r"""
    \bwarning\b | ^SECURITY\ VIOLATION\b
    | ^Disabling\ (track|misc)\ script\b  # isn't there
    | \ without\ any\ unicast\ peers\. # of a pair that has one amphora just now
    | \ has\ no\ real\ servers\ -\ ignoring$  # a pool without members
    | \ parsed\ invalid\ IP\ gateway\. | \ unknown\ route\ keyword\ gateway$  # so OpenStack calls "via"
    """,
    re.IGNORECASE | re.VERBOSE,
).search
_BEGUN: Final = "Starting Keepalived v"
_ENTERING: Final = re.compile(r"\((\S+)\) Entering (\w+) STATE").findall
_INSTANCE: Final = re.compile(r"^\s*vrrp_instance\s+([^\s{]+)", re.MULTILINE).findall
_machine: Final = build()


class Supervised:
    """
    One keepalived: its configuration, its process, and one change at a time.

    @param directory: where all its files lie; its name is also its own.
    """

    def __init__(self, reactor: Any, directory: Path, keepalived: Keepalived) -> None:
        self.name = directory.name
        self._reactor = reactor
        self._directory = directory
        self._keepalived = keepalived
        self._turns = Turns(f"keepalived {self.name}")
        self._runner = Runner(reactor, directory, keepalived)
        core = Core(self.name, reactor, self._runner, program="keepalived", patience=TERM_LIMIT)
        self.life: HaproxyLife = _machine(core)
        self._states: dict[str, str] = {}
        self._read = 0

    @property
    def exists(self) -> bool:
        """Whether there's a configuration."""
        return (self._directory / CONFIGURATION).exists()

    @property
    def wanted(self) -> bool:
        """Whether it shall run."""
        return (self._directory / STARTED).exists()

    def text(self) -> bytes:
        """The configuration in place; empty where there's none."""
        try:
            return (self._directory / CONFIGURATION).read_bytes()
        except FileNotFoundError:
            return b""

    def pid(self) -> int:
        """
        Its process's.

        @raise OSError: it hasn't written it.
        """
        try:
            return int((self._directory / PID).read_text())
        except ValueError as e:
            raise OSError(f"{PID} isn't whole.") from e

    def upload(self, text: bytes) -> Deferred[str]:
        """
        Put a configuration in place, without effect on what runs. Gives its L{checksum}.

        @raise Invalid: keepalived doesn't accept it; the one before stays.
        @raise KeepalivedFailed: there's no keepalived to ask.
        """
        return self._turns.take(lambda: self._upload(text))

    def start(self) -> Deferred[None]:
        """
        Have it run by the configuration in place, also after the agent's next start.

        @raise KeepalivedFailed: it can't.
        """
        return self._turns.take(self._start)

    def stop(self) -> Deferred[None]:
        """
        End it.

        @raise KeepalivedFailed: there's no configuration.
        """
        return self._turns.take(self._stop)

    def remove(self) -> Deferred[None]:
        """End it and forget its configuration. There's none: no error."""
        return self._turns.take(self._remove)

    def revive(self) -> Deferred[None]:
        """At the agent's start: adopt the one that an earlier agent left, or start it anew."""
        return self._turns.take(self._revive)

    def states(self) -> dict[str, str]:
        """The state, as C{MASTER}, of each of its VRRP instances that ever had one. Shortens what it said, too."""
        log = self._directory / LOG
        try:
            size = log.stat().st_size
            with log.open("rb") as file:
                file.seek(self._read if self._read <= size else 0)
                said = file.read(2 * LOG_LIMIT).decode(errors="replace")
                self._read = file.tell()
            if size > LOG_LIMIT:
                os.truncate(log, 0)
                self._read = 0
        except FileNotFoundError:
            return {}
        before, begun, since = said.rpartition(_BEGUN)
        known = {} if begun else self._states
        self._states = known | dict(_ENTERING(since))
        instances = set(_INSTANCE(self.text().decode(errors="replace")))
        return {name: state for name, state in self._states.items() if name in instances}

    async def _upload(self, text: bytes) -> str:
        is_new = not self._directory.exists()
        durable.make_directory(self._directory)
        for name, script in self._keepalived.scripts.items():
            durable.write(self._directory / name, script)
            (self._directory / name).chmod(0o700)
        draft = durable.write_draft(self._directory / CONFIGURATION, text)
        try:
            await self._check(draft)
            durable.adopt(draft, self._directory / CONFIGURATION)
        except (Invalid, KeepalivedFailed, OSError):
            draft.unlink(missing_ok=True)
            if is_new:
                durable.remove_directory(self._directory)
            raise
        return checksum(text)

    async def _check(self, draft: Path) -> None:
        path, *arguments = self._keepalived.check(draft)
        out, err, code = await getProcessOutputAndValue(path, arguments, env=environment(), reactor=self._reactor)
        if code != 0:
            said = (err + out).decode(errors="replace").replace(str(draft), CONFIGURATION)
            lines = [line for line in said.splitlines() if line.strip()]
            if not lines or not all(map(_HARMLESS, lines)):
                raise Invalid("\n".join(lines) or f"keepalived -t ended with {code}.")

    async def _start(self) -> None:
        if not self.exists:
            raise KeepalivedFailed("It has no configuration.")
        self._keepalived.serve(self._directory)
        durable.write(self._directory / STARTED, b"")
        try:
            await self.life.reload()
        except StartFailed as e:
            raise KeepalivedFailed(str(e)) from e

    async def _stop(self) -> None:
        if not self.exists:
            raise KeepalivedFailed("It has no configuration.")
        (self._directory / STARTED).unlink(missing_ok=True)
        await self.life.stop()

    async def _remove(self) -> None:
        await self.life.stop()
        durable.remove_directory(self._directory)

    async def _revive(self) -> None:
        durable.remove_drafts(self._directory)
        if self.exists and self.wanted:
            found = self._runner.find(lambda said: self.life._ended(said))
            if found is not None:
                self.life.adopt(found)
            else:
                await self._start()


class Keepaliveds(Service):
    """
    All that have their files in directories of one directory; found there at the agent's start.

    When it stops, they go on.

    @param names: of those that may be there; C{None}: any.
    """

    log = Logger()

    def __init__(
        self, reactor: Any, directory: Path, keepalived: Keepalived, names: tuple[str, ...] | None = None
    ) -> None:
        self._reactor = reactor
        self._directory = directory
        self._keepalived = keepalived
        self._names = names
        self._known: dict[str, Supervised] = {}
        self._look = LoopingCall(lambda: [each.states() for each in self.all()])
        self._look.clock = reactor

    def startService(self) -> None:
        """Have each run that shall."""
        super().startService()  # type: ignore[no-untyped-call]
        found = sorted(path.name for path in self._directory.iterdir()) if self._directory.exists() else ()
        for name in found if self._names is None else self._names:
            self.place(name).revive().addErrback(self._not_yet, name)
        self._look.start(LOOK, now=False)

    def stopService(self) -> None:
        """Leave them alone from now on."""
        super().stopService()  # type: ignore[no-untyped-call]
        self._look.stop()
        for each in self._known.values():
            each.life.release()

    def place(self, name: str) -> Supervised:
        """That one, whether it exists yet or not."""
        if name not in self._known:
            self._known[name] = Supervised(self._reactor, self._directory / name, self._keepalived)
        return self._known[name]

    def find(self, name: str) -> Supervised | None:
        """That one, if it exists."""
        found = self._known.get(name)
        return found if found is not None and found.exists else None

    def all(self) -> tuple[Supervised, ...]:
        """Those that exist."""
        return tuple(each for each in self._known.values() if each.exists)

    def _not_yet(self, failure: Failure, name: str) -> None:
        if not failure.check(KeepalivedFailed, CancelledError):
            self.log.failure("keepalived {name}", failure, name=name)
