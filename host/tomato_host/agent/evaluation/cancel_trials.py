"""How fast is the configured model off the processor? Cancels it again and again in the middle of a question."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path

from tomato_host.agent.agent import Advisor
from tomato_host.agent.context import WakeContext
from tomato_host.agent.settings import AgentSettings

OFF_THE_PROCESSOR = frozenset("TtZX")
"""Thread states of Linux that use no processor and will not by themselves."""


def cancel_times_s(settings: AgentSettings, trials: int, pause_s: float = 2.0) -> list[float]:
    """Seconds from the call to the moment when no thread of the process group runs any more, sorted.

    `pause_s` is how long the question runs before it is cancelled; it should reach past the loading of the model.
    Where /proc is missing only the call itself is timed.
    """
    took = []
    for number in range(trials):
        advisor = Advisor(settings)
        try:
            advisor.wake(WakeContext(wake_id=f"cancel-{number}", ts=datetime.now(UTC), tasks=("summary",)))
            time.sleep(pause_s)
            group = advisor.process_group
            started = time.perf_counter()
            cancelled = advisor.cancel("measured")
            while group is not None and not group_is_quiet(group):
                continue
            if cancelled:
                took.append(time.perf_counter() - started)
        finally:
            advisor.close()
    return sorted(took)


def p95(values: list[float]) -> float | None:
    """95th percentile of sorted values, None of nothing."""
    return values[min(len(values) - 1, int(0.95 * len(values)))] if values else None


def group_is_quiet(group: int) -> bool:
    """True when every thread of every process of the group is stopped, dead or gone (Linux)."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        fields = _fields(stat)
        if fields and int(fields[2]) == group:
            states = (_fields(thread) for thread in stat.parent.glob("task/*/stat"))
            if any(thread and thread[0] not in OFF_THE_PROCESSOR for thread in states):
                return False
    return True


def _fields(stat: Path) -> list[str]:
    """The fields behind the name: state, parent, group ..."""
    try:
        return stat.read_text().rpartition(")")[2].split()
    except OSError:
        return []  # ended while we looked
