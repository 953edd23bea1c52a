"""Each text that would do harm, in each place of a load balancer; and haproxy asked about many more trees."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from octavia_tx.model.tree import Tree
from octavia_tx.testing.strategies import trees
from octavia_tx.testing.texts import urls
from tests.amphora_driver import test_meaning
from tests.integration import test_haproxy_reading
from tests.integration.test_haproxy_reading import LINES, NAMES, here, some

many = settings(some, max_examples=200)


class HostileTests(test_meaning.HostileTests):
    """All of it."""

    def test_what_the_api_takes_means_the_same_to_haproxy(self) -> None:
        self.assertTrue([text for place in test_meaning.PLACES for text in place.hostile if self.check(place, text)])

    def test_what_the_driver_takes_unasked_means_the_same_to_haproxy(self) -> None:
        taken = [text for place in test_meaning.PLACES for text in place.hostile if self.check_unasked(place, text)]
        self.assertTrue(taken)


class WordTests(test_haproxy_reading.WordTests):
    """More lines."""

    @many
    @given(LINES)
    def test_lines_of_anything(self, rests: list[str]) -> None:
        self.check(rests)


class AcceptanceTests(test_haproxy_reading.AcceptanceTests):
    """More trees."""

    @many
    @given(trees())
    def test_any_tree(self, shown: Tree) -> None:
        self.check(shown)


class RunningTests(test_haproxy_reading.RunningTests):
    """More trees."""

    @many
    @given(trees().map(here))
    def test_any_tree(self, shown: Tree) -> None:
        self.check(shown)


class TextTests(test_haproxy_reading.TextTests):
    """More names and URLs."""

    @many
    @given(NAMES)
    def test_a_header_has_the_name_that_was_given(self, names: list[str]) -> None:
        self.check_names("HEADER", "{}: {}", names)

    @many
    @given(NAMES)
    def test_a_cookie_has_the_name_that_was_given(self, names: list[str]) -> None:
        self.check_names("COOKIE", "Cookie: {}={}", names)

    @many
    @given(st.lists(urls, min_size=1, max_size=20))
    def test_a_redirect_goes_to_the_url_that_was_given(self, given: list[str]) -> None:
        self.check_urls(given)
