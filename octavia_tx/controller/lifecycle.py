"""
The life of an amphora as one machine.

The state is a column: a machine is rebuilt from the amphora's row, an input says which state follows, and L{change}
writes it only where the row still has the state that the machine was built from. C{docs/lifecycle.md} draws it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from attrs import evolve
from automat import TypeMachineBuilder

from octavia_tx.db import amphorae
from octavia_tx.db.transaction import Transaction
from octavia_tx.errors import Conflict
from octavia_tx.model.amphora import Amphora
from octavia_tx.model.statuses import AmphoraState


class Life(Protocol):
    """What may happen to an amphora. Each input gives the state that follows."""

    def boot(self) -> AmphoraState:
        """Its machine exists and is being started."""

    def stand_by(self) -> AmphoraState:
        """Its agent answers, and it waits as a spare."""

    def allocate(self) -> AmphoraState:
        """Its agent answers, and it belongs to a load balancer."""

    def drain(self) -> AmphoraState:
        """Another shall take its place: it serves until that one does, then finishes the connections that it has."""

    def fail(self) -> AmphoraState:
        """It is of no use any more: never came up, or its machine is gone."""

    def retire(self) -> AmphoraState:
        """It is on its way out: the machine is destroyed, then the row forgotten."""

    def destroyed(self) -> AmphoraState:
        """Its machine is gone for good."""


_builder = TypeMachineBuilder(Life, Amphora)
_state = {state: _builder.state(state.value) for state in AmphoraState}

_TRANSITIONS: tuple[tuple[Callable[[Life], AmphoraState], tuple[AmphoraState, ...], AmphoraState], ...] = (
    (Life.boot, (AmphoraState.REQUESTED,), AmphoraState.BOOTING),
    (Life.stand_by, (AmphoraState.BOOTING,), AmphoraState.READY),
    (Life.allocate, (AmphoraState.BOOTING, AmphoraState.READY), AmphoraState.ALLOCATED),
    (Life.drain, (AmphoraState.ALLOCATED,), AmphoraState.DRAINING),
    (Life.fail, tuple(set(AmphoraState) - {AmphoraState.DELETED}), AmphoraState.FAILED),
    (Life.retire, tuple(set(AmphoraState) - {AmphoraState.DELETED}), AmphoraState.DELETING),
    (Life.destroyed, (AmphoraState.DELETING,), AmphoraState.DELETED),
)

for _input, _befores, _after in _TRANSITIONS:
    for _before in _befores:
        _state[_before].upon(_input).to(_state[_after]).returns(_after)

machine = _builder.build()


def rebuilt(amphora: Amphora) -> Life:
    """The machine of an amphora, in the state that its row says."""
    return machine(amphora, _state[amphora.state])


async def change(tx: Transaction, amphora: Amphora, event: Callable[[Life], AmphoraState], **columns: Any) -> Amphora:
    """
    Let something happen to an amphora and record the state that follows, together with these columns.

    @return: the amphora as it is now.
    @raise Conflict: the row isn't in the state that C{amphora} has; nothing was written.
    @raise automat.NoTransition: this can't happen in that state.
    """
    state = event(rebuilt(amphora))
    if not await amphorae.change(tx, amphora.id, amphora.state, state, **columns):
        raise Conflict(f"Amphora {amphora.id} isn't {amphora.state} any more.")
    return evolve(amphora, state=state, **columns)
