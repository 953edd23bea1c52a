"""
Hypothesis strategies for a tenant's texts: what the API would accept, and what nobody should.

They need the C{hypothesis} package, which only tests do.
"""

from __future__ import annotations

from typing import Final

from hypothesis import strategies as st

from octavia_tx.model import regex

_TOKEN: Final = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

# Neither loopback nor other special ranges matter to a configuration: any address may be in a tenant's network.
ipv4_addresses: Final = st.ip_addresses(v=4).map(str)
ipv6_addresses: Final = st.ip_addresses(v=6).map(str)
ip_addresses: Final = ipv4_addresses | ipv6_addresses
names: Final = st.text(max_size=40)
tokens: Final = st.text(_TOKEN + "!#$%&'*+.^_`|~-", min_size=1, max_size=40)
cookie_names: Final = tokens
url_paths: Final = st.text(_TOKEN + "._~!$&'()*+,;=:@/?-", max_size=60).map("/".__add__)
host_names: Final = st.from_regex(
    r"[a-z0-9]([a-z0-9-]{0,12}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,12}[a-z0-9])?){0,3}", fullmatch=True
)
urls: Final = st.builds(
    "{}://{}{}".format,
    st.sampled_from(["http", "https", "HTTPS"]),
    host_names,
    st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), max_size=60).map("/".__add__),
)
# Whatever the API lets pass as text, and above all what has a meaning to haproxy somewhere.
l7_values: Final = st.one_of(
    st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), min_size=1, max_size=40),
    st.text("abc '\"\\#%$[]{}()!,;|-é\u2028", min_size=1, max_size=20),
    st.sampled_from(
        ["or", "||", "if", "unless", "!", "{", "--", "-i", "-f", "-m", "%[src]", "$HOME", "${HOME}", "\\x41"]
    ),
)
# Text that looks like a regular expression, and often is none or none that haproxy takes.
_REGEX_PIECES: Final = (
    *"ab./:_-,#'\" é|$^()[]*+?{}",
    r"\d", r"\w", r"\.", r"\\", r"\x41", r"\b", r"\A", r"\1", r"\v", r"\u0041", "(?:", "(?i)", "(?i:", "(?=", "(?!",
    "(?<=", "(?P<n>", "(?P=n)", "(?(1)", "[a-z]", "[^/]", "[[:alpha:]", "[:", ":]", "[.", "[]", "{2}", "{1,3}", "{,2}",
    "{40}", "{999}", "*?", "++", "(a|b)", ")+", ")",
)  # fmt: skip
regex_like: Final = st.lists(st.sampled_from(_REGEX_PIECES), min_size=1, max_size=8).map("".join)
# Those that haproxy takes.
expressions: Final = st.recursive(
    st.sampled_from(
        (*"ab/:_-,#'\" é", r"\d", r"\w", r"\.", r"\\", r"\x41", "[a-z]", "[^/.]", "[[:alpha:]_]", ".", "^/api/", "jpg$")
    ),
    lambda inner: st.one_of(
        st.lists(inner, min_size=2, max_size=4).map("".join),
        st.builds("({}|{})".format, inner, inner),
        st.builds("{}{})".format, st.sampled_from(["(", "(?:", "(?i:", "(?=", "(?!", "(?>"]), inner),
        st.builds("(?:{}){}".format, inner, st.sampled_from(["*", "+", "?", "*?", "++", "{2}", "{1,3}", "{2,}"])),
    ),
    max_leaves=8,
).filter(lambda expression: regex.fault(expression) is None)
expected_codes: Final = st.one_of(
    st.integers(100, 599).map(str),
    st.lists(st.integers(100, 599).map(str), min_size=1, max_size=5).map(",".join),
    st.tuples(st.integers(100, 300), st.integers(301, 599)).map(lambda r: f"{r[0]}-{r[1]}"),
)
# What would end a word, a line or a quoted string of a configuration, among anything else.
hostile_text: Final = st.one_of(
    st.text(),
    st.builds(
        lambda before, mark, after: before + mark + after,
        st.sampled_from(["", "/", "a", "10.0.0.1", "200", "example.com", "00000000-0000-4000-8000-000000000000"]),
        st.sampled_from(
            [
                "\n",
                "\r",
                "\r\n",
                " ",
                "\t",
                "\0",
                "\x0b",
                "\x85",
                "\u2028",
                "#",
                '"',
                "'",
                "\\",
                "$HOME",
                "%[src]",
                "\udcff",
            ]
        ),
        st.sampled_from(["", "a", "global", "    server x 10.0.0.1:80", "user root"]),
    ),
)
