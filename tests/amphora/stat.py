"""haproxy's C{show stat}, made for tests."""

from __future__ import annotations

from collections.abc import Mapping

LISTENER = "aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa"
OTHER_LISTENER = "abababab-abab-4bab-8bab-abababababab"
POOL = "bbbbbbbb-bbbb-4bbb-8bbb-bbbbbbbbbbbb"
MEMBER = "cccccccc-cccc-4ccc-8ccc-cccccccccccc"
COLUMNS = (
    "pxname", "svname", "scur", "slim", "stot", "bin", "bout", "ereq", "status", "weight", "check_status", "mode",
)  # fmt: skip


def table(*rows: Mapping[str, object]) -> str:
    lines = [",".join(str(row.get(c, "")) for c in COLUMNS) + "," for row in rows]
    return "\n".join(["# " + ",".join(COLUMNS) + ",", *lines, "", ""])


def frontend(listener: str = LISTENER, **columns: object) -> dict[str, object]:
    numbers = dict.fromkeys(("scur", "stot", "bin", "bout", "ereq"), 0)
    return {"pxname": listener, "svname": "FRONTEND", "status": "OPEN", "slim": 100, **numbers, **columns}


def server(status: str, listener: str = LISTENER, **columns: object) -> dict[str, object]:
    given = {"weight": 1, "check_status": "L7OK"}
    return {"pxname": f"{POOL}:{listener}", "svname": MEMBER, "status": status, **given, **columns}
