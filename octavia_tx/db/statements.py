"""
Named statements: the SQL that this system runs, read once from C{sql/}.

A file C{sql/listener.sql} holds statements under headings C{-- name: listener.find}. Values stand as C{%(name)s}; a
percent sign itself is written C{%%}.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from attrs import frozen

import octavia_tx

_HEADING = re.compile(r"^-- name: *([a-z0-9_]+\.[a-z0-9_]+) *$", re.MULTILINE)
_COMMENT = re.compile(r"(?m)^\s*--.*$|\s+-- .*$")
_WRITES = re.compile(
    r"\b(insert|update|delete|truncate|lock|share|listen|notify|pg_notify|setval|nextval)\b|pg_\w*lock", re.I
)


@frozen
class Statement:
    """
    One named statement.

    @ivar text: as the server gets it, comments left out.
    @ivar reads: whether it changes and locks nothing, so that it means the same outside a transaction as inside.
    """

    name: str
    text: str
    reads: bool


def directory() -> Path:
    """Where the SQL lies: inside the installed package, or beside it in a checkout."""
    package = Path(octavia_tx.__file__).parent
    installed = package / "sql"
    return installed if installed.is_dir() else package.parent / "sql"


def parse(source: str, stem: str) -> dict[str, Statement]:
    """
    The statements of one file, by name.

    @param stem: the file's name without C{.sql}; each statement's name starts with it.
    @raise ValueError: a name is another file's, or stands twice.
    """
    parts = _HEADING.split(source)
    found: dict[str, Statement] = {}
    for name, text in zip(parts[1::2], parts[2::2], strict=True):
        if name.partition(".")[0] != stem or name in found:
            raise ValueError(f"Statement {name} doesn't belong into {stem}.sql, or stands there twice.")
        bare = "\n".join(line.strip() for line in _COMMENT.sub("", text).splitlines() if line.strip()).rstrip(";")
        found[name] = Statement(name, bare, bare.lower().startswith(("select", "with")) and not _WRITES.search(bare))
    return found


def load(where: Path) -> Mapping[str, Statement]:
    """All statements of the files in a directory, by name."""
    found: dict[str, Statement] = {}
    for path in sorted(where.glob("*.sql")):
        found.update(parse(path.read_text(encoding="utf-8"), path.stem))
    return found
