"""Which differences of configurations haproxy can take up while it runs, and by which commands."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from amphora.live import SWAPS, Orders, Server, Swap, orders, servers, succeeded

A = "server a 127.0.0.1:80 weight 1 check inter 5s"
B = "server b [2001:db8::1]:80 weight 3 send-proxy"


def configuration(*lines: str, more: str = "    balance roundrobin") -> str:
    return "\n".join(("global", "# a comment", "frontend f", "    bind :80", "backend p:f", more, *lines, ""))


RESTS = "set server p:f/a state maint"


class Ordering(SynchronousTestCase):
    def orders(self, now: str, wanted: str, **leaving: Server) -> Orders:
        found = orders(now, wanted, {("p:f", name): server for name, server in leaving.items()})
        assert found is not None
        return found

    def test_what_says_the_same_needs_nothing(self) -> None:
        same = configuration("  # another", f"    {B}", f"\t{A}")
        self.assertEqual(self.orders(configuration(A, B), same), Orders())

    def test_a_member_that_comes_is_added_and_then_enabled(self) -> None:
        added = ("add server p:f/b [2001:db8::1]:80 weight 3 send-proxy", "enable server p:f/b")
        self.assertEqual(self.orders(configuration(A), configuration(A, B)), Orders(added))

    def test_one_that_is_to_be_checked_is(self) -> None:
        found = self.orders(configuration(B), configuration(A, B))
        self.assertEqual(found.first[1:], ("enable health p:f/a", "enable server p:f/a"))

    def test_one_that_comes_disabled_stays_so(self) -> None:
        found = self.orders(configuration(), configuration("server c 127.0.0.1:1 disabled"))
        self.assertEqual(found, Orders(("add server p:f/c 127.0.0.1:1 weight 1",)))

    def test_one_that_goes_gets_nothing_more_after_the_others_are_there(self) -> None:
        found = self.orders(configuration(A), configuration(B))
        self.assertEqual((len(found.first), found.then), (2, (RESTS,)))

    def test_weights_and_rest_are_set(self) -> None:
        heavier = configuration("server a 127.0.0.1:80 check inter 5s weight 256 disabled")
        there = self.orders(configuration(A), heavier)
        self.assertEqual(there, Orders((), ("set server p:f/a weight 256", RESTS)))
        back = self.orders(heavier, configuration(A))
        self.assertEqual(back, Orders((), ("set server p:f/a weight 1", "set server p:f/a state ready")))

    def test_one_that_returns_before_it_is_forgotten_is_ready_again(self) -> None:
        went = Server("127.0.0.1:80", ("check", "inter", "5s"), weight="7")
        found = self.orders(configuration(B), configuration(A, B), a=went)
        self.assertEqual(found, Orders((), ("set server p:f/a weight 1", "set server p:f/a state ready")))
        self.assertEqual(self.orders(configuration(B), configuration(B), a=went), Orders())
        other = Server("127.0.0.1:80", ())
        (swap,) = self.orders(configuration(B), configuration(A, B), a=other).swaps
        self.assertEqual((swap.key, swap.rested), (("p:f", "a"), True))

    def test_what_can_not_be_set_is_swapped(self) -> None:
        for other in (
            "server a 127.0.0.2:80 weight 2 check inter 5s",
            "server a 127.0.0.1:80 weight 2 check inter 6s",
            "server a 127.0.0.1:80 weight 2 check inter 5s backup",
        ):
            added = other.replace(" a ", " p:f/a ")
            new = (f"add {added}", "enable health p:f/a", "enable server p:f/a")
            self.assertEqual(
                self.orders(configuration(A, B), configuration(other, B)),
                Orders(swaps=(Swap(("p:f", "a"), False, new),)),
            )

    def test_not_where_clients_are_tied_to_it(self) -> None:
        for more in (
            "stick on src", "stick-table type ip size 1", "cookie SRV insert", "balance source", "balance hash src",
        ):  # fmt: skip
            now, wanted = configuration(A, B, more=more), configuration(f"{A} backup", B, more=more)
            self.assertIsNone(orders(now, wanted, {}), more)

    def test_not_many_at_once(self) -> None:
        def pool(count: int, more: str = "") -> str:
            return configuration(*(f"server s{n} 127.0.0.1:{n}{more}" for n in range(1, count + 1)))

        self.assertEqual(len(self.orders(pool(SWAPS), pool(SWAPS, " backup")).swaps), SWAPS)
        self.assertIsNone(orders(pool(SWAPS + 1), pool(SWAPS + 1, " backup"), {}))

    def test_all_else_needs_a_reload(self) -> None:
        for other in (
            configuration(A, more="    balance leastconn"),
            configuration(A, "server a 127.0.0.1:81"),
            configuration(A) + "backend q:f\n    server a 127.0.0.1:80\n",
        ):
            self.assertIsNone(orders(configuration(A), other, {}), other)
            self.assertIsNone(orders(other, configuration(A), {}), other)

    def test_what_a_server_added_would_lack_needs_a_reload(self) -> None:
        for line in (
            "option external-check",
            "default-server inter 1s",
            "server-template t 1-3 host:80",
            'server c 127.0.0.1:1 sni str("x")',
        ):
            self.assertIsNone(orders(configuration(line), configuration(line, A), {}), line)

    def test_servers_of_several_sections_are_told_apart(self) -> None:
        now = configuration(A) + f"listen l\n    bind :1\n    {A}\n"
        self.assertEqual(set(servers(now)), {("p:f", "a"), ("l", "a")})
        found = self.orders(now, configuration(A) + "listen l\n    bind :1\n")
        self.assertEqual(found, Orders((), ("set server l/a state maint",)))

    def test_only_what_haproxy_says_of_success_is_success(self) -> None:
        self.assertTrue(succeeded("New server registered.\n\n\n\n"))
        self.assertFalse(succeeded("New server registered.\n\nNo such server.\n\n"))
