"""What schemathesis loads: puts objects that are there into the requests that it makes up, so that they are found."""

from __future__ import annotations

import json
import os
import re
from itertools import count
from typing import Any

import schemathesis
from schemathesis.core.parameters import ParameterLocation

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.I)
_THERE: dict[str, list[str]] = json.loads(os.environ.get("OCTAVIA_TX_FUZZ_OBJECTS", "{}"))
_GOING: dict[str, list[str]] = json.loads(os.environ.get("OCTAVIA_TX_FUZZ_VICTIMS", "{}"))
_calls = count()


def _known(value: Any, ids: list[str] | None, number: int) -> Any:
    """One of the ids, in the place of one that was made up; what is no id at all stays."""
    return ids[number % len(ids)] if ids and isinstance(value, str) and _UUID.fullmatch(value) else value


def _referring(value: Any, number: int) -> Any:
    """A body whose fields refer to what is there. To JSON Schema alone, 80.0 is an integer."""
    if isinstance(value, dict):
        return {key: _known(_referring(each, number), _THERE.get(key), number) for key, each in value.items()}
    if isinstance(value, list):
        return [_referring(each, number) for each in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _few(body: Any, kept: frozenset[str], number: int) -> Any:
    """A valid object with what it needs and one or two fields more, for many fields at once often contradict."""
    ((name, fields),) = body.items()
    if not isinstance(fields, dict):
        return body
    further = sorted(fields.keys() - kept)
    chosen = {further[number % len(further)], further[number // 7 % len(further)]} if further else set()
    return {name: {key: value for key, value in fields.items() if key in kept | chosen}}


def _needed(case: Any) -> frozenset[str]:
    """The fields that a body can't do without."""
    schema = case.operation.schema.raw_schema
    body = case.operation.definition.raw["requestBody"]["content"]["application/json"]["schema"]
    (one,) = body["properties"].values()
    name = one.get("$ref", one.get("items", {}).get("$ref", "")).rpartition("/")[2]
    return frozenset(schema["components"]["schemas"][name]["required"])


def _placed(body: Any) -> None:
    """Say where a new object hangs, which it may say in several ways; the document can't ask for one of them."""
    for name, field in (("loadbalancer", "vip_subnet_id"), ("pool", "loadbalancer_id")):
        if isinstance(body.get(name), dict):
            body[name].pop("listener_id", None)
            body[name][field] = _THERE[field][0]


def _about_headers(case: Any) -> bool:
    """Whether a case wants to know what becomes of a wrong header."""
    about = getattr(case.meta.phase.data, "parameter_location", ParameterLocation.HEADER)
    return about is ParameterLocation.HEADER and case.meta.is_negative_at(ParameterLocation.HEADER)


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: dict[str, Any]) -> None:
    """
    Aim at what is there.

    What is deleted are objects that nobody else needs, and a batch takes no member from the pool of the others.
    If-Match is mostly about any revision.
    """
    number = next(_calls)
    kind = next((part for part in reversed(case.path.split("/")) if part in _THERE), "")
    batch = case.method == "PUT" and kind == "members" and "id" not in case.path_parameters
    there = _GOING if case.method == "DELETE" else _THERE
    named = not case.meta.is_negative_at(ParameterLocation.PATH)
    for name, value in (case.path_parameters or {}).items():
        if name in ("name", "project_id") and named:
            case.path_parameters[name] = there["quotas" if name == "project_id" else kind][0]
        else:
            case.path_parameters[name] = _known(value, there.get(kind if name == "id" else name), batch)
    if isinstance(case.body, dict):
        if case.path.startswith("/v2/") and not case.meta.is_negative_at(ParameterLocation.BODY):
            case.body = _few(case.body, _needed(case), number) if number % 3 else case.body
            if case.method == "POST":
                _placed(case.body)
        case.body = _referring(case.body, number)
    if number % 4 and "If-Match" in (case.headers or {}) and not _about_headers(case):
        case.headers["If-Match"] = "*"


@schemathesis.check
def whole_objects(ctx: Any, response: Any, case: Any) -> None:
    """Where no fields are chosen, objects of ours are shown with all of them; the document can't tell the two apart."""
    schemas = case.operation.schema.raw_schema["components"]["schemas"]
    ours = case.path.startswith("/v2/") and not case.path.endswith("/events")
    if response.status_code != 200 or "fields" in (case.query or {}) or not ours:
        return
    for name, value in response.json().items():
        key = {"l7policies": "l7policy", "amphorae": "amphora"}.get(name, name.removesuffix("s"))
        for each in value if isinstance(value, list) else [value]:
            if key in schemas:
                assert each.keys() == schemas[key]["properties"].keys(), f"{name}: {sorted(each)}"
