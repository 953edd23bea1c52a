"""The versions of the API: C{/}. Clients look at the highest to learn what they may ask for."""

from __future__ import annotations

from octavia_tx.api.call import Answer, Call
from octavia_tx.api.shapes import LINK, TEXT, a_list, an_object

# When each version was told to clients, v2.0 first.
_UPDATED = (
    "2016-12-11",
    "2018-04-20",
    "2018-07-31",
    "2018-12-18",
    "2018-12-19",
    "2019-01-21",
    "2019-01-25",
    "2018-01-25",
    "2019-02-12",
    "2019-03-04",
    "2019-03-05",
    "2019-06-24",
    "2019-09-11",
    "2019-09-13",
    "2019-11-10",
    "2020-03-10",
    "2020-03-15",
    "2020-04-29",
    "2020-04-29",
    "2020-05-12",
    "2020-08-02",
    "2020-08-03",
    "2020-09-04",
    "2020-09-07",
    "2020-10-15",
    "2021-10-02",
    "2022-08-29",
    "2023-05-05",
    "2023-11-08",
    "2024-10-15",
    "2025-02-26",
)


NEWEST = f"2.{len(_UPDATED) - 1}"
SHAPE = an_object(
    versions=a_list(
        an_object(
            id=TEXT,
            status={"type": "string", "enum": ["CURRENT", "SUPPORTED"]},
            updated={"type": "string", "format": "date-time"},
            links=a_list(LINK),
        )
    )
)


async def show_versions(call: Call) -> Answer:
    """All versions, the newest last and current."""
    newest = len(_UPDATED) - 1
    versions = [
        {
            "id": f"v2.{minor}",
            "status": "CURRENT" if minor == newest else "SUPPORTED",
            "updated": f"{day}T00:00:00Z",
            "links": [{"rel": "self", "href": f"{call.origin}/v2"}],
        }
        for minor, day in enumerate(_UPDATED)
    ]
    return Answer(200, {"versions": versions})
