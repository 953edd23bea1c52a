"""Which addresses a configuration binds."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from amphora.ports import Bound, bound


class Binds(SynchronousTestCase):
    def test_addresses_are_found_in_all_their_spellings(self) -> None:
        text = """
        frontend a
            bind 127.0.0.1:80
            bind 127.0.0.2:81,ipv4@127.0.0.3:82 ssl crt x
            bind [::1]:83
        \tbind ipv6@[::2]:84 name b
        """
        wanted = {("127.0.0.1", 80), ("127.0.0.2", 81), ("127.0.0.3", 82), ("::1", 83), ("::2", 84)}
        self.assertEqual(bound(text), {Bound(*w) for w in wanted})

    def test_what_need_not_be_ours_or_is_no_address_is_left_out(self) -> None:
        text = """
        bind 10.0.0.1:80 transparent
        bind :80
        bind *:80
        bind /run/socket
        bind abns@name
        bind 127.0.0.1:8000-8010
        # bind 127.0.0.9:9
        bind-process 1
        """
        self.assertEqual(bound(text), frozenset())

    @given(st.text())
    def test_any_text_can_be_searched(self, text: str) -> None:
        bound(f"bind {text}")
