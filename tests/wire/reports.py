"""Hypothesis strategies for what goes over the wire."""

from __future__ import annotations

from hypothesis import strategies as st

from octavia_tx.wire.envelope import Header, Kind
from octavia_tx.wire.heartbeat import (
    LISTENER_STATUSES,
    MEMBER_STATUSES,
    Counters,
    ListenerReport,
    MemberReport,
    Report,
)

identifiers = st.uuids().map(str)
counts = st.integers(0, 2**63 - 1)
epochs = st.text("abcXYZ019._:-", min_size=1, max_size=64)
counters = st.builds(Counters, epochs, counts, counts, counts, counts, counts)
listeners = st.builds(
    ListenerReport, identifiers, st.sampled_from(sorted(LISTENER_STATUSES)), st.lists(counters, max_size=4).map(tuple)
)
members = st.builds(MemberReport, identifiers, identifiers, st.sampled_from(sorted(MEMBER_STATUSES)))
reports = st.builds(
    Report,
    st.lists(listeners, max_size=6).map(tuple),
    st.lists(members, max_size=12).map(tuple),
    st.lists(identifiers, max_size=3).map(tuple),
)
headers = st.builds(
    Header,
    identifiers,
    identifiers,
    st.integers(0, 2**63 - 1),
    # Until 2041 a float of seconds is exact to a microsecond; later it is to two.
    st.integers(0, 2**51 - 1).map(lambda microseconds: microseconds / 1_000_000),
    st.sampled_from(Kind),
)
keys = st.binary(min_size=32, max_size=32)
