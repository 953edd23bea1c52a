"""What C{ip} is told until an interface is as it shall be."""

from __future__ import annotations

from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from amphora.links import Link, Present, Step, announcement, links, routes, sources, steps
from amphora.plugging import VIP_TABLE, Route, Wanted

MAC = "fa:16:3e:00:00:01"
BARE = Present(Link("eth1", MAC, False, 1500, frozenset()), frozenset(), frozenset())
# As iproute2 6.1 says it.
ADDRESSES = """[{"ifindex":1,"ifname":"lo","flags":["LOOPBACK","UP"],"mtu":65536,"address":"00:00:00:00:00:00",
"addr_info":[{"family":"inet","local":"127.0.0.1","prefixlen":8,"scope":"254"}]},{},
{"ifindex":3,"link":"v1","ifname":"eth1","flags":["BROADCAST","UP"],"mtu":1450,"link_type":"[1]",
"address":"fa:16:3e:00:00:01","addr_info":[{"family":"inet","local":"198.51.100.5","prefixlen":24,"scope":"0"},
{"family":"inet6","local":"2001:db8::7","prefixlen":64,"scope":"0","dynamic":true},
{"family":"inet6","local":"2001:db8::9","prefixlen":128,"scope":"0","deprecated":true},
{"family":"inet6","local":"fe80::1","prefixlen":64,"scope":"253","tentative":true}]}]"""
ROUTES = """[{"dst":"default","gateway":"198.51.100.1","table":"1","flags":["onlink"]},
{"dst":"198.51.100.0/24","table":"1","scope":"253","prefsrc":"198.51.100.9","flags":[]},
{"dst":"203.0.113.9","gateway":"198.51.100.1","flags":["onlink"]}]"""
RULES = """[{"priority":0,"src":"all","table":"255"},{"priority":100,"src":"198.51.100.9","table":"1","protocol":"4"},
{"priority":100,"src":"198.51.100.8","table":"1","protocol":"18"},
{"priority":32766,"src":"all","table":"254"}]"""


class Reading(SynchronousTestCase):
    def test_interfaces_are_read_with_what_somebody_gave_them(self) -> None:
        (link,) = links(ADDRESSES)
        self.assertEqual(link, Link("eth1", MAC, True, 1450, frozenset({"198.51.100.5/24", "2001:db8::9/128"})))
        self.assertTrue(link.has("198.51.100.5"))
        self.assertFalse(link.has("198.51.100.50"))

    def test_routes_are_read(self) -> None:
        self.assertEqual(
            routes(ROUTES, 4),
            {
                Route("0.0.0.0/0", "198.51.100.1", table=VIP_TABLE),
                Route("198.51.100.0/24", source="198.51.100.9", table=VIP_TABLE),
                Route("203.0.113.9/32", "198.51.100.1"),
            },
        )
        self.assertEqual(routes('[{"dst":"default","gateway":"fe80::1","metric":1024}]', 6), {Route("::/0", "fe80::1")})

    def test_rules_of_others_are_left_alone(self) -> None:
        self.assertEqual(sources(RULES), {"198.51.100.9"})

    def test_nothing_may_be_said_in_many_ways(self) -> None:
        for said in ("", "[]", "[ ]", "[{}]"):
            self.assertEqual((links(said), routes(said, 4), sources(said)), ((), frozenset(), frozenset()))


class Telling(SynchronousTestCase):
    def test_a_new_interface_gets_its_addresses_before_its_routes(self) -> None:
        wanted = Wanted(
            1450,
            ("198.51.100.5/24", "2001:db8:1::9/128", "2001:db8:2::5/64"),
            routes=(Route("0.0.0.0/0", "198.51.100.1"), Route("198.51.100.0/24", source="198.51.100.5", table=1)),
            sources=frozenset({"198.51.100.5", "2001:db8:1::9"}),
        )
        self.assertEqual(
            [" ".join(step.arguments) for step in steps(wanted, BARE)],
            [
                "link set dev eth1 mtu 1450",
                "address add 198.51.100.5/24 dev eth1",
                "address add 2001:db8:1::9/128 dev eth1 nodad preferred_lft 0",
                "address add 2001:db8:2::5/64 dev eth1 nodad",
                "link set dev eth1 up",
                "route add 0.0.0.0/0 via 198.51.100.1 dev eth1 onlink proto static table 254",
                "route add 198.51.100.0/24 dev eth1 scope link src 198.51.100.5 proto static table 1",
                "-4 rule add from 198.51.100.5/32 table 1 priority 100 protocol static",
                "-6 rule add from 2001:db8:1::9/128 table 1 priority 100 protocol static",
            ],
        )

    def test_what_is_gone_is_taken_away(self) -> None:
        present = Present(
            Link("eth1", MAC, True, 1500, frozenset({"198.51.100.5/24", "198.51.100.9/32"})),
            frozenset({Route("203.0.113.0/24", "198.51.100.1")}),
            frozenset({"198.51.100.9"}),
        )
        self.assertEqual(
            [" ".join(step.arguments) for step in steps(Wanted(None, sources=frozenset()), present)],
            [
                "address delete 198.51.100.5/24 dev eth1",
                "address delete 198.51.100.9/32 dev eth1",
                "route delete 203.0.113.0/24 via 198.51.100.1 dev eth1 onlink proto static table 254",
                "-4 rule delete from 198.51.100.9/32 table 1 priority 100 protocol static",
            ],
        )

    def test_what_is_others_is_left(self) -> None:
        present = evolve(BARE, link=evolve(BARE.link, up=True, addresses=frozenset({"198.51.100.9/32"})))
        present = evolve(present, sources=frozenset({"198.51.100.9"}))
        self.assertEqual(steps(Wanted(None, foreign=frozenset({"198.51.100.9/32"})), present), ())

    def test_a_tenant_s_route_that_can_not_be_does_not_keep_the_rest_back(self) -> None:
        wanted = Wanted(None, ("198.51.100.5/24",), routes=(Route("203.0.113.0/24", "198.51.100.1"),))
        may_fail = {step.arguments[0] for step in steps(wanted, BARE) if step.may_fail}
        self.assertEqual(may_fail, {"route"})

    def test_neighbours_are_told(self) -> None:
        self.assertEqual(announcement(BARE.link), Step(("link", "set", "dev", "eth1", "address", MAC), True))


_addresses = st.sampled_from(
    ["198.51.100.5/24", "198.51.100.5/32", "198.51.100.6/24", "2001:db8::5/64", "2001:db8::9/128"]
)
_routes = st.builds(
    Route,
    st.sampled_from(["0.0.0.0/0", "203.0.113.0/24"]),
    st.sampled_from(["198.51.100.1", "198.51.100.2", None]),
    table=st.sampled_from([1, 254]),
)
_sources = st.frozensets(st.sampled_from(["198.51.100.9", "2001:db8::9"]))
_presents = st.builds(
    Present,
    st.builds(
        Link, st.just("eth1"), st.just(MAC), st.booleans(), st.sampled_from([1450, 1500]), st.frozensets(_addresses)
    ),
    st.frozensets(_routes),
    _sources,
)
_wanteds = st.builds(
    Wanted,
    st.sampled_from([None, 1450]),
    st.lists(_addresses, unique=True).map(tuple),
    routes=st.lists(_routes, unique=True).map(tuple),
    sources=st.none() | _sources,
)


def follow(present: Present, step: Step) -> Present:
    """What a kernel does, in small."""
    match step.arguments:
        case ("link", "set", "dev", _, "mtu", mtu):
            return evolve(present, link=evolve(present.link, mtu=int(mtu)))
        case ("link", "set", "dev", _, "up"):
            return evolve(present, link=evolve(present.link, up=True))
        case ("address", verb, address, *_):
            now = present.link.addresses
            assert (address in now) == (verb == "delete")
            return evolve(present, link=evolve(present.link, addresses=now ^ {address}))
        case ("route", verb, destination, *words):
            pairs = {
                name: value for name, value in zip(words, words[1:], strict=False) if name in ("via", "src", "table")
            }
            route = Route(destination, pairs.get("via"), pairs.get("src"), int(pairs["table"]))
            assert (route in present.routes) == (verb == "delete")
            return evolve(present, routes=present.routes ^ {route})
        case (_, "rule", verb, "from", source, *_):
            source = source.partition("/")[0]
            assert (source in present.sources) == (verb == "delete")
            return evolve(present, sources=present.sources ^ {source})
    raise AssertionError(step)


class Anything(SynchronousTestCase):
    @given(_wanteds, _presents)
    def test_it_becomes_as_it_shall_be_and_is_left_so(self, wanted: Wanted, present: Present) -> None:
        for step in steps(wanted, present):
            present = follow(present, step)
        self.assertEqual(steps(wanted, present), ())
        self.assertEqual(present.link.addresses, set(wanted.addresses))
        self.assertEqual(present.routes, set(wanted.routes))
        self.assertTrue(present.link.up)
