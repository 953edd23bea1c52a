"""What follows from a failure: when to try again, and whether to tell the tenant. Pure."""

from __future__ import annotations

from attrs import frozen

from octavia_tx.controller.work import ConvergenceSettings
from octavia_tx.errors import ConfigurationRejected, IncompatibleConfiguration, RequestError

# What the same attempt hardly mends; the tenant should know at once.
_FINAL = (ConfigurationRejected, IncompatibleConfiguration, RequestError)


@frozen(kw_only=True)
class Verdict:
    """
    @ivar delay: seconds until the next attempt; a change by the tenant comes before.
    @ivar shown: whether the load balancer is C{ERROR} meanwhile.
    """

    delay: float
    shown: bool


def judge(
    error: BaseException, *, attempts: int, pending: float, chance: float, settings: ConvergenceSettings
) -> Verdict:
    """
    @param attempts: failures in a row before this one.
    @param pending: seconds since which the load balancer isn't as wanted.
    @param chance: 0 to 1, at random: those who failed together don't come back together.
    """
    jitter = 0.75 + chance / 2
    if isinstance(error, _FINAL) or pending >= settings.give_up_after:
        return Verdict(delay=settings.slow_retry * jitter, shown=True)
    growing = settings.first_retry * 2.0 ** min(attempts, 32)
    return Verdict(delay=min(growing, settings.longest_retry) * jitter, shown=False)
