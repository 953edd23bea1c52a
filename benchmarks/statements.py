"""What each statement costs PostgreSQL, as its own extension pg_stat_statements counts it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg2
from attrs import frozen

from benchmarks.service import Ours
from octavia_tx.db.postmaster import running

_EXTENSION = "pg_stat_statements"
_SETTINGS = f"\nshared_preload_libraries = '{_EXTENSION}'\n{_EXTENSION}.track_planning = on\n"


@frozen(kw_only=True)
class Statement:
    """
    One statement, whatever its values.

    @ivar plan, run: milliseconds for all its calls together, as the clock shows them.
    """

    text: str
    calls: int
    plan: float
    run: float


def count(service: Ours) -> bool:
    """Have statements counted from now on; whether that can be. Starts the service's daemons again."""
    data = _data(service)
    with (data / "postgresql.auto.conf").open("a") as settings:
        settings.write(_SETTINGS)
    service.start_again()
    try:
        _ask(data, f"CREATE EXTENSION IF NOT EXISTS {_EXTENSION}")
    except psycopg2.Error:
        return False
    return True


def forget(service: Ours) -> None:
    """Count anew."""
    _ask(_data(service), f"SELECT {_EXTENSION}_reset()")


def counted(service: Ours) -> Iterator[Statement]:
    """The statements since then, those that cost most first."""
    asked = (
        f"SELECT query, calls, total_plan_time, total_exec_time FROM {_EXTENSION} "
        f"WHERE query NOT LIKE '%{_EXTENSION}%' ORDER BY total_plan_time + total_exec_time DESC"
    )
    for text, calls, plan, run in _ask(_data(service), asked):
        yield Statement(text=re.sub(r"\s+", " ", text), calls=calls, plan=plan, run=run)


def _data(service: Ours) -> Path:
    return service.directory / "state" / "postgresql" / "data"


def _ask(data: Path, statement: str) -> list[tuple[str, int, float, float]]:
    server = running(data)
    assert server is not None
    with closing(psycopg2.connect(server.dsn)) as connection:
        connection.autocommit = True
        cursor = connection.cursor()
        cursor.execute(statement)
        return cursor.fetchall() if cursor.description else []
