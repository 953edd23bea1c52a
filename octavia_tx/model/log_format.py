"""
The format of access logs: a text with facts of ours, and haproxy's variables out of a closed list.

The grammar is one pattern, C{PATTERN}, which is published in the schema of flavors. Nothing is written into a
configuration that it didn't match, piece by piece.
"""

from __future__ import annotations

import re
from typing import Final

from attrs import frozen

LONGEST: Final = 1024
DEFAULT: Final = (
    "{{ project_id }} {{ lb_id }} %f %ci %cp %t %{+Q}r %ST %B %U %[ssl_c_verify] %{+Q}[ssl_c_s_dn] %b %s %Tt %tsc"
)
FACTS: Final = ("project_id", "lb_id", "amphora_id")
# haproxy's, 2.6 and later. Those that need something declared, as captured headers, or tell of the machine aren't here.
HTTP: Final = ("HM", "HP", "HPO", "HQ", "HU", "HV", "Ta", "Ti", "Tq", "TR", "Tr", "r", "tr", "trg")
VARIABLES: Final = (
    *("B", "ST", "T", "Tc", "Td", "Th", "Tl", "Ts", "Tt", "Tu", "Tw", "U"),
    *("ac", "b", "bc", "bi", "bp", "bq", "ci", "cp", "f", "fc", "fi", "fp", "ft", "lc", "ms", "rc", "rt"),
    *("s", "sc", "si", "sp", "sq", "sslc", "sslv", "t", "ts", "tsc"),
    *HTTP,
)
SAMPLES: Final = (
    *("ssl_c_i_dn", "ssl_c_notafter", "ssl_c_notbefore", "ssl_c_s_dn", "ssl_c_serial,hex", "ssl_c_sha1,hex"),
    *("ssl_c_used", "ssl_c_verify"),
    *("ssl_fc_alpn", "ssl_fc_cipher", "ssl_fc_is_resumed", "ssl_fc_protocol", "ssl_fc_sni"),
)

# A brace begins a fact only where there are two of them, so that JSON may be written.
_TEXT: Final = r"(?:[ -$&-z|}~]|\{(?!\{)|%%)"
_FACT: Final = rf"\{{\{{ ?(?:{'|'.join(FACTS)}) ?\}}\}}"
_VARIABLE: Final = rf"%(?:\{{\+Q\}})?(?:{'|'.join(VARIABLES)})(?![A-Za-z0-9])"
_SAMPLE: Final = rf"%(?:\{{\+Q\}})?\[(?:{'|'.join(SAMPLES)})\]"
PATTERN: Final = rf"^(?:{_TEXT}|{_FACT}|{_VARIABLE}|{_SAMPLE})+$"
ACCEPTED: Final = (
    f"visible ASCII with {', '.join(f'{{{{ {fact} }}}}' for fact in FACTS)}, haproxy's variables as %ci or %{{+Q}}ci "
    f"({', '.join(VARIABLES)}), %[ssl_c_s_dn] and such ({'; '.join(SAMPLES)}), and %% for a percent sign"
)

_whole = re.compile(PATTERN, re.ASCII).fullmatch
_pieces = re.compile(
    rf"(?P<fact>{_FACT})|%(?P<quoted>\{{\+Q\}})?(?:\[(?P<sample>[a-z0-9_,]+)\]|(?P<variable>[A-Za-z][A-Za-z0-9]*))"
    rf"|(?P<text>{_TEXT}+)",
    re.ASCII,
)


@frozen
class Piece:
    """
    A part of a format.

    @ivar kind: C{text}, C{fact}, C{variable} or C{sample}; C{value}: it, or its name.
    @ivar quoted: whether it is written in quotes.
    """

    kind: str
    value: str
    quoted: bool = False


def pieces(text: object) -> tuple[Piece, ...]:
    """
    A format's parts.

    @raise ValueError: it isn't one.
    """
    if not isinstance(text, str) or len(text) > LONGEST or not _whole(text):
        raise ValueError(f"must be at most {LONGEST} characters of {ACCEPTED}")
    found = []
    for match in _pieces.finditer(text):
        kind = match.lastgroup or ""
        value = match[kind].replace("%%", "%") if kind == "text" else match[kind].strip("{ }")
        found.append(Piece(kind, value, match["quoted"] is not None))
    return tuple(found)
