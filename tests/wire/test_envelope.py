from __future__ import annotations

import contextlib

from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from octavia_tx.wire.envelope import (
    ANSWERS,
    BODY_LIMIT,
    DATAGRAM_LIMIT,
    MAGIC,
    BadSignature,
    Header,
    Kind,
    Malformed,
    Oversized,
    Refused,
    Truncated,
    UnknownVersion,
    answer,
    peek,
    seal,
    unseal,
)
from tests.wire.reports import headers, keys

KEY = b"k" * 32
HEADER = Header("11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222", 7, 1_700_000_000.25)
bodies = st.binary(max_size=BODY_LIMIT)


class Sealing(SynchronousTestCase):
    """L{seal} and L{unseal}."""

    @given(keys, headers, bodies)
    def test_what_is_sealed_is_unsealed(self, key: bytes, header: Header, body: bytes) -> None:
        self.assertEqual(unseal(key, seal(key, header, body)), (header, body))

    @given(headers, bodies)
    def test_a_peek_shows_the_header(self, header: Header, body: bytes) -> None:
        self.assertEqual(peek(seal(KEY, header, body)), header)

    def test_the_largest_body_fills_a_datagram(self) -> None:
        self.assertEqual(len(seal(KEY, HEADER, bytes(BODY_LIMIT))), DATAGRAM_LIMIT)
        self.assertEqual(DATAGRAM_LIMIT, 1400)

    def test_a_larger_body_is_not_sealed(self) -> None:
        self.assertRaises(ValueError, seal, KEY, HEADER, bytes(BODY_LIMIT + 1))

    def test_a_header_out_of_range_is_not_sealed(self) -> None:
        for sequence, time in ((-1, 0.0), (2**63, 0.0), (0, -1.0), (0, 2.0**53)):
            header = Header(HEADER.amphora_id, HEADER.boot_id, sequence, time)
            self.assertRaises(ValueError, seal, KEY, header, b"")


class Answering(SynchronousTestCase):
    """L{answer}."""

    @given(keys, headers, st.sampled_from(sorted(ANSWERS)))
    def test_an_answer_repeats_the_header_of_what_it_answers(self, key: bytes, header: Header, kind: Kind) -> None:
        self.assertEqual(unseal(key, answer(key, kind, header)), (evolve(header, kind=kind), b""))

    @given(headers, st.sampled_from(Kind), st.sampled_from(Kind))
    def test_no_datagram_can_be_made_one_of_another_kind(self, header: Header, one: Kind, other: Kind) -> None:
        datagram = seal(KEY, evolve(header, kind=one), b"")
        if one is not other:
            self.assertRaises(BadSignature, unseal, KEY, datagram[:5] + bytes([other]) + datagram[6:])


class Refusing(SynchronousTestCase):
    """What isn't a datagram of ours."""

    def setUp(self) -> None:
        self.datagram = seal(KEY, HEADER, b"a body")

    def test_another_key_is_a_bad_signature(self) -> None:
        self.assertRaises(BadSignature, unseal, b"x" * 32, self.datagram)

    @given(headers, bodies, st.data())
    def test_a_flipped_bit_is_never_believed(self, header: Header, body: bytes, data: st.DataObject) -> None:
        datagram = bytearray(seal(KEY, header, body))
        bit = data.draw(st.integers(0, len(datagram) * 8 - 1))
        datagram[bit // 8] ^= 1 << bit % 8
        self.assertRaises(Refused, unseal, KEY, bytes(datagram))

    @given(headers, bodies, st.data())
    def test_a_shorter_one_is_never_believed(self, header: Header, body: bytes, data: st.DataObject) -> None:
        datagram = seal(KEY, header, body)
        length = data.draw(st.integers(len(MAGIC), len(datagram) - 1))
        self.assertRaises(Truncated, unseal, KEY, datagram[:length])

    @given(headers, st.binary(max_size=100), st.binary(min_size=1, max_size=100))
    def test_a_longer_one_is_never_believed(self, header: Header, body: bytes, more: bytes) -> None:
        self.assertRaises(Malformed, unseal, KEY, seal(KEY, header, body) + more)

    @given(st.binary(max_size=2000) | st.binary(max_size=1400).map(MAGIC.__add__))
    def test_garbage_raises_nothing_but_a_refusal(self, garbage: bytes) -> None:
        with contextlib.suppress(Refused):
            peek(garbage)
            self.fail("garbage was believed")

    def test_another_version_is_told_apart(self) -> None:
        self.assertRaises(UnknownVersion, peek, MAGIC + b"\2" + self.datagram[5:])
        self.assertRaises(UnknownVersion, unseal, KEY, MAGIC + b"\2")

    def test_another_kind_is_malformed(self) -> None:
        self.assertRaises(Malformed, peek, self.datagram[:5] + b"\x63" + self.datagram[6:])

    def test_one_larger_than_any_of_ours_is_oversized(self) -> None:
        self.assertRaises(Oversized, peek, MAGIC + bytes(DATAGRAM_LIMIT))
