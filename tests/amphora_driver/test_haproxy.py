"""The driver against an agent's REST, without sockets."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from hashlib import md5
from typing import Any

from attrs import define, evolve, field
from klein import Klein
from OpenSSL import SSL
from treq.testing import RequestTraversalAgent
from twisted.internet.defer import CancelledError, Deferred, fail
from twisted.internet.error import ConnectionLost, ConnectionRefusedError
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.client import RequestTransmissionFailed, ResponseNeverReceived
from twisted.web.iweb import IAgent, IRequest
from zope.interface import implementer
from zope.interface.verify import verifyObject

from octavia_tx import tracing
from octavia_tx.amphora_driver.client import ANSWER_LIMIT, CALL_TIMEOUT
from octavia_tx.amphora_driver.haproxy import HaproxyDriver
from octavia_tx.amphora_driver.noop import NoopDriver
from octavia_tx.amphora_driver.render import Renderer
from octavia_tx.amphora_driver.tls import files
from octavia_tx.errors import AmphoraError, AmphoraRefused, AmphoraUnreachable, ConfigurationRejected, StaleFence
from octavia_tx.interfaces import IAmphoraDriver
from octavia_tx.model.amphora import Amphora
from octavia_tx.model.certificates import Secrets
from octavia_tx.tracing import RequestIds
from octavia_tx.wire.logs import LogTerms, decode
from octavia_tx.wire.rest import FENCE_HEADER, REQUEST_ID_HEADER, logs_path
from octavia_tx.wire.tls import Credential
from tests.amphora_driver.gallery import AMPHORA, LOAD_BALANCER, listener, member, pool, secret, terminated, tree
from tests.amphora_driver.secrets import secrets

RENDERER = Renderer()
UNUSED = Credential(pem=b"", authority=b"")
TREE = tree(listener(), pool(), member(1))
NONE = Secrets()
INFO = {"hostname": "amphora-1", "api_version": "1.0", "haproxy_version": "2.6.12", "keepalived_version": "2.2.7"}


def amphora(**fields: Any) -> Amphora:
    return Amphora(
        **{"id": AMPHORA, "lb_network_ip": "192.0.2.5", "created_at": datetime(2030, 1, 1, tzinfo=UTC), **fields}
    )


@define
class Call:
    """One request that reached the agent."""

    method: str
    path: str
    fence: str | None
    request_id: str | None
    body: bytes


@define
class ScriptedAgent:
    """An agent's REST that answers as it is told: by method and last part of the path."""

    answers: dict[str, tuple[int, object]] = field(factory=dict)
    calls: list[Call] = field(factory=list)
    app: Klein = field(factory=Klein)

    def __attrs_post_init__(self) -> None:
        self.app.route("/", branch=True, methods=["GET", "PUT", "DELETE"])(self.answer)

    def answer(self, request: IRequest) -> bytes:
        method, path = request.method.decode(), request.path.decode()
        self.calls.append(
            Call(
                method,
                path,
                request.getHeader(FENCE_HEADER),
                request.getHeader(REQUEST_ID_HEADER),
                request.content.read(),
            )
        )
        status, body = self.answers.get(f"{method} {path.rsplit('/', 1)[-1]}", (200, {"message": "OK"}))
        request.setResponseCode(status)
        return body if isinstance(body, bytes) else json.dumps(body).encode()


@implementer(IAgent)
@define
class FailingAgent:
    """Makes every request end in that way."""

    outcome: Deferred[Any]

    def request(self, *args: object, **kwargs: object) -> Deferred[Any]:
        return self.outcome


class DriverCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.agent = ScriptedAgent({"GET info": (200, INFO)})
        self.asked_for: list[str] = []

        def agent_for(wanted: Amphora) -> IAgent:
            self.asked_for.append(wanted.id)
            return RequestTraversalAgent(self.agent.app.resource())

        self.driver = HaproxyDriver(self.clock, UNUSED, RENDERER, agent_for=agent_for)

    def call(self, name: str, *arguments: Any) -> Deferred[Any]:
        return Deferred.fromCoroutine(getattr(self.driver, name)(*arguments))

    def done(self, name: str, *arguments: Any) -> Any:
        return self.successResultOf(self.call(name, *arguments))

    def failed(self, kind: type[AmphoraError], name: str, *arguments: Any) -> str:
        failure = self.failureResultOf(self.call(name, *arguments))
        self.assertIs(failure.type, kind)
        self.assertIn(AMPHORA, str(failure.value))
        return str(failure.value)


class CallTests(DriverCase):
    """What is said to the agent."""

    def test_it_provides_the_contract(self) -> None:
        self.assertTrue(verifyObject(IAmphoraDriver, self.driver))

    def test_the_terms_of_a_log_are_told_before_the_configuration_that_logs(self) -> None:
        terms = LogTerms(targets=(), spool=1, rotate_bytes=1, rotate_after=1, farewell=1)
        self.driver._log_terms = lambda _tree: terms
        self.done("apply", amphora(), TREE, 7, NONE)
        told, uploaded, _reloaded = self.agent.calls
        self.assertEqual((told.method, told.path, told.fence), ("PUT", logs_path(LOAD_BALANCER), "7"))
        self.assertEqual(decode(told.body), terms)
        self.assertTrue(uploaded.path.endswith("/haproxy"))

    def test_an_agent_that_ships_no_logs_serves_all_the_same(self) -> None:
        self.driver._log_terms = lambda _tree: LogTerms(targets=(), spool=1, rotate_bytes=1, rotate_after=1, farewell=1)
        for status in (404, 405):
            self.agent.answers["PUT logs"] = (status, {"error": "no such path"})
            self.done("apply", amphora(), TREE, 7, NONE)
        self.agent.answers["PUT logs"] = (409, {"details": "9 was seen"})
        self.failed(StaleFence, "apply", amphora(), TREE, 7, NONE)

    def test_what_is_left_of_a_log_is_told_in_bytes(self) -> None:
        for answer, left in (((200, {"left": 5}), 5), ((404, {}), 0)):
            self.agent.answers["GET logs"] = answer
            self.assertEqual(self.done("unshipped", amphora(), LOAD_BALANCER), left)
        self.agent.answers["GET logs"] = (200, {"left": "much"})
        self.failed(AmphoraError, "unshipped", amphora(), LOAD_BALANCER)

    def test_info_is_what_the_agent_says(self) -> None:
        info = self.done("info", amphora())
        self.assertEqual((info.hostname, info.api_version, info.haproxy_version), ("amphora-1", "1.0", "2.6.12"))

    def test_applying_uploads_and_reloads_with_the_fence(self) -> None:
        self.done("apply", amphora(), TREE, 7, NONE)
        self.assertEqual(
            [(call.method, call.path, call.fence) for call in self.agent.calls],
            [
                ("PUT", f"/1.0/loadbalancer/{AMPHORA}/{LOAD_BALANCER}/haproxy", "7"),
                ("PUT", f"/1.0/loadbalancer/{LOAD_BALANCER}/reload", "7"),
            ],
        )
        self.assertEqual(self.agent.calls[0].body.decode(), RENDERER.render(TREE, AMPHORA))

    def test_certificates_that_are_missing_or_different_are_put_before_the_configuration(self) -> None:
        shown = tree(terminated(sni_container_refs=(secret("two"), secret("three"))), pool())
        given = secrets(shown)
        made = files(shown, given)
        same, other, *missing = sorted(made)
        there = {same: md5(made[same]).hexdigest(), other: "0" * 32, "unused.pem": "1" * 32}
        self.agent.answers["GET certificates"] = (200, {"certificates": there})
        self.done("apply", amphora(), shown, 7, given)
        listed, *put, uploaded, reloaded = self.agent.calls
        where = f"/1.0/loadbalancer/{LOAD_BALANCER}/certificates"
        self.assertEqual((listed.method, listed.path), ("GET", where))
        self.assertEqual(
            {(call.method, call.path, call.fence, call.body) for call in put},
            {("PUT", f"{where}/{name}", "7", made[name]) for name in (other, *missing)},
        )
        self.assertTrue(uploaded.path.endswith("/haproxy"))
        self.assertTrue(reloaded.path.endswith("/reload"))

    def test_a_missing_certificate_is_named_before_any_call(self) -> None:
        self.assertIn(
            secret("one"), self.failed(ConfigurationRejected, "apply", amphora(), tree(terminated()), 1, NONE)
        )
        self.assertEqual(self.agent.calls, [])

    def test_each_call_has_a_request_id_of_its_own(self) -> None:
        self.done("apply", amphora(), TREE, 7, NONE)
        ids = {call.request_id for call in self.agent.calls}
        self.assertEqual(len(ids), 2)
        self.assertTrue(all(id is not None and id.startswith("req-") for id in ids))

    def test_calls_for_a_request_carry_its_id(self) -> None:
        with tracing.of(RequestIds("req-mine")):
            self.done("apply", amphora(), TREE, 7, NONE)
        self.assertEqual({call.request_id for call in self.agent.calls}, {"req-mine"})

    def test_withdrawing_deletes_with_the_fence(self) -> None:
        self.done("withdraw", amphora(), LOAD_BALANCER, 8)
        (call,) = self.agent.calls
        self.assertEqual((call.method, call.path, call.fence), ("DELETE", f"/1.0/listeners/{LOAD_BALANCER}", "8"))

    def test_a_tree_with_nothing_to_serve_is_withdrawn(self) -> None:
        self.done("apply", amphora(), tree(listener(admin_state_up=False)), 9, NONE)
        (call,) = self.agent.calls
        self.assertEqual((call.method, call.fence), ("DELETE", "9"))

    def test_connections_are_those_of_the_amphora_itself(self) -> None:
        self.done("info", amphora())
        self.assertEqual(self.asked_for, [AMPHORA])


class AnswerTests(DriverCase):
    """What becomes of an agent's answers."""

    def test_a_rejected_configuration_carries_haproxys_words_and_is_not_reloaded(self) -> None:
        self.agent.answers["PUT haproxy"] = (400, {"message": "Invalid request", "details": "[ALERT] unknown keyword"})
        self.assertIn("[ALERT] unknown keyword", self.failed(ConfigurationRejected, "apply", amphora(), TREE, 1, NONE))
        self.assertEqual(len(self.agent.calls), 1)

    def test_an_unsafe_tree_is_rejected_before_any_call(self) -> None:
        unsafe = evolve(TREE, members=(member(1, address="192.0.2.1\n"),))
        self.failed(ConfigurationRejected, "apply", amphora(), unsafe, 1, NONE)
        self.assertEqual(self.agent.calls, [])

    def test_a_stale_fence_is_told_wherever_it_appears(self) -> None:
        stale = (409, {"message": "Stale fence", "details": "9 was seen"})
        for key in ("PUT haproxy", "PUT reload"):
            self.agent.answers = {key: stale}
            self.assertIn("9 was seen", self.failed(StaleFence, "apply", amphora(), TREE, 1, NONE))
        self.agent.answers = {f"DELETE {LOAD_BALANCER}": stale}
        self.failed(StaleFence, "withdraw", amphora(), LOAD_BALANCER, 1)

    def test_a_failed_start_carries_its_details(self) -> None:
        self.agent.answers["PUT reload"] = (500, {"message": "Error reloading", "details": "cannot bind socket"})
        said = self.failed(AmphoraError, "apply", amphora(), TREE, 1, NONE)
        self.assertIn("500", said)
        self.assertIn("cannot bind socket", said)

    def test_a_400_of_anything_but_an_upload_is_not_the_configurations_fault(self) -> None:
        self.agent.answers["PUT reload"] = (400, {"message": "Invalid request", "details": "unknown action"})
        self.failed(AmphoraError, "apply", amphora(), TREE, 1, NONE)

    def test_an_answer_that_is_not_json_is_shown(self) -> None:
        self.agent.answers["GET info"] = (502, b"<html>bad gateway")
        self.assertIn("<html>bad gateway", self.failed(AmphoraError, "info", amphora()))

    def test_info_that_is_not_an_object_or_lacks_a_part_is_an_error(self) -> None:
        for body in (b"x", [1], {"hostname": "a", "api_version": "1.0"}):
            self.agent.answers["GET info"] = (200, body)
            self.failed(AmphoraError, "info", amphora())

    def test_an_endless_answer_is_cut(self) -> None:
        self.agent.answers["GET info"] = (500, b"x" * (ANSWER_LIMIT + 100_000))
        self.assertLess(len(self.failed(AmphoraError, "info", amphora())), 3000)


class FailureTests(DriverCase):
    """What becomes of connections that fail."""

    def ends(self, error: Exception) -> AmphoraError:
        self.driver = HaproxyDriver(self.clock, UNUSED, RENDERER, agent_for=lambda _: FailingAgent(fail(error)))
        failure = self.failureResultOf(self.call("info", amphora()))
        assert isinstance(failure.value, AmphoraError)
        return failure.value

    def test_a_refused_connection_is_unreachable(self) -> None:
        self.assertIsInstance(self.ends(ConnectionRefusedError("nobody")), AmphoraUnreachable)

    def test_a_connection_lost_is_unreachable(self) -> None:
        for kind in (ResponseNeverReceived, RequestTransmissionFailed):
            self.assertIsInstance(self.ends(kind([Failure(ConnectionLost())])), AmphoraUnreachable)

    def test_a_failed_handshake_is_refused(self) -> None:
        error = SSL.Error([("SSL routines", "", "certificate verify failed")])
        for kind in (ResponseNeverReceived, RequestTransmissionFailed):
            refused = self.ends(kind([Failure(error)]))
            self.assertIsInstance(refused, AmphoraRefused)
            self.assertIn("certificate verify failed", str(refused))

    def test_silence_is_unreachable_and_the_request_is_given_up(self) -> None:
        silent: Deferred[Any] = Deferred()
        self.driver = HaproxyDriver(self.clock, UNUSED, RENDERER, agent_for=lambda _: FailingAgent(silent))
        outcome = self.call("info", amphora())
        self.clock.advance(CALL_TIMEOUT - 0.1)
        self.assertNoResult(outcome)
        self.clock.advance(0.2)
        self.failureResultOf(outcome, AmphoraUnreachable)
        self.assertTrue(silent.called)

    def test_silence_on_a_connection_is_named(self) -> None:
        def abort(request: Deferred[Any]) -> None:
            request.errback(ResponseNeverReceived([Failure(CancelledError())]))

        self.driver = HaproxyDriver(self.clock, UNUSED, RENDERER, agent_for=lambda _: FailingAgent(Deferred(abort)))
        outcome = self.call("info", amphora())
        self.clock.advance(CALL_TIMEOUT)
        unreachable = self.failureResultOf(outcome, AmphoraUnreachable).value
        self.assertIn("didn't answer within 5 s: GET /1.0/info.", str(unreachable))

    def test_a_cancelled_call_is_cancelled_and_not_unreachable(self) -> None:
        self.driver = HaproxyDriver(self.clock, UNUSED, RENDERER, agent_for=lambda _: FailingAgent(Deferred()))
        outcome = self.call("info", amphora())
        outcome.cancel()
        self.failureResultOf(outcome, CancelledError)
        self.assertEqual(self.clock.getDelayedCalls(), [])


class NoopTests(SynchronousTestCase):
    """The driver that does nothing."""

    def test_everything_succeeds_at_once(self) -> None:
        driver = NoopDriver()
        self.assertTrue(verifyObject(IAmphoraDriver, driver))
        self.assertEqual(self.successResultOf(Deferred.fromCoroutine(driver.info(amphora()))).api_version, "1.0")
        self.successResultOf(Deferred.fromCoroutine(driver.apply(amphora(), TREE, 1, NONE)))
        self.successResultOf(Deferred.fromCoroutine(driver.withdraw(amphora(), LOAD_BALANCER, 1)))
