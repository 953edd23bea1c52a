"""How neutron shows networks, subnets, ports and what else requests name: as JSON, and as little as clients look at."""

from __future__ import annotations

from typing import Any

from octavia_tx.api.shapes import FLAG, INTEGER, LINK, TEXT, UUID, Schema, a_list, an_object, nullable, with_keys
from octavia_tx.model.amphora import Network, Subnet
from octavia_tx.model.resources import LoadBalancer

Shape = dict[str, Any]

PORT_NAME = "octavia-lb-"

_COMMON = an_object(id=UUID, name=TEXT, description=TEXT, project_id=TEXT, tenant_id=TEXT, tags=a_list(TEXT))
NETWORK: Schema = with_keys(
    _COMMON,
    admin_state_up=FLAG,
    availability_zone_hints=a_list(TEXT),
    availability_zones=a_list(TEXT),
    port_security_enabled=FLAG,
    shared=FLAG,
    status=TEXT,
    subnets=a_list(UUID),
    **{"router:external": FLAG},
)
SUBNET: Schema = with_keys(
    _COMMON,
    allocation_pools=a_list({}),
    cidr=TEXT,
    dns_nameservers=a_list(TEXT),
    enable_dhcp=FLAG,
    gateway_ip=nullable(TEXT),
    host_routes=a_list({}),
    ip_version=INTEGER,
    ipv6_address_mode=nullable(TEXT),
    ipv6_ra_mode=nullable(TEXT),
    network_id=UUID,
    subnetpool_id=nullable(UUID),
)
PORT: Schema = with_keys(
    _COMMON,
    admin_state_up=FLAG,
    allowed_address_pairs=a_list({}),
    device_id=TEXT,
    device_owner=TEXT,
    fixed_ips=a_list(an_object(subnet_id=nullable(UUID), ip_address=nullable(TEXT))),
    mac_address=TEXT,
    network_id=nullable(UUID),
    port_security_enabled=FLAG,
    qos_policy_id=nullable(UUID),
    security_groups=a_list(UUID),
    status=TEXT,
    **{"binding:vnic_type": TEXT},
)
SECURITY_GROUP: Schema = with_keys(_COMMON, security_group_rules=a_list({}), shared=FLAG, stateful=FLAG)
QOS_POLICY: Schema = with_keys(_COMMON, is_default=FLAG, rules=a_list({}), shared=FLAG)
VERSION: Schema = an_object(id=TEXT, status=TEXT, links=a_list(LINK))
FAULT: Schema = an_object(NeutronError=an_object(type=TEXT, message=TEXT, detail=TEXT))


def _shape(identifier: str, name: str, project_id: str = "", **own: Any) -> Shape:
    common = {"id": identifier, "name": name, "description": "", "project_id": project_id, "tenant_id": project_id}
    return {**common, "tags": [], **own}


def network(value: Network) -> Shape:
    """A network that everyone may use."""
    own: Shape = {
        "admin_state_up": True,
        "availability_zone_hints": [],
        "availability_zones": [],
        "port_security_enabled": False,
        "router:external": False,
        "shared": True,
        "status": "ACTIVE",
        "subnets": list(value.subnet_ids),
    }
    return _shape(value.id, value.name, **own)


def subnet(value: Subnet) -> Shape:
    """A subnet that everyone may use."""
    return _shape(
        value.id,
        value.name,
        allocation_pools=[],
        cidr=value.cidr,
        dns_nameservers=[],
        enable_dhcp=False,
        gateway_ip=value.gateway,
        host_routes=[],
        ip_version=value.ip_version,
        ipv6_address_mode=None,
        ipv6_ra_mode=None,
        network_id=value.network_id,
        subnetpool_id=None,
    )


def port(port_id: str, network_id: str | None, name: str = "", project_id: str = "", **own: Any) -> Shape:
    """A port without an address, unless C{own} says more."""
    common = {
        "admin_state_up": True,
        "allowed_address_pairs": [],
        "binding:vnic_type": "normal",
        "device_id": "",
        "device_owner": "",
        "fixed_ips": [],
        "mac_address": "",
        "network_id": network_id,
        "port_security_enabled": False,
        "qos_policy_id": None,
        "security_groups": [],
        "status": "ACTIVE",
    }
    return {**_shape(port_id, name, project_id), **common, **own}


def vip_port(load_balancer: LoadBalancer) -> Shape:
    """The port of a load balancer's VIP."""
    own: Shape = {
        "binding:vnic_type": load_balancer.vip_vnic_type,
        "device_id": f"lb-{load_balancer.id}",
        "device_owner": "Octavia",
        "fixed_ips": [{"subnet_id": load_balancer.vip_subnet_id, "ip_address": load_balancer.vip_address}],
        "qos_policy_id": load_balancer.vip_qos_policy_id,
        "security_groups": list(load_balancer.vip_sg_ids),
    }
    name = f"{PORT_NAME}{load_balancer.id}"
    return port(str(load_balancer.vip_port_id), load_balancer.vip_network_id, name, load_balancer.project_id, **own)


def security_group(identifier: str) -> Shape:
    """One without rules."""
    return _shape(identifier, "", security_group_rules=[], shared=False, stateful=True)


def qos_policy(identifier: str) -> Shape:
    """One without rules."""
    return _shape(identifier, "", is_default=False, rules=[], shared=False)


def version(url: str) -> Shape:
    """The only version of neutron's API, below an URL."""
    return {"id": "v2.0", "status": "CURRENT", "links": [{"rel": "self", "href": f"{url}/v2.0/"}]}


def fault(kind: str, sentence: str) -> Shape:
    """The body of a refusal."""
    return {"NeutronError": {"type": kind, "message": sentence, "detail": ""}}
