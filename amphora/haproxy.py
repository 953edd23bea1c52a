"""The life of one load balancer's haproxy, as a state machine. keepalived has the same."""

from __future__ import annotations

import signal
from collections.abc import Callable
from typing import Any, Final
from typing import Protocol as TypingProtocol

from attrs import define, field
from automat import TypeMachineBuilder
from twisted.internet.defer import CancelledError, Deferred, fail, succeed
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from amphora.runner import ReloadRefused, Runner, Running

START_LIMIT: Final = 30.0  # seconds until it must serve
TERM_LIMIT: Final = 1.0  # seconds until it must have ended
SETTLED: Final = 10.0  # seconds; one that ran as long didn't fail to start
FIRST_DELAY: Final = 0.1  # seconds until the first restart; each further one waits twice as long
LAST_DELAY: Final = 30.0


class StartFailed(Exception):
    """The program ended before it served, and says why."""


class HaproxyLife(TypingProtocol):
    """What may happen to haproxy. Those with an underscore are the machine's own."""

    def start(self) -> Deferred[None]:
        """Fires when it serves; fails with L{StartFailed}. It serves already: at once."""

    def adopt(self, running: Running) -> None:
        """This one, left by an earlier agent, is it."""

    def reload(self) -> Deferred[None]:
        """Fires when it serves what its file says now; fails with L{StartFailed} or L{ReloadRefused}."""

    def stop(self) -> Deferred[None]:
        """Fires when nothing of it runs."""

    def drain(self) -> None:
        """It accepts no connection any more, and ends with the last of those that it has."""

    def release(self) -> None:
        """The agent ends; haproxy goes on."""

    def serves(self) -> bool:
        """Whether it accepts connections."""

    def drains(self) -> bool:
        """Whether it only finishes the connections that it has."""

    def _ready(self) -> None:
        """Its worker serves."""

    def _reloaded(self) -> None:
        """A new worker serves."""

    def _kept(self, refusal: Failure) -> None:
        """The old worker serves on."""

    def _ended(self, said: str) -> None:
        """The process ended."""

    def _restart(self) -> None:
        """It has waited long enough."""


@define(eq=False)
class Core:
    """
    What the machine works with.

    @ivar name: whose haproxy this is, for the log.
    @ivar program: what it is, should it be another than haproxy.
    @ivar patience: seconds until it must have ended when it's told to.
    @ivar attempts: how often it ended early, one after another.
    """

    name: str
    clock: IReactorTime
    runner: Runner
    program: str = "haproxy"
    patience: float = TERM_LIMIT
    running: Running | None = None
    attempts: int = 0
    since: float = 0.0
    timer: IDelayedCall | None = None
    work: Deferred[None] | None = None
    waiters: list[Deferred[None]] = field(factory=list)
    log: Logger = Logger()

    def wait(self) -> Deferred[None]:
        """Fires when the present change is over."""
        self.waiters.append(Deferred())
        return self.waiters[-1]

    def tell(self, result: Failure | None) -> None:
        """The present change is over. Those who wait hear of it after the transition, so that they may ask for more."""
        self.waiters, waiting = [], self.waiters
        for waiter in waiting:
            self.clock.callLater(0, waiter.callback, result)

    def set_timer(self, delay: float, then: Callable[[], object]) -> None:
        """There's at most one timer."""
        self.clear_timer()
        self.timer = self.clock.callLater(delay, then)

    def clear_timer(self) -> None:
        """No timer any more."""
        if self.timer is not None and self.timer.active():
            self.timer.cancel()
        self.timer = None

    def give_up_work(self) -> None:
        """What was waited for won't come."""
        work, self.work = self.work, None
        if work is not None:
            work.cancel()

    def signal(self, number: int) -> None:
        """Signal the process."""
        if self.running is not None:
            self.running.signal(number)


def _now(_life: HaproxyLife, _core: Core) -> Deferred[None]:
    return succeed(None)


def _never(_life: HaproxyLife, _core: Core) -> Deferred[None]:
    return fail(CancelledError())


def _nothing(_life: HaproxyLife, _core: Core) -> None:
    pass


def _yes(_life: HaproxyLife, _core: Core) -> bool:
    return True


def _no(_life: HaproxyLife, _core: Core) -> bool:
    return False


def _join(_life: HaproxyLife, core: Core) -> Deferred[None]:
    return core.wait()


def _reload_then(life: HaproxyLife, core: Core) -> Deferred[None]:
    return core.wait().addBoth(lambda _: life.reload())


def _start_then(life: HaproxyLife, core: Core) -> Deferred[None]:
    return core.wait().addCallback(lambda _: life.start())


def _logged(core: Core, work: Deferred[None]) -> Deferred[None]:
    """Background work that nobody waits for: cancelled is expected, all else is told."""
    work.addErrback(lambda f: f.trap(CancelledError) and None)
    return work.addErrback(lambda f: core.log.failure("{program} of {name}", f, program=core.program, name=core.name))


def _spawn(life: HaproxyLife, core: Core) -> None:
    core.clear_timer()
    core.since = core.clock.seconds()
    try:
        core.running = core.runner.spawn(life._ended)
    except OSError as e:
        # Told like a process that ended at once, but only after this transition.
        core.set_timer(0, lambda sentence=f"{core.program} can't be run: {e}.": life._ended(sentence))  # type: ignore[misc]
        return
    core.set_timer(START_LIMIT, lambda: core.signal(signal.SIGKILL))
    core.work = core.running.ready()
    _logged(core, core.work.addCallback(lambda _: life._ready()))


def _start(life: HaproxyLife, core: Core) -> Deferred[None]:
    waiter = core.wait()
    _spawn(life, core)
    return waiter


def _adopt(_life: HaproxyLife, core: Core, running: Running) -> None:
    core.running, core.since = running, core.clock.seconds()


def _settle(_life: HaproxyLife, core: Core) -> None:
    """What was going on went well."""
    core.clear_timer()
    core.work = None
    core.tell(None)


def _keep(_life: HaproxyLife, core: Core, refusal: Failure) -> None:
    core.work = None
    core.tell(refusal)


def _lost(life: HaproxyLife, core: Core, said: str) -> None:
    """It ended and shouldn't have: again, but less and less soon while it keeps ending early."""
    core.give_up_work()
    core.running = None
    core.attempts = 1 if core.clock.seconds() - core.since >= SETTLED else core.attempts + 1
    delay = min(LAST_DELAY, FIRST_DELAY * 2 ** min(core.attempts - 1, 16))
    core.log.error(
        "{program} of {name} ended; it is started again in {delay} s: {said}",
        program=core.program,
        name=core.name,
        delay=delay,
        said=said,
    )
    core.set_timer(delay, life._restart)
    core.tell(Failure(StartFailed(said or f"{core.program} ended without a word.")))


def _terminate(_life: HaproxyLife, core: Core) -> Deferred[None]:
    core.give_up_work()
    core.tell(Failure(StartFailed("It was stopped meanwhile.")))
    core.signal(signal.SIGTERM)
    core.set_timer(core.patience, lambda: core.signal(signal.SIGKILL))
    return core.wait()


def _end(life: HaproxyLife, core: Core) -> None:
    _terminate(life, core)


def _end_then_start(life: HaproxyLife, core: Core) -> Deferred[None]:
    return _terminate(life, core).addCallback(lambda _: life.start())


def _drain(_life: HaproxyLife, core: Core) -> None:
    core.give_up_work()
    core.tell(Failure(StartFailed("It was drained meanwhile.")))
    core.signal(signal.SIGUSR1)


def _gone(_life: HaproxyLife, core: Core, said: str) -> None:
    core.clear_timer()
    core.running, core.attempts = None, 0
    core.tell(None)


def _rest(_life: HaproxyLife, core: Core) -> Deferred[None]:
    """Try no more."""
    core.clear_timer()
    core.attempts = 0
    return succeed(None)


def _give_up(_life: HaproxyLife, core: Core) -> None:
    """As L{_rest}, but nobody waits for it."""
    core.clear_timer()
    core.attempts = 0


def _release(_life: HaproxyLife, core: Core) -> None:
    core.clear_timer()
    core.give_up_work()
    if core.running is not None:
        core.running.release()
    core.tell(Failure(CancelledError()))


def _released_at_once(_life: HaproxyLife, _core: Core, running: Running) -> None:
    running.release()


def _reload(life: HaproxyLife, core: Core) -> Deferred[None]:
    waiter = core.wait()
    assert core.running is not None
    core.work = core.running.reload()

    def refused(failure: Failure) -> None:
        failure.trap(ReloadRefused)
        life._kept(failure)

    _logged(core, core.work.addCallbacks(lambda _: life._reloaded(), refused))
    return waiter


_L = HaproxyLife
_STATES: Final = ("stopped", "starting", "running", "reloading", "failed", "draining", "stopping", "released")
# In a state, upon an input, into a state, doing what.
_TRANSITIONS: Final[tuple[tuple[str, Callable[..., Any], str, Callable[..., Any]], ...]] = (
    ("stopped", _L.start, "starting", _start),
    ("stopped", _L.reload, "starting", _start),
    ("stopped", _L.adopt, "running", _adopt),
    ("stopped", _L.stop, "stopped", _now),
    ("starting", _L._ready, "running", _settle),
    ("starting", _L._ended, "failed", _lost),
    ("starting", _L.start, "starting", _join),
    ("starting", _L.reload, "starting", _reload_then),
    ("starting", _L.stop, "stopping", _terminate),
    ("running", _L.start, "running", _now),
    ("running", _L.reload, "reloading", _reload),
    ("running", _L._ended, "failed", _lost),
    ("running", _L.stop, "stopping", _terminate),
    ("reloading", _L._reloaded, "running", _settle),
    ("reloading", _L._kept, "running", _keep),
    ("reloading", _L._ended, "failed", _lost),
    ("reloading", _L.start, "reloading", _now),
    ("reloading", _L.reload, "reloading", _reload_then),
    ("reloading", _L.stop, "stopping", _terminate),
    ("failed", _L._restart, "starting", _spawn),
    ("failed", _L.start, "starting", _start),
    ("failed", _L.reload, "starting", _start),
    ("failed", _L.stop, "stopped", _rest),
    *((state, _L.drain, state, _nothing) for state in ("stopped", "draining", "stopping", "released")),
    ("starting", _L.drain, "stopping", _end),
    ("running", _L.drain, "draining", _drain),
    ("reloading", _L.drain, "draining", _drain),
    ("failed", _L.drain, "stopped", _give_up),
    ("draining", _L._ended, "stopped", _gone),
    ("draining", _L.start, "stopping", _end_then_start),
    ("draining", _L.reload, "stopping", _end_then_start),
    ("draining", _L.stop, "stopping", _terminate),
    ("stopping", _L._ended, "stopped", _gone),
    ("stopping", _L.start, "stopping", _start_then),
    ("stopping", _L.reload, "stopping", _start_then),
    ("stopping", _L.stop, "stopping", _join),
    *((state, _L.release, "released", _release) for state in _STATES[:-1]),
    ("released", _L.release, "released", _nothing),
    ("released", _L.start, "released", _never),
    ("released", _L.adopt, "released", _released_at_once),
    ("released", _L.reload, "released", _never),
    ("released", _L.stop, "released", _never),
    *((state, _L.serves, state, _yes if state in ("running", "reloading") else _no) for state in _STATES),
    *((state, _L.drains, state, _yes if state == "draining" else _no) for state in _STATES),
)


def build() -> Callable[[Core], HaproxyLife]:
    """The machine. It begins stopped."""
    machine = TypeMachineBuilder(HaproxyLife, Core)
    states = {name: machine.state(name) for name in _STATES}
    for old, received, new, act in _TRANSITIONS:
        states[old].upon(received).to(states[new])(act)
    return machine.build()
