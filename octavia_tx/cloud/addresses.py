"""
How the embedded drivers divide the host's own 127.0.0.0/8.

Amphorae's agents listen in one part, load balancers' front ends are placed in another, and the rest is left to the
tenant who names an address.
"""

from __future__ import annotations

LOOPBACK = "127.0.0.0/8"
MANAGEMENT = "127.64.0.0/10"
AUTOMATIC_VIPS = "127.128.0.0/9"
