"""The files by which a load balancer's haproxy speaks TLS. Private keys are among them, so they lie in memory alone."""

from __future__ import annotations

import os
import re
import shutil
import stat
from collections.abc import Collection, Mapping
from hashlib import md5
from pathlib import Path
from typing import Final

from twisted.logger import Logger

from amphora import durable
from amphora.replacement import Change, replacements, uses
from octavia_tx.wire.heartbeat import is_identifier

_MEMORY: Final = frozenset({"tmpfs", "ramfs"})
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,200}\.pem", re.ASCII).fullmatch
_BEFORE: Final = ".before"
_log = Logger()


class BadName(LookupError):
    """That's no name of a file with a certificate."""


class AbsentFile(LookupError):
    """There's no such file."""


class NoMemory(Exception):
    """There's no place for private keys."""

    def __init__(self) -> None:
        super().__init__(
            "This amphora has no memory file system to keep private keys in. Mount a tmpfs, and name a directory of it "
            "as certificates.directory in the agent's settings."
        )


def in_memory(path: Path) -> bool:
    """Whether what lies there, or will, lies on no disk."""
    while not path.exists():
        path = path.parent
    device = path.stat().st_dev
    number = f"{os.major(device)}:{os.minor(device)}"
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        mount, _, kind = line.partition(" - ")
        if mount.split()[2] == number:
            return kind.split()[0] in _MEMORY
    return False


def tell_where(directory: Path | None) -> None:
    """Say it loudly where private keys can't be kept, or would lie on a disk."""
    if directory is None:
        _log.critical("{problem}", problem=str(NoMemory()))
    elif not in_memory(directory):
        _log.critical(
            "certificates.directory: {directory} is in no memory file system: private keys of tenants LIE ON A DISK.",
            directory=str(directory),
        )


def sweep(directory: Path | None, known: Collection[str]) -> None:
    """
    Remove the files of load balancers that aren't known, and what a writer left that was killed. Whatever else is there
    isn't ours, should the directory be another one than somebody thought.
    """
    if directory is not None and directory.is_dir():
        for name in filter(is_identifier, set(os.listdir(directory)) - set(known)):
            shutil.rmtree(directory / name, ignore_errors=True)
        for name in known:
            durable.remove_drafts(directory / name)


class Certificates:
    """
    The files of one load balancer.

    @param directory: where they lie; C{None}: there's no place for them.
    @param link: where haproxy finds them.
    """

    def __init__(self, directory: Path | None, link: Path) -> None:
        self._directory = directory
        self._link = link

    def put(self, name: str, content: bytes) -> str:
        """
        Put a file in place, for its owner alone to read. Gives its MD5. The one before can be put L{back}.

        @raise BadName: it can't have that name.
        @raise NoMemory: it can't be kept.
        """
        path = self._path(name)
        _own(path.parent.parent)
        durable.make_directory(path.parent)
        if path.exists() and not (before := _before(path)).exists():
            before.hardlink_to(path)
        durable.write(path, content)
        return _digest(content)

    def put_all(self, files: Mapping[str, bytes]) -> None:
        """Put those in place that differ. Raises as L{put}."""
        there = self.digests()
        for name, content in files.items():
            if there.get(name) != _digest(content):
                self.put(name, content)

    def read(self, name: str) -> bytes:
        """
        What a file holds.

        @raise BadName: there can't be one of that name.
        @raise AbsentFile: there's none.
        """
        try:
            return self._path(name).read_bytes()
        except (FileNotFoundError, NoMemory) as e:
            raise AbsentFile(name) from e

    def delete(self, name: str) -> None:
        """
        Remove a file. There's none: no error.

        @raise BadName: there can't be one of that name.
        """
        if self._directory is not None:
            for path in (self._path(name), _before(self._path(name))):
                path.unlink(missing_ok=True)

    def digests(self) -> dict[str, str]:
        """The MD5 of each file, by its name."""
        return {path.name: _digest(path.read_bytes()) for path in self._all(".pem") if _NAME(path.name)}

    def replacements(self, configuration: bytes, loaded: Mapping[str, str]) -> tuple[Change, ...] | None:
        """
        What a haproxy that runs this configuration must be told of those that changed; C{None}: it needs a reload.

        @param loaded: the MD5 of each file that it has, by its name.
        """
        text = configuration.decode(errors="replace")
        return replacements(text, loaded, self.digests(), self.read, self._read_before)

    def _read_before(self, name: str) -> bytes:
        """What haproxy has loaded, of a file that changed since. Raises as L{read}."""
        try:
            return _before(self._path(name)).read_bytes()
        except (FileNotFoundError, NoMemory) as e:
            raise AbsentFile(name) from e

    def back(self) -> None:
        """Put what haproxy has loaded in the place of what it doesn't accept."""
        for before in self._all(_BEFORE):
            before.replace(before.with_suffix(""))

    def settle(self, configuration: bytes, loaded: Mapping[str, str]) -> dict[str, str]:
        """
        haproxy has loaded what is there. Remove what was before, and what its configuration has no use for any more,
        unless that names a whole directory; what is new may be for a configuration that is still to come.

        @param loaded: what it had before; see L{replacements}.
        @return: L{digests} of what is left.
        """
        for before in self._all(_BEFORE):
            before.unlink()
        names = {use.name for use in uses(configuration.decode(errors="replace"), self.read)}
        if all(map(_NAME, names)):
            for name in loaded.keys() - names:
                self.delete(name)
        return self.digests()

    def link(self) -> None:
        """Let haproxy find them, in the directory where it is started."""
        if self._directory is None or (self._link.is_symlink() and self._link.readlink() == self._directory):
            return
        self._link.unlink(missing_ok=True)
        self._link.symlink_to(self._directory)

    def remove(self) -> None:
        """Remove all of them."""
        if self._directory is not None and self._directory.is_dir():
            durable.remove_directory(self._directory)

    def _all(self, suffix: str) -> list[Path]:
        if self._directory is None:
            return []
        return sorted(self._directory.glob(f"*{suffix}"))

    def _path(self, name: str) -> Path:
        if not _NAME(name):
            raise BadName(f"{name[:80]!r} isn't a file's name of letters, digits, _, . and - that ends in .pem.")
        if self._directory is None:
            raise NoMemory
        return self._directory / name


def _before(path: Path) -> Path:
    return path.with_name(path.name + _BEFORE)


def _digest(content: bytes) -> str:
    return md5(content, usedforsecurity=False).hexdigest()


def _own(directory: Path) -> None:
    """
    See to it that a directory is there whose contents nobody else may exchange: in a memory file system that all may
    write to, somebody may have made it before us.

    @raise PermissionError: there's another.
    """
    durable.make_directory(directory)
    found = directory.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid not in (0, os.geteuid()) or found.st_mode & 0o022:
        raise PermissionError(f"{directory} isn't a directory that only its owner, who is the agent's, may write to")
