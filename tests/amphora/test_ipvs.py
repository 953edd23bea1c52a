"""What is told of listeners of UDP."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from amphora.ipvs import EPOCH, snapshot
from octavia_tx.wire.heartbeat import Counters, MemberReport

LISTENER, POOL = "aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa", "bbbbbbbb-bbbb-4bbb-8bbb-bbbbbbbbbbbb"
FIRST, SECOND = "cccccccc-cccc-4ccc-8ccc-cccccccccccc", "dddddddd-dddd-4ddd-8ddd-dddddddddddd"
CHECK = 'MISC_CHECK {\n            misc_path "check"\n        }'
TABLE = """IP Virtual Server version 1.2.1 (size=4096)
Prot LocalAddress:Port Scheduler Flags
  -> RemoteAddress:Port Forward Weight ActiveConn InActConn
"""
FOUR = "UDP  C6336409:0035 rr\n"
FIRST_ROW = "  -> CB007183:0035      Masq    1      2          7\n"
SECOND_ROW = "  -> CB007184:0035      Masq    1      1          7\n"
SIX = "UDP  [2001:0db8:0001:0000:0000:0000:0000:0009]:0035 rr\n"
SIX_ROW = "  -> [2001:0db8:0002:0000:0000:0000:0000:0131]:0035 Masq 1 0 0\n"


def configuration(check: str = CHECK, second: str = "203.0.113.132", vip: str = "198.51.100.9") -> str:
    """As OpenStack's controllers write it."""
    return f"""
# Configuration for Loadbalancer {LISTENER}
# Configuration for Listener {LISTENER}
net_namespace amphora-haproxy
virtual_server_group ipv4-group {{
    {vip} 53
}}

virtual_server group ipv4-group {{
    lb_algo rr
    protocol UDP
    # Configuration for Pool {POOL}
    # Configuration for Member {FIRST}
    real_server 203.0.113.131 53 {{
        weight 1
        {check}
    }}
    # Configuration for Member {SECOND}
    real_server {second} 53 {{
        weight 1
        {check}
    }}
}}
"""


class Seen(SynchronousTestCase):
    def words(self, text: str, table: str) -> list[str]:
        found = snapshot(LISTENER, text, table)
        assert found is not None
        self.assertEqual((found.statuses, found.pool_listeners), ({LISTENER: "OPEN"}, {POOL: LISTENER}))
        self.assertEqual([(m.pool_id, m.member_id) for m in found.members], [(POOL, FIRST), (POOL, SECOND)])
        return [m.status for m in found.members]

    def test_members_in_the_table_are_up_and_connections_counted(self) -> None:
        found = snapshot(LISTENER, configuration(), TABLE + FOUR + FIRST_ROW + SECOND_ROW)
        assert found is not None
        self.assertEqual(found.members, (MemberReport(POOL, FIRST, "UP"), MemberReport(POOL, SECOND, "UP")))
        self.assertEqual(found.counters, {LISTENER: (Counters(EPOCH, 3, 0, 0, 0, 0),)})
        self.assertEqual(found.load_balancer_id, "")

    def test_one_that_its_check_took_out_is_down(self) -> None:
        self.assertEqual(self.words(configuration(), TABLE + FOUR + FIRST_ROW), ["UP", "DOWN"])
        self.assertEqual(self.words(configuration(), TABLE), ["DOWN", "DOWN"])

    def test_without_a_check_nothing_is_known_of_their_health(self) -> None:
        self.assertEqual(self.words(configuration(check=""), TABLE + FOUR + FIRST_ROW + SECOND_ROW), ["no check"] * 2)
        self.assertEqual(self.words(configuration(check=""), ""), ["no check"] * 2)

    def test_one_without_weight_drains(self) -> None:
        table = TABLE + FOUR + FIRST_ROW.replace("Masq    1", "Masq    0") + SECOND_ROW
        self.assertEqual(self.words(configuration(), table), ["DRAIN", "UP"])

    def test_other_listeners_servers_are_not_its(self) -> None:
        table = TABLE + FOUR + FIRST_ROW + "UDP  C633640A:0035 rr\n" + SECOND_ROW
        self.assertEqual(self.words(configuration(), table), ["UP", "DOWN"])

    def test_both_versions_of_ip(self) -> None:
        six = configuration(second="2001:db8:2::131", vip="2001:db8:1::9")
        self.assertEqual(self.words(six, TABLE + SIX + SIX_ROW), ["DOWN", "UP"])

    def test_a_disabled_member_rests(self) -> None:
        text = configuration().replace(f"# Configuration for Member {SECOND}", f"# Member {SECOND} is disabled\n  #")
        self.assertEqual(self.words(text, TABLE + FOUR + FIRST_ROW), ["UP", "MAINT"])

    def test_a_listener_without_a_pool_is_open(self) -> None:
        found = snapshot(LISTENER, f"# Configuration for Listener {LISTENER}\n", TABLE)
        assert found is not None
        self.assertEqual((found.statuses, found.members, found.pool_listeners), ({LISTENER: "OPEN"}, (), {}))

    def test_a_disabled_listener_is_not_told_of(self) -> None:
        self.assertIsNone(snapshot(LISTENER, f"# Listener {LISTENER} is disabled\n", TABLE))

    @given(st.text())
    def test_words_without_places_are_no_error(self, text: str) -> None:
        snapshot(LISTENER, text, TABLE)
