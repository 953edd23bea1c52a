"""What the processes that a test starts do on signals."""

from __future__ import annotations

import signal

from twisted.trial.unittest import SynchronousTestCase


def interruptible(case: SynchronousTestCase) -> None:
    """Have the processes that the test starts end on SIGINT, also where a script runs the tests in the background."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        case.addCleanup(signal.signal, signal.SIGINT, signal.SIG_IGN)
