"""
Asking keystone whose a token is, with credentials of our own.

keystoneauth blocks, and so runs in threads. It gets a new token of our own by itself when ours expired or was revoked.
No secret is in what is raised or logged here: neither a token, nor a password, nor what keystone said in full.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from attrs import field, frozen
from keystoneauth1.exceptions import ClientException, ConnectFailure, HttpError, SSLError, Unauthorized
from keystoneauth1.exceptions import ConnectionError as NoConnection
from keystoneauth1.identity import v3
from keystoneauth1.session import Session
from twisted.logger import Logger

from octavia_tx.cloud.threads import Threads
from octavia_tx.cloud.tokens import Token
from octavia_tx.errors import IdentityUnavailable
from octavia_tx.model.caller import Caller

TIMEOUT = 4.0
"""Seconds for keystone to answer one request."""

_VERSION = "/v3"
_OWN = "It doesn't accept our own credentials: compare [keystone] in the configuration with the service's user there."
_MALFORMED = (LookupError, ValueError, TypeError, AttributeError)
_RIGHTS = "Our own user may not ask it about others' tokens: give that user the role service."


@frozen(kw_only=True)
class Credentials:
    """
    Who we are to keystone: a user with a password in a project, or an application credential.

    @ivar auth_url: with or without C{/v3}.
    @ivar cafile: who vouches for keystone's certificate; empty: whom the system trusts.
    """

    auth_url: str
    username: str = ""
    password: str = field(default="", repr=False)
    project_name: str = ""
    user_domain_id: str = "default"
    project_domain_id: str = "default"
    cafile: str = ""
    application_credential_id: str = ""
    application_credential_secret: str = field(default="", repr=False)

    @property
    def versioned_url(self) -> str:
        """Where version 3 is spoken."""
        return self.auth_url.rstrip("/").removesuffix(_VERSION) + _VERSION

    def session(self) -> Session:
        """A session of ours. Nothing is asked yet; who made it closes C{session.session}."""
        auth: v3.Auth
        if self.application_credential_id:
            auth = v3.ApplicationCredential(
                self.versioned_url,
                application_credential_id=self.application_credential_id,
                application_credential_secret=self.application_credential_secret,
            )
        else:
            auth = v3.Password(
                self.versioned_url,
                username=self.username,
                password=self.password,
                user_domain_id=self.user_domain_id,
                project_name=self.project_name,
                project_domain_id=self.project_domain_id,
            )
        # No redirect is followed: a token goes nowhere but where the configuration says.
        return Session(auth=auth, verify=self.cafile or True, timeout=TIMEOUT, redirect=False)


class Validator:
    """
    Asks keystone, and nothing else.

    @param session: ours.
    @param url: keystone's version 3.
    """

    log = Logger()

    def __init__(self, threads: Threads, session: Session, url: str) -> None:
        self._threads = threads
        self._session = session
        self._url = url
        self._trouble = ""

    async def validate(self, token: str, expired_too: bool) -> Token | None:
        """
        What keystone says of a token, C{None} where it isn't valid.

        @param expired_too: also one that expired lately; how lately is keystone's to say.
        @raise IdentityUnavailable: it doesn't tell.
        """
        try:
            found = await self._threads.call(self._ask, token, expired_too)
        except IdentityUnavailable as error:
            self._note(str(error))
            raise
        self._note("")
        return found

    def _note(self, trouble: str) -> None:
        """One line when something begins or ends to be wrong, however many ask meanwhile."""
        if trouble and trouble != self._trouble:
            self.log.error("{trouble}", trouble=trouble)
        elif self._trouble and not trouble:
            self.log.info("Keystone at {url} tells again whose tokens are", url=self._url)
        self._trouble = trouble

    def _ask(self, token: str, expired_too: bool) -> Token | None:
        """In a thread."""
        try:
            try:
                status, body = self._get(token, expired_too)
            except ConnectFailure:  # also of a connection that lay idle for long, and which keystone closed meanwhile
                status, body = self._get(token, expired_too)
            if status == 404:
                return None
            if status == 200:
                return read(json.loads(body))
        except ClientException as error:
            raise self._unavailable(_reason(error)) from None
        except OSError as error:
            raise self._unavailable(f"keystone.cafile can't be used: {error.strerror or 'no certificate'}.") from None
        except _MALFORMED:  # of a proxy, say, or whatever else is behind that address
            raise self._unavailable("It answered something else than whose token that is.") from None
        raise self._unavailable(_REASONS.get(status, f"It answered {status}."))

    def _get(self, token: str, expired_too: bool) -> tuple[int, bytes]:
        response = self._session.get(
            f"{self._url}/auth/tokens?nocatalog{'&allow_expired=1' if expired_too else ''}",
            headers={"X-Subject-Token": token, "Accept": "application/json"},
            authenticated=True,
            raise_exc=False,
            log=False,
        )
        return response.status_code, response.content

    def _unavailable(self, reason: str) -> IdentityUnavailable:
        return IdentityUnavailable(f"Keystone at {self._url} can't tell now whose a token is. {reason}")


_REASONS = {401: _OWN, 403: _RIGHTS}


def _reason(error: ClientException) -> str:
    """Why it couldn't be asked, in our words: theirs may hold what isn't ours to tell."""
    if isinstance(error, Unauthorized):
        return _OWN
    if isinstance(error, HttpError):
        return f"It answered {error.http_status}."
    if isinstance(error, SSLError):
        return "Its certificate isn't one to trust: set keystone.cafile to who vouches for it."
    if isinstance(error, NoConnection):
        return f"It doesn't answer ({type(error).__name__})."
    return f"It answered something else than a token of our own ({type(error).__name__})."


def read(body: Any) -> Token:
    """
    A token from keystone's description of it.

    @raise ValueError: (or another of C{_MALFORMED}) it isn't one.
    """
    token = body["token"]
    project = _text(token["project"]["id"]) if token.get("project") else None
    system = bool(token.get("system") and token["system"]["all"])
    expires = datetime.fromisoformat(token["expires_at"])
    if expires.tzinfo is None:
        expires = expires.replace(tzinfo=UTC)
    return Token(
        caller=Caller(
            project_id=project,
            user_id=_text(token["user"]["id"]),
            # Those that are held for a domain alone, or for nothing, are worth nothing here.
            roles=frozenset(_text(role["name"]).lower() for role in token.get("roles", ()) if project or system),
            system=system,
        ),
        expires=expires.timestamp(),
    )


def _text(given: object) -> str:
    if not isinstance(given, str) or not given:
        raise ValueError("not a text")
    return given
