"""A configuration means what the tree means that it was rendered from, and nothing else."""

from __future__ import annotations

import contextlib

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from octavia_tx.amphora_driver.grammar import Unrenderable
from octavia_tx.amphora_driver.render import Renderer
from octavia_tx.amphora_driver.tls import files
from octavia_tx.errors import OctaviaError
from octavia_tx.model.tree import Tree
from octavia_tx.testing.strategies import trees
from octavia_tx.testing.texts import hostile_text
from tests.amphora_driver.gallery import AMPHORA, gallery, listener, member, pool, tree
from tests.amphora_driver.hostile import Place, checked, imagined, places, texts
from tests.amphora_driver.meaning import Meaning, meaning
from tests.amphora_driver.retelling import retold
from tests.amphora_driver.words import Misread, split

RENDERER = Renderer()
PLACES = places()


def read(shown: Tree) -> Meaning:
    """What haproxy is told of a tree."""
    return retold(RENDERER.render(shown, AMPHORA), files(shown, imagined(shown)))


class WordTests(SynchronousTestCase):
    """How haproxy splits a line; that it does is tested in C{tests/integration/test_haproxy_reading.py}."""

    def test_quotes_keep_a_word_together(self) -> None:
        self.assertEqual(split("""  a 'b "c' "d 'e" f'g h'i  # j"""), ("a", 'b "c', "d 'e", "fg hi"))
        self.assertEqual(split("a '' \"\" b"), ("a", "", "", "b"))

    def test_a_backslash_has_a_meaning_outside_single_quotes(self) -> None:
        self.assertEqual(split(r"""a\ b '\x41' \x41 "\x41" \q "\$" \# \' \" \\ \t"""), (
            "a b", r"\x41", "A", "A", r"\q", "$", "#", "'", '"', "\\", "\t",
        ))  # fmt: skip

    def test_a_variable_has_a_meaning_in_double_quotes(self) -> None:
        self.assertEqual(split("$HOME '$HOME'"), ("$HOME", "$HOME"))
        self.assertRaises(Misread, split, '"$HOME"')

    def test_what_haproxy_refuses_is_refused(self) -> None:
        for line in ("a 'b", 'a "b', r"\x4", r"\xzz"):
            self.assertRaises(Misread, split, line)


class MeaningTests(SynchronousTestCase):
    """What is read again is what was meant."""

    def test_each_tree_of_the_gallery(self) -> None:
        for name, shown in gallery().items():
            self.assertEqual(read(shown), meaning(shown, imagined(shown)), name)

    @settings(max_examples=300)
    @given(trees())
    def test_any_tree(self, shown: Tree) -> None:
        self.assertEqual(read(shown), meaning(shown, imagined(shown)))

    def test_what_nobody_meant_is_found(self) -> None:
        shown = tree(listener(), pool(), member(1))
        text = RENDERER.render(shown, AMPHORA)
        for more in (
            "    maxconn 5",
            "    server x 192.0.2.9:80 id 1 weight 1",
            "    option forwardfor",
            "    acl a src 1",
        ):
            said = Meaning()
            with contextlib.suppress(Misread):
                said = retold(f"{text}{more}\n", {})
            self.assertNotEqual(said, meaning(shown, imagined(shown)), more)


class HostileTests(SynchronousTestCase):
    """Text that would become configuration is refused, or stays the text that it is."""

    def test_each_field_that_may_hold_text_has_its_place(self) -> None:
        known = {(place.kind, place.name) for place in PLACES}
        self.assertEqual([each for each in texts() if each not in known], [])

    def check(self, place: Place, text: str) -> bool:
        """Whether the API takes it; then nothing after it may refuse."""
        try:
            value = place.taken(text)
            shown = place.holding(value)
            checked(shown)
        except OctaviaError:
            return False
        self.assertEqual(read(shown), meaning(shown, imagined(shown)), f"{place} {text!r}")
        return True

    def check_unasked(self, place: Place, text: str) -> bool:
        """Whether the driver takes it where nobody has checked it before."""
        try:
            shown = place.holding(place.field(text))
            said = read(shown)
        except Unrenderable:
            return False
        self.assertEqual(said, meaning(shown, imagined(shown)), f"{place} {text!r}")
        return True

    @settings(max_examples=600)
    @given(st.data())
    def test_text_that_would_do_harm(self, data: st.DataObject) -> None:
        place = data.draw(st.sampled_from(PLACES))
        text = data.draw(st.sampled_from(place.hostile) | hostile_text)
        self.check(place, text)
        self.check_unasked(place, text)
