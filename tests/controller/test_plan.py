"""Plans, followed in a model of what their steps do: pure."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID, uuid4

from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from octavia_tx.controller.plan import plan
from octavia_tx.controller.situation import Situation
from octavia_tx.controller.step import Step
from octavia_tx.model.amphora import Amphora
from octavia_tx.model.resources import AdditionalVip, LoadBalancer
from octavia_tx.model.statuses import AmphoraRole, AmphoraState, ProvisioningStatus

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LOAD_BALANCER = LoadBalancer(id=str(uuid4()), project_id="blue", revision=3, applied_revision=3, created_at=NOW)
ALLOCATED = evolve(
    LOAD_BALANCER,
    vip_address="10.0.0.2",
    vip_port_id=str(uuid4()),
    vip_subnet_id=str(uuid4()),
    vip_network_id=str(uuid4()),
)
SERVED = evolve(ALLOCATED, provisioning_status=ProvisioningStatus.ACTIVE)
FRESH = str(UUID(int=0xF))


def amphora(state: AmphoraState, applied: int = 0, id: str | None = None) -> Amphora:
    return Amphora(
        id=id or str(uuid4()),
        load_balancer_id=LOAD_BALANCER.id,
        state=state,
        role=AmphoraRole.STANDALONE,
        applied_revision=applied,
        created_at=NOW,
    )


def situation(load_balancer: LoadBalancer, *amphorae: Amphora, gone: tuple[str, ...] = ()) -> Situation:
    return Situation(load_balancer=load_balancer, amphorae=amphorae, gone=frozenset(gone), fresh_id=FRESH)


def names(steps: tuple[Step, ...]) -> list[str]:
    return [step.name for step in steps]


states = st.sampled_from([s for s in AmphoraState if s is not AmphoraState.DELETED])
load_balancers = st.builds(
    lambda base, revision, lag, status: evolve(
        base, revision=revision, applied_revision=max(0, revision - lag), provisioning_status=status
    ),
    st.sampled_from([LOAD_BALANCER, ALLOCATED]),
    st.integers(1, 5),
    st.integers(0, 5),
    st.sampled_from([s for s in ProvisioningStatus if s is not ProvisioningStatus.DELETED]),
)


@st.composite
def situations(draw: st.DrawFn) -> Situation:
    found = tuple(
        evolve(
            amphora(state, applied, str(UUID(int=number))),
            config_due=draw(st.booleans()),
            withdrawn_at=NOW if state is AmphoraState.DRAINING and draw(st.booleans()) else None,
        )
        for number, (state, applied) in enumerate(draw(st.lists(st.tuples(states, st.integers(0, 5)), max_size=4)))
    )
    some = st.sets(st.sampled_from([a.id for a in found])) if found else st.just(set[str]())
    drawn = situation(draw(load_balancers), *found, gone=tuple(draw(some)))
    return evolve(drawn, expiring=frozenset(draw(some)), logged=draw(st.booleans()))


def done(step: Step, before: Situation) -> Situation | None:
    """What follows from a step that goes well; C{None}: the load balancer is forgotten."""
    lb, id = before.load_balancer, step.amphora_id
    if step.name == "allocate VIP":
        vip = {f"vip_{n}": getattr(ALLOCATED, f"vip_{n}") for n in ("address", "port_id", "subnet_id", "network_id")}
        return evolve(before, load_balancer=evolve(lb, **vip))
    if step.name == "request amphora":
        assert id not in {a.id for a in before.amphorae}
        return before.having(amphora(AmphoraState.REQUESTED, id=id))
    if step.name == "ship logs":
        assert before.logged and id is not None
        assert before.amphora(id).state in (AmphoraState.ALLOCATED, AmphoraState.DRAINING)
        if lb.provisioning_status is not ProvisioningStatus.PENDING_DELETE:
            assert lb.provisioning_status is ProvisioningStatus.ACTIVE
        return before
    if step.name == "destroy machine":
        assert id is not None and before.amphora(id).state is AmphoraState.DELETING
        return before.without(id)
    if step.name == "forget load balancer":
        assert not before.amphorae
        return None
    if step.name == "release VIP":
        assert not before.amphorae
        return before
    assert id is not None
    return _served(step, before, before.amphora(id))


def _served(step: Step, before: Situation, now: Amphora) -> Situation:
    lb = before.load_balancer
    if step.name == "ensure machine":
        assert now.state is AmphoraState.REQUESTED
        return before.having(evolve(now, state=AmphoraState.BOOTING))
    if step.name == "await agent":
        assert now.state in (AmphoraState.BOOTING, AmphoraState.READY)
        return before.having(evolve(now, state=AmphoraState.ALLOCATED))
    if step.name == "retire amphora":
        leaves = now.state is AmphoraState.DRAINING and now.id not in before.gone
        assert not leaves or now.withdrawn_at or lb.provisioning_status is ProvisioningStatus.PENDING_DELETE
        return before.having(evolve(now, state=AmphoraState.DELETING))
    others = [a for a in before.amphorae if a is not now]
    if step.name in ("drain amphora", "await drained"):
        assert now.state is AmphoraState.DRAINING
        assert any(a.state is AmphoraState.ALLOCATED and a.applied_revision == lb.revision for a in others)
        return before.having(evolve(now, withdrawn_at=NOW))
    assert now.state is AmphoraState.ALLOCATED and before.has_vip
    assert all(a.state is AmphoraState.DRAINING for a in others)
    if step.name == "plug VIP":
        return before
    if step.name == "renew settings":
        return before.having(evolve(now, config_due=False))
    if step.name == "renew certificate":
        assert now.id in before.expiring
        return evolve(before, expiring=before.expiring - {now.id})
    assert step.name == "apply"
    applied = evolve(lb, applied_revision=lb.revision, provisioning_status=ProvisioningStatus.ACTIVE)
    return evolve(before.having(evolve(now, applied_revision=lb.revision)), load_balancer=applied)


class Plans(SynchronousTestCase):
    """Single cases, as sentences."""

    def test_what_is_logged_is_shipped_before_its_machine_goes(self) -> None:
        leaving = evolve(SERVED, provisioning_status=ProvisioningStatus.PENDING_DELETE)
        shown = evolve(situation(leaving, amphora(AmphoraState.ALLOCATED, 3)), logged=True)
        self.assertEqual(names(plan(shown))[:3], ["ship logs", "retire amphora", "destroy machine"])
        draining = evolve(amphora(AmphoraState.DRAINING, 3), withdrawn_at=NOW)
        replaced = evolve(situation(SERVED, amphora(AmphoraState.ALLOCATED, 3), draining), logged=True)
        self.assertEqual(names(plan(replaced)), ["await drained", "ship logs", "retire amphora", "destroy machine"])

    def test_nobody_waits_for_the_logs_of_one_that_failed(self) -> None:
        failed = evolve(situation(SERVED, amphora(AmphoraState.FAILED, 3)), logged=True)
        self.assertNotIn("ship logs", names(plan(failed)))

    def test_nothing_is_done_when_all_is_as_wanted(self) -> None:
        self.assertEqual(plan(situation(SERVED, amphora(AmphoraState.ALLOCATED, 3))), ())

    def test_a_new_load_balancer_gets_its_address_an_amphora_and_a_push(self) -> None:
        new = evolve(LOAD_BALANCER, revision=1, applied_revision=0)
        steps = plan(situation(new))
        self.assertEqual(
            names(steps),
            ["allocate VIP", "request amphora", "ensure machine", "await agent", "plug VIP", "apply"],
        )
        self.assertEqual({step.amphora_id for step in steps[1:]}, {FRESH})

    def test_an_additional_vip_without_an_address_gets_one(self) -> None:
        given = AdditionalVip(ip_address="10.0.0.3", port_id=str(uuid4()), subnet_id=str(uuid4()))
        serving = amphora(AmphoraState.ALLOCATED, 3)
        self.assertEqual(plan(situation(evolve(SERVED, additional_vips=(given,)), serving)), ())
        for missing in ("ip_address", "port_id", "subnet_id"):
            lacking = evolve(SERVED, additional_vips=(given, evolve(given, **{missing: None})))
            self.assertEqual(names(plan(situation(lacking, serving))), ["allocate VIP"])

    def test_a_change_is_a_push_and_nothing_else(self) -> None:
        changed = evolve(SERVED, revision=4, provisioning_status=ProvisioningStatus.PENDING_UPDATE)
        self.assertEqual(names(plan(situation(changed, amphora(AmphoraState.ALLOCATED, 3)))), ["apply"])

    def test_a_failed_amphora_is_gone_before_its_successor_comes(self) -> None:
        steps = names(plan(situation(SERVED, amphora(AmphoraState.FAILED, 3))))
        self.assertEqual(steps[:3], ["retire amphora", "destroy machine", "request amphora"])

    def test_an_amphora_whose_machine_is_gone_is_replaced(self) -> None:
        lost = amphora(AmphoraState.ALLOCATED, 3)
        steps = names(plan(situation(SERVED, lost, gone=(lost.id,))))
        self.assertEqual(steps[:3], ["retire amphora", "destroy machine", "request amphora"])

    def test_settings_that_are_due_are_sent_after_what_the_tenant_wants(self) -> None:
        due = evolve(amphora(AmphoraState.ALLOCATED, 3), config_due=True)
        self.assertEqual(names(plan(situation(SERVED, due))), ["renew settings"])
        changed = evolve(SERVED, revision=4, provisioning_status=ProvisioningStatus.PENDING_UPDATE)
        self.assertEqual(names(plan(situation(changed, due))), ["apply", "renew settings"])

    def test_a_certificate_that_is_due_comes_before_what_may_fail_for_the_tenant(self) -> None:
        serving, old = amphora(AmphoraState.ALLOCATED, 3), amphora(AmphoraState.DRAINING, 2)
        due = frozenset({serving.id, old.id})
        self.assertEqual(names(plan(evolve(situation(SERVED, serving), expiring=due))), ["renew certificate"])
        broken = evolve(SERVED, provisioning_status=ProvisioningStatus.ERROR)
        steps = plan(evolve(situation(broken, serving, old), expiring=due))
        self.assertEqual(names(steps)[:3], ["renew certificate", "apply", "drain amphora"])
        self.assertEqual(steps[0].amphora_id, serving.id)
        leaving = evolve(SERVED, provisioning_status=ProvisioningStatus.PENDING_DELETE)
        for wanted, having in ((SERVED, old), (leaving, serving)):
            steps = plan(evolve(situation(wanted, having), expiring=due))
            self.assertNotIn("renew certificate", names(steps))

    def test_a_replaced_amphora_serves_until_its_successor_does(self) -> None:
        old = amphora(AmphoraState.DRAINING, 2)
        steps = plan(situation(SERVED, old))
        replacement = ["request amphora", "ensure machine", "await agent", "plug VIP", "apply"]
        farewell = ["drain amphora", "await drained", "retire amphora", "destroy machine"]
        self.assertEqual(names(steps), replacement + farewell)
        self.assertEqual({s.amphora_id for s in steps[5:]}, {old.id})
        self.assertEqual(names(plan(situation(SERVED, old, amphora(AmphoraState.ALLOCATED, 3)))), farewell)
        told = evolve(old, withdrawn_at=NOW)
        self.assertEqual(names(plan(situation(SERVED, told, amphora(AmphoraState.ALLOCATED, 3)))), farewell[1:])

    def test_all_that_are_replaced_are_told_before_any_is_waited_for(self) -> None:
        old, older = amphora(AmphoraState.DRAINING, 2), amphora(AmphoraState.DRAINING, 1)
        steps = names(plan(situation(SERVED, old, older, amphora(AmphoraState.ALLOCATED, 3))))
        self.assertEqual(steps[:3], ["drain amphora", "drain amphora", "await drained"])

    def test_a_change_goes_before_the_wait_for_the_replaced_one(self) -> None:
        changed = evolve(SERVED, revision=4, provisioning_status=ProvisioningStatus.PENDING_UPDATE)
        told = evolve(amphora(AmphoraState.DRAINING, 2), withdrawn_at=NOW)
        steps = names(plan(situation(changed, told, amphora(AmphoraState.ALLOCATED, 3))))
        self.assertEqual(steps[:2], ["apply", "await drained"])

    def test_a_replaced_one_whose_machine_is_gone_is_not_waited_for(self) -> None:
        lost = amphora(AmphoraState.DRAINING, 3)
        steps = names(plan(situation(SERVED, lost, gone=(lost.id,))))
        self.assertEqual(steps[:3], ["retire amphora", "destroy machine", "request amphora"])

    def test_an_error_that_is_mended_is_pushed_again(self) -> None:
        broken = evolve(SERVED, provisioning_status=ProvisioningStatus.ERROR)
        self.assertEqual(names(plan(situation(broken, amphora(AmphoraState.ALLOCATED, 3)))), ["apply"])

    def test_removal_ends_with_the_row(self) -> None:
        leaving = evolve(SERVED, provisioning_status=ProvisioningStatus.PENDING_DELETE)
        self.assertEqual(
            names(plan(situation(leaving, amphora(AmphoraState.BOOTING)))),
            ["retire amphora", "destroy machine", "release VIP", "forget load balancer"],
        )

    def test_a_provider_with_machines_of_its_own_is_asked_to_provide(self) -> None:
        new = situation(evolve(LOAD_BALANCER, revision=1, applied_revision=0))
        self.assertEqual(names(plan(evolve(new, by_amphorae=False))), ["allocate VIP", "provide"])
        self.assertEqual(plan(evolve(situation(SERVED), by_amphorae=False)), ())
        changed = evolve(SERVED, revision=4, provisioning_status=ProvisioningStatus.PENDING_UPDATE)
        self.assertEqual(names(plan(evolve(situation(changed), by_amphorae=False))), ["provide"])
        leaving = evolve(SERVED, provisioning_status=ProvisioningStatus.PENDING_DELETE)
        self.assertEqual(
            names(plan(evolve(situation(leaving), by_amphorae=False))),
            ["withdraw", "release VIP", "forget load balancer"],
        )


class Properties(SynchronousTestCase):
    """What holds for every situation."""

    @given(situations(), st.integers(0, 12))
    def test_interrupted_anywhere_and_planned_anew_it_ends_as_wanted(self, start: Situation, interrupted: int) -> None:
        deleted = start.load_balancer.provisioning_status is ProvisioningStatus.PENDING_DELETE
        now: Situation | None = start
        for step in plan(start)[:interrupted]:
            assert now is not None
            now = done(step, now)
        if now is not None:
            for step in plan(now):
                assert now is not None
                now = done(step, now)
        if deleted:
            self.assertIsNone(now)
            return
        assert now is not None
        self.assertEqual(plan(now), ())
        (serving,) = now.amphorae
        self.assertIs(serving.state, AmphoraState.ALLOCATED)
        self.assertNotIn(serving.id, start.gone)
        self.assertEqual(serving.applied_revision, now.load_balancer.revision)
        self.assertIs(now.load_balancer.provisioning_status, ProvisioningStatus.ACTIVE)
        self.assertTrue(now.has_vip)
        self.assertFalse(serving.config_due)
        self.assertNotIn(serving.id, now.expiring)

    @given(situations())
    def test_an_amphora_that_can_serve_is_kept(self, start: Situation) -> None:
        able = [a for a in start.amphorae if a.state is AmphoraState.ALLOCATED and a.id not in start.gone]
        if not able or start.load_balancer.provisioning_status is ProvisioningStatus.PENDING_DELETE:
            return
        touched = {s.amphora_id for s in plan(start) if s.name == "retire amphora"}
        self.assertTrue({a.id for a in able} - touched)
        self.assertNotIn("request amphora", names(plan(start)))

    @given(situations())
    def test_the_order_of_rows_makes_no_difference(self, start: Situation) -> None:
        turned = evolve(start, amphorae=start.amphorae[::-1])
        self.assertEqual(set(plan(start)), set(plan(turned)))
