"""How fast is the configured model off the processor? Cancels it again and again in the middle of a question."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path

from tomato_host.advisor.advisor import Advisor
from tomato_host.advisor.context import WakeContext
from tomato_host.advisor.settings import AdvisorSettings

OFF_THE_PROCESSOR = frozenset("TtZX")
"""Thread states of Linux that use no processor and will not by themselves."""


def cancel_times_s(settings: AdvisorSettings, trials: int, pause_s: float = 2.0) -> list[float]:
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
            running = members_of(advisor.process_group)
            started = time.perf_counter()
            cancelled = advisor.cancel("measured")
            while not all(is_quiet(process) for process in running):
                continue
            if cancelled:
                took.append(time.perf_counter() - started)
        finally:
            advisor.close()
    return sorted(took)


def p95(values: list[float]) -> float | None:
    """95th percentile of sorted values, None of nothing."""
    return values[min(len(values) - 1, int(0.95 * len(values)))] if values else None


def members_of(group: int | None) -> list[Path]:
    """The /proc folders of a process group's members (Linux; empty elsewhere)."""
    stats = ((stat.parent, _fields(stat)) for stat in Path("/proc").glob("[0-9]*/stat"))
    return [folder for folder, fields in stats if fields and int(fields[2]) == group]


def is_quiet(process: Path) -> bool:
    """True when every thread of the process is stopped, dead or gone."""
    states = (_fields(thread) for thread in process.glob("task/*/stat"))
    return all(not fields or fields[0] in OFF_THE_PROCESSOR for fields in states)


def _fields(stat: Path) -> list[str]:
    """The fields behind the name: state, parent, group ..."""
    try:
        return stat.read_text().rpartition(")")[2].split()
    except OSError:
        return []  # ended while we looked
