"""
What to do: a pure function from what is to the steps that lead to what is wanted.

What is wanted is in the load balancer's row: that it be served at its revision by exactly one amphora, or, when it is
C{PENDING_DELETE}, that nothing be left of it. The plan always leads from what is all the way to there; it is made anew
after every interruption, so it never needs to know how the situation came about. Whatever point a controller dies at,
the rows are a situation like any other:

  - A row is written before the thing that it stands for is made, and forgotten after that thing is gone. So a row may
    have no thing (ensure it, or remove it: both do no harm), but a thing always has a row.
  - Every step may be done again. One that was done but not recorded is simply done again.
  - An amphora is kept if it can serve, or can come to; of several, the one that is farthest. All others are retired,
    and B{before} the kept one is made to serve: on some networks two machines with one VIP would quarrel about it.
  - But one that is C{DRAINING}, since somebody wants it replaced, serves on until the kept one runs the wanted
    revision. Only then it is told to accept no more; when its connections have ended, or had their time, it is retired.
    All that are replaced are told before any is waited for.
  - The VIP comes first, because it is quick and because it's what can fail for a reason of the tenant's.
  - An amphora that runs no revision yet may not be plumbed to the VIP. One that does, is.
  - Pushing is the last step, and the only one that makes a load balancer C{ACTIVE}. So whenever it isn't C{ACTIVE},
    or the revision that it wants differs from one of those applied, there is a push; and if there's none, it's done.
  - A certificate that is due is renewed before, since a push may fail for ever for a reason of the tenant's.
  - Before an amphora that served is retired, it ships what it logged, for as long as the operator allows; but nobody
    who is to be served waits for that.
  - In removal the machine goes first, then its row, then the VIP, then the load balancer's row, which carries the lease
    and is the last trace: as long as it stands, somebody goes on.

A load balancer of a provider that brings its own machines never gets an amphora: its address is allocated here, and all
else is the provider's, in one step that is done again until it succeeds.

Amphorae that don't answer aren't replaced here: that is failover's decision. One that never came up, or whose machine
is gone, can't be waited for, and is.
"""

from __future__ import annotations

from octavia_tx.controller.drains import AwaitDrained, DrainAmphora, ShipLogs
from octavia_tx.controller.renewal import RenewCertificate
from octavia_tx.controller.situation import Situation
from octavia_tx.controller.step import Step
from octavia_tx.controller.steps import (
    AllocateVip,
    Apply,
    AwaitAgent,
    DestroyMachine,
    EnsureMachine,
    ForgetLoadBalancer,
    PlugVip,
    Provide,
    ReleaseVip,
    RenewSettings,
    RequestAmphora,
    RetireAmphora,
    Withdraw,
)
from octavia_tx.model.amphora import Amphora
from octavia_tx.model.statuses import AmphoraState, ProvisioningStatus

# States from which an amphora can come to serve, the farthest last.
_PROMISING = (AmphoraState.REQUESTED, AmphoraState.BOOTING, AmphoraState.READY, AmphoraState.ALLOCATED)
# States in which one has served, or may have.
_SERVED = (AmphoraState.ALLOCATED, AmphoraState.DRAINING)


def plan(situation: Situation) -> tuple[Step, ...]:
    """The steps from this situation to the wanted one, in order; none when it is the wanted one."""
    if situation.load_balancer.provisioning_status is ProvisioningStatus.PENDING_DELETE:
        return _removal(situation)
    if not situation.by_amphorae:
        return _vip(situation) + _provision(situation)
    kept = _kept(situation)
    leaving = tuple(a for a in situation.amphorae if a.state is AmphoraState.DRAINING and a.id not in situation.gone)
    retired = tuple(s for a in situation.amphorae if a is not kept and a not in leaving for s in _retirement(a))
    return _vip(situation) + retired + _service(situation, kept) + _farewell(situation, leaving)


def _removal(situation: Situation) -> tuple[Step, ...]:
    retired = tuple(s for a in situation.amphorae for s in (*_shipping(situation, a), *_retirement(a)))
    withdrawn = () if situation.by_amphorae else (Withdraw(),)
    return (*retired, *withdrawn, ReleaseVip(), ForgetLoadBalancer())


def _provision(situation: Situation) -> tuple[Step, ...]:
    """Have the load balancer's own provider serve the wanted revision."""
    load_balancer = situation.load_balancer
    served = load_balancer.applied_revision == load_balancer.revision
    return () if served and load_balancer.provisioning_status is ProvisioningStatus.ACTIVE else (Provide(),)


def _retirement(amphora: Amphora) -> tuple[Step, ...]:
    destroy = DestroyMachine(amphora.id)
    return (destroy,) if amphora.state is AmphoraState.DELETING else (RetireAmphora(amphora.id), destroy)


def _shipping(situation: Situation, amphora: Amphora) -> tuple[Step, ...]:
    """What comes before the retirement of one that served, where nobody waits for another to serve in its place."""
    return (ShipLogs(amphora.id),) if situation.logged and amphora.state in _SERVED else ()


def _farewell(situation: Situation, leaving: tuple[Amphora, ...]) -> tuple[Step, ...]:
    """Let the amphorae go that were replaced."""
    told = tuple(DrainAmphora(a.id) for a in leaving if a.withdrawn_at is None)
    gone = ((AwaitDrained(a.id), *_shipping(situation, a), *_retirement(a)) for a in leaving)
    return told + tuple(step for steps in gone for step in steps)


def _kept(situation: Situation) -> Amphora | None:
    """The one amphora that is to serve, if any of these can."""
    able = [a for a in situation.amphorae if a.state in _PROMISING and a.id not in situation.gone]
    return max(able, key=lambda a: (_PROMISING.index(a.state), a.applied_revision, a.id), default=None)


def _vip(situation: Situation) -> tuple[Step, ...]:
    return () if situation.has_vip else (AllocateVip(),)


def _service(situation: Situation, kept: Amphora | None) -> tuple[Step, ...]:
    """Make the kept amphora serve the wanted revision, or a new one where none is kept."""
    load_balancer = situation.load_balancer
    if kept is None:
        fresh = situation.fresh_id
        return (RequestAmphora(fresh), EnsureMachine(fresh), AwaitAgent(fresh), PlugVip(fresh), Apply(fresh))
    steps: tuple[Step, ...] = ()
    if kept.state is AmphoraState.REQUESTED:
        steps += (EnsureMachine(kept.id),)
    if kept.state is not AmphoraState.ALLOCATED:
        steps += (AwaitAgent(kept.id),)
    if kept.applied_revision == 0:
        steps += (PlugVip(kept.id),)
    if kept.id in situation.expiring:
        steps += (RenewCertificate(kept.id),)
    served = kept.applied_revision == load_balancer.applied_revision == load_balancer.revision
    if not served or load_balancer.provisioning_status is not ProvisioningStatus.ACTIVE:
        steps += (Apply(kept.id),)
    if kept.config_due:
        steps += (RenewSettings(kept.id),)
    return steps
