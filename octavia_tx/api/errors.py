"""What goes wrong, as HTTP: one table."""

from __future__ import annotations

from attrs import frozen

from octavia_tx import errors


@frozen
class Fault:
    """How one class of errors is told: HTTP's status, and whose fault it is."""

    status: int
    code: str


_FAULTS: dict[type[BaseException], Fault] = {
    errors.RequestError: Fault(400, "Client"),
    errors.NotFound: Fault(404, "Client"),
    errors.Unauthenticated: Fault(401, "Client"),
    errors.Forbidden: Fault(403, "Client"),
    errors.Conflict: Fault(409, "Client"),
    errors.RevisionMismatch: Fault(412, "Client"),
    errors.IncompatibleConfiguration: Fault(501, "Server"),
    errors.OutOfResources: Fault(503, "Server"),
    errors.DriverError: Fault(500, "Server"),
    errors.DatabaseUnavailable: Fault(503, "Server"),
    errors.IdentityUnavailable: Fault(503, "Server"),
    errors.AddressUnavailable: Fault(409, "Client"),
    errors.CloudError: Fault(503, "Server"),
    errors.OctaviaError: Fault(500, "Server"),
    BaseException: Fault(500, "Server"),
}

# What a client is told of failures beneath us: never more than this, the log has the rest.
_SENTENCES: dict[type[BaseException], str] = {
    errors.DatabaseUnavailable: (
        "The database doesn't answer now. Try again in a moment, and look first whether the change was made."
    ),
    BaseException: "Something failed inside the service; the log has the details under this request's id.",
}


def fault(error: BaseException) -> tuple[int, dict[str, object]]:
    """The status and body for an error."""
    kind = next(k for k in type(error).__mro__ if k in _FAULTS)
    told = next((k for k in type(error).__mro__ if k in _SENTENCES and k is not BaseException), None)
    expected = isinstance(error, errors.OctaviaError)
    sentence = _SENTENCES[told or BaseException] if told or not expected else str(error)
    if kind is errors.Unauthenticated:
        return 401, {"error": {"code": 401, "title": "Unauthorized", "message": sentence}}
    return _FAULTS[kind].status, _body(_FAULTS[kind].code, sentence)


def client_fault(sentence: str) -> dict[str, object]:
    """The body for a request that can't be read as a whole."""
    return _body("Client", sentence)


def _body(code: str, sentence: str) -> dict[str, object]:
    return {"faultcode": code, "faultstring": sentence, "debuginfo": None}


def router_fault(status: int, title: str, description: str) -> dict[str, object]:
    """The body when no route takes a request."""
    return {"code": status, "title": title, "description": description}
