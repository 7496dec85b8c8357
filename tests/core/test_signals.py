"""Signals set a flag and nothing else."""

from __future__ import annotations

import os
import signal

from nsg_cluster.core.signals import StopSignal


def test_each_signal_sets_its_flag_and_the_old_handlers_come_back() -> None:
    before = {number: signal.getsignal(number) for number in (signal.SIGUSR2, signal.SIGTERM, signal.SIGINT)}
    for number, expected in ((signal.SIGUSR2, "warning"), (signal.SIGTERM, "cancel"), (signal.SIGINT, "cancel")):
        with StopSignal() as stop:
            assert stop.requested is None
            os.kill(os.getpid(), number)
            assert stop.requested == expected
            os.kill(os.getpid(), number)
            assert stop.requested == expected
    assert before == {number: signal.getsignal(number) for number in before}


def test_a_cancel_outranks_a_warning_in_either_order() -> None:
    with StopSignal() as stop:
        os.kill(os.getpid(), signal.SIGUSR2)
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGUSR2)
    assert stop.requested == "cancel"
