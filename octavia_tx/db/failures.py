"""What PostgreSQL's and the connection's errors mean to the rest of the system."""

from __future__ import annotations

import psycopg2
from psycopg2 import errors as postgres
from twisted.internet.error import ConnectionDone, ConnectionLost

from octavia_tx.errors import Conflict, DatabaseUnavailable

# A unique index's or foreign key's name, and what it says when it refuses a row.
CONSTRAINTS = {
    "load_balancer_pkey": "There is a load balancer of that id already.",
    "load_balancer_vip": "The VIP's address is taken by another load balancer of that subnet.",
    "listener_pkey": "There is a listener of that id already.",
    "listener_port": "Another listener of this load balancer has that protocol and port.",
    "listener_default_pool": "The listener's default pool doesn't exist any more.",
    "pool_pkey": "There is a pool of that id already.",
    "member_pkey": "There is a member of that id already.",
    "member_address": "Another member of this pool has that address and port.",
    "member_pool_id_fkey": "The member's pool doesn't exist any more.",
    "health_monitor_pkey": "There is a health monitor of that id already.",
    "health_monitor_one": "The pool has a health monitor already.",
    "health_monitor_pool_id_fkey": "The health monitor's pool doesn't exist any more.",
    "l7policy_pkey": "There is an L7 policy of that id already.",
    "l7policy_listener_id_fkey": "The L7 policy's listener doesn't exist any more.",
    "l7policy_redirect_pool": "The pool is used by an L7 policy.",
    "l7rule_pkey": "There is an L7 rule of that id already.",
    "l7rule_l7policy_id_fkey": "The rule's L7 policy doesn't exist any more.",
    "flavor_profile_name": "There is a flavor profile of that name already.",
    "flavor_name": "There is a flavor of that name already.",
    "flavor_has_profile": "The flavor profile is used by a flavor, or doesn't exist any more.",
    "availability_zone_profile_name": "There is an availability zone profile of that name already.",
    "availability_zone_name": "There is an availability zone of that name already.",
    "availability_zone_has_profile": "The availability zone profile is used by a zone, or doesn't exist any more.",
    "load_balancer_has_flavor": "The flavor is used by a load balancer, or doesn't exist any more.",
    "load_balancer_has_zone": "The availability zone is used by a load balancer, or doesn't exist any more.",
    "secret_held_exists": "One of the container's secrets doesn't exist any more.",
    "amphora_pkey": "There is an amphora of that id already.",
    "amphora_load_balancer_id_fkey": "The load balancer has amphorae still, or doesn't exist any more.",
}

DRIVER_ERRORS = (psycopg2.Error, ConnectionDone, ConnectionLost)
"""All that a query on a connection may fail with."""

_LOST = (
    psycopg2.OperationalError,
    psycopg2.InterfaceError,
    postgres.ReadOnlySqlTransaction,
    ConnectionDone,
    ConnectionLost,
)


def means(error: BaseException, where: str) -> BaseException:
    """
    What to raise instead of an error of the driver: one of ours, or the same when it is a fault of our own SQL.

    @param where: the server's name for people, without secrets.
    """
    if isinstance(error, (postgres.UniqueViolation, postgres.ForeignKeyViolation)):
        name = error.diag.constraint_name or "?"
        return Conflict(CONSTRAINTS.get(name, f"The change contradicts what exists ({name})."))
    if isinstance(error, postgres.QueryCanceled):
        return DatabaseUnavailable(f"PostgreSQL at {where} took too long over a statement; nothing was changed.")
    if isinstance(error, (postgres.DeadlockDetected, postgres.SerializationFailure)):
        return DatabaseUnavailable(f"Two transactions at {where} got in each other's way; this one changed nothing.")
    # A server that goes down closes with a plain DatabaseError when it has no time for a code.
    if isinstance(error, _LOST) or type(error) is psycopg2.DatabaseError:
        return DatabaseUnavailable(f"The connection to PostgreSQL at {where} is lost: {first_line(error)}")
    return error


def first_line(error: BaseException) -> str:
    """The first line of an error's text as the end of a sentence."""
    text = str(error).strip().splitlines()
    return (text[0].strip().rstrip(".") if text else type(error).__name__) + "."
