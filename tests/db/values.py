"""Model values for tests of the database: new ones with every call, each complete in itself."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from octavia_tx.model.amphora import Amphora
from octavia_tx.model.resources import (
    AdditionalVip,
    HealthMonitor,
    Listener,
    LoadBalancer,
    Member,
    Pool,
    SessionPersistence,
)
from octavia_tx.model.tree import Tree

NOW = datetime(2030, 5, 6, 7, 8, 9, 123456, UTC)
NASTY = 'it\'s "quoted" \\ 100%s %(name)s\n\t; -- § 日本 🙂'


def new_id() -> str:
    """An id that nothing else has."""
    return str(uuid4())


def load_balancer(**given: Any) -> LoadBalancer:
    """One with every column filled with something that a careless hand would lose."""
    values: dict[str, Any] = {
        "id": new_id(),
        "project_id": "a-project",
        "name": NASTY,
        "description": NASTY,
        "flavor_id": None,
        "availability_zone": None,
        "vip_qos_policy_id": new_id(),
        "vip_sg_ids": (new_id(), new_id()),
        "additional_vips": (AdditionalVip(subnet_id=new_id(), ip_address="2001:db8::7"),),
        "tags": ("a", NASTY, "{,}", ""),
        "created_at": NOW,
    }
    return LoadBalancer(**{**values, **given})


def listener(parent: LoadBalancer, **given: Any) -> Listener:
    """A listener of a load balancer."""
    values: dict[str, Any] = {
        "id": new_id(),
        "project_id": parent.project_id,
        "load_balancer_id": parent.id,
        "name": NASTY,
        "protocol": "HTTP",
        "protocol_port": 80,
        "insert_headers": {"X-Forwarded-For": "true"},
        "allowed_cidrs": ("10.0.0.0/8", "2001:db8::/32"),
        "sni_container_refs": ("one", "two"),
        "tags": ("t",),
        "created_at": NOW,
    }
    return Listener(**{**values, **given})


def pool(parent: LoadBalancer, **given: Any) -> Pool:
    """A pool of a load balancer."""
    values: dict[str, Any] = {
        "id": new_id(),
        "project_id": parent.project_id,
        "load_balancer_id": parent.id,
        "name": NASTY,
        "protocol": "HTTP",
        "lb_algorithm": "ROUND_ROBIN",
        "session_persistence": SessionPersistence(type="APP_COOKIE", cookie_name="c%s"),
        "tags": ("t",),
        "created_at": NOW,
    }
    return Pool(**{**values, **given})


def member(parent: Pool, **given: Any) -> Member:
    """A member of a pool."""
    values: dict[str, Any] = {
        "id": new_id(),
        "project_id": parent.project_id,
        "load_balancer_id": parent.load_balancer_id,
        "pool_id": parent.id,
        "name": NASTY,
        "address": "192.0.2.1",
        "protocol_port": 8080,
        "monitor_address": "2001:db8::1",
        "tags": ("t",),
        "created_at": NOW,
    }
    return Member(**{**values, **given})


def health_monitor(parent: Pool, **given: Any) -> HealthMonitor:
    """The monitor of a pool."""
    values: dict[str, Any] = {
        "id": new_id(),
        "project_id": parent.project_id,
        "load_balancer_id": parent.load_balancer_id,
        "pool_id": parent.id,
        "name": NASTY,
        "type": "HTTP",
        "delay": 5,
        "timeout": 3,
        "max_retries": 2,
        "http_version": 1.1,
        "url_path": "/%20?a=b",
        "tags": ("t",),
        "created_at": NOW,
    }
    return HealthMonitor(**{**values, **given})


def tree(**given: Any) -> Tree:
    """A load balancer with one of each."""
    top = load_balancer(**given)
    its_pool = pool(top)
    return Tree(
        load_balancer=top,
        listeners=(listener(top, default_pool_id=its_pool.id),),
        pools=(its_pool,),
        members=(member(its_pool), member(its_pool, address="192.0.2.2")),
        health_monitors=(health_monitor(its_pool),),
    )


def amphora(**given: Any) -> Amphora:
    """An amphora that serves nobody yet."""
    return Amphora(**{"id": new_id(), "created_at": NOW, **given})
