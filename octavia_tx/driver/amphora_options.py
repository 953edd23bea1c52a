"""What flavors and availability zones may ask of amphorae."""

from __future__ import annotations

from typing import Any, Final

from octavia_tx.driver.options import FLAVOR_DATA, ZONE_DATA, Options
from octavia_tx.model import flavor, log_format

TOPOLOGY: Final = "loadbalancer_topology"
FRONT_END: Final = "front_end"
SPARES: Final = "spares"
SRIOV_VIP: Final = "sriov_vip"

_UNPRINTABLE = r"[\u0000-\u001f\u007f-\u009f\ud800-\udfff]"
_UUID = r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$"


def _name(description: str) -> dict[str, Any]:
    """Of something outside, which knows what it may look like."""
    return {
        "type": "string",
        "minLength": 1,
        "maxLength": 255,
        "not": {"pattern": _UNPRINTABLE},
        "description": description,
    }


def _id(description: str) -> dict[str, Any]:
    return {"type": "string", "maxLength": 36, "pattern": _UUID, "description": description}


FLAVOR: Final = Options(
    FLAVOR_DATA,
    "What flavors may ask of amphorae",
    {
        TOPOLOGY: {
            "type": "string",
            "enum": ["SINGLE", "ACTIVE_STANDBY"],
            "description": "How many amphorae serve a load balancer: SINGLE, or ACTIVE_STANDBY for a pair.",
        },
        "compute_flavor": _name("The id of compute's flavor for the amphorae, a text."),
        "amp_image_tag": _name("The tag of the amphorae's image, a text."),
        SRIOV_VIP: {"type": "boolean", "description": "Whether the VIP's port is an SR-IOV one, true or false."},
        "allow_member_sriov": {
            "type": "boolean",
            "description": "Whether tenants may ask for SR-IOV ports towards members, true or false.",
        },
        flavor.LOGS: {"type": "boolean", "description": "Whether accesses are logged, true or false."},
        flavor.LOG_FORMAT: {
            "type": "string",
            "maxLength": log_format.LONGEST,
            "pattern": log_format.PATTERN,
            "not": {"pattern": _UNPRINTABLE},
            "description": f"A line of the access log: {log_format.ACCEPTED}.",
        },
        flavor.LOG_TARGETS: {
            "type": "array",
            "minItems": 1,
            "maxItems": 8,
            "uniqueItems": True,
            "items": {"type": "string", "pattern": "^[A-Za-z0-9_-]{1,64}$"},
            "description": "Where the access log goes, a list of names of the operator's targets.",
        },
        SPARES: {
            "type": "integer",
            "minimum": 0,
            "maximum": 1000,
            "description": "How many amphorae are kept booted for new load balancers, an integer from 0 to 1000.",
        },
        FRONT_END: {
            "type": "string",
            "enum": ["L2", "L3"],
            "description": "How packets reach the VIP: L2, it answers on its subnet, or L3, by routes to it.",
        },
    },
)

ZONE: Final = Options(
    ZONE_DATA,
    "What availability zones may ask of amphorae",
    {
        "compute_zone": _name("The name of compute's availability zone, a text."),
        "management_network": _id("The id of the network by which controllers reach the amphorae, a UUID."),
        "valid_vip_networks": {
            "type": "array",
            "minItems": 1,
            "items": {"type": "string", "maxLength": 36, "pattern": _UUID},
            "description": "The ids of the networks that a VIP may be on, a list of UUIDs.",
        },
        "volume_zone": _name("The name of the volumes' availability zone, a text."),
        "volume_type": _name("The type of the amphorae's volumes, a text."),
    },
)
