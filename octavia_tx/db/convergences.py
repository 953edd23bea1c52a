"""How far the controllers are with each load balancer, to be looked at; C{db/leases.py} is what changes it."""

from __future__ import annotations

from octavia_tx.db.repository import Repository
from octavia_tx.model.convergence import Convergence

rows = Repository("convergence", Convergence, find="lease.find")
