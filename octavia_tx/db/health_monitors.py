"""Health monitors of pools."""

from __future__ import annotations

from octavia_tx.db.repository import Repository
from octavia_tx.model.resources import HealthMonitor

rows = Repository("health_monitor", HealthMonitor, applied="row.served", keeps=frozenset({"pool_id", "type"}))

insert = rows.insert
get = rows.get
find = rows.find
update = rows.update
delete = rows.delete
touch = rows.touch
silence = rows.silence
