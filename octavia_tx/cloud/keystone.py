"""Who asks, as keystone tells it."""

from __future__ import annotations

import re

from twisted.internet.interfaces import IReactorTime
from zope.interface import implementer

from octavia_tx.cloud.tokens import Token, Tokens, Validate
from octavia_tx.errors import Unauthenticated
from octavia_tx.interfaces import IIdentity
from octavia_tx.model.caller import Caller, Presented

_FORM = re.compile(r"[\x21-\x7e]{1,8192}", re.ASCII)
_SERVICE = "service"
_INVALID = "isn't valid: unknown to keystone, expired or revoked"


@implementer(IIdentity)
class KeystoneIdentity:
    """
    Believes tokens that keystone finds valid.

    @param validate: asks keystone.
    @param auth_url: where clients get a token.
    @param remember: seconds for which a valid token is believed without asking again.
    """

    def __init__(self, clock: IReactorTime, validate: Validate, auth_url: str, *, remember: float) -> None:
        self.challenge: str | None = f'Keystone uri="{auth_url}"'
        self._clock = clock
        self._tokens = Tokens(clock, validate, remember)

    async def caller(self, presented: Presented) -> Caller:
        """
        See L{IIdentity}.

        A service that presents a valid token of its own, with the role C{service}, may act for a user whose token has
        expired meanwhile: what it was asked for took longer.
        """
        if not presented.token:
            raise Unauthenticated("Nobody is known to ask this. Present a token of keystone's: X-Auth-Token.")
        vouched = bool(presented.service_token) and await self._is_service(presented.service_token or "")
        token = await self._find(presented.token, vouched)
        if token is None:
            raise Unauthenticated(f"The token (X-Auth-Token) {_INVALID}. Get a new one.")
        return token.caller

    async def _is_service(self, service_token: str) -> bool:
        token = await self._find(service_token)
        if token is None:
            raise Unauthenticated(f"The service's token (X-Service-Token) {_INVALID}.")
        return _SERVICE in token.caller.roles

    async def _find(self, text: str, expired_too: bool = False) -> Token | None:
        """What keystone says now; what can't be a token isn't worth asking."""
        if not _FORM.fullmatch(text):
            return None
        token = await self._tokens.find(text, expired_too)
        if token is not None and not expired_too and token.expires <= self._clock.seconds():
            return None
        return token
