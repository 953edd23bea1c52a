"""The answers to what isn't done, as a document tells them: which statuses, and their bodies."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from attrs import field, frozen

from octavia_tx.api.parameters import REQUEST_ID, Parameter
from octavia_tx.api.schemas import referred
from octavia_tx.api.shapes import INTEGER, TEXT, Schema, an_object

SCHEMAS: Final[Mapping[str, Schema]] = {
    "fault": an_object(
        faultcode={"type": "string", "enum": ["Client", "Server"]}, faultstring=TEXT, debuginfo={"type": "null"}
    ),
    "unauthenticated": an_object(error=an_object(code={"const": 401}, title=TEXT, message=TEXT)),
    "unrouted": an_object(code=INTEGER, title=TEXT, description=TEXT),
}
"""The bodies of refusals: most; those of unknown callers; those of what no route takes."""

_FAULT: Final = ("fault",)
_FAULT_OR_UNROUTED: Final = ("fault", "unrouted")


@frozen
class Refusal:
    """
    One kind of answer.

    @ivar name: among a document's responses.
    @ivar bodies: the names of the schemas that its body may have.
    @ivar headers: further ones of it.
    """

    name: str
    description: str
    bodies: tuple[str, ...] = _FAULT
    headers: Mapping[str, Parameter] = field(factory=dict)

    def response(self, *further: Schema) -> dict[str, Any]:
        """As a document has it; its body may also be of these further shapes."""
        bodies = [*(referred(body) for body in self.bodies), *further]
        schema = bodies[0] if len(bodies) == 1 else {"anyOf": bodies}
        return {
            "description": self.description,
            "headers": {**REQUEST_ID, **self.headers},
            "content": {"application/json": {"schema": schema}},
        }


REFUSALS: Final[Mapping[int, Refusal]] = {
    400: Refusal(
        "bad_request", "The request can't be served as it is; the sentence names the field.", _FAULT_OR_UNROUTED
    ),
    401: Refusal(
        "unauthenticated",
        "It isn't known who asks.",
        ("unauthenticated",),
        {"WWW-Authenticate": {"description": "Where tokens are to be had.", "schema": TEXT}},
    ),
    403: Refusal("forbidden", "Who asks has no right to this, or the project's quota is met."),
    404: Refusal("not_found", "What the path or a field names isn't there.", _FAULT_OR_UNROUTED),
    405: Refusal(
        "not_allowed",
        "The path knows other methods.",
        ("unrouted",),
        {"Allow": {"description": "The methods that it knows.", "required": True, "schema": TEXT}},
    ),
    408: Refusal("too_slow", "The request wasn't here as a whole in time."),
    409: Refusal("conflict", "The change contradicts what is there."),
    412: Refusal("another_revision", "The object isn't at the revision that If-Match names."),
    413: Refusal("too_large", "The body is too large."),
    431: Refusal("head_too_large", "The request's head is too large."),
    500: Refusal("failed", "Something failed inside the service, or at the provider."),
    501: Refusal("unsupported", "The provider can't do this."),
    503: Refusal("unavailable", "Something that this needs doesn't answer, or is used up. Try again later."),
}


def refused(*, public: bool, named: bool, writes: bool, conditional: bool, body: bool) -> Iterator[int]:
    """
    The statuses with which a route may refuse.

    @param public: anyone may ask; C{named}: the request names objects; C{writes}: it changes something;
        C{conditional}: If-Match is looked at; C{body}: it has a body.
    """
    may = {401: not public, 403: not public, 409: writes, 412: conditional, 413: body, 501: writes}
    yield from (status for status in REFUSALS if may.get(status, True) and (named or status != 404 or not public))
