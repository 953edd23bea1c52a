"""Members of pools."""

from __future__ import annotations

from octavia_tx.db.repository import Repository
from octavia_tx.model.resources import Member

rows = Repository("member", Member, keeps=frozenset({"pool_id", "address", "protocol_port"}))

insert = rows.insert
get = rows.get
find = rows.find
update = rows.update
delete = rows.delete
touch = rows.touch
silence = rows.silence
