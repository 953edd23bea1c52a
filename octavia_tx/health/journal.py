"""
Accepted reports, until they are in the database.

They are coalesced, so that what waits is bounded by what exists and not by how long it waits: of words the newest is
kept, of counters the largest, and differences are added up.
"""

from __future__ import annotations

from typing import Final, TypeVar

from attrs import Factory, define

from octavia_tx.health.receiver import Accepted, Origin
from octavia_tx.wire.envelope import Kind
from octavia_tx.wire.heartbeat import Counters

Order = tuple[float, int]
Words = dict[str, tuple[Order, str]]
# Listeners' runs, listeners and members that one amphora can speak of. Far more than haproxy serves.
_ITEMS_LIMIT: Final = 20_000
# Alerts of one amphora that wait for their acknowledgement; of more, the oldest have been repeated long since.
_ALERTS_LIMIT: Final = 256

_Key = TypeVar("_Key")
_Value = TypeVar("_Value")


@define
class News:
    """
    What one amphora said since it was last written.

    @ivar at: when it was last heard, seconds since the epoch.
    @ivar listeners: by id, the newest word and when it was said; C{members} likewise.
    @ivar load_balancers: ids of those that it runs.
    @ivar counters: by listener and epoch, absolute.
    @ivar differences: by listener.
    @ivar alerts: those among its reports, the oldest first: to be acknowledged once all this is written.
    @ivar heartbeat: the newest among its reports.
    """

    at: float = 0.0
    listeners: Words = Factory(dict)
    members: Words = Factory(dict)
    load_balancers: set[str] = Factory(set)
    counters: dict[tuple[str, str], tuple[Order, Counters]] = Factory(dict)
    differences: dict[str, Counters] = Factory(dict)
    alerts: list[Origin] = Factory(list)
    heartbeat: Origin | None = None

    def add(self, accepted: Accepted) -> None:
        """Take a report in."""
        order = accepted.order
        self.at = max(self.at, accepted.at)
        for listener in accepted.report.listeners:
            keep_newest(self.listeners, listener.listener_id, order, listener.status)
            for counters in listener.counters:
                if accepted.differences:
                    self._add_difference(listener.listener_id, counters)
                else:
                    self._merge_counters((listener.listener_id, counters.epoch), order, counters)
        for member in accepted.report.members:
            keep_newest(self.members, member.member_id, order, member.status)
        if len(self.load_balancers) < _ITEMS_LIMIT:
            self.load_balancers.update(accepted.report.load_balancers)
        if accepted.origin is not None:
            self._note(accepted.origin)

    def _note(self, origin: Origin) -> None:
        if origin.header.kind is Kind.ALERT:
            self.alerts.append(origin)
            del self.alerts[:-_ALERTS_LIMIT]
        else:
            self.heartbeat = origin

    def absorb(self, other: News) -> None:
        """Take in what was said later."""
        self.at = max(self.at, other.at)
        for mine, others in ((self.listeners, other.listeners), (self.members, other.members)):
            for key, (order, word) in others.items():
                keep_newest(mine, key, order, word)
        self.load_balancers |= other.load_balancers
        for run, (order, counters) in other.counters.items():
            self._merge_counters(run, order, counters)
        for listener_id, counters in other.differences.items():
            self._add_difference(listener_id, counters)
        for origin in (*other.alerts, other.heartbeat):
            if origin is not None:
                self._note(origin)

    def _merge_counters(self, run: tuple[str, str], order: Order, counters: Counters) -> None:
        known = self.counters.get(run)
        if known is None:
            _put(self.counters, run, (order, counters))
        else:
            newer = order >= known[0]
            gauge = counters if newer else known[1]
            self.counters[run] = (order if newer else known[0], _largest(known[1], counters, gauge.active_connections))

    def _add_difference(self, listener_id: str, counters: Counters) -> None:
        known = self.differences.get(listener_id)
        _put(self.differences, listener_id, counters if known is None else _sum(known, counters))


class Journal:
    """All amphorae's news, by amphora's id."""

    def __init__(self) -> None:
        self._news: dict[str, News] = {}

    def __len__(self) -> int:
        return len(self._news)

    def add(self, accepted: Accepted) -> None:
        """Take a report in."""
        news = self._news.get(accepted.amphora_id)
        if news is None:
            news = self._news[accepted.amphora_id] = News()
        news.add(accepted)

    def take(self, most: int) -> dict[str, News]:
        """Take out the news of at most so many amphorae."""
        taken: dict[str, News] = {}
        while self._news and len(taken) < most:
            amphora_id, news = self._news.popitem()
            taken[amphora_id] = news
        return taken

    def put_back(self, taken: dict[str, News]) -> None:
        """Take in again what was taken and couldn't be written."""
        for amphora_id, news in taken.items():
            newer = self._news.get(amphora_id)
            if newer is not None:
                news.absorb(newer)
            self._news[amphora_id] = news


def keep_newest(words: Words, key: str, order: Order, word: str) -> bool:
    """Put a word in unless a newer one is there already; whether the word is now another than before."""
    known = words.get(key)
    if known is not None and order < known[0]:
        return False
    _put(words, key, (order, word))
    return known is None or known[1] != word


def _put(where: dict[_Key, _Value], key: _Key, value: _Value) -> None:
    if key in where or len(where) < _ITEMS_LIMIT:
        where[key] = value


def _largest(one: Counters, other: Counters, active_connections: int) -> Counters:
    return Counters(
        one.epoch,
        active_connections,
        max(one.bytes_in, other.bytes_in),
        max(one.bytes_out, other.bytes_out),
        max(one.request_errors, other.request_errors),
        max(one.total_connections, other.total_connections),
    )


def _sum(earlier: Counters, later: Counters) -> Counters:
    return Counters(
        later.epoch,
        later.active_connections,
        earlier.bytes_in + later.bytes_in,
        earlier.bytes_out + later.bytes_out,
        earlier.request_errors + later.request_errors,
        earlier.total_connections + later.total_connections,
    )
