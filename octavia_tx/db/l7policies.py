"""L7 policies of listeners. Deleting one takes its rules along."""

from __future__ import annotations

from octavia_tx.db.repository import Repository
from octavia_tx.model.resources import L7Policy

rows = Repository(
    "l7policy",
    L7Policy,
    find="l7policy.find",
    delete="l7policy.delete",
    applied="row.served",
    keeps=frozenset({"listener_id"}),
)

insert = rows.insert
get = rows.get
find = rows.find
update = rows.update
delete = rows.delete
touch = rows.touch
silence = rows.silence
