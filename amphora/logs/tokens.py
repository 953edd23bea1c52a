"""Tokens of keystone's for an application credential."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping

from amphora.fetch import NoAnswer
from amphora.logs.http import Answer, Body
from amphora.logs.shipper import Undelivered
from octavia_tx.wire.logs import Store

Asking = Callable[[str, str, Mapping[str, str], Body], Awaitable[Answer]]


class Tokens:
    """Asks for one when there's none, and keeps it until it is L{refused}."""

    def __init__(self, store: Store, ask: Asking) -> None:
        self._store = store
        self._ask = ask
        self._token: str | None = None

    async def get(self) -> str:
        """
        A token.

        @raise Undelivered: there's none to be had.
        """
        if self._token is None:
            self._token = await self._fresh()
        return self._token

    def refused(self) -> None:
        """It isn't valid any more, or never was."""
        self._token = None

    async def _fresh(self) -> str:
        store = self._store
        credential = {"id": store.credential_id, "secret": store.credential_secret}
        identity = {"methods": ["application_credential"], "application_credential": credential}
        body = Body(json.dumps({"auth": {"identity": identity}}).encode())
        # The list of all services would be kilobytes that nobody reads.
        url = f"{store.keystone.rstrip('/')}/auth/tokens?nocatalog"
        try:
            answer = await self._ask("POST", url, {"Content-Type": "application/json"}, body)
        except NoAnswer as e:
            raise Undelivered(f"keystone: {e}") from e
        token = answer.fields.get("x-subject-token")
        if answer.status != 201 or not token:
            raise Undelivered(
                f"keystone answered {answer.status} for application credential {store.credential_id}",
                denied=answer.status in (401, 403),
            )
        return token
