"""The format of access logs in haproxy's words."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from octavia_tx.amphora_driver.grammar import Unrenderable, Word, literal
from octavia_tx.model.log_format import HTTP, Piece, pieces

_LEFT_OUT: Final = re.compile("^ |(?<= ) ")  # haproxy takes many spaces for one, and in front for none
_SPACE: Final = '%[str(" ")]'


def rendered(text: str, facts: Mapping[str, str], *, http: bool) -> Word:
    """
    The argument of C{log-format}.

    @param facts: what each fact of the format's comes to.
    @param http: whether haproxy looks into HTTP; if not, what only HTTP knows is C{-}.
    @raise Unrenderable: it is no format.
    """
    try:
        found = pieces(text)
    except ValueError as error:
        raise Unrenderable(f"The log's format can't be written: it {error}.") from error
    # A format that waits for nothing of the answer's is logged twice, when the request has come and at its end. This
    # waits, and says nothing: headers of the answer that are kept for the log, and none is.
    waits = "%hs" if http else ""
    line = "".join(_piece(piece, facts, http) for piece in found)
    return literal(Word(_LEFT_OUT.sub(_SPACE, line) + waits))


def _piece(piece: Piece, facts: Mapping[str, str], http: bool) -> str:
    if piece.kind == "text":
        return piece.value.replace("%", "%%")
    if piece.kind == "fact":
        # A project's id is whatever whoever vouches for callers says.
        return re.sub(r"[^!-~]", "?", facts[piece.value]).replace("%", "%%")
    quotes = "{+Q}" if piece.quoted else ""
    if piece.kind == "sample":
        return f"%{quotes}[{piece.value}]"
    if piece.value in HTTP and not http:
        return '"-"' if piece.quoted else "-"
    return f"%{quotes}{piece.value}"
