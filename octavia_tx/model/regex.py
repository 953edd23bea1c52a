"""
Regular expressions that haproxy takes, told before it is asked.

haproxy compiles a tenant's expression with PCRE, of whatever version its host has, and refuses its whole configuration
with one that it can't read. So what is accepted is what Python compiles as well, as bytes, less what the two read
differently, and of a size that PCRE's compiled form always holds.
"""

from __future__ import annotations

import re
import warnings
from typing import Final

LONGEST: Final = 255
"""Characters of an expression."""
MOST_REPEATED: Final = 4096
"""Characters that it has once its counted repetitions are written out."""

_POSIX: Final = r"\[:\^?(?:alnum|alpha|ascii|blank|cntrl|digit|graph|lower|print|punct|space|upper|word|xdigit):\]"
_TOKEN: Final = re.compile(
    rf"""
      (?P<escape> \\. )
    | (?P<set> \[ \^? \]? (?: \\. | {_POSIX} | [^\]\\] )* \] )
    | (?P<flags> \(\? (?P<on> [a-zA-Z]* ) -? (?P<off> [a-zA-Z]* ) (?P<closed> [:)] ) )
    | (?P<name> \(\?P< (?P<named> [^>]* ) > )
    | (?P<unusual> \(\?\( | \(\?!\) )
    | (?P<comment> \(\?\#[^)]*\) | \(\?P=[^)]*\) )
    | (?P<open> \( (?: \?<?[=!>] )? )
    | (?P<close> \) )
    | (?P<count> \{{ [ ]* (?P<low> \d* ) [ ]* (?: ,[ ]* (?P<high> \d* ) [ ]* )? \}} )
    | (?P<other> . )
    """,
    re.VERBOSE | re.DOTALL | re.ASCII,
)
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,31}", re.ASCII)


def fault(expression: str) -> str | None:
    """What is wrong with an expression, as the end of a sentence, or C{None}."""
    if not 0 < len(expression) <= LONGEST:
        return f"it has {len(expression)} characters, and 1 to {LONGEST} are possible"
    tokens = list(_TOKEN.finditer(expression))
    differing = next((told for token in tokens if (told := _differing(token)) is not None), None)
    if differing is not None:
        return differing
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # That a set may mean another one in a future Python is nothing to us.
            re.compile("".join(map(_as_python, tokens)).encode())
    except (re.error, OverflowError, RecursionError, UnicodeEncodeError) as error:
        return str(error)
    size = _repeated(tokens)
    if size > MOST_REPEATED:
        return f"with its repetitions written out it has {size} characters, and {MOST_REPEATED} are possible"
    return None


def _differing(token: re.Match[str]) -> str | None:
    """What PCRE reads in another way than Python, or haproxy not at all."""
    text = token.group()
    match token.lastgroup:
        case "escape" if text[1] in "123456789":
            return f"{text} refers to a group, which haproxy doesn't keep"
        case "escape" | "set" if re.search(r"(?<!\\)(?:\\\\)*\\v", text):
            return "\\v means one character to some, and several to others"
        case "set" if _posix_alike(text):
            return f"{text} looks like a POSIX class; within a set there are those like [:digit:]"
        case "flags" if not set(token["on"] + token["off"]) <= set("ims"):
            return f"{text} has flags other than i, m and s"
        case "name" if not _NAME.fullmatch(token["named"]):
            return f"{token['named']!r} isn't a group's name of at most 32 letters, digits and underscores"
        case "unusual":
            return f"it has {text}"
        case "count" if not token["low"] or " " in text:
            return f"{text} isn't written as {{m}}, {{m,}} or {{m,n}}"
    return None


def _posix_alike(text: str) -> bool:
    whole = len(text) > 3 and text[1] in ":.=" and text[-2] == text[1]
    return whole or re.search(r".\[([:.=])[^\]]*\1\]", re.sub(_POSIX, "", text), re.DOTALL) is not None


def _as_python(token: re.Match[str]) -> str:
    """The token, with something of the same kind for a POSIX class, which Python doesn't know."""
    return re.sub(_POSIX, r"\\w", token.group()) if token.lastgroup == "set" else token.group()


def _repeated(tokens: list[re.Match[str]]) -> int:
    """How many characters an expression that Python compiles has with its counted repetitions written out."""
    # Of each group that is open: its size so far, and that of its last item, which a count may follow.
    groups = [(0, 0)]
    for token in tokens:
        total, last = groups.pop()
        text = token.group()
        kind = token.lastgroup
        if kind in ("open", "name") or (kind == "flags" and token["closed"] == ":"):
            groups += [(total + last, 0), (0, 0)]
        elif kind == "close":
            outer, _ = groups.pop()
            groups.append((outer, total + last + 2))
        elif kind == "count":
            groups.append((total, last * max(int(token["high"] or token["low"]), 1)))
        else:
            groups.append((total + last, len(text)))
    return sum(groups[0])
