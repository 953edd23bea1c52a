"""Listeners. Deleting one takes its L7 policies along."""

from __future__ import annotations

from octavia_tx.db.repository import Repository
from octavia_tx.model.resources import Listener

rows = Repository(
    "listener", Listener, find="listener.find", delete="listener.delete", keeps=frozenset({"protocol", "protocol_port"})
)

insert = rows.insert
get = rows.get
find = rows.find
update = rows.update
delete = rows.delete
touch = rows.touch
silence = rows.silence
