"""Rules of L7 policies."""

from __future__ import annotations

from octavia_tx.db.repository import Repository
from octavia_tx.model.resources import L7Rule

rows = Repository("l7rule", L7Rule, applied="row.served", keeps=frozenset({"l7policy_id"}))

insert = rows.insert
get = rows.get
find = rows.find
update = rows.update
delete = rows.delete
touch = rows.touch
silence = rows.silence
