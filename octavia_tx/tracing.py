"""
Which request is being worked on, for all that is logged meanwhile and told to others.

A coroutine that becomes a Deferred within L{of} keeps the request's ids until it ends, and so does all that it awaits:
nothing needs to pass them on. L{mark} writes them onto each log event.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from uuid import uuid4

from attrs import frozen
from twisted.logger import FileLogObserver, ILogObserver, LogEvent, jsonFileLogObserver
from zope.interface import provider

_GLOBAL = re.compile(r"req-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII | re.IGNORECASE)


@frozen
class RequestIds:
    """
    The names of one request.

    @ivar own: ours, which no other request has.
    @ivar given: the one by which the client, and what it asks elsewhere, know it: OpenStack's global request id.
    """

    own: str
    given: str | None = None

    @classmethod
    def fresh(cls, claimed: str | None = None) -> RequestIds:
        """A new request's ids. What the client claims is believed when it is C{req-} and a UUID, else forgotten."""
        return cls(f"req-{uuid4()}", claimed if claimed and _GLOBAL.fullmatch(claimed) else None)


_current: ContextVar[RequestIds | None] = ContextVar("octavia_tx_request", default=None)


def current() -> RequestIds | None:
    """The ids of the request that is being worked on here, if one is."""
    return _current.get()


@contextmanager
def of(ids: RequestIds | None) -> Iterator[None]:
    """What begins within this is the request's; C{None}: no request's, such as what is begun once for all of them."""
    token = _current.set(ids)
    try:
        yield
    finally:
        _current.reset(token)


@provider(ILogObserver)
def mark(event: LogEvent) -> None:
    """
    Write the ids onto a log event: as C{request_id} and C{global_request_id}, and at the end of its text.

    Whoever writes events somewhere has to come after this one among the log's observers.
    """
    ids = _current.get()
    if ids is not None:
        event.setdefault("request_id", ids.own)
        if ids.given is not None:
            event.setdefault("global_request_id", ids.given)
    text = event.get("log_format")
    if isinstance(text, str) and event.get("request_id") and "{request_id}" not in text:
        event["log_format"] = text + (
            " [{request_id} {global_request_id}]" if event.get("global_request_id") else " [{request_id}]"
        )


def json_lines() -> FileLogObserver:
    """For C{twistd --logger octavia_tx.tracing.json_lines}: each event as a JSON object, a line on standard output."""
    return jsonFileLogObserver(sys.stdout, recordSeparator="")
