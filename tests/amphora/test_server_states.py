"""Which states of members one worker hands to the next."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from amphora.server_states import handed_on

HEAD = (
    "# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_uweight srv_iweight "
    "srv_time_since_last_change srv_check_status srv_check_result srv_check_health srv_check_state srv_agent_state "
    "bk_f_forced_id srv_f_forced_id srv_fqdn srv_port srvrecord srv_use_ssl srv_check_port srv_check_addr "
    "srv_agent_addr srv_agent_port"
)


def row(
    address: str = "127.0.0.1", state: int = 0, admin: int = 0, result: int = 2, health: int = 0, check: str = "0 -"
) -> str:
    return f"3 pool:one 1 member {address} {state} {admin} 1 1 7 8 {result} {health} 6 0 0 0 - 80 - 0 {check} - 0"


def configuration(server: str = "127.0.0.1:80 weight 1 check inter 5s", backend: str = "pool:one") -> str:
    return f"global\nbackend other\n    mode tcp\nbackend {backend}\n    mode http\n    server member {server}\n"


def kept(state: str, text: str) -> bool:
    found = handed_on(f"1\n{HEAD}\n{state}\n\n", text)
    assert found in (f"1\n{HEAD}\n", f"1\n{HEAD}\n{state}\n"), found
    return state in found


class HandingOn(SynchronousTestCase):
    def test_a_member_whose_checks_fail_stays_down(self) -> None:
        self.assertTrue(kept(row(), configuration()))
        self.assertTrue(kept(row("fd00::1"), configuration("[fd00:0::1]:80 check")))

    def test_a_member_that_is_just_being_checked_again_stays_down(self) -> None:
        self.assertTrue(kept(row(result=0), configuration()))

    def test_who_is_up_or_on_the_way_up_or_disabled_is_not_mentioned(self) -> None:
        for state in (row(state=2, result=3, health=3), row(result=3, health=1), row(admin=5)):
            self.assertFalse(kept(state, configuration()), state)

    def test_what_the_tenant_changed_wins(self) -> None:
        at = "127.0.0.1:80"
        for server in (f"{at} weight 1", "127.0.0.1:81 check", "127.0.0.2:80 check", f"{at} check disabled"):
            self.assertFalse(kept(row(), configuration(server)), server)
        self.assertFalse(kept(row(), configuration(backend="pool:two")))
        self.assertTrue(kept(row(), configuration(f"{at} weight 9 check inter 9s rise 3")))

    def test_who_is_checked_elsewhere_now_starts_anew(self) -> None:
        at = "127.0.0.1:80 check inter 5s"
        for check, same, others in (
            ("0 -", "", ("port 81", "addr 127.0.0.2")),
            ("81 -", "port 81", ("", "port 82", "addr 127.0.0.2 port 81")),
            ("0 127.0.0.2", "addr 127.0.0.2", ("", "addr 127.0.0.3", "addr 127.0.0.2 port 81")),
            ("81 fd00::2", "addr fd00:0::2 port 81", ("port 81", "addr fd00::3 port 81")),
        ):
            self.assertTrue(kept(row(check=check), configuration(f"{at} {same} backup")), check)
            for other in others:
                self.assertFalse(kept(row(check=check), configuration(f"{at} {other} backup")), other)

    def test_what_is_no_answer_hands_on_nothing(self) -> None:
        for answer in ("", "Unknown command", f"2\n{HEAD}\n{row()}\n", "1\n", f"1\n{row()}\n"):
            self.assertEqual(handed_on(answer, configuration()), "", answer)
