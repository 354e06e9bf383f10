"""How fast the twin lives: a day with the real firmware in lock step, a day without, and whether memory stays flat."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

from tomato_host.app import brain_settings, loop_settings
from tomato_host.board.session import BoardSession
from tomato_host.brain.brain import Brain
from tomato_host.brain.step_data import BrainSettings
from tomato_host.loop.board_runtime import BoardRuntime, SerialLink
from tomato_host.loop.extensions import NoDisplay
from tomato_host.loop.recorder import Recorder
from tomato_host.loop.scheduler import Run
from tomato_host.loop.status import Status
from tomato_host.loop.supervisor import Supervisor
from tomato_host.settings import Settings
from tomato_host.storage.dataset import Dataset
from tomato_host.twin.board_runtime import SIM_START, LockStepClock
from tomato_host.twin.campaign.tent_run import TentRun
from tomato_host.twin.firmware_files import micropython
from tomato_host.twin.lockstep import LockStep
from tomato_host.twin.physics import LAMP_ON, TentPhysics
from tomato_host.twin.simulated_tent import SimulatedTent
from tomato_host.twin.vm_channel import ANSWER, NO_VALUES, RECORD, VmChannel
from tomato_host.twin.world import World

TITLE = "Twin: simulated seconds per wall second, memory per day"
DAY_S = 86_400.0
DAY_MS = 86_400_000


def _rss_kb(pid: int | str) -> int:
    """Resident memory of a process, KiB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    return 0


def full_stack(days: float, seed: int = 7) -> dict[str, Any]:
    """Everything - firmware, line, brain, records - for `days`, with memory noted at the end of each."""
    settings = Settings()
    memory: list[dict[str, int]] = []
    with tempfile.TemporaryDirectory() as folder:
        twin = LockStep(seed, start=SIM_START, flash=Path(folder) / "board")
        link = SerialLink(twin.port_path, twin.open_port)
        runtime = BoardRuntime(LockStepClock(twin, link, 0.0), link, "lock step", real_time=False)
        dataset = Dataset.from_settings(Path(folder) / "data", settings.storage, about={"board": "sim"})
        status = Status(started_at=runtime.clock.now(), now=runtime.clock.now(), port=link.url)
        session = BoardSession(link.open, 1)
        session.open_now()
        brain, recorder = Brain(brain_settings(settings)), Recorder(dataset, status)
        supervisor = Supervisor(loop_settings(settings), runtime, session, brain, recorder, status, NoDisplay())

        def note(_run: Run) -> None:
            twin.board.ask_heap()
            memory.append({"host_rss_kb": _rss_kb("self"), "vm_rss_kb": _rss_kb(twin.board.vm_pid or "self")})

        supervisor.scheduler.every("memory", DAY_MS // 2, note, first_after_ms=DAY_MS // 2)
        begun, own, children = time.perf_counter(), _cpu(resource.RUSAGE_SELF), _cpu(resource.RUSAGE_CHILDREN)
        supervisor.run(round(days * DAY_MS))
        wall = time.perf_counter() - begun
        own = _cpu(resource.RUSAGE_SELF) - own
        dataset.close()
        heap = [used for _, used in twin.board.heap_used]
        exchanges = twin.board.exchanges
        twin.close()
        board = _cpu(resource.RUSAGE_CHILDREN) - children
    return {
        "days": days,
        "wall_s_per_day": wall / days,
        "sim_s_per_wall_s": days * DAY_S / wall,
        "cpu_s_per_day": {"host and twin": own / days, "board VM": board / days},
        "exchanges_per_day": round(exchanges / days),
        "memory_each_half_day": memory,
        "vm_heap_bytes_each_half_day": heap,
    }


SQUARES = 20_000_000
"""`sum(i * i for i in range(SQUARES))` is the yardstick: what this machine does in plain Python, in the same run."""
ECHO = """import os
a, b = os.getenv("TOMATO_CHANNEL_FDS").split()
answers, records = open(int(a), "rb", 0), open(int(b), "wb", 0)
answer, record = bytearray({answer}), bytearray({record})
while True:
    records.write(record)
    if answers.readinto(answer) != {answer}:
        break
"""


def squares() -> dict[str, float]:
    """Wall and CPU seconds of the yardstick."""
    begun, cpu = time.perf_counter(), time.process_time()
    sum(i * i for i in range(SQUARES))
    return {"wall_s": time.perf_counter() - begun, "cpu_s": time.process_time() - cpu}


def bare_exchange_us(turns: int = 20_000) -> float:
    """Wall microseconds of one turn with a VM that does nothing else, on one core as in lock step."""
    channel = VmChannel(hang_s=20.0)
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(allowed)})
    ends = channel.vm_ends
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "echo.py"
        script.write_text(ECHO.format(answer=ANSWER.size, record=RECORD.size))
        environment = {**os.environ, "TOMATO_CHANNEL_FDS": f"{ends.reads} {ends.writes}"}
        vm = subprocess.Popen([micropython(), script], env=environment, pass_fds=(ends.reads, ends.writes))
        ends.close()
        try:
            for turn in range(turns + 100):
                if turn == 100:
                    begun = time.perf_counter()
                channel.receive()
                channel.answer(0, 0, 0, 0, 0, 0, *NO_VALUES)
            return (time.perf_counter() - begun) / turns * 1e6
        finally:
            channel.close()
            vm.wait(5.0)
            os.sched_setaffinity(0, allowed)


def yardstick(day: dict[str, Any], before: dict[str, float], after: dict[str, float]) -> dict[str, float]:
    """The day in units of the yardstick, measured before and after it, and what its turns alone cost."""
    wall = (before["wall_s"] + after["wall_s"]) / 2.0
    cpu = (before["cpu_s"] + after["cpu_s"]) / 2.0
    bare_us = bare_exchange_us()
    return {
        "sum of squares, wall s": wall,
        "sum of squares, cpu s": cpu,
        "day / sum of squares, wall": day["wall_s_per_day"] / wall,
        "day / sum of squares, cpu": sum(day["cpu_s_per_day"].values()) / cpu,
        "exchanges per day": day["exchanges_per_day"],
        "bare exchange, us": bare_us,
        "bare exchanges of a day, s": day["exchanges_per_day"] * bare_us / 1e6,
    }


def _cpu(who: int) -> float:
    used = resource.getrusage(who)
    return used.ru_utime + used.ru_stime


def direct(days: float, period_s: float) -> dict[str, float]:
    """The brain on the twin without firmware."""
    run = TentRun(SimulatedTent(7, start=SIM_START, period_s=period_s), BrainSettings())
    begun = time.perf_counter()
    cpu = time.process_time()
    while run.tent.now_ms < days * DAY_MS:
        run.step()
    wall, cpu = time.perf_counter() - begun, time.process_time() - cpu
    return {"wall_s_per_day": wall / days, "cpu_s_per_day": cpu / days, "sim_s_per_wall_s": days * DAY_S / wall}


def tent(days: float, period_s: float) -> dict[str, float]:
    """The tent with the firmware's core on CPython, observed and not commanded: no brain."""
    made = SimulatedTent(1, period_s=period_s)
    cpu = time.process_time()
    while made.now_ms < days * DAY_MS:
        made.next_observation()
        made.device_status()
    return {"cpu_s_per_day": (time.process_time() - cpu) / days}


def physics(days: float) -> dict[str, float]:
    """The tent alone."""
    tent, outside = TentPhysics(), World(1).surroundings.at(0.0)
    begun = time.perf_counter()
    tent.advance(days * DAY_S, LAMP_ON, outside)
    return {"wall_s_per_day": (time.perf_counter() - begun) / days}


def run(quick: bool) -> dict[str, object]:
    """Quick: one day with firmware. Full: 30 days."""
    before = squares()
    day = full_stack(1.0 if quick else 30.0)
    return {
        "with firmware, lock step": day,
        "against the yardstick": yardstick(day, before, squares()),
        "without firmware, observed each 10 s": direct(1.0 if quick else 7.0, 10.0),
        "without firmware, observed each 60 s": direct(1.0 if quick else 7.0, 60.0),
        "tent without brain, observed each 10 s": tent(1.0 if quick else 7.0, 10.0),
        "physics alone": physics(1.0 if quick else 30.0),
    }


if __name__ == "__main__":
    import sys

    print(json.dumps(run("--full" not in sys.argv), indent=1))
