"""
Files with certificates that changed: which of them haproxy can take up while it runs, and how it is told.

Only where a file itself stands in the configuration, or in a list of certificates that does. A list may lose some of
its certificates, but the first, which is shown to who asks for none of them, and get others at its end. All else needs
a reload, and so do what is too long for a command, and what servers without a certificate of ours are judged by.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Final, Protocol

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


class Change(Protocol):
    """
    What haproxy is told of one file.

    @ivar orders: the commands.
    @ivar retreat: the command that forgets what was begun, where they failed.
    """

    @property
    def use(self) -> Use: ...

    @property
    def orders(self) -> tuple[str, ...]: ...

    @property
    def retreat(self) -> str: ...

    def succeeded(self, answer: str) -> bool:
        """Whether haproxy did it, by its answer to the orders."""


@frozen
class Replacement:
    """
    New content for a file that haproxy has read.

    @ivar is_new: whether it hasn't.
    """

    use: Use
    content: str = field(repr=False)
    is_new: bool = False

    @property
    def orders(self) -> tuple[str, ...]:
        """The commands that bring it in. They hold the content: neither they nor haproxy's answers are to be logged."""
        what = f"{self.use.kind} {self.use.path}"
        known = (f"new ssl {what}",) if self.is_new else ()
        return (*known, f"set ssl {what} <<\n{self.content}", f"commit ssl {what}")

    @property
    def retreat(self) -> str:
        """The command that forgets the first one, where the second one failed."""
        return f"abort ssl {self.use.kind} {self.use.path}"

    def succeeded(self, answer: str) -> bool:
        """Whether haproxy did it, by its answer to L{orders}."""
        return "Success!" in answer.splitlines()[-3:] and "Can't" not in answer


@frozen
class Entry:
    """
    What becomes of a certificate in a list that haproxy has read, or of one that is in none any more.

    @ivar order: the command.
    """

    use: Use
    order: str

    @property
    def orders(self) -> tuple[str, ...]:
        """See L{Change}."""
        return (self.order,)

    @property
    def retreat(self) -> str:
        """See L{Change}: there's nothing of it to forget."""
        return f"abort ssl cert {self.use.path}"

    def succeeded(self, answer: str) -> bool:
        """See L{Change}."""
        return ("Success!" in answer or "deleted" in answer) and "Can't" not in answer


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
    for words in _lines(text):
        yield Use("cert", words[0])


def _lines(text: str) -> Iterator[list[str]]:
    """The words of each line that has any."""
    return filter(None, (line.partition("#")[0].split() for line in text.splitlines()))


def replacements(
    text: str, loaded: Mapping[str, str], now: Mapping[str, str], read: Read, before: Read
) -> tuple[Change, ...] | None:
    """
    What brings a haproxy that runs this configuration from the files that it loaded to those that are there; C{None}:
    that needs a reload.

    @param loaded: the checksum of each file, by its name; so is C{now}.
    @param before: as C{read}, of a file as it was loaded.
    """
    changed = {name for name, digest in now.items() if loaded.get(name) != digest}
    if not changed:
        return ()
    if changed & _fixed(text):
        return None
    known = set(uses(text, lambda name: before(name) if name in changed else read(name)))
    found = {use: read(use.name) for use in uses(text, read) if use.name in changed or use not in known}
    if not changed <= {use.name for use in found} or any(len(content) > _LONGEST for content in found.values()):
        return None
    lists = [_entries(use, before, content) for use, content in found.items() if use.kind == _LIST]
    files = {use: content for use, content in found.items() if use.kind != _LIST}
    if None in lists or any(use not in known and use.kind != "cert" for use in files):
        return None
    entries = [entry for listed in lists for entry in listed or ()]
    disused = sorted(known - set(uses(text, read)), key=lambda use: use.path)
    return (
        *(Replacement(use, _payload(content), use not in known) for use, content in files.items()),
        *entries,
        *(Entry(use, f"del ssl cert {use.path}") for use in disused),
    )


def _fixed(text: str) -> set[str]:
    """
    Authorities and revocations of servers that are shown no certificate. haproxy says that it takes such a file up, but
    only where a server has a certificate it makes anew what that goes by.
    """
    servers = (words for words in _lines(text) if words[0] == "server" and "crt" not in words)
    pairs = (pair for words in servers for pair in zip(words, words[1:], strict=False))
    return {Use("", path).name for word, path in pairs if word in ("ca-file", "crl-file")}


def _entries(listed: Use, before: Read, content: bytes) -> list[Entry] | None:
    """What makes the list that haproxy has read the one that is there; C{None}: nothing does."""
    try:
        old, new = (list(_lines(each.decode(errors="replace"))) for each in (before(listed.name), content))
    except LookupError:
        return None
    if any(len(words) != 1 for words in (*old, *new)):
        return None  # with options of its own
    gone, come = [words for words in old if words not in new], [words for words in new if words not in old]
    if old[:1] != new[:1] or [words for words in old if words in new] + come != new:
        return None
    orders = [("add", path) for (path,) in come] + [("del", path) for (path,) in gone]
    return [Entry(Use("cert", path), f"{verb} ssl crt-list {listed.path} {path}") for verb, path in orders]


def _payload(content: bytes) -> str:
    """An empty line would end it."""
    return "".join(f"{line}\n" for line in content.decode(errors="replace").splitlines() if line.strip())
