"""One load balancer on this amphora: its files, its haproxy, and one change at a time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from hashlib import md5
from pathlib import Path
from typing import Any, Final, Protocol, TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.utils import getProcessOutputAndValue

from amphora import durable, ports
from amphora.certificates import Certificates
from amphora.fence import Fences
from amphora.frontends import frontends
from amphora.handover import Handover
from amphora.haproxy import Core, HaproxyLife, build
from amphora.loaded import Loaded
from amphora.master import Master, MasterSilent
from amphora.process import epoch, identify
from amphora.runner import CONFIGURATION, PID_FILE, HaproxyRunner, Log, Program, ReloadRefused, environment, readable
from amphora.runtime import Runtime
from amphora.statistics import Snapshot, connections, is_over, parse, snapshot
from amphora.turns import Turns

DRAINED: Final = "drained"  # a file that is there while haproxy shall only finish what it has
_machine: Final = build()
T = TypeVar("T")


class Absent(Exception):
    """This amphora has no such load balancer."""


class Invalid(Exception):
    """haproxy, or keepalived, doesn't accept the configuration; the text is its own message."""


def checksum(text: bytes) -> str:
    """The MD5 of a configuration, by which both sides compare."""
    return md5(text, usedforsecurity=False).hexdigest()


class Observer(Protocol):
    """Who wants to know of changes."""

    async def before(self, load_balancer: LoadBalancer) -> None:
        """What haproxy runs will change: the last chance to see what it counts."""

    async def after(self, load_balancer: LoadBalancer) -> None:
        """What haproxy runs has changed, or couldn't be."""


class LoadBalancer:
    """
    What the agent does with one load balancer.

    Changes are made one after another, each to its end even when the one who asked for it is gone.

    @ivar identifier: its id.
    @ivar life: its haproxy.
    @ivar certificates: what haproxy speaks TLS by, from its next L{reload} on; to be changed L{alone}.
    """

    def __init__(
        self,
        reactor: Any,
        directory: Path,
        program: Program,
        fences: Fences,
        observer: Observer,
        certificates: Certificates,
    ) -> None:
        self.identifier = directory.name
        self.certificates = certificates
        self._reactor = reactor
        self._directory = directory
        self._program = program
        self._fences = fences
        self._observer = observer
        self._turns = Turns(self.identifier)
        self._loaded = Loaded(directory)
        self._runner = HaproxyRunner(reactor, directory, program)
        self._master = Master(reactor, directory)
        self._handover = Handover(self.identifier, reactor, directory, self._master)
        self._runtime = Runtime(self.identifier, reactor, self._master, self._running)
        self.life: HaproxyLife = _machine(Core(self.identifier, reactor, self._runner))

    @property
    def exists(self) -> bool:
        """Whether there's a configuration."""
        return (self._directory / CONFIGURATION).exists()

    def text(self) -> bytes:
        """
        The configuration in place.

        @raise Absent: there's none.
        """
        try:
            return (self._directory / CONFIGURATION).read_bytes()
        except FileNotFoundError as e:
            raise Absent(self.identifier) from e

    def listeners(self) -> dict[str, str]:
        """The listeners in the configuration in place: by id, C{HTTP} or C{TCP}."""
        try:
            return frontends(self.text().decode(errors="replace"))
        except Absent:
            return {}

    def upload(self, text: bytes, fence: int | None) -> Deferred[str]:
        """
        Put a configuration in place, without effect on what runs. Gives its L{checksum}.

        @raise Invalid: haproxy doesn't accept it; the one before stays.
        @raise StaleFence: a newer controller was here.
        """
        return self.alone(fence, lambda: self._upload(text))

    def start(self, fence: int | None) -> Deferred[None]:
        """
        Make haproxy run.

        @raise Absent: there's no configuration.
        @raise StartFailed: it ended at once.
        @raise StaleFence: a newer controller was here.
        """
        return self.alone(fence, lambda: self._run(self._start))

    def reload(self, fence: int | None) -> Deferred[None]:
        """
        Make haproxy run the configuration in place, without dropping a connection; start it where it doesn't run. What
        it can take up while it runs, it does; all else is a reload of haproxy.

        @raise Absent: there's no configuration.
        @raise ReloadRefused: haproxy can't; the configuration that runs is put back in place, and runs on.
        @raise StartFailed: it ended at once.
        @raise StaleFence: a newer controller was here.
        """
        return self.alone(fence, lambda: self._run(self._reload))

    def drain(self, fence: int | None) -> Deferred[int]:
        """
        Have haproxy accept no connection any more, and end with the last of those that it has, until it is started
        again. The agents to come leave it so, too.

        @return: how many connections it has still.
        @raise Absent: there's no configuration.
        @raise StaleFence: a newer controller was here.
        """
        return self.alone(fence, self._drain)

    def stop(self, fence: int | None) -> Deferred[None]:
        """
        End haproxy and all its connections.

        @raise Absent: there's no configuration.
        @raise StaleFence: a newer controller was here.
        """
        return self.alone(fence, lambda: self._run(self._stop))

    def remove(self, fence: int | None) -> Deferred[None]:
        """
        End haproxy and forget the load balancer. There's none: no error.

        @raise StaleFence: a newer controller was here.
        """
        return self.alone(fence, self._remove)

    def apply(self, text: bytes, fence: int | None, certificates: Mapping[str, bytes]) -> Deferred[None]:
        """
        Make haproxy run this configuration with these certificates, unless it does already.

        @raise NoMemory: there are certificates, and no place for them.
        @raise Invalid: see L{upload}.
        @raise ReloadRefused: see L{reload}.
        @raise StartFailed: see L{start}.
        @raise StaleFence: a newer controller was here.
        """
        return self.alone(fence, lambda: self._apply(text, certificates))

    def revive(self) -> Deferred[None]:
        """At the agent's start: adopt the haproxy that an earlier agent left, or start it anew."""
        return self.alone(None, self._revive)

    async def snapshot(self) -> Snapshot | None:
        """
        What its haproxy counts now; C{None} where it doesn't run.

        @raise MasterSilent: it runs, but doesn't answer.
        """
        if not (self.life.serves() or self.life.drains()):
            return None
        Log(self._directory).shorten()
        processes = await self._master.processes()
        runs = []
        over = []
        for pid in (*processes.workers, *processes.old):
            if (identity := identify(pid)) is not None:
                rows = parse(await self._master.statistics(pid))
                runs.append((epoch(identity), pid in processes.workers, rows))
                if (pid in processes.old or self.life.drains()) and rows and is_over(rows):
                    over.append(pid)
        self._handover.release(over)
        return snapshot(self.identifier, runs)

    def alone(self, fence: int | None, change: Callable[[], Awaitable[T]]) -> Deferred[T]:
        """
        Make a change when those before are made.

        @raise StaleFence: a newer controller was here.
        """

        async def guarded() -> T:
            if fence is not None:
                self._fences.check(self.identifier, fence)
            return await change()

        return self._turns.take(guarded)

    async def _upload(self, text: bytes) -> str:
        is_new = not self._directory.exists()
        durable.make_directory(self._directory)
        self.certificates.link()
        draft = durable.write_draft(self._directory / CONFIGURATION, text)
        try:
            await self._check(draft)
            durable.adopt(draft, self._directory / CONFIGURATION)
        except (Invalid, OSError):
            draft.unlink(missing_ok=True)
            self.certificates.back()
            if is_new:
                durable.remove_directory(self._directory)
            raise
        return checksum(text)

    async def _check(self, draft: Path) -> None:
        path, *arguments = self._program.check(draft)
        out, err, code = await getProcessOutputAndValue(path, arguments, env=environment(), reactor=self._reactor)
        if code != 0:
            said = (err + out).decode(errors="replace").replace(str(draft), CONFIGURATION)
            raise Invalid(readable(said, self._directory))

    async def _run(self, action: Callable[[], Awaitable[None]]) -> None:
        if not self.exists:
            raise Absent(self.identifier)
        await self._observer.before(self)
        try:
            await action()
            if self.life.serves():
                left = self.certificates.settle(self.text(), self._loaded.certificates())
                self._loaded.write(self.text(), left)
        finally:
            self._runtime.look()
            await self._observer.after(self)

    async def _start(self) -> None:
        (self._directory / DRAINED).unlink(missing_ok=True)
        await self.life.start()

    async def _drain(self) -> int:
        if not self.exists:
            raise Absent(self.identifier)
        durable.write(self._directory / DRAINED, b"")
        if self.life.serves():
            await self._handover.hold()  # until what it counts last is told
        self.life.drain()
        left = await self._connections() if self.life.drains() else 0
        if not left:
            await self._observer.after(self)
        return left

    async def _connections(self) -> int:
        """How many there are, once no more are accepted; a haproxy that lives and can't be asked may have one."""
        try:
            processes = await self._master.processes()
            await self._handover.until_stopped(processes.workers)
            rows = [await self._master.statistics(pid) for pid in (*processes.workers, *processes.old)]
        except MasterSilent:
            return int(self.life.drains())
        return sum(connections(parse(text)) for text in rows)

    async def _stop(self) -> None:
        self._runtime.stop()
        await self.life.stop()
        (self._directory / PID_FILE).unlink(missing_ok=True)  # nobody is to miss it

    async def _reload(self) -> None:
        new = self.certificates.replacements(self.text(), self._loaded.certificates())
        if await self._runtime.take_up(self.text().decode(errors="replace"), new):
            return
        held: list[int] = []
        (self._directory / DRAINED).unlink(missing_ok=True)
        try:
            self._foresee()
            if self.life.serves():
                held += await self._handover.hold()
                await self._handover.hand_on_states(self.text().decode(errors="replace"))
            await self.life.reload()
            await self._handover.until_stopped(held)
        except ReloadRefused:
            self._handover.release(held)
            self.certificates.back()
            if (loaded := self._loaded.configuration()) is not None:
                durable.write(self._directory / CONFIGURATION, loaded)
            raise

    def _running(self) -> str | None:
        """What haproxy goes by; C{None} where it doesn't serve."""
        return self._loaded.text() if self.life.serves() else None

    def _foresee(self) -> None:
        """@raise ReloadRefused: another program holds what is to be bound in addition to what is."""
        # In a namespace for traffic alone there's no other program.
        if self.life.serves() and not self._program.prefix:
            now, wanted = self._loaded.text() or "", self.text().decode(errors="replace")
            if found := ports.obstacles(ports.bound(wanted) - ports.bound(now)):
                raise ReloadRefused("\n".join(found))

    async def _remove(self) -> None:
        self._runtime.stop()
        await self.life.stop()
        self.certificates.remove()
        if self._directory.exists():
            durable.remove_directory(self._directory)
            await self._observer.after(self)

    async def _apply(self, text: bytes, certificates: Mapping[str, bytes]) -> None:
        self.certificates.put_all(certificates)
        same = (self._loaded.configuration(), self._loaded.certificates()) == (text, self.certificates.digests())
        if self.life.serves() and same:
            return
        await self._upload(text)
        await self._run(self._reload)

    async def _revive(self) -> None:
        durable.remove_drafts(self._directory)
        if not self.exists:
            return
        drained = (self._directory / DRAINED).exists()
        found = await self._runner.find(lambda said: self.life._ended(said))
        if found is not None:
            self.life.adopt(found)
            if drained:
                self.life.drain()
            else:
                self._runtime.look()
            await self._observer.after(self)
        elif not drained:
            await self._run(self.life.start)
