"""
The keys that seal tenants' secrets in the database.

A file with a key on each line. The first one seals, all of them open: a new key is put before the others, and an old
one may go once nothing is sealed with it.
"""

from __future__ import annotations

import stat
from pathlib import Path
from uuid import UUID

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from octavia_tx.cloud.secret_files import read_or_create
from octavia_tx.errors import CloudError, SettingsError

FILE = "vault.keys"


class Keyring:
    """@param keys: of Fernet's, the one that seals first."""

    def __init__(self, keys: tuple[bytes, ...]) -> None:
        self._fernet = MultiFernet([Fernet(key) for key in keys])

    @classmethod
    def load_or_create(cls, path: Path) -> Keyring:
        """
        The keys of a file, which is made now where there's none yet.

        @raise SettingsError: it can't be used, or others may read it.
        """
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            given = read_or_create(path, lambda: Fernet.generate_key() + b"\n")
            mode = path.stat().st_mode
        except OSError as error:
            raise _unusable(path, f"{error.strerror}") from error
        if mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise _unusable(path, "others than its owner may read it: chmod 0600")
        keys = tuple(line.strip() for line in given.splitlines() if line.strip())
        try:
            return cls(keys)
        except ValueError:  # which may repeat what is in the file
            raise _unusable(path, "it doesn't hold a key of 32 bytes in URL-safe base64 on each line") from None

    def close(self, label: str, payload: bytes) -> str:
        """
        Seal a payload.

        @param label: the UUID of what it belongs to; one that is moved elsewhere can't be opened there.
        """
        return self._fernet.encrypt(UUID(label).bytes + payload).decode()

    def open(self, label: str, sealed: str) -> bytes:
        """
        What L{close} sealed.

        @raise CloudError: with none of these keys, or for another label.
        """
        try:
            opened = self._fernet.decrypt(sealed)
        except InvalidToken:
            sentence = f"None of the keys in {FILE} opens secret {label}. Put the one back that sealed it."
            raise CloudError(sentence) from None
        if opened[:16] != UUID(label).bytes:
            raise CloudError(f"What is stored as secret {label} is another one's.")
        return opened[16:]


def _unusable(path: Path, why: str) -> SettingsError:
    return SettingsError((f"{path} can't be used: {why}.",))
