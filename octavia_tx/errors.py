"""
One hierarchy for all that can go wrong.

Each class says what happened, to which object, and what to do; C{api/errors.py} maps them to HTTP in one table.
"""

from __future__ import annotations

import json


class OctaviaError(Exception):
    """Root of all expected failures. C{str(error)} is a sentence that a person may read."""


# What a client did.


class RequestError(OctaviaError):
    """The request can't be served as it is; sending it again changes nothing."""


class InvalidInput(RequestError):
    """
    A value isn't acceptable.

    @ivar field: where it stands, in the API's names: C{"listener.protocol_port"}.
    """

    def __init__(self, field: str, given: object, accepted: str) -> None:
        shown = repr(given) if isinstance(given, str) else json.dumps(given, default=str)
        if len(shown) > 120:
            shown = shown[:117] + "..."
        super().__init__(f"Invalid value for {field}: {shown}. Accepted: {accepted}.")
        self.field = field


class UnknownField(RequestError):
    """A field that this resource doesn't have."""

    def __init__(self, field: str, known: tuple[str, ...]) -> None:
        super().__init__(f"Unknown field {field}. Known fields: {', '.join(known)}.")
        self.field = field


class MissingField(RequestError):
    """A mandatory field isn't there."""

    def __init__(self, field: str, accepted: str) -> None:
        super().__init__(f"Missing field {field}. Accepted: {accepted}.")
        self.field = field


class MalformedBody(RequestError):
    """The body isn't a JSON object of the expected outer shape."""


class ReferenceMissing(RequestError):
    """A field names an object that doesn't exist (C{Subnet}, C{Pool}, ...)."""

    def __init__(self, field: str, kind: str, identifier: str) -> None:
        super().__init__(f"{kind} {identifier}, named by {field}, not found.")
        self.field = field


class ReferenceDenied(RequestError):
    """A field names what its owner doesn't let us read."""

    def __init__(self, field: str, kind: str, identifier: str, remedy: str) -> None:
        super().__init__(f"{kind} {identifier}, named by {field}, may not be read. {remedy}")
        self.field = field


class NotFound(OctaviaError):
    """The object addressed doesn't exist, or isn't the caller's to see."""

    def __init__(self, kind: str, identifier: str) -> None:
        super().__init__(f"{kind} {identifier} not found.")
        self.kind = kind
        self.identifier = identifier


class ParentNotFound(NotFound):
    """The object that a field hangs a new one onto doesn't exist, or isn't the caller's to see."""

    def __init__(self, field: str, kind: str, identifier: str) -> None:
        super().__init__(kind, identifier)
        self.args = (f"{kind} {identifier}, named by {field}, not found.",)
        self.field = field


class Unauthenticated(OctaviaError):
    """It isn't known who asks: no token, or none that is valid."""


class Forbidden(OctaviaError):
    """Who asks has no right to this."""


class QuotaExceeded(Forbidden):
    """The project has as many of these as it may."""

    def __init__(self, resource: str, limit: int, used: int) -> None:
        super().__init__(
            f"Quota has been met for resources: {resource}. The project may have {limit} and has {used}; "
            "delete some, or ask an administrator for more."
        )


class Conflict(OctaviaError):
    """The change contradicts what exists: a taken port, a second monitor, an object in use."""


class AddressTaken(Conflict):
    """Another load balancer has the front-end address."""


class BeingDeleted(Conflict):
    """The load balancer is on its way out and accepts no change."""

    def __init__(self, identifier: str) -> None:
        super().__init__(f"Load balancer {identifier} is being deleted and can't be changed.")


class RevisionMismatch(OctaviaError):
    """C{If-Match} names a revision that isn't the present one."""


# What a provider driver answers before anything is written.


class DriverError(OctaviaError):
    """A provider couldn't do what was asked, for a reason of its own."""


class IncompatibleConfiguration(DriverError):
    """The provider or flavor can't do this at all: nothing is written."""


class OutOfResources(DriverError):
    """The provider could do this, but has no room now."""


# What the parts beneath do.


class DatabaseUnavailable(OctaviaError):
    """PostgreSQL doesn't answer. The transaction didn't happen, unless the sentence says that this isn't known."""


class IdentityUnavailable(OctaviaError):
    """Who asks can't be told now: identity doesn't answer, or doesn't know us."""


class LeaseLost(OctaviaError):
    """Another controller holds the load balancer now; what we did since is fenced off."""


class CloudError(OctaviaError):
    """Compute, network or certificates failed in a way that may pass."""


class AddressUnavailable(CloudError):
    """The address asked for is taken, or there's none left."""


class AmphoraError(OctaviaError):
    """An amphora's agent couldn't or wouldn't do what was asked."""

    def __init__(self, amphora_id: str, sentence: str) -> None:
        super().__init__(f"Amphora {amphora_id}: {sentence}")
        self.amphora_id = amphora_id


class AmphoraUnreachable(AmphoraError):
    """No answer within the time-out, or no connection. It may come back."""


class AmphoraRefused(AmphoraError):
    """TLS failed: one side's certificate, role or id isn't what the other requires."""


class ConfigurationRejected(AmphoraError):
    """haproxy doesn't accept the configuration; the sentence carries its own message."""


class StaleFence(AmphoraError):
    """The agent has seen a newer controller's number; ours must stop."""


class WorkerFailed(OctaviaError):
    """One of the processes that serve the API together can't start."""


class SettingsError(OctaviaError):
    """
    The configuration can't be used.

    @ivar problems: one sentence for each bad setting, all of them.
    """

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems
