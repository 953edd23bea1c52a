"""
Machines' directories on this host: what the process compute driver keeps on disk.

C{<root>/<amphora id>/} is a machine: C{machine.toml} with its address, the files of its L{Boot}, and all that its
agent writes. It is made under another name and renamed, so that it is there as a whole or not at all. Whatever was done
to C{machine.toml} since, it is a machine as long as its agent's settings are there, and can be mended.
C{<root>/<amphora id>.deleting} condemns it: from then on nobody may start anything in it, and whoever finds it
finishes the deletion. C{<root>/lock} is held by the one process that makes, condemns, erases or starts a machine.
"""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import socket
import tomllib
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from tempfile import mkdtemp
from typing import BinaryIO
from uuid import UUID

from attrs import evolve, frozen

from octavia_tx.cloud.addresses import MANAGEMENT
from octavia_tx.cloud.processes import AGENT_CONFIG, private
from octavia_tx.errors import OutOfResources
from octavia_tx.model.addresses import is_host, sequence
from octavia_tx.model.amphora import Boot
from octavia_tx.wire.rest import AGENT_PORT, certificates_directories

RECORD = "machine.toml"
_CONDEMNED = ".deleting"
_TEMPORARY = ".new-"
_PROBES = 64  # addresses tried before giving up


@frozen
class Place:
    """
    Where a machine lives.

    @ivar address: the management address that its agent listens on; C{None}: its record is damaged.
    @ivar condemned: whether its deletion has begun; then nothing may be started in it.
    """

    amphora_id: str
    directory: Path
    address: str | None
    condemned: bool = False


def port_is_free(address: str) -> bool:
    """Whether an agent could listen on this address now."""
    with socket.socket() as probe:
        try:
            probe.bind((address, AGENT_PORT))
        except OSError as error:
            if error.errno not in (errno.EADDRINUSE, errno.EADDRNOTAVAIL):
                raise
            return False
    return True


class Machines:
    """All machines of one directory. Methods that change anything want L{lock} held."""

    def __init__(self, root: Path, is_free: Callable[[str], bool] = port_is_free) -> None:
        self._root = root.resolve()  # one spelling, since processes are found by it
        self._is_free = is_free

    def open(self) -> None:
        """Make the root, if it isn't there."""
        self._root.mkdir(mode=0o700, parents=True, exist_ok=True)

    def lock(self) -> BinaryIO | None:
        """
        Keep others who use the same root out, also in other processes, until the answer is closed.

        @return: C{None} when somebody else is in.
        """
        lock = open(self._root / "lock", "ab", opener=private)  # noqa: SIM115
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            return None
        return lock

    def directory(self, amphora_id: str) -> Path:
        """Where that machine is, or would be."""
        return self._root / str(UUID(amphora_id))

    def place(self, amphora_id: str) -> Place | None:
        """The machine, if there's any."""
        directory, condemned = self.directory(amphora_id), self.is_condemned(amphora_id)
        address = _recorded(directory / RECORD)
        if address is None and not _exists(directory / AGENT_CONFIG):
            return None
        return Place(amphora_id, directory, address, condemned)

    def places(self) -> tuple[Place, ...]:
        """All machines."""
        found = (self.place(name) for name in sorted(self._names()) if _is_id(name))
        return tuple(p for p in found if p is not None)

    def is_condemned(self, amphora_id: str) -> bool:
        """Whether its deletion has begun."""
        return self._tombstone(amphora_id).exists()

    def condemned(self) -> tuple[str, ...]:
        """The ids of machines whose deletion has begun and hasn't ended."""
        names = (n.removesuffix(_CONDEMNED) for n in self._names() if n.endswith(_CONDEMNED))
        return tuple(sorted(n for n in names if _is_id(n)))

    def make(self, boot: Boot) -> Place:
        """
        Make a machine's directory, in the place of what was left of one, if anything.

        @raise OutOfResources: no address is free, or the disk is full.
        @raise ValueError: a file's name isn't a plain one.
        """
        for name in boot.files:
            if name in ("", ".", "..") or "/" in name:
                raise ValueError(f"{name!r} isn't a plain file name.")
        address = self._choose_address(boot.amphora_id)
        directory = self.directory(boot.amphora_id)
        temporary = Path(mkdtemp(prefix=_TEMPORARY, dir=self._root))
        try:
            for name, content in {**boot.files, RECORD: _record(address)}.items():
                _write(temporary, name, content)
            if self.place(boot.amphora_id) is None:
                shutil.rmtree(directory, onerror=_unless_gone)
            temporary.rename(directory)
        except OSError as error:
            shutil.rmtree(temporary, ignore_errors=True)
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise OutOfResources(f"The disk of {self._root} is full.") from error
            raise
        return Place(boot.amphora_id, directory, address)

    def mend(self, place: Place) -> Place:
        """
        Write a damaged record anew. Its agent must not run, as the address that it had is then the first one tried.

        @raise OutOfResources: no address is free.
        """
        address = self._choose_address(place.amphora_id)
        draft = f"{RECORD}.new"
        (place.directory / draft).unlink(missing_ok=True)
        _write(place.directory, draft, _record(address))
        (place.directory / draft).replace(place.directory / RECORD)
        return evolve(place, address=address)

    def condemn(self, amphora_id: str) -> None:
        """Begin the deletion of a machine; there may be none."""
        self._tombstone(amphora_id).touch(mode=0o600)

    def erase(self, amphora_id: str) -> None:
        """End the deletion of a condemned machine, and of what it kept in memory. Another may have done so."""
        if self.is_condemned(amphora_id):
            for place in certificates_directories(amphora_id):
                shutil.rmtree(place, ignore_errors=True)
            shutil.rmtree(self.directory(amphora_id), onerror=_unless_gone)
            self._tombstone(amphora_id).unlink()

    def sweep(self) -> None:
        """Remove what was left of machines that were never made as a whole."""
        for name in self._names():
            if name.startswith(_TEMPORARY):
                shutil.rmtree(self._root / name, onerror=_unless_gone)

    def _choose_address(self, amphora_id: str) -> str:
        held = {p.address for p in self.places()}
        for candidate in islice(sequence(MANAGEMENT, amphora_id), _PROBES):
            if candidate not in held and self._is_free(candidate):
                return candidate
        raise OutOfResources(
            f"No address of {MANAGEMENT} has port {AGENT_PORT} free: does something listen on it on all addresses?"
        )

    def _tombstone(self, amphora_id: str) -> Path:
        return self._root / f"{UUID(amphora_id)}{_CONDEMNED}"

    def _names(self) -> Iterator[str]:
        yield from os.listdir(self._root)


def _is_id(name: str) -> bool:
    try:
        return str(UUID(name)) == name
    except ValueError:
        return False


def _record(address: str) -> bytes:
    return f'address = "{address}"\n'.encode()


def _recorded(path: Path) -> str | None:
    """The address in a machine's record; C{None} where it can't be made out, for whatever reason."""
    try:
        address = tomllib.loads(path.read_text())["address"]
        return address if isinstance(address, str) and is_host(address, MANAGEMENT) else None
    except (OSError, ValueError, KeyError):
        return None


def _exists(path: Path) -> bool:
    """Whether it is there, be it ours to look at or not."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True
    return True


def _write(directory: Path, name: str, content: bytes) -> None:
    with open(directory / name, "xb", opener=private) as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _unless_gone(_function: object, _path: object, failure: tuple[type, BaseException, object]) -> None:
    if not isinstance(failure[1], FileNotFoundError):
        raise failure[1]
