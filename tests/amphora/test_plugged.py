"""What was plugged, written down."""

from __future__ import annotations

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from amphora.plugged import FILE, Plug, Plugged, read, write

VIP = Plug(
    mac="fa:16:3e:00:00:01", name="eth1", vip="198.51.100.9", body={"subnet_cidr": "198.51.100.0/24", "gateway": None}
)
NETWORK = Plug(mac="fa:16:3e:00:00:02", name="eth2", vip=None, body={"fixed_ips": []})
RULES = [{"protocol": "TCP", "cidr": None, "port": 80}]


class Remembering(SynchronousTestCase):
    def setUp(self) -> None:
        self.directory = Path(self.mktemp())
        self.directory.mkdir()

    def test_what_is_written_is_read(self) -> None:
        plugged = Plugged().with_plug(VIP).with_plug(NETWORK).with_rules("eth1", RULES)
        write(self.directory, plugged)
        self.assertEqual(read(self.directory), plugged)
        self.assertEqual((self.directory / FILE).stat().st_mode & 0o777, 0o600)

    def test_without_a_file_there_is_nothing(self) -> None:
        self.assertEqual(read(self.directory), Plugged())

    def test_a_file_that_was_tampered_with_plugs_nothing(self) -> None:
        good = Plugged().with_plug(VIP).with_rules("eth1", RULES)
        write(self.directory, good)
        text = (self.directory / FILE).read_text()
        for spoilt in (
            "",
            "[]",
            "{}",
            "fish",
            text[:-5],
            text.replace("198.51.100.9", "fish"),
            text.replace("TCP", "X"),
        ):
            (self.directory / FILE).write_text(spoilt)
            self.assertEqual(read(self.directory), Plugged(), spoilt)

    def test_an_interface_that_gets_a_name_takes_the_place_of_one_that_is_gone(self) -> None:
        other = Plug(mac="fa:16:3e:00:00:03", name="eth2", vip=None, body={})
        plugged = Plugged().with_plug(VIP).with_plug(NETWORK).with_plug(other)
        self.assertEqual(set(plugged.plugs), {VIP.mac, other.mac})

    def test_interfaces_that_keep_their_own_names_stay_apart(self) -> None:
        nameless = [Plug(mac=f"fa:16:3e:00:00:0{n}", name="", vip=None, body={}) for n in (4, 5)]
        self.assertEqual(len(Plugged().with_plug(nameless[0]).with_plug(nameless[1]).plugs), 2)
