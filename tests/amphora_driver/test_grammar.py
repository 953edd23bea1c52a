"""Which words may stand in a configuration."""

from __future__ import annotations

import re
from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from octavia_tx.amphora_driver import grammar
from octavia_tx.amphora_driver.grammar import Unrenderable, Word, only_words
from octavia_tx.model.resources import L7Rule
from octavia_tx.testing.texts import (
    cookie_names,
    expected_codes,
    expressions,
    host_names,
    hostile_text,
    ip_addresses,
    l7_values,
    tokens,
    url_paths,
    urls,
)
from tests.amphora_driver.gallery import l7_rule


def rule(value: str, comparison: str = "EQUAL_TO") -> L7Rule:
    return l7_rule("PATH", comparison, value)


def as_haproxy_reads(line: str) -> list[bytes]:
    """The words of a line, each made of what stands in single quotes, of bytes by number, and of plain characters."""
    words = re.findall(r"(?:'[^']*'|\\x[0-9a-f]{2}|[A-Za-z0-9_-])+", line)
    assert " ".join(words) == line and line.isascii() and line.isprintable(), line

    def read(piece: re.Match[str]) -> str:
        text = piece.group()
        return chr(int(text[2:], 16)) if text.startswith("\\x") else text.strip("'")

    return [re.sub(r"'[^']*'|\\x[0-9a-f]{2}", read, word).encode("latin-1") for word in words]


class WordTests(SynchronousTestCase):
    """What each kind of word accepts, and what becomes of it."""

    def accepted(self, kind: Callable[[object], object], given: object, written: object) -> None:
        found = kind(given)
        self.assertEqual(found, written)
        self.assertIs(only_words(found), found)

    def refused(self, kind: Callable[[object], object], *given: object) -> None:
        for value in given:
            self.assertRaises(Unrenderable, kind, value)

    def test_addresses(self) -> None:
        self.accepted(grammar.address, "192.0.2.1", "192.0.2.1")
        self.accepted(grammar.address, "2001:DB8:0::1", "[2001:db8::1]")
        self.refused(
            grammar.address, "192.0.2", "192.0.2.1/24", "fe80::1%eth0", "192.0.2.1\n", "", None, 3221225985, b"abcd"
        )

    def test_networks(self) -> None:
        self.accepted(grammar.network, "192.0.2.77/24", "192.0.2.0/24")
        self.accepted(grammar.network, "192.0.2.77", "192.0.2.77/32")
        self.refused(grammar.network, "192.0.2.0/33", "fe80::%eth0/64", "::/0 unless", None, ("192.0.2.0", 24))

    def test_identifiers(self) -> None:
        self.accepted(
            grammar.identifier, "0a1b2c3d-0000-4000-8000-00000000000f", "0a1b2c3d-0000-4000-8000-00000000000f"
        )
        self.refused(grammar.identifier, "0A1B2C3D-0000-4000-8000-00000000000F", "0a1b2c3d", "", None)

    def test_url_paths(self) -> None:
        self.accepted(grammar.url_path, "/a?b=c%20d", "/a?b=c%20d")
        self.accepted(grammar.url_path, "/it's", "/it\\'s")
        self.refused(grammar.url_path, "a", "", "/a b", "/a#b", '/"', "/\\", "/%zz", "/ü", "/" + "a" * 3000)

    def test_cookie_names(self) -> None:
        self.accepted(grammar.cookie_name, "JSESSIONID", "JSESSIONID")
        self.accepted(grammar.cookie_name, "a#b", "'\"a#b\"'")
        self.accepted(grammar.cookie_name, "it's", r"""'"it'\x27's"'""")
        self.refused(grammar.cookie_name, "", "a b", "a)", "a,b", 'a"', "a;b", "a\\b", "a" * 256)

    def test_header_names(self) -> None:
        self.accepted(grammar.header_name, "X-Forwarded-For", "X-Forwarded-For")
        self.accepted(grammar.header_name, "X.Y", "'\"X.Y\"'")
        self.refused(grammar.header_name, "", "a b", "a)", "a:", "é", "a\n", None)

    def test_urls(self) -> None:
        self.accepted(grammar.url, "https://a.example/b?c=%20'd'", r"""'https://a.example/b?c=%%20'\x27'd'\x27""")
        self.refused(grammar.url, "", "/a", "ftp://a", "http://", "http://a b", "http://a\n", "http://é", None)

    def test_types_of_files_come_with_or_without_their_dot(self) -> None:
        for type in ("jpg", ".jpg"):
            self.accepted(grammar.file_type, type, "'.jpg'")
        self.refused(grammar.file_type, "", "a\nb", None)

    def test_comparisons(self) -> None:
        for kind, word in (("EQUAL_TO", "str"), ("STARTS_WITH", "beg"), ("ENDS_WITH", "end"), ("CONTAINS", "sub")):
            self.accepted(grammar.comparison, rule("(a", kind), f"-m {word} -- '(a'")
        self.accepted(grammar.comparison, rule("^a", "REGEX"), "-m reg -- '^a'")
        self.accepted(grammar.comparison, rule("it's é"), r"-m str -- 'it'\x27's '\xc3\xa9")
        self.refused(grammar.comparison, rule(""), rule("a\n"), rule("a\t"), rule("a" * 256), rule("(a", "REGEX"))

    def test_codes_of_redirects(self) -> None:
        self.accepted(grammar.redirect_code, 307, 307)
        self.accepted(grammar.redirect_code, None, 302)
        self.refused(grammar.redirect_code, 200, 304, "301", True)

    def test_fields_of_names_and_results_of_verification(self) -> None:
        self.accepted(grammar.dn_field, "CN", "CN")
        self.refused(grammar.dn_field, "", "C N", "1", "a)", None)
        self.accepted(grammar.verify_result, "10", "10")
        self.refused(grammar.verify_result, "", "-1", "1.0", "٢", "1" * 10, 1)

    def test_status_codes(self) -> None:
        self.accepted(grammar.status_codes, "200", "200")
        self.accepted(grammar.status_codes, "200, 201,300-302", "200,201,300-302")
        self.refused(grammar.status_codes, "", "20", "600", "302-300", "200,", "200;201", "200-201-202", "٢٠٠")

    def test_host_names(self) -> None:
        self.accepted(grammar.host_name, "a_b.example.com.", "a_b.example.com.")
        self.refused(grammar.host_name, "", ".", "a..b", "%[src]", "exämple.com", "a" * 64, "a." * 200)

    def test_http_methods(self) -> None:
        self.accepted(grammar.http_method, "GET", "GET")
        self.refused(grammar.http_method, "get", "GETPOST", "GET|POST", "")

    def test_ports(self) -> None:
        self.accepted(grammar.port, 65535, 65535)
        self.refused(grammar.port, 0, 65536, "80", True, 80.0, None)

    def test_times_stay_within_what_haproxy_counts(self) -> None:
        self.accepted(grammar.milliseconds, 0, "2147483647ms")
        self.accepted(grammar.milliseconds, 1, "1ms")
        self.accepted(grammar.milliseconds, 2**40, "2147483647ms")
        self.accepted(grammar.seconds, 0, "1s")
        self.accepted(grammar.seconds, 5, "5s")
        self.accepted(grammar.seconds, 2**40, "2147483s")
        self.refused(grammar.seconds, -1, "5")

    def test_limits(self) -> None:
        self.accepted(grammar.limit, 2**40, 2**31 - 1)
        self.refused(grammar.limit, 0, -1)

    def test_only_words_and_whole_numbers_are_written(self) -> None:
        self.refused(only_words, "text", None, True, 1.5, b"bytes", ["a"])

    def test_a_long_value_is_not_shown_in_full(self) -> None:
        error = self.assertRaises(Unrenderable, grammar.address, "x" * 1000)
        self.assertLess(len(str(error)), 120)


class PropertyTests(SynchronousTestCase):
    """What the API may accept is accepted here; what is written ends no word and no line."""

    @given(ip_addresses, url_paths, cookie_names, expected_codes, host_names)
    def test_what_the_strategies_give_is_accepted(
        self, address: str, path: str, name: str, codes: str, host: str
    ) -> None:
        grammar.address(address)
        grammar.url_path(path)
        grammar.cookie_name(name)
        grammar.status_codes(codes)
        grammar.host_name(host)

    @given(hostile_text)
    def test_no_word_holds_what_would_end_it(self, text: str) -> None:
        kinds = (
            grammar.address, grammar.network, grammar.identifier, grammar.url_path, grammar.status_codes,
            grammar.host_name, grammar.http_method, grammar.peer, grammar.dn_field, grammar.verify_result,
        )  # fmt: skip
        for kind in kinds:
            try:
                word = kind(text)
            except Unrenderable:
                continue
            self.assertIsInstance(word, Word)
            bare = word.replace("\\'", "").replace("\\#", "")
            self.assertTrue(bare.isascii() and bare.isprintable())
            self.assertEqual(set(bare) & set(" '\"\\#"), set())

    @given(st.one_of(l7_values, hostile_text))
    def test_text_is_read_as_it_was_given(self, text: str) -> None:
        try:
            word = grammar.comparison(rule(text))
        except Unrenderable:
            self.assertTrue(len(text) > 255 or not text or re.search("[\x00-\x1f\x7f-\x9f\ud800-\udfff]", text))
            return
        self.assertEqual(as_haproxy_reads(word), [b"-m", b"str", b"--", text.encode()])

    @given(expressions)
    def test_an_expression_is_read_as_it_was_given(self, expression: str) -> None:
        word = grammar.comparison(rule(expression, "REGEX"))
        self.assertEqual(as_haproxy_reads(word), [b"-m", b"reg", b"--", expression.encode()])

    @given(tokens)
    def test_a_name_is_one_argument(self, name: str) -> None:
        for kind in (grammar.header_name, grammar.cookie_name):
            (read,) = as_haproxy_reads(kind(name))
            self.assertIn(read.decode(), (name, f'"{name}"'))

    @given(st.one_of(urls, hostile_text))
    def test_a_url_is_read_as_it_was_given(self, url: str) -> None:
        try:
            word = grammar.url(url)
        except Unrenderable:
            self.assertFalse(re.fullmatch("https?://[!-~]+", url))
            return
        self.assertEqual(as_haproxy_reads(word), [url.replace("%", "%%").encode()])
