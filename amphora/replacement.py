"""
Files with certificates that changed: which of them haproxy can take up while it runs, and how it is told.

Only where a file itself stands in the configuration, or in a list of certificates that does. A list that changed, a
file that is new, and what is too long for a command need a reload.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from attrs import field, frozen

_LIST: Final = "crt-list"
# A configuration's words before a path, and what haproxy's commands call such a file.
_KINDS: Final = {"crt": "cert", "ca-file": "ca-file", "crl-file": "crl-file", _LIST: _LIST}
_LONGEST: Final = 15_000  # bytes; haproxy's buffer has 16 KiB, unless its configuration says otherwise
Read = Callable[[str], bytes]


@frozen
class Use:
    """
    A path that haproxy was given.

    @ivar kind: what haproxy calls such a file.
    @ivar path: as it was given, by which haproxy knows the file.
    """

    kind: str
    path: str

    @property
    def name(self) -> str:
        """The file's."""
        return self.path.rpartition("/")[2]


@frozen
class Replacement:
    """New content for a file that haproxy has read."""

    use: Use
    content: str = field(repr=False)

    @property
    def orders(self) -> tuple[str, ...]:
        """The commands that bring it in. They hold the content: neither they nor haproxy's answers are to be logged."""
        what = f"{self.use.kind} {self.use.path}"
        return (f"set ssl {what} <<\n{self.content}", f"commit ssl {what}")

    @property
    def retreat(self) -> str:
        """The command that forgets the first one, where the second one failed."""
        return f"abort ssl {self.use.kind} {self.use.path}"

    def succeeded(self, answer: str) -> bool:
        """Whether haproxy did it, by its answer to L{orders}."""
        return "Success!" in answer.splitlines()[-3:] and "Can't" not in answer


def uses(text: str, read: Read) -> Iterator[Use]:
    """
    All files with certificates that a configuration names.

    @param read: a file's content by its name; raises L{LookupError} where there's none.
    """
    for line in text.splitlines():
        words = line.partition("#")[0].split()
        for word, path in zip(words, words[1:], strict=False):
            if kind := _KINDS.get(word):
                yield (use := Use(kind, path))
                if kind == _LIST:
                    yield from _listed(use, read)


def _listed(use: Use, read: Read) -> Iterator[Use]:
    try:
        text = read(use.name).decode(errors="replace")
    except LookupError:
        return
    for line in text.splitlines():
        if words := line.partition("#")[0].split():
            yield Use("cert", words[0])


def replacements(
    text: str, loaded: Mapping[str, str], now: Mapping[str, str], read: Read
) -> tuple[Replacement, ...] | None:
    """
    What brings a haproxy that runs this configuration from the files that it loaded to those that are there; C{None}:
    that needs a reload.

    @param loaded: the checksum of each file, by its name; so is C{now}.
    """
    changed = {name for name, digest in now.items() if loaded.get(name) != digest}
    if not changed:
        return ()
    found = {use: read(use.name) for use in uses(text, read) if use.name in changed}
    if changed != {use.name for use in found} or not changed <= loaded.keys():
        return None
    if any(use.kind == _LIST or len(content) > _LONGEST for use, content in found.items()):
        return None
    return tuple(Replacement(use, _payload(content)) for use, content in found.items())


def _payload(content: bytes) -> str:
    """An empty line would end it."""
    return "".join(f"{line}\n" for line in content.decode(errors="replace").splitlines() if line.strip())
