"""
The load balancer's tree as frozen values: one shape for each thing.

Field names are the API's names and the columns' names, so that a row becomes a value by C{Listener(**row)} and
nothing has to be translated in between. Fields marked as C{DERIVED} are filled on reading and never written.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, TypeVar

from attrs import field, frozen
from attrs.converters import optional

from octavia_tx.model.statuses import (
    Algorithm,
    ClientAuthentication,
    L7Action,
    L7Comparison,
    L7RuleType,
    MonitorType,
    OperatingStatus,
    Persistence,
    Protocol,
    ProvisioningStatus,
    Topology,
)

_T = TypeVar("_T")

DERIVED = "octavia_tx.derived"
"""In a field's metadata: it isn't a column, but found by the statement that reads the row."""
_DERIVED = {DERIVED: True}


def _tuple(values: Iterable[_T] | None) -> tuple[_T, ...]:
    return tuple(values or ())


@frozen(kw_only=True, slots=False)
class AdditionalVip:
    """A further front-end address of a load balancer."""

    subnet_id: str | None = None
    ip_address: str | None = None
    port_id: str | None = None


def _additional_vips(given: Iterable[Any] | None) -> tuple[AdditionalVip, ...]:
    return tuple(v if isinstance(v, AdditionalVip) else AdditionalVip(**v) for v in given or ())


@frozen(kw_only=True, slots=False)
class LoadBalancer:
    """
    A tenant's load balancer.

    @ivar revision: raised by each change of the tree, in the same transaction.
    @ivar applied_revision: the revision that the amphorae run; equal to C{revision} when C{ACTIVE}.
    @ivar error: why it isn't C{ACTIVE}, as a sentence for the operator.
    @ivar incomplete: what its provider still misses, as a sentence; such an object isn't served, and stays C{OFFLINE}.
    """

    id: str
    project_id: str
    name: str = ""
    description: str = ""
    admin_state_up: bool = True
    provider: str = "amphora"
    flavor_id: str | None = None
    availability_zone: str | None = None
    topology: Topology = field(default=Topology.SINGLE, converter=Topology)
    vip_address: str | None = None
    vip_port_id: str | None = None
    vip_subnet_id: str | None = None
    vip_network_id: str | None = None
    vip_qos_policy_id: str | None = None
    vip_sg_ids: tuple[str, ...] = field(default=(), converter=_tuple)
    vip_vnic_type: str = "normal"
    additional_vips: tuple[AdditionalVip, ...] = field(default=(), converter=_additional_vips)
    tags: tuple[str, ...] = field(default=(), converter=_tuple)
    provisioning_status: ProvisioningStatus = field(
        default=ProvisioningStatus.PENDING_CREATE, converter=ProvisioningStatus
    )
    operating_status: OperatingStatus = field(default=OperatingStatus.OFFLINE, converter=OperatingStatus)
    revision: int = 1
    applied_revision: int = 0
    error: str | None = None
    incomplete: str | None = None
    created_at: datetime
    updated_at: datetime | None = None
    listener_ids: tuple[str, ...] = field(default=(), converter=_tuple, metadata=_DERIVED)
    pool_ids: tuple[str, ...] = field(default=(), converter=_tuple, metadata=_DERIVED)


@frozen(kw_only=True, slots=False)
class Listener:
    """
    A port of the VIP.

    @ivar connection_limit: at once; -1 for as many as the amphora bears.
    @ivar timeout_client_data: milliseconds, as the other time-outs.
    @ivar revision: the load balancer's revision at which this object last changed.
    @ivar incomplete: as a load balancer's.
    """

    id: str
    project_id: str
    load_balancer_id: str
    name: str = ""
    description: str = ""
    admin_state_up: bool = True
    protocol: Protocol = field(converter=Protocol)
    protocol_port: int
    connection_limit: int = -1
    default_pool_id: str | None = None
    default_tls_container_ref: str | None = None
    sni_container_refs: tuple[str, ...] = field(default=(), converter=_tuple)
    insert_headers: dict[str, str] = field(factory=dict)
    timeout_client_data: int = 50000
    timeout_member_connect: int = 5000
    timeout_member_data: int = 50000
    timeout_tcp_inspect: int = 0
    allowed_cidrs: tuple[str, ...] | None = field(default=None, converter=optional(_tuple))
    alpn_protocols: tuple[str, ...] | None = field(default=None, converter=optional(_tuple))
    tls_ciphers: str | None = None
    tls_versions: tuple[str, ...] | None = field(default=None, converter=optional(_tuple))
    client_authentication: ClientAuthentication = field(
        default=ClientAuthentication.NONE, converter=ClientAuthentication
    )
    client_ca_tls_container_ref: str | None = None
    client_crl_container_ref: str | None = None
    hsts_max_age: int | None = None
    hsts_include_subdomains: bool = False
    hsts_preload: bool = False
    tags: tuple[str, ...] = field(default=(), converter=_tuple)
    provisioning_status: ProvisioningStatus = field(
        default=ProvisioningStatus.PENDING_CREATE, converter=ProvisioningStatus
    )
    operating_status: OperatingStatus = field(default=OperatingStatus.OFFLINE, converter=OperatingStatus)
    revision: int = 1
    incomplete: str | None = None
    created_at: datetime
    updated_at: datetime | None = None
    l7policy_ids: tuple[str, ...] = field(default=(), converter=_tuple, metadata=_DERIVED)


@frozen(kw_only=True, slots=False)
class SessionPersistence:
    """What ties a client to a member, within its pool."""

    type: Persistence = field(converter=Persistence)
    cookie_name: str | None = None
    persistence_timeout: int | None = None
    persistence_granularity: str | None = None


def _persistence(given: Any) -> SessionPersistence | None:
    if given is None or isinstance(given, SessionPersistence):
        return given
    return SessionPersistence(**given)


@frozen(kw_only=True, slots=False)
class Pool:
    """Members that serve the same, and how one is chosen."""

    id: str
    project_id: str
    load_balancer_id: str
    name: str = ""
    description: str = ""
    admin_state_up: bool = True
    protocol: Protocol = field(converter=Protocol)
    lb_algorithm: Algorithm = field(converter=Algorithm)
    session_persistence: SessionPersistence | None = field(default=None, converter=_persistence)
    tls_enabled: bool = False
    tls_container_ref: str | None = None
    ca_tls_container_ref: str | None = None
    crl_container_ref: str | None = None
    tls_ciphers: str | None = None
    tls_versions: tuple[str, ...] | None = field(default=None, converter=optional(_tuple))
    alpn_protocols: tuple[str, ...] | None = field(default=None, converter=optional(_tuple))
    tags: tuple[str, ...] = field(default=(), converter=_tuple)
    provisioning_status: ProvisioningStatus = field(
        default=ProvisioningStatus.PENDING_CREATE, converter=ProvisioningStatus
    )
    operating_status: OperatingStatus = field(default=OperatingStatus.OFFLINE, converter=OperatingStatus)
    revision: int = 1
    incomplete: str | None = None
    created_at: datetime
    updated_at: datetime | None = None
    health_monitor_id: str | None = field(default=None, metadata=_DERIVED)
    listener_ids: tuple[str, ...] = field(default=(), converter=_tuple, metadata=_DERIVED)
    member_ids: tuple[str, ...] = field(default=(), converter=_tuple, metadata=_DERIVED)


@frozen(kw_only=True, slots=False)
class Member:
    """
    A back end.

    @ivar subnet_id: plumb the amphora to this subnet to reach it; C{None}: by the default gateway.
    @ivar weight: its share, 0 to 256; 0 finishes what it has and takes no more.
    """

    id: str
    project_id: str
    load_balancer_id: str
    pool_id: str
    name: str = ""
    admin_state_up: bool = True
    address: str
    protocol_port: int
    weight: int = 1
    backup: bool = False
    subnet_id: str | None = None
    monitor_address: str | None = None
    monitor_port: int | None = None
    vnic_type: str = "normal"
    tags: tuple[str, ...] = field(default=(), converter=_tuple)
    provisioning_status: ProvisioningStatus = field(
        default=ProvisioningStatus.PENDING_CREATE, converter=ProvisioningStatus
    )
    operating_status: OperatingStatus = field(default=OperatingStatus.NO_MONITOR, converter=OperatingStatus)
    revision: int = 1
    incomplete: str | None = None
    created_at: datetime
    updated_at: datetime | None = None


@frozen(kw_only=True, slots=False)
class HealthMonitor:
    """
    How a pool's members are checked.

    @ivar delay: seconds between checks; C{timeout} is in seconds too.
    @ivar max_retries: successes until a member is up; C{max_retries_down}: failures until it is down.
    """

    id: str
    project_id: str
    load_balancer_id: str
    pool_id: str
    name: str = ""
    admin_state_up: bool = True
    type: MonitorType = field(converter=MonitorType)
    delay: int
    timeout: int
    max_retries: int
    max_retries_down: int = 3
    http_method: str | None = None
    url_path: str | None = None
    expected_codes: str | None = None
    http_version: float | None = field(default=None, converter=optional(float))
    domain_name: str | None = None
    tags: tuple[str, ...] = field(default=(), converter=_tuple)
    provisioning_status: ProvisioningStatus = field(
        default=ProvisioningStatus.PENDING_CREATE, converter=ProvisioningStatus
    )
    operating_status: OperatingStatus = field(default=OperatingStatus.OFFLINE, converter=OperatingStatus)
    revision: int = 1
    incomplete: str | None = None
    created_at: datetime
    updated_at: datetime | None = None


@frozen(kw_only=True, slots=False)
class L7Policy:
    """
    What a listener does with requests that all of the policy's rules match.

    @ivar position: its place among the listener's policies, from 1, without gaps.
    @ivar redirect_http_code: of the redirect; C{None} for actions that don't redirect the client.
    """

    id: str
    project_id: str
    load_balancer_id: str
    listener_id: str
    name: str = ""
    description: str = ""
    admin_state_up: bool = True
    action: L7Action = field(converter=L7Action)
    position: int = 1
    redirect_pool_id: str | None = None
    redirect_url: str | None = None
    redirect_prefix: str | None = None
    redirect_http_code: int | None = None
    tags: tuple[str, ...] = field(default=(), converter=_tuple)
    provisioning_status: ProvisioningStatus = field(
        default=ProvisioningStatus.PENDING_CREATE, converter=ProvisioningStatus
    )
    operating_status: OperatingStatus = field(default=OperatingStatus.OFFLINE, converter=OperatingStatus)
    revision: int = 1
    incomplete: str | None = None
    created_at: datetime
    updated_at: datetime | None = None
    rule_ids: tuple[str, ...] = field(default=(), converter=_tuple, metadata=_DERIVED)


@frozen(kw_only=True, slots=False)
class L7Rule:
    """
    A condition on requests.

    @ivar key: the header's, cookie's or DN field's name, where the type has one.
    @ivar invert: whether it matches what it otherwise wouldn't.
    """

    id: str
    project_id: str
    load_balancer_id: str
    l7policy_id: str
    admin_state_up: bool = True
    type: L7RuleType = field(converter=L7RuleType)
    compare_type: L7Comparison = field(converter=L7Comparison)
    key: str | None = None
    value: str
    invert: bool = False
    tags: tuple[str, ...] = field(default=(), converter=_tuple)
    provisioning_status: ProvisioningStatus = field(
        default=ProvisioningStatus.PENDING_CREATE, converter=ProvisioningStatus
    )
    operating_status: OperatingStatus = field(default=OperatingStatus.OFFLINE, converter=OperatingStatus)
    revision: int = 1
    incomplete: str | None = None
    created_at: datetime
    updated_at: datetime | None = None


@frozen(kw_only=True, slots=False)
class Statistics:
    """Traffic since the object exists. Bytes, connections, requests; C{active_connections} is of now."""

    active_connections: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    request_errors: int = 0
    total_connections: int = 0
