"""What a controller would do, told beforehand."""

from __future__ import annotations

from attrs import evolve
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from octavia_tx.amphora_driver.render import Renderer
from octavia_tx.controller.preview import Preview
from octavia_tx.driver.amphora import AmphoraProvider
from octavia_tx.driver.registry import Providers
from octavia_tx.errors import CloudError, IncompatibleConfiguration
from octavia_tx.interfaces import IPreview
from octavia_tx.model.flavor import Terms
from octavia_tx.model.statuses import AmphoraState, ProvisioningStatus
from octavia_tx.testing.provider import MemoryProvider
from tests.controller.test_plan import ALLOCATED, LOAD_BALANCER, SERVED, amphora
from tests.controller.world import tree

AMPHORA = "11111111-1111-4111-8111-111111111111"
PREVIEW = Preview(Renderer().render, Providers((AmphoraProvider(), MemoryProvider()), Clock()))


class Previews(SynchronousTestCase):
    """With the renderer that amphorae's configurations come from."""

    def test_it_keeps_its_contract(self) -> None:
        verifyObject(IPreview, PREVIEW)

    def test_the_configuration_is_what_an_amphora_would_get(self) -> None:
        asked = tree(vip_address="192.0.2.9")
        shown = PREVIEW.configuration(asked, AMPHORA)
        self.assertEqual(shown, Renderer().render(asked, AMPHORA))
        self.assertIn("bind 192.0.2.9:80", shown)

    def test_an_address_that_is_not_known_yet_is_shown_as_any(self) -> None:
        shown = PREVIEW.configuration(tree(additional_vips=({}, {"ip_address": "2001:db8::7"})), AMPHORA)
        self.assertEqual(shown.count("bind 0.0.0.0:80"), 2)
        self.assertIn("bind [2001:db8::7]:80", shown)

    def test_what_is_on_its_way_out_is_not_shown(self) -> None:
        asked = tree(vip_address="192.0.2.9")
        listeners = tuple(evolve(each, provisioning_status="PENDING_DELETE") for each in asked.listeners)
        self.assertEqual(PREVIEW.configuration(evolve(asked, listeners=listeners), AMPHORA), "")
        leaving = evolve(asked.load_balancer, provisioning_status="PENDING_DELETE")
        self.assertEqual(PREVIEW.configuration(evolve(asked, load_balancer=leaving), AMPHORA), "")

    def test_what_can_not_be_rendered_is_told(self) -> None:
        asked = tree(vip_address="192.0.2.9")
        listeners = tuple(evolve(each, protocol="SCTP") for each in asked.listeners)
        error = self.assertRaises(
            IncompatibleConfiguration, PREVIEW.configuration, evolve(asked, listeners=listeners), AMPHORA
        )
        self.assertIn("SCTP", str(error))

    def test_steps_are_the_plans(self) -> None:
        self.assertEqual(PREVIEW.steps(SERVED, (amphora(AmphoraState.ALLOCATED, 3),), Terms()), ())
        changed = evolve(SERVED, revision=4, provisioning_status=ProvisioningStatus.PENDING_UPDATE)
        self.assertEqual(PREVIEW.steps(changed, (amphora(AmphoraState.ALLOCATED, 3),), Terms()), ("apply",))
        self.assertEqual(
            PREVIEW.steps(evolve(LOAD_BALANCER, revision=1, applied_revision=0), (), Terms()),
            ("allocate VIP", "request amphora", "ensure machine", "await agent", "plug VIP", "apply"),
        )

    def test_what_is_logged_is_shipped_in_the_end(self) -> None:
        providers = Providers((AmphoraProvider(),), Clock())
        logging = Preview(Renderer().render, providers, lambda terms: bool(terms.flavor.get("logs")))
        leaving = evolve(SERVED, provisioning_status=ProvisioningStatus.PENDING_DELETE)
        for flavor, ships in ({"logs": True}, True), ({}, False):
            steps = logging.steps(leaving, (amphora(AmphoraState.ALLOCATED, 3),), Terms(flavor))
            self.assertEqual("ship logs" in steps, ships)

    def test_another_providers_has_steps_of_its_own_and_no_configuration(self) -> None:
        asked = tree(provider="memory")
        self.assertEqual(PREVIEW.configuration(asked, AMPHORA), "")
        self.assertEqual(PREVIEW.steps(evolve(ALLOCATED, provider="memory"), (), Terms()), ("provide",))
        self.assertRaises(CloudError, PREVIEW.steps, evolve(ALLOCATED, provider="gone"), (), Terms())
        self.assertRaises(CloudError, PREVIEW.configuration, tree(provider="gone"), AMPHORA)
