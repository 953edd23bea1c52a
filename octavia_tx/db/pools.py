"""Pools. Deleting one takes its members and monitor along; listeners that used it do without."""

from __future__ import annotations

from octavia_tx.db.repository import Repository
from octavia_tx.model.resources import Pool

rows = Repository(
    "pool", Pool, find="pool.find", delete="pool.delete", touch="pool.touch", keeps=frozenset({"protocol"})
)

insert = rows.insert
get = rows.get
find = rows.find
update = rows.update
delete = rows.delete
touch = rows.touch
silence = rows.silence

_brief = Repository("pool", Pool, find="pool.brief")
brief = _brief.get
"""One pool by its id, without the ids of its members, which may be many, and of its listeners."""
