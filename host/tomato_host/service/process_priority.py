"""How a process beside the deciding loop behaves: it gives way."""

from __future__ import annotations

import os
from contextlib import suppress


def give_way() -> None:
    """The deciding loop goes first: a line of it that wakes this process must not take its processor.

    Linux knows that as SCHED_BATCH; without it a tick waits for the fan-out to all open pages, 7 ms on two busy cores.
    """
    with suppress(AttributeError, OSError):
        os.nice(5)
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
