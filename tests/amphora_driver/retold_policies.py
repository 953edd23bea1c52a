"""What a frontend's words say of L7 policies and rules; part of C{retelling}."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from tests.amphora_driver.meaning import Policy, Rule
from tests.amphora_driver.words import Misread, Section

_UUID: Final = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_MATCHES: Final = {
    "str": "EQUAL_TO", "beg": "STARTS_WITH", "end": "ENDS_WITH", "sub": "CONTAINS", "reg": "REGEX",
}  # fmt: skip
_HOST: Final = "req.hdr(host),regsub(:[0-9]*$,)"
_SET_FILE_TYPE: Final = "http-request set-var(txn.file_type) path,field(-1,.) if { path,field(-1,/) -m sub . }"
_KEYED: Final = {"req.hdr": "HEADER", "req.fhdr": "HEADER", "req.cook": "COOKIE", "ssl_c_s_dn": "SSL_DN_FIELD"}


def policies(section: Section) -> Iterator[Policy]:
    """In the order in which haproxy comes to them: all of requests before any of back ends."""
    asks_file_type = [at for at, words in enumerate(section.directives) if " ".join(words) == _SET_FILE_TYPE]
    first = next((at for at, words in enumerate(section.directives) if "var(txn.file_type)" in words), None)
    if (first is None) is not (asks_file_type == []) or (first is not None and asks_file_type > [first]):
        raise Misread("types of files that aren't asked for, or the other way round")
    section.has(_SET_FILE_TYPE)
    lines: dict[str, list[tuple[str, ...]]] = {}
    for name, *words in section.take("acl"):
        lines.setdefault(name, []).append(tuple(words))
    rules = {name: _rule(name, alternatives) for name, alternatives in lines.items()}
    used: list[str] = []
    for words in [*section.take("http-request"), *(("use_backend", *rest) for rest in section.take("use_backend"))]:
        at = words.index("if")
        names = [word.removeprefix("!") for word in words[at + 1 :]]
        used += names
        asked = tuple(
            Rule(**{**rules[name], "invert": word != name})  # type: ignore[arg-type]
            for name, word in zip(names, words[at + 1 :], strict=True)
        )
        yield _policy(words[:at], asked)
    if sorted(used) != sorted(rules):
        raise Misread(f"rules {sorted(rules)}, of which are asked {sorted(used)}")


def _policy(action: tuple[str, ...], rules: tuple[Rule, ...]) -> Policy:
    match action:
        case ("deny",):
            return Policy(action="REJECT", rules=rules)
        case ("redirect", "location", url, "code", code):
            return Policy(action="REDIRECT_TO_URL", target=_literal(url), code=int(code), rules=rules)
        case ("redirect", "prefix", url, "code", code):
            return Policy(action="REDIRECT_PREFIX", target=_literal(url), code=int(code), rules=rules)
        case ("use_backend", name):
            return Policy(action="REDIRECT_TO_POOL", target=name, rules=rules)
    raise Misread(f"{action}")


def _literal(word: str) -> str:
    """Text in which haproxy expands variables, and in which there's none."""
    if re.search("%(?!%)", word.replace("%%", "")):
        raise Misread(f"a variable in {word!r}")
    return word.replace("%%", "%")


def _rule(name: str, lines: list[tuple[str, ...]]) -> dict[str, str | None]:
    """A rule, by the lines of which any may match."""
    samples = [words[0] for words in lines]
    rests = {words[1:] for words in lines}
    if not re.fullmatch(_UUID, name) or len(rests) != 1:
        raise Misread(f"{name}: {lines}")
    (rest,) = rests
    type, key = sample(samples[0])
    known = {"id": name, "type": type, "key": key, "comparison": "EQUAL_TO"}
    match type, rest:
        case "SSL_CONN_HAS_CERT", ():
            value = "True"
        case "SSL_VERIFY_RESULT", (value,):
            pass
        case ("HOST_NAME", ("-i", "-m", how, "--", value)) | (_, ("-m", how, "--", value)):
            known["comparison"] = _MATCHES[how]
        case _:
            raise Misread(f"{name}: {lines}")
    if samples != _samples(type, samples[0], known["comparison"], value):
        raise Misread(f"{name}: {lines}")
    return {**known, "value": value}


def sample(word: str) -> tuple[str, str | None]:
    """The type and key of a rule that asks for this sample."""
    known = {_HOST: "HOST_NAME", "path": "PATH", "var(txn.file_type)": "FILE_TYPE"}
    known |= {"ssl_c_used": "SSL_CONN_HAS_CERT", "ssl_c_verify": "SSL_VERIFY_RESULT"}
    if word in known:
        return known[word], None
    fetch, _, argument = word.partition("(")
    if fetch not in _KEYED or not argument.endswith(")"):
        raise Misread(f"{word!r} isn't a sample")
    key = argument[:-1]
    quoted = re.fullmatch(r'"([^"\\]*)"', key)
    if not quoted and not re.fullmatch(r"[A-Za-z0-9_-]+", key):
        raise Misread(f"{key!r} isn't an argument")
    return _KEYED[fetch], quoted[1] if quoted else key


def _samples(type: str, first: str, comparison: str | None, value: str) -> list[str]:
    """All samples that a rule asks for; of any of them the comparison may be true."""
    if type == "HOST_NAME" and ":" in value:
        return [first, "req.hdr(host)"]
    if type == "HEADER" and (comparison == "REGEX" or "," in value):
        return [first, first.replace("req.hdr", "req.fhdr", 1)]
    return [first]
