"""The heartbeats' keys: one for each amphora, all from one master key, so that none has to be kept."""

from __future__ import annotations

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

_PURPOSE = b"octavia-tx heartbeat of amphora "


def amphora_key(master: bytes, amphora_id: str) -> bytes:
    """
    The key with which one amphora's heartbeats are sealed: 32 bytes. Secret, but worthless for any other amphora.

    @param master: at least 32 random bytes.
    """
    return HKDF(SHA256(), length=32, salt=None, info=_PURPOSE + amphora_id.encode()).derive(master)
