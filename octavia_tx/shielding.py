"""Waiting for work that nobody's impatience may end."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred


def shielded(work: Deferred[Any]) -> Deferred[Any]:
    """The same result, for someone whose cancellation ends the waiting and not the work."""
    waiting: Deferred[Any] = Deferred()
    work.addCallbacks(waiting.callback, waiting.errback)
    return waiting
