"""To an object store of OpenStack's, file after file."""

from __future__ import annotations

import gzip
from datetime import UTC, datetime
from hashlib import md5
from typing import Final

from amphora.fetch import NoAnswer
from amphora.logs.http import Answer, Body
from amphora.logs.notes import note
from amphora.logs.places import Place
from amphora.logs.shipper import Undelivered
from amphora.logs.spool import Segment
from amphora.logs.tokens import Asking, Tokens
from octavia_tx.wire.logs import Store

_CHUNK: Final = 1 << 16
_REASONS: Final = {
    401: "it doesn't accept who we are: the temporary URL has expired, was signed with another key, or is another's",
    403: "it doesn't let us write there",
    404: "there's no such container or account",
    413: "the account has no room",
    507: "it has no room",
}


def object_name(amphora_id: str, segment: Segment) -> str:
    """What a file is called: the same each time, and no other file's name."""
    began = datetime.fromtimestamp(segment.began / 1000, UTC)
    return f"{amphora_id}/{began:%Y%m%dT%H%M%S}.{segment.began % 1000:03d}Z-{segment.number:08d}.log.gz"


class SwiftSender:
    """See L{Sender<amphora.logs.shipper.Sender>}."""

    def __init__(self, place: Place, amphora_id: str, store: Store, ask: Asking) -> None:
        self._place = place
        self._amphora_id = amphora_id
        self._store = store
        self._ask = ask
        self._tokens = Tokens(store, ask)

    async def send(self) -> bool:
        """PUT the next file. Before its lines, word of those that are missing."""
        segment, lost = self._place.whole(), max(self._place.dropped, 0)
        if segment is None:
            return False
        # What is compressed apart may be put together.
        body = Body(gzip.compress(note(lost), mtime=0) if lost else b"", segment.path)
        try:
            await self._put(object_name(self._amphora_id, segment), body)
        except FileNotFoundError:
            self._place.skip(segment)  # somebody removed it
            return True
        except OSError as e:
            raise Undelivered(f"the spool can't be read: {e.strerror}") from e
        if lost:
            self._place.told(lost)
        self._place.passed_whole(segment)
        return True

    async def _put(self, name: str, body: Body) -> None:
        digest = _digest(body)
        answer = await self._asked(name, body, digest)
        if answer.status == 401 and self._store.keystone:
            self._tokens.refused()
            answer = await self._asked(name, body, digest)
        if answer.status not in (201, 202):
            reason = _REASONS.get(answer.status, "it doesn't say more")
            raise Undelivered(f"it answered {answer.status}: {reason}", denied=answer.status in (401, 403, 404))
        if answer.fields.get("etag", "").strip('"') != digest:
            raise Undelivered("it stored something else than was sent")

    async def _asked(self, name: str, body: Body, digest: str) -> Answer:
        store = self._store
        query = f"?{store.query}" if store.query else ""
        # With an ETag the store refuses what didn't come whole.
        fields = {"ETag": digest, "Content-Type": "application/gzip"}
        if store.keystone:
            fields["X-Auth-Token"] = await self._tokens.get()
        try:
            return await self._ask("PUT", f"{store.url}{name}{query}", fields, body)
        except NoAnswer as e:
            raise Undelivered(str(e)) from e

    def close(self) -> None:
        """Nothing is kept open between two files."""


def _digest(body: Body) -> str:
    digest = md5(body.head, usedforsecurity=False)
    if body.path is not None:
        with body.path.open("rb") as file:
            while piece := file.read(_CHUNK):
                digest.update(piece)
    return digest.hexdigest()
