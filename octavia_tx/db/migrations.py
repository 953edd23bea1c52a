"""Bringing a database's shape up to date."""

from __future__ import annotations

from pathlib import Path

from octavia_tx.db.database import Database
from octavia_tx.db.statements import directory
from octavia_tx.db.transaction import Transaction
from octavia_tx.errors import SettingsError

DEADLINE = 600.0
"""Seconds that all migrations together may take."""


async def migrate(database: Database, sql: Path | None = None) -> int:
    """
    Apply C{schema.sql} to an empty database, else each of C{migrations/NNNN_*.sql} that is newer than it, in one
    transaction. Any number of processes may do so at once: the first does the work, the others find it done.

    @return: the version that the database has now.
    @raise SettingsError: the database is newer than this program.
    @raise DatabaseUnavailable: PostgreSQL doesn't answer; nothing was changed.
    """
    where = directory() if sql is None else sql
    migrations = {
        int(path.name[:4]): path for path in sorted((where / "migrations").glob("[0-9][0-9][0-9][0-9]_*.sql"))
    }
    newest = max(migrations, default=1)
    async with database.transaction(deadline=DEADLINE) as tx:
        await tx.fetch("migration.lock")
        version = await _version(tx)
        if version > newest:
            sentence = f"The database at {database.where} has version {version}, newer than this program's {newest}."
            raise SettingsError((sentence,))
        if version == 0:
            await tx.script((where / "schema.sql").read_text(encoding="utf-8"))
            await tx.execute("migration.record", version=newest)
        for number in sorted(migrations):
            if 0 < version < number:
                await tx.script(migrations[number].read_text(encoding="utf-8"))
                await tx.execute("migration.record", version=number)
    return newest


async def _version(tx: Transaction) -> int:
    """The database's version; 0 for an empty one."""
    row = await tx.fetch_one("migration.exists")
    if row is None or not row["present"]:
        return 0
    row = await tx.fetch_one("migration.version")
    return int(row["version"]) if row is not None and row["version"] is not None else 0
