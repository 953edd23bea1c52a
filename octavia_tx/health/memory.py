"""What was last said of each load balancer, and whether its statuses have to be made up anew."""

from __future__ import annotations

from typing import Final

from attrs import Factory, define

from octavia_tx.health.journal import News, Words, keep_newest
from octavia_tx.health.registry import Registry
from octavia_tx.model.aggregate import Heard
from octavia_tx.model.statuses import AmphoraState, ProvisioningStatus
from octavia_tx.model.tree import Tree

_UNSETTLED: Final = frozenset(ProvisioningStatus) - {ProvisioningStatus.ACTIVE}
# Seconds after which statuses are made up anew though nothing seems to have changed.
_REFRESH: Final = 60.0
# Seconds for a controller to push a change, before amphorae are told that it waits.
_PATIENCE: Final = 2.0


@define
class _Said:
    """By one amphora."""

    at: float = 0.0
    listeners: Words = Factory(dict)
    members: Words = Factory(dict)
    load_balancers: set[str] = Factory(set)

    def differs(self, news: News) -> bool:
        """Whether the news says anything that wasn't said before, which it now is."""
        pairs = ((self.listeners, news.listeners), (self.members, news.members))
        words = [keep_newest(mine, i, *word) for mine, others in pairs for i, word in others.items()]
        more = not news.load_balancers <= self.load_balancers
        self.load_balancers |= news.load_balancers
        self.at = max(self.at, news.at)
        return more or any(words)


@define
class _Known:
    """
    Of one load balancer.

    @ivar at: when its statuses were last made up, seconds since the epoch.
    @ivar changed: it isn't any more what it was then.
    @ivar listener_ids: of then.
    @ivar applied: the revision that amphorae run, and C{behind}: since when it is an old one, if it is.
    """

    at: float
    changed: bool = False
    listener_ids: frozenset[str] = frozenset()
    applied: int = 0
    behind: float | None = None


class Memory:
    """
    Words by amphora, and what is known of load balancers.

    It spares the database: a heartbeat that says what the one before said, of a load balancer that nobody changed
    since, needs no reading of the tree. Losing all of it costs one reading for each load balancer.
    """

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._said: dict[str, _Said] = {}
        self._known: dict[str, _Known] = {}

    def take_in(self, batch: dict[str, News], now: float) -> set[str]:
        """
        Remember what was said; ids of the load balancers whose statuses may be different now.

        They count as made up from now on, unless L{changed} is called again: also while they are being made up.
        """
        due = set()
        for amphora_id, news in batch.items():
            amphora = self._registry.get(amphora_id)
            if amphora is None or amphora.load_balancer_id is None:
                continue
            load_balancer_id = amphora.load_balancer_id
            known = self._known.get(load_balancer_id)
            speaks = amphora_id in self._registry.serving(load_balancer_id)
            differs = speaks and self._said.setdefault(amphora_id, _Said()).differs(news)
            # An alert counts even if it seems to say nothing new: another receiver may have written something else.
            if differs or news.alerts or known is None or known.changed or now - known.at >= _REFRESH:
                due.add(load_balancer_id)
        for load_balancer_id in due:
            known = self._known.setdefault(load_balancer_id, _Known(now))
            known.at, known.changed = now, False
        return due

    def heard(self, load_balancer_id: str) -> Heard:
        """All that its amphorae said last; where they contradict each other, the one that was heard last."""
        listeners: dict[str, str] = {}
        members: dict[str, str] = {}
        said = [self._said[i] for i in self._registry.serving(load_balancer_id) if i in self._said]
        for each in sorted(said, key=lambda s: s.at):
            listeners.update({i: word for i, (_, word) in each.listeners.items()})
            members.update({i: word for i, (_, word) in each.members.items()})
        running = any(load_balancer_id in each.load_balancers for each in said)
        return Heard(listeners=listeners, members=members, running=running)

    def made_up(self, tree: Tree) -> None:
        """Remember whose listeners these are. While a change is being applied, the next heartbeat counts again."""
        # It may have been forgotten while the tree was read, since its amphora is going.
        known = self._known.setdefault(tree.load_balancer.id, _Known(0.0))
        known.listener_ids = frozenset(item.id for item in tree.listeners)
        load_balancer = tree.load_balancer
        known.changed |= load_balancer.provisioning_status in _UNSETTLED
        old = load_balancer.applied_revision < load_balancer.revision
        if not old or load_balancer.provisioning_status is ProvisioningStatus.PENDING_DELETE:
            known.behind = None
        elif known.behind is None or load_balancer.applied_revision != known.applied:
            known.behind = known.at
        known.applied = load_balancer.applied_revision

    def waits(self, amphora_id: str) -> bool:
        """Whether a change has been waiting for a while that no controller could push to this amphora."""
        amphora = self._registry.get(amphora_id)
        if amphora is None or amphora.load_balancer_id is None or amphora.state is not AmphoraState.ALLOCATED:
            return False
        known = self._known.get(amphora.load_balancer_id)
        return known is not None and known.behind is not None and known.at - known.behind >= _PATIENCE

    def listener_ids(self, load_balancer_id: str) -> frozenset[str]:
        """Ids of the load balancer's listeners, as far as known."""
        known = self._known.get(load_balancer_id)
        return frozenset() if known is None else known.listener_ids

    def changed(self, load_balancer_id: str) -> None:
        """The load balancer's tree was changed, or its statuses couldn't be written; C{""}: any may have been."""
        for i in (load_balancer_id,) if load_balancer_id else self._known:
            if i in self._known:
                self._known[i].changed = True

    def forget(self) -> None:
        """Drop what is remembered of amphorae and load balancers that the registry no longer knows."""
        served = self._registry.load_balancers()
        self._said = {i: said for i, said in self._said.items() if i in self._registry}
        self._known = {i: known for i, known in self._known.items() if i in served}
