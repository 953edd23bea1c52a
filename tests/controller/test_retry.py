"""When a failure is tried again, and when it is shown."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from octavia_tx.controller.retry import Verdict, judge
from octavia_tx.controller.work import ConvergenceSettings
from octavia_tx.errors import CloudError, ConfigurationRejected, ReferenceMissing

SETTINGS = ConvergenceSettings()


def judged(error: Exception, attempts: int = 0, pending: float = 0.0, chance: float = 0.5) -> Verdict:
    return judge(error, attempts=attempts, pending=pending, chance=chance, settings=SETTINGS)


class Judging(SynchronousTestCase):
    """With the settings as they are by default."""

    def test_a_failure_is_tried_again_soon_and_then_less_often(self) -> None:
        delays = [judged(CloudError("busy"), attempts).delay for attempts in range(12)]
        self.assertEqual(delays[:4], [0.2, 0.4, 0.8, 1.6])
        self.assertEqual(delays[-1], 30.0)
        self.assertEqual(delays, sorted(delays))

    def test_a_failure_is_shown_after_the_set_time_and_tried_again_slower(self) -> None:
        self.assertEqual(judged(CloudError("busy"), pending=299.0).shown, False)
        self.assertEqual(judged(CloudError("busy"), pending=300.0), Verdict(delay=60.0, shown=True))

    def test_what_the_tenant_alone_can_mend_is_shown_at_once(self) -> None:
        for error in (ConfigurationRejected("a", "line 3"), ReferenceMissing("vip_subnet_id", "Subnet", "x")):
            self.assertEqual(judged(error), Verdict(delay=60.0, shown=True))

    @given(st.integers(0, 10**6), st.floats(0, 1e6), st.floats(0, 1))
    def test_jitter_spreads_by_a_quarter_either_way(self, attempts: int, pending: float, chance: float) -> None:
        middle = judged(CloudError("busy"), attempts, pending).delay
        delay = judged(CloudError("busy"), attempts, pending, chance).delay
        self.assertTrue(0.75 * middle - 1e-9 <= delay <= 1.25 * middle + 1e-9)
