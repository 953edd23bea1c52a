"""
What may stand in haproxy's configuration: one strict grammar for each kind of word.

The API has checked a tenant's values already. They are checked again here, where a newline, a quote or a comment mark
that slipped through would become somebody else's configuration. Only a L{Word} or a whole number is ever written, and
only the functions of this module make a L{Word}; C{WORDS} names them for the templates.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Final

from octavia_tx.errors import IncompatibleConfiguration
from octavia_tx.model import regex
from octavia_tx.model.l7 import REDIRECT_CODE
from octavia_tx.model.resources import L7Rule
from octavia_tx.model.statuses import L7Comparison
from octavia_tx.wire.rest import CERTIFICATES


class Unrenderable(IncompatibleConfiguration):
    """A load balancer can't be put into haproxy's words: a value is unsafe, or haproxy can't do what it asks."""


class Word(str):
    """Text that was checked and may be written as it is."""

    __slots__ = ()


def only_words(value: object) -> object:
    """
    Pass what may be written; what a template engine calls with each value before it writes it.

    @raise Unrenderable: it is neither a L{Word} nor a whole number.
    """
    if isinstance(value, Word) or type(value) is int:
        return value
    raise Unrenderable(f"{_shown(value)} was not checked and can't be written.")


def _shown(value: object) -> str:
    shown = repr(value)
    return shown if len(shown) <= 80 else f"{shown[:77]}..."


def _matching(what: str, pattern: str) -> Callable[[object], Word]:
    compiled = re.compile(pattern, re.ASCII)

    def check(value: object) -> Word:
        if isinstance(value, str) and compiled.fullmatch(value):
            return Word(value)
        raise Unrenderable(f"{_shown(value)} isn't {what}.")

    return check


identifier = _matching("a UUID", r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
verify_result = _matching("a number of a certificate's verification", r"[0-9]{1,9}")
host_name = _matching("a host name", r"(?=.{1,255}\Z)[A-Za-z0-9_-]{1,63}(\.[A-Za-z0-9_-]{1,63})*\.?")
http_method = _matching("an HTTP method", r"CONNECT|DELETE|GET|HEAD|OPTIONS|PATCH|POST|PUT|TRACE")
peer = _matching("a peer's name", r"[A-Za-z0-9_][A-Za-z0-9_-]{0,63}")
ciphers = _matching("a list of ciphers in OpenSSL's syntax", r"[A-Za-z0-9:_\-+!=@.]{1,2048}")
alpn = _matching("a list of protocols for ALPN", r"(h2|http/1\.[01])(,(h2|http/1\.[01])){0,2}")
_file_name = _matching("the name of a certificate's file", r"[0-9a-f-]{36,40}\.pem")
_url_path = _matching("a URL's path", r"/([A-Za-z0-9._~!$&'()*+,;=:@/?-]|%[0-9A-Fa-f]{2}){0,2047}")
# Tokens of RFC 7230.
_cookie_name = _matching("a cookie's name", r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,255}")
_header_name = _matching("a header's name", r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,255}")
dn_field = _matching("a field of distinguished names", r"[A-Za-z][A-Za-z0-9-]{0,254}")
_url = _matching("a URL", r"(?i:https?)://[!-~]{1,2040}")
_text = _matching(
    "text of at most 255 characters without control characters", r"[^\x00-\x1f\x7f-\x9f\ud800-\udfff]{1,255}"
)
_codes = _matching("a list of HTTP status codes", r"[1-5]\d\d(-[1-5]\d\d)?( *, *[1-5]\d\d(-[1-5]\d\d)?){0,63}")


def _escaped(word: Word) -> Word:
    """The same for haproxy's parser, outside quotes."""
    return Word(re.sub(r"(['#])", r"\\\1", word))


def literal(word: Word) -> Word:
    """
    The same for haproxy's parser, whatever it holds.

    In single quotes nothing has a meaning but their end. What isn't visible ASCII, and the quote itself, is written as
    bytes by their numbers.
    """
    runs = re.findall(rb"[ -&(-~]+|.", word.encode(), re.DOTALL)
    return Word("".join(f"'{r.decode()}'" if r[0] in _QUOTED else f"\\x{r[0]:02x}" for r in runs))


_QUOTED: Final = frozenset(range(ord(" "), ord("~") + 1)) - {ord("'")}


def _argument(word: Word) -> Word:
    """The same as an argument of a sample fetch, which has quotes of its own. The word is a token."""
    return word if re.fullmatch(r"[A-Za-z0-9_-]+", word) else literal(Word(f'"{word}"'))


def url_path(value: object) -> Word:
    """A URL's path and query, escaped."""
    return _escaped(_url_path(value))


def cookie_name(value: object) -> Word:
    """A cookie's name as an argument of a sample fetch."""
    return _argument(_cookie_name(value))


def header_name(value: object) -> Word:
    """A header's name as an argument of a sample fetch."""
    return _argument(_header_name(value))


def url(value: object) -> Word:
    """A URL where haproxy expands variables, to be read literally."""
    return literal(Word(_url(value).replace("%", "%%")))


def file_type(value: object) -> Word:
    """The end of a path that has a type of file, which may be given with its dot; to be read literally."""
    return literal(Word(f".{_text(value).removeprefix('.')}"))


_COMPARISONS: Final = {
    L7Comparison.EQUAL_TO: "str",
    L7Comparison.STARTS_WITH: "beg",
    L7Comparison.ENDS_WITH: "end",
    L7Comparison.CONTAINS: "sub",
    L7Comparison.REGEX: "reg",
}


def comparison(rule: L7Rule) -> Word:
    """How a rule compares a sample, and with what: text to be read literally, or an expression that haproxy takes."""
    value = _text(rule.value)
    if rule.compare_type is L7Comparison.REGEX and (fault := regex.fault(value)) is not None:
        raise Unrenderable(f"{_shown(value)} isn't a regular expression for haproxy: {fault}.")
    return Word(f"-m {_COMPARISONS[rule.compare_type]} -- {literal(value)}")


def redirect_code(value: object) -> int:
    """The status of a redirect; the usual one where none is said."""
    if value is None:
        return REDIRECT_CODE
    if type(value) is int and value in (301, 302, 303, 307, 308):
        return value
    raise Unrenderable(f"{_shown(value)} isn't a redirect's status code.")


def status_codes(value: object) -> Word:
    """Status codes and ranges of them, C{200,301-302}."""
    ranges = _codes(value).replace(" ", "")
    for first, _, last in (r.partition("-") for r in ranges.split(",")):
        if last and last < first:
            raise Unrenderable(f"{first}-{last} isn't a range of HTTP status codes.")
    return Word(ranges)


def _ip(value: object) -> IPv4Address | IPv6Address:
    # What ip_address takes besides text, numbers and bytes, never comes from the API.
    if isinstance(value, str) and "%" not in value:
        try:
            return ip_address(value)
        except ValueError:
            pass
    raise Unrenderable(f"{_shown(value)} isn't an IP address.")


def address(value: object) -> Word:
    """An IP address, an IPv6 one in brackets."""
    ip = _ip(value)
    return Word(f"[{ip}]" if ip.version == 6 else str(ip))


def network(value: object) -> Word:
    """A network in CIDR notation; bits beyond the prefix are cleared."""
    if isinstance(value, str) and "%" not in value:
        try:
            return Word(ip_network(value, strict=False))
        except ValueError:
            pass
    raise Unrenderable(f"{_shown(value)} isn't a network in CIDR notation.")


def number(value: object, least: int, most: int) -> int:
    """A whole number within bounds."""
    if type(value) is int and least <= value <= most:
        return value
    raise Unrenderable(f"{_shown(value)} isn't a whole number from {least} to {most}.")


def port(value: object) -> int:
    """A TCP port."""
    return number(value, 1, 65535)


# haproxy's longest time, 24.8 days. It takes 0 for none but warns, and means the same by it.
_LONGEST: Final = 2**31 - 1


def milliseconds(value: object) -> Word:
    """A time-out; 0 and what haproxy can't count become its longest."""
    return Word(f"{min(number(value, 0, 2**53) or _LONGEST, _LONGEST)}ms")


def seconds(value: object) -> Word:
    """A time between checks, which haproxy doesn't let be 0."""
    return Word(f"{min(max(number(value, 0, 2**53), 1), _LONGEST // 1000)}s")


def limit(value: object) -> int:
    """A number of connections."""
    return min(number(value, 1, 2**53), _LONGEST)


def tls_file(value: object) -> Word:
    """The path of a certificate's file, as haproxy finds it."""
    return Word(f"{CERTIFICATES}/{_file_name(value)}")


WORDS: Final[dict[str, Callable[..., object]]] = {
    "address": address,
    "codes": status_codes,
    "comparison": comparison,
    "cookie_name": cookie_name,
    "dn_field": dn_field,
    "file_type": file_type,
    "header_name": header_name,
    "host_name": host_name,
    "http_method": http_method,
    "id": identifier,
    "limit": limit,
    "milliseconds": milliseconds,
    "network": network,
    "number": number,
    "peer": peer,
    "port": port,
    "redirect_code": redirect_code,
    "seconds": seconds,
    "url": url,
    "url_path": url_path,
    "verify_result": verify_result,
}
