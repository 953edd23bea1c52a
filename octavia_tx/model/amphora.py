"""Amphorae, and the machines they run on."""

from __future__ import annotations

from datetime import datetime

from attrs import field, frozen
from attrs.converters import optional

from octavia_tx.model.statuses import AmphoraRole, AmphoraState


@frozen(kw_only=True)
class Amphora:
    """
    A black-box machine that serves load balancers.

    @ivar load_balancer_id: whom it serves; C{None} for a spare.
    @ivar compute_id: the compute driver's own name for the machine.
    @ivar lb_network_ip: where its agent listens.
    @ivar certificate_serial: of the newest certificate issued to it, in lower-case hexadecimal.
    @ivar applied_revision: the load balancer's revision that it runs.
    @ivar last_heartbeat: when a receiver last heard from it.
    @ivar error: why it is C{FAILED}, or what the present step waits for.
    @ivar withdrawn_at: when it was told to take no new connections; C{None} for one that serves, or never did.
    @ivar config_due: whether its agent wants its settings anew.
    """

    id: str
    load_balancer_id: str | None = None
    state: AmphoraState = field(default=AmphoraState.REQUESTED, converter=AmphoraState)
    role: AmphoraRole | None = field(default=None, converter=optional(AmphoraRole))
    compute_id: str | None = None
    lb_network_ip: str | None = None
    vrrp_ip: str | None = None
    ha_ip: str | None = None
    vrrp_port_id: str | None = None
    ha_port_id: str | None = None
    certificate_serial: str | None = None
    cert_expiration: datetime | None = None
    applied_revision: int = 0
    last_heartbeat: datetime | None = None
    image_id: str | None = None
    compute_flavor: str | None = None
    cached_zone: str | None = None
    error: str | None = None
    withdrawn_at: datetime | None = None
    config_due: bool = False
    created_at: datetime
    updated_at: datetime | None = None


@frozen(kw_only=True)
class Machine:
    """
    What a compute driver knows of an amphora's machine.

    @ivar running: whether it is meant to be up and is; a machine that is still coming up isn't.
    @ivar lb_network_ip: where its agent listens once it runs, if known already.
    """

    amphora_id: str
    compute_id: str
    running: bool
    lb_network_ip: str | None = None


@frozen(kw_only=True)
class Boot:
    """
    All that a new machine needs to become an amphora.

    @ivar files: by relative name, what to put into the agent's directory: C{agent.toml}, C{agent.pem} (certificate
        and private key), C{authority.pem}. Secret: never logged, mode 0600.
    """

    amphora_id: str
    files: dict[str, bytes] = field(repr=False)
    flavor: str | None = None
    image: str | None = None
    zone: str | None = None


@frozen(kw_only=True)
class AgentInfo:
    """What an agent says of itself: C{GET /1.0/info}."""

    hostname: str
    api_version: str
    haproxy_version: str


@frozen(kw_only=True)
class Vip:
    """A front-end address, as the network gave it."""

    address: str
    port_id: str
    subnet_id: str
    network_id: str


@frozen(kw_only=True)
class Network:
    """A network and its subnets, by id."""

    id: str
    name: str
    subnet_ids: tuple[str, ...]


@frozen(kw_only=True)
class Subnet:
    """
    A subnet of a network.

    @ivar cidr: C{"127.128.0.0/9"}, C{"2001:db8::/64"}.
    """

    id: str
    name: str
    network_id: str
    cidr: str
    ip_version: int
    gateway: str | None = None
