"""When an agent that died is started again: at once, but less and less soon while it keeps dying early."""

from __future__ import annotations

from attrs import evolve, frozen

STEADY = 10.0  # seconds; a life shorter than this was an early death
LONGEST = 30.0


@frozen(kw_only=True)
class Restarts:
    """
    One agent's recent fate. Times are the clock's seconds.

    @ivar due_at: when to start it again; C{None} while it runs.
    """

    started_at: float
    early_deaths: int = 0
    due_at: float | None = None

    def died(self, now: float) -> Restarts:
        """It was found dead. Told again of the same death, nothing changes."""
        if self.due_at is not None:
            return self
        early = self.early_deaths + 1 if now - self.started_at < STEADY else 0
        return evolve(self, early_deaths=early, due_at=now + pause(early))

    def started(self, now: float) -> Restarts:
        """It was started again."""
        return evolve(self, started_at=now, due_at=None)

    def lives(self, now: float) -> Restarts:
        """It was found alive: somebody else has started it, if we haven't."""
        return self if self.due_at is None else self.started(now)

    def is_due(self, now: float) -> bool:
        """Whether it is dead and has waited long enough."""
        return self.due_at is not None and now >= self.due_at


def pause(early_deaths: int) -> float:
    """Seconds to wait after so many early deaths in a row: 0, 0, 1, 2, 4, ... L{LONGEST}."""
    return 0.0 if early_deaths < 2 else min(LONGEST, 2.0 ** min(early_deaths - 2, 16))
