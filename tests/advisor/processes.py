"""Looks at processes from outside (Linux): are all their threads off the processor, and how much have they used?"""

from __future__ import annotations

from pathlib import Path

ASLEEP_FOR_GOOD = frozenset("TtZX")


def quiet(pids: list[int]) -> bool:
    """True when every thread of every process is stopped, dead or gone."""
    return all(state in ASLEEP_FOR_GOOD for pid in pids for state in _thread_states(pid))


def processor_ns(pids: list[int]) -> int:
    """Time on the processor of all threads so far; the scheduler's own count, in nanoseconds."""
    return sum(int(text.split()[0]) for pid in pids for text in _each_thread(pid, "schedstat"))


def blocked_excluded_s(before: tuple[float, int], after: tuple[float, int]) -> float:
    """Wall time between two `now_and_queue` readings without the time this thread stood in the run queue."""
    return (after[0] - before[0]) - (after[1] - before[1]) / 1e9


def queue_ns() -> int:
    """How long the calling thread has waited for a processor that others held."""
    return int(Path("/proc/thread-self/schedstat").read_text().split()[1])


def _thread_states(pid: int) -> list[str]:
    return [text.rpartition(")")[2].split()[0] for text in _each_thread(pid, "stat")]


def _each_thread(pid: int, name: str) -> list[str]:
    texts = []
    for task in Path(f"/proc/{pid}/task").glob("*"):
        try:
            texts.append((task / name).read_text())
        except OSError:
            continue  # ended while we looked
    return texts
