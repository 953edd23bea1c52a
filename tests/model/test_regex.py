"""Which regular expressions are accepted."""

from __future__ import annotations

import warnings

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from octavia_tx.model import regex
from octavia_tx.testing.texts import regex_like


class FaultTests(SynchronousTestCase):
    """What haproxy takes, and what is wrong with the rest. That haproxy agrees is seen in the integration tests."""

    def accepted(self, *expressions: str) -> None:
        for expression in expressions:
            self.assertIsNone(regex.fault(expression), expression)

    def refused(self, because: str, *expressions: str) -> None:
        for expression in expressions:
            self.assertIn(because, regex.fault(expression) or "", expression)

    def test_what_tenants_write(self) -> None:
        self.accepted(
            "^/api/v[12]/", r"\.(jpe?g|png|gif)$", "(?i)mozilla", r"^[a-z0-9-]+\.example\.com(:\d+)?$", "[^/]+", "é+",
            "(?P<year>[0-9]{4})-(?P=year)", "(?=a)(?!b)(?<=c)(?<!d)", "a++", "(?>a|b)", r"\$\{jndi:", "${jndi:", "[.]",
            "[:/?]", "[]a]", r"[\]]", "[[:digit:][:^space:]_-]{2,}", "(?#why)a", "(?i-s:a)", " ", "#",
        )  # fmt: skip

    def test_what_is_no_regular_expression(self) -> None:
        self.refused("unterminated", "(", "[a")
        self.refused("unbalanced", "a)(")
        self.refused("nothing to repeat", "*", "^*")
        self.refused("multiple repeat", "a**")
        self.refused("look-behind", "(?<=a+)")
        self.refused("bad escape", r"\N{BULLET}", r"\u1234", r"\p{L}", r"\Q", r"\K")

    def test_what_haproxy_reads_otherwise(self) -> None:
        self.refused("haproxy doesn't keep", r"(a)\1")
        self.refused("POSIX", "[:alpha:]", "[[:nothing:]]", "[[.a.]]", "[..]")
        self.refused("bad character range", "[[:digit:]-z]")
        self.refused("flags", "(?x)a", "(?a)a", "(?L:a)", "(?u)a")
        self.refused("name", f"(?P<{'a' * 33}>b)", "(?P<é>b)")
        self.refused("it has (?", "(?(1)a|b)", "(?!)+")
        self.refused("{m}", "a{,3}", "a{ 3}", "a{,}")
        self.refused("several", r"\v", r"[\v-a]")

    def test_what_is_too_large(self) -> None:
        self.accepted("a" * 255, "a{4096}", "(ab{40}){40}")
        self.refused(
            "characters",
            "",
            "a" * 256,
            "a{4097}",
            "(?:(?:a{20}){20}){20}",
            "(?P<a>b{100}){100}",
        )
        self.refused("too large", "a{99999999999}")

    def test_what_can_not_be_written(self) -> None:
        self.refused("surrogates", "\ud800")

    @given(st.one_of(regex_like, st.text(max_size=300)))
    def test_there_is_always_an_answer(self, text: str) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            regex.fault(text)
