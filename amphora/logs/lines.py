"""A line as a message of syslog: RFC 5424, in RFC 5426's datagrams or with the counted octets of RFC 6587 and 5425."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from attrs import frozen

DATAGRAM_LIMIT: Final = 2048  # bytes; what receivers should be able to take
_PROGRAM: Final = "octavia-tx"
_INFORMATIONAL, _WARNING = 6, 4
_CONTINUED: Final = range(0x80, 0xC0)  # bytes of UTF-8 within a character


@frozen(kw_only=True)
class Origin:
    """Who says it."""

    amphora_id: str
    load_balancer_id: str
    facility: int

    def message(self, line: bytes, milliseconds: int) -> bytes:
        """An access line that came then."""
        return self._message(_INFORMATIONAL, "access", line.removesuffix(b"\n"), milliseconds)

    def dropped(self, lost: bytes, milliseconds: int) -> bytes:
        """Word of lines that are missing."""
        return self._message(_WARNING, "dropped", lost.removesuffix(b"\n"), milliseconds)

    def _message(self, severity: int, kind: str, text: bytes, milliseconds: int) -> bytes:
        moment = datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="milliseconds")
        priority = self.facility * 8 + severity
        when = moment.replace("+00:00", "Z")
        head = f"<{priority}>1 {when} {self.amphora_id} {_PROGRAM} {self.load_balancer_id} {kind} - "
        return head.encode("ascii") + text


def counted(message: bytes) -> bytes:
    """As it goes over a connection."""
    return b"%d %s" % (len(message), message)


def datagram(message: bytes) -> bytes:
    """As it goes in a datagram: what is too long is cut, but not within a character."""
    end = min(len(message), DATAGRAM_LIMIT)
    while 0 < end < len(message) and message[end] in _CONTINUED:
        end -= 1
    return message[:end]
