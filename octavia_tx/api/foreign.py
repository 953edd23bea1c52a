"""Routes that stand in for another service's: a client's faults are told as that service tells them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from octavia_tx.api.call import Answer, Call
from octavia_tx.api.errors import fault
from octavia_tx.api.resource import Verb
from octavia_tx.errors import OctaviaError


def told(verb: Verb, body: Callable[[OctaviaError, int, str], dict[str, Any]]) -> Verb:
    """
    The same verb with a client's faults in another body.

    @param body: makes it of the error, its status, and its sentence.
    """

    async def answering(call: Call) -> Answer:
        try:
            return await verb(call)
        except OctaviaError as error:
            status, ours = fault(error)
            if status >= 500:
                raise
            return Answer(status, body(error, status, str(ours["faultstring"])))

    return answering
