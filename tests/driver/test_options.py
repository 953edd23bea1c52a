"""Options of profiles: what isn't published is refused, and sentences name what is accepted."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from octavia_tx.driver import amphora_options
from octavia_tx.errors import IncompatibleConfiguration, InvalidInput

NETWORK = "a0000000-0000-4000-8000-000000000000"


class AmphoraOptions(SynchronousTestCase):
    """What flavors and zones may ask of amphorae."""

    def test_all_that_is_published_may_be_asked_for(self) -> None:
        amphora_options.FLAVOR.judge(
            {
                "loadbalancer_topology": "ACTIVE_STANDBY", "compute_flavor": "m1.tiny", "amp_image_tag": "amphora",
                "sriov_vip": True, "allow_member_sriov": False, "spares": 0, "front_end": "L3",
            }
        )  # fmt: skip
        amphora_options.ZONE.judge(
            {
                "compute_zone": "nova", "management_network": NETWORK, "valid_vip_networks": [NETWORK],
                "volume_zone": "nova", "volume_type": "fast",
            }
        )  # fmt: skip

    def test_an_unknown_option_is_named_with_those_that_are_known(self) -> None:
        error = self.assertRaises(IncompatibleConfiguration, amphora_options.FLAVOR.judge, {"x" * 200: 1})
        self.assertLess(len(str(error)), 300)
        self.assertIn("Known: loadbalancer_topology, compute_flavor", str(error))
        self.assertRaises(IncompatibleConfiguration, amphora_options.ZONE.judge, {"loadbalancer_topology": "SINGLE"})

    def test_a_bad_value_is_named_with_what_is_accepted(self) -> None:
        for option, given, accepted in (
            ("loadbalancer_topology", "TRIPLE", "one of SINGLE, ACTIVE_STANDBY"),
            ("loadbalancer_topology", ["SINGLE"], "one of SINGLE, ACTIVE_STANDBY"),
            ("spares", -1, "an integer from 0 to 1000"),
            ("spares", True, "an integer from 0 to 1000"),
            ("spares", 10**30, "an integer from 0 to 1000"),
            ("sriov_vip", "true", "true or false"),
            ("compute_flavor", "two\nlines", "a text"),
            ("compute_flavor", "", "a text"),
            ("compute_flavor", "\ud800", "a text"),
            ("amp_image_tag", "x" * 256, "a text"),
        ):
            error = self.assertRaises(InvalidInput, amphora_options.FLAVOR.judge, {option: given})
            self.assertEqual(error.field, f"flavorprofile.flavor_data.{option}")
            self.assertIn(accepted, str(error))

    def test_networks_are_a_list_of_ids(self) -> None:
        for given in ([], NETWORK, [NETWORK, "x"], [f"{NETWORK}\n"], [None]):
            error = self.assertRaises(InvalidInput, amphora_options.ZONE.judge, {"valid_vip_networks": given})
            self.assertEqual(error.field, "availability_zone_profile.availability_zone_data.valid_vip_networks")
