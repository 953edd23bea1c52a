"""The document that describes the API."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from jsonschema import Draft202012Validator, FormatChecker
from openapi_spec_validator import OpenAPIV31SpecValidator
from twisted.trial.unittest import SynchronousTestCase

from octavia_tx.api import neighbours, root, statuses
from octavia_tx.api.call import Answer, Call
from octavia_tx.api.codec import Encoder, Fields
from octavia_tx.api.openapi import Undocumented, document
from octavia_tx.api.policy import PUBLIC, READ, RULES
from octavia_tx.api.resource import Document, Resource, Route, Served
from octavia_tx.model.tree import Tree
from octavia_tx.testing import strategies

METHODS = ("get", "post", "put", "delete")


def operations(whole: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    """Every method of every path."""
    return [(m, path, methods[m]) for path, methods in whole["paths"].items() for m in METHODS if m in methods]


def within(whole: dict[str, Any], schema: dict[str, Any]) -> Draft202012Validator:
    """A schema that may refer to the document's components."""
    return Draft202012Validator({**schema, "components": whole["components"]}, format_checker=FormatChecker())


def every_fields(whole: tuple[Served, ...]) -> dict[str, Fields]:
    """What bodies may hold, by name."""
    documents = [each.route.document for each in whole if each.route.document is not None]
    return {about.takes.name: about.takes for about in documents if about.takes is not None}


BESIDE = (*neighbours.networks(any_id=True), *neighbours.key_manager(), *neighbours.identity())
SERVED = root.served(BESIDE)
WHOLE = document(SERVED)


async def _verb(call: Call) -> Answer:
    raise NotImplementedError


class DocumentTests(SynchronousTestCase):
    """All of it."""

    whole = WHOLE

    def test_it_is_openapi(self) -> None:
        self.assertEqual([error.message for error in OpenAPIV31SpecValidator(self.whole).iter_errors()], [])
        self.assertEqual(json.loads(json.dumps(self.whole)), self.whole)

    def test_every_route_is_in_it(self) -> None:
        told = {
            (m, p) for m, path, operation in operations(self.whole) for p in (path, *operation.get("x-also-at", ()))
        }
        served = {(each.route.method.lower(), each.path.replace("<", "{").replace(">", "}") or "/") for each in SERVED}
        self.assertEqual(told, served)

    def test_what_is_not_served_is_not_in_it(self) -> None:
        alone = document(root.served())["paths"]
        self.assertLess(alone.keys(), self.whole["paths"].keys())
        self.assertNotIn("/network/v2.0/subnets", alone)
        self.assertIn("/v2.0/subnets", self.whole["paths"]["/network/v2.0/subnets"]["get"]["x-also-at"])

    def test_every_field_is_in_it(self) -> None:
        schemas = self.whole["components"]["schemas"]
        for name, fields in every_fields(SERVED).items():
            for variant in ("create", "change", "nested"):
                schema = schemas.get(f"{name}_{variant}")
                if schema is not None:
                    known = {field.name for field in fields.taken(variant)}  # type: ignore[arg-type]
                    self.assertEqual(schema["properties"].keys(), known, f"{name}_{variant}")
        for name in ("loadbalancer_create", "listener_change", "pool_nested", "member_nested", "rule_create"):
            self.assertIn(name, schemas)

    def test_operations_have_names_of_their_own(self) -> None:
        names = [operation["operationId"] for _, _, operation in operations(self.whole)]
        self.assertEqual(len(set(names)), len(names))

    def test_each_operation_tells_who_may_do_it(self) -> None:
        for each in SERVED:
            rule = RULES[f"{each.route.method} {each.route.path}"]
            path = each.path.replace("<", "{").replace(">", "}") or "/"
            operation = self.whole["paths"].get(path, {}).get(each.route.method.lower())
            if operation is None:
                continue  # told at another path
            self.assertEqual(operation["security"], [] if rule.public else [{"token": []}])
            if not rule.public:
                self.assertEqual(operation["x-roles"], {"own": sorted(rule.own), "every": sorted(rule.every)})
            self.assertEqual("401" in operation["responses"], not rule.public)

    def test_each_filter_of_a_list_is_an_argument(self) -> None:
        for each in SERVED:
            about = each.route.document
            methods = self.whole["paths"].get(each.path.replace("<", "{").replace(">", "}"))
            if about is None or about.gives is None or not about.listed or methods is None:
                continue  # the last: told of at its first path
            operation = methods["get"]
            names = {parameter["name"] for parameter in operation["parameters"] if parameter["in"] == "query"}
            self.assertLessEqual({*about.gives.filters, "limit", "marker", "sort", "fields"}, names)

    def test_what_is_read_in_a_way_of_its_own_is_told_too(self) -> None:
        told = {
            (p["in"], p["name"]): p["schema"] for p in self.whole["paths"]["/v2/octavia/events"]["get"]["parameters"]
        }
        for where, good, bad in (
            (("query", "kind"), "pool,member", "pools"),
            (("query", "last_event_id"), "745-12", "745"),
            (("header", "Last-Event-ID"), "", "745"),
        ):
            self.assertTrue(within(self.whole, told[where]).is_valid(good), where)
            self.assertFalse(within(self.whole, told[where]).is_valid(bad), where)

    def test_what_a_dry_run_tells_is_an_answer(self) -> None:
        for path, method, usual in (
            ("/v2/lbaas/pools", "post", "201"),
            ("/v2/lbaas/pools/{id}", "put", "200"),
            ("/v2/lbaas/pools/{id}", "delete", "204"),
            ("/v2/lbaas/loadbalancers/{id}/failover", "put", "202"),
            ("/v2/lbaas/flavors/{id}", "put", "200"),
            ("/v2/lbaas/quotas/{project_id}", "delete", "202"),
            ("/v2/octavia/amphorae/{id}/failover", "put", "202"),
        ):
            operation = self.whole["paths"][path][method]
            self.assertIn(usual, operation["responses"])
            self.assertIn("rehearsal", json.dumps(operation["responses"]["200"]))
            self.assertIn("dry_run", [parameter["name"] for parameter in operation["parameters"]])
        tried = self.whole["paths"]["/v2/lbaas/flavors/{id}"]["put"]["responses"]["200"]
        self.assertNotIn("ETag", tried["headers"], "flavors have no revisions")

    def test_what_is_changed_may_be_held_against_its_revision(self) -> None:
        paths = self.whole["paths"]
        member = paths["/v2/lbaas/pools/{pool_id}/members/{id}"]
        for operation, expected in (
            (member["put"], True),
            (member["delete"], True),
            (member["get"], False),
            (paths["/v2/lbaas/pools/{pool_id}/members"]["post"], False),
        ):
            names = [parameter["name"] for parameter in operation["parameters"]]
            self.assertEqual("If-Match" in names, expected)
            self.assertEqual("412" in operation["responses"], expected)

    def test_what_is_shown_with_its_revision_may_be_there_already(self) -> None:
        paths = self.whole["paths"]
        for path, expected in (
            ("/v2/lbaas/pools/{id}", True),
            ("/v2/lbaas/pools", False),
            ("/v2/lbaas/flavors/{id}", False),
        ):
            operation = paths[path]["get"]
            names = [parameter["name"] for parameter in operation["parameters"]]
            self.assertEqual("If-None-Match" in names, expected, path)
            self.assertEqual("304" in operation["responses"], expected, path)


class GapTests(SynchronousTestCase):
    """What can't be told is an error."""

    def refused(self, route: Route) -> str:
        return str(self.assertRaises(Undocumented, document, (Served(f"/{route.path}", route, PUBLIC),)))

    def test_a_route_without_a_document(self) -> None:
        self.assertIn("GET things: there is no Document", self.refused(Route("GET", "things", _verb)))

    def test_an_answer_of_unknown_shape(self) -> None:
        self.assertIn("shows", self.refused(Route("GET", "things", _verb, Document(summary="Things."))))

    def test_an_argument_that_is_read_in_an_unknown_way(self) -> None:
        about = Document(summary="Things.", shows={}, arguments={"colour": lambda where, given: given})
        self.assertIn("no schema", self.refused(Route("GET", "things", _verb, about)))

    def test_a_route_at_two_paths_is_told_at_the_first(self) -> None:
        route = Route("GET", "things", _verb, Document(summary="Things.", shows={"type": "object"}))
        whole = document((Served("/a/things", route, READ), Served("/b/things", route, READ)))
        self.assertEqual(list(whole["paths"]), ["/a/things"])
        self.assertEqual(whole["paths"]["/a/things"]["get"]["x-also-at"], ["/b/things"])


class AnswerTests(SynchronousTestCase):
    """What answers show, against what the document says that they show."""

    def check(self, resource: Resource[Any], value: Any) -> None:
        whole = WHOLE
        shown = json.loads(json.dumps(resource.encode(value)))
        within(whole, {"$ref": f"#/components/schemas/{resource.name}"}).validate(shown)
        for key in shown:
            less = {name: each for name, each in shown.items() if name != key}
            self.assertFalse(within(whole, {"$ref": f"#/components/schemas/{resource.name}"}).is_valid(less), key)
            within(whole, {"$ref": f"#/components/schemas/{resource.name}_fields"}).validate(less)

    @given(strategies.trees())
    def test_what_is_shown_has_the_shape_that_is_told(self, tree: Tree) -> None:
        resources = {
            each.route.document.gives.rows.model: each.route.document.gives
            for each in SERVED
            if each.route.document is not None and each.route.document.gives is not None
        }
        for value in (tree.load_balancer, *tree.children()):
            self.check(resources[type(value)], value)

    @given(strategies.trees())
    def test_status_trees_have_the_shape_that_is_told(self, tree: Tree) -> None:
        Draft202012Validator(statuses.SHAPE).validate(json.loads(json.dumps(statuses.status_tree(tree))))

    def test_every_resource_has_a_shape(self) -> None:
        for each in SERVED:
            about = each.route.document
            if about is not None and about.gives is not None:
                encode: Encoder = about.gives.encode
                self.assertEqual(about.gives.shape()["properties"].keys(), encode.keys)
