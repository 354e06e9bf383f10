"""What the outside view costs: install size, memory at rest, time to help, a season's history, the feed per tick.

The running host is measured as a tent has it: from a fresh install without extras, on a board (here the virtual one,
served by this Python). `--quick` takes this Python's install for it and waits less.
"""

from __future__ import annotations

import json
import os
import re
import resource
import select
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tomato_host.loop.recorder import Recorder
from tomato_host.loop.status import Status
from tomato_host.service.feed import ProcessFeed
from tomato_host.service.history import History
from tomato_host.twin import server

from shared_schemas.records import EventV1, Record, StateV1

TITLE = "Service: size, memory, help, history, feed"
ROOT = Path(__file__).resolve().parents[1]
START = datetime(2026, 3, 1, tzinfo=UTC)
SLOW_READER = (
    "import os, time\nfd = int(os.environ['TOMATO_FEED_FD'])\nwhile os.read(fd, 4096):\n    time.sleep(0.05)\n"
)
PAGES = 20
TIMED = """
import json, sys, time
from pathlib import Path
from tomato_host.cli.main import main
from tomato_host.service.feed import ProcessFeed

folder, spent, rows = Path(sys.argv[2]), [0.0, 0.0], []

def timed(real, ends_tick):
    def call(self, *given):
        wall, cpu = time.perf_counter(), time.thread_time()
        try:
            return real(self, *given)
        finally:
            spent[0] += time.perf_counter() - wall
            spent[1] += time.thread_time() - cpu
            if ends_tick:
                rows.append([time.monotonic(), *spent])
                spent[:] = [0.0, 0.0]
    return call

ProcessFeed.on_record, ProcessFeed.tick = timed(ProcessFeed.on_record, False), timed(ProcessFeed.tick, True)
try:
    main(["run", "--json", "--board", sys.argv[1], "--config", f"{folder}/t.toml", "--data-dir", f"{folder}/data"])
finally:
    (folder / "ticks").write_text("\\n".join(map(json.dumps, rows)))
"""
"""A host as the command line runs it, with a stop-watch on what the deciding loop does for the dashboard."""
INSTALLERS = ("pip", "setuptools", "wheel", "_distutils_hack")


def run(quick: bool) -> dict[str, object]:
    """Plain figures; `quick` leaves the fresh install out and looks at memory sooner."""
    figures: dict[str, object] = _history() | _feed(500 if quick else 5_000)
    with tempfile.TemporaryDirectory() as folder:
        python, installed = (sys.executable, {}) if quick else _install(Path(folder))
        figures |= _help(python) | installed
        figures |= _running(python, 6.0 if quick else 180.0, 20.0 if quick else 60.0)
    return figures


def _help(python: str) -> dict[str, object]:
    """`tomato-host --help` from start to end (limit 0.3 s), and its processor time, which no other work stretches."""
    took, worked = [], []
    for _ in range(7):
        begin, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([python, "-m", "tomato_host", "--help"], capture_output=True, check=True, cwd="/")
        took.append(time.perf_counter() - begin)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        worked.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return {
        "help_s_median_of_7": round(statistics.median(took), 3),
        "help_cpu_s_median_of_7": round(statistics.median(worked), 3),
    }


def _states(days: int) -> list[str]:
    """A season of states, half an hour apart, in the contract's own example shape."""
    example = re.search(r"Example:\n(.*)", StateV1.__doc__ or "", re.DOTALL)
    assert example is not None
    state = json.loads(example[1])
    out = []
    for n in range(days * 48):
        state["ts"] = (START + timedelta(minutes=30 * n)).isoformat()
        state["env"]["air_temp_c"] = 20.0 + n % 48 / 6.0
        out.append(json.dumps({"record": state}))
    return out


def _history() -> dict[str, object]:
    """120 days of 30 min: reading them once, one query, and what goes over the line."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "private").mkdir()
        lines = _states(120)
        (Path(folder) / "private" / "states_2026-03.jsonl").write_text("\n".join(lines) + "\n")
        history = History(Path(folder))
        begin = time.perf_counter()
        history.load()
        loaded = time.perf_counter()
        text = json.dumps(history.columns("season"))
        took = time.perf_counter() - loaded
    return {
        "season_states": len(lines),
        "season_load_ms": round((loaded - begin) * 1e3, 1),
        "season_query_ms": round(took * 1e3, 1),
        "season_json_kb": round(len(text) / 1e3, 1),
    }


class _NoStore:
    """Keeps nothing: the disk has its own benchmark."""

    def offer(self, record: Record) -> bool:
        return True


def _feed(ticks: int) -> dict[str, object]:
    """What the deciding loop pays per tick, three records in each, with a dashboard that reads slowly."""
    status = Status(START, START)
    recorder, now = Recorder(_NoStore(), status), [0.0]
    event = EventV1(schema_version="event_v1", ts=START, level="INFO", kind="process", name="n", text="x" * 200)
    with tempfile.TemporaryDirectory():
        feed = ProcessFeed(
            status,
            recorder,
            [sys.executable, "-c", SLOW_READER],
            "dashboard",
            monotonic=lambda: now[0],
        )
        feed.start()
        took = []
        try:
            for _ in range(ticks):
                now[0] += 2.4
                begin = time.perf_counter()
                for _ in range(3):
                    recorder.record(event)
                feed.tick(START)
                took.append(time.perf_counter() - begin)
        finally:
            feed.stop()
    took.sort()
    return {
        "feed_ticks": ticks,
        "feed_us_p50": round(took[ticks // 2] * 1e6, 1),
        "feed_us_p99": round(took[ticks * 99 // 100] * 1e6, 1),
        "feed_us_worst": round(took[-1] * 1e6, 1),
    }


def _mapped_kb(pid: int) -> tuple[int, dict[str, int]]:
    """Resident memory of its own, and of each file it maps, in KB."""
    own, files, name = 0, dict[str, int](), ""
    for line in Path(f"/proc/{pid}/smaps").read_text().splitlines():
        if found := re.match(r"[0-9a-f]+-[0-9a-f]+ \S+ \S+ \S+ \S+\s*(.*)", line):
            name = found[1]
        elif line.startswith("Rss:"):
            files[name] = files.get(name, 0) + int(line.split()[1])
        elif line.startswith("Anonymous:"):
            own += int(line.split()[1])
            files[name] -= int(line.split()[1])
    return own, files


def _memory(pids: dict[str, int]) -> dict[str, object]:
    """Resident by process; summed; shared pages divided among all users (PSS); shared pages counted once (MB)."""
    out: dict[str, object] = {}
    rss, pss, own = 0, 0, 0
    once: dict[str, int] = {}
    for name, pid in pids.items():
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
        one = {key: int(re.search(rf"^{key}:\s+(\d+)", text, re.MULTILINE)[1]) for key in ("Rss", "Pss")}  # type: ignore[index]
        out[f"{name}_rss_mb"] = round(one["Rss"] / 1024, 1)
        rss, pss = rss + one["Rss"], pss + one["Pss"]
        private, files = _mapped_kb(pid)
        own += private
        once = {path: max(once.get(path, 0), files.get(path, 0)) for path in once | files}
    sums = {"rss_sum_mb": rss, "resident_shared_once_mb": own + sum(once.values()), "pss_sum_mb": pss}
    return out | {name: round(kb / 1024, 1) for name, kb in sums.items()}


def _dashboard_of(host: int) -> int | None:
    for child in Path(f"/proc/{host}/task/{host}/children").read_text().split():
        if b"tomato_host.service.serve" in Path(f"/proc/{child}/cmdline").read_bytes():
            return int(child)
    return None


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _running(python: str, rest_s: float, phase_s: float) -> dict[str, object]:
    """A host at rest (limit 100 MB with its dashboard), then what 20 open pages cost its deciding loop."""
    if not Path("/proc/self/smaps_rollup").exists():
        return {"resident": "not measured: no /proc here"}
    with tempfile.TemporaryDirectory() as name, server.start(flash=Path(name) / "flash") as board:
        folder, port = Path(name), _free_port()
        config = f"[service]\nport = {port}\n[board]\nlease_renew_s = 0.5\n[weather]\nprovider = 'none'\n"
        (folder / "t.toml").write_text(config)
        host = subprocess.Popen([python, "-c", TIMED, board.port_path, str(folder)], stdout=subprocess.DEVNULL, cwd="/")
        try:
            dashboard = _wait_for(port, host.pid)
            time.sleep(rest_s)
            figures = _memory({"host": host.pid, "dashboard": dashboard})
            quiet = time.monotonic()
            time.sleep(phase_s)
            with _pages(port, PAGES) as heard:
                crowded = time.monotonic()
                time.sleep(phase_s)
                over = time.monotonic()
            figures["events_heard_by_20_pages"] = sum(heard)
        finally:
            _end(host)
        ticks = [json.loads(line) for line in (folder / "ticks").read_text().splitlines()]
    # Other work on the machine shows in the times, and hardly in the processor times.
    figures["load_average_1min"] = round(os.getloadavg()[0], 1)
    figures |= _ticks("without_pages", [row for row in ticks if quiet <= row[0] < crowded])
    return figures | _ticks("with_20_pages", [row for row in ticks if crowded <= row[0] < over])


def _ticks(name: str, rows: list[list[float]]) -> dict[str, object]:
    """Time and processor time of the deciding loop's publishing, per tick, in microseconds."""
    out: dict[str, object] = {f"ticks_{name}": len(rows)}
    for column, what in ((1, "us"), (2, "cpu_us")):
        ordered = sorted(row[column] * 1e6 for row in rows)
        for q, at in (("p50", 0.5), ("p99", 0.99)):
            out[f"tick_{what}_{q}_{name}"] = round(ordered[min(len(ordered) - 1, int(len(ordered) * at))], 1)
    return out


def _wait_for(port: int, host: int) -> int:
    end = time.monotonic() + 60.0
    while time.monotonic() < end:
        dashboard = _dashboard_of(host)
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1.0):
            if dashboard is not None:
                return dashboard
        time.sleep(0.2)
    raise RuntimeError("the dashboard did not start")


@contextmanager
def _pages(port: int, count: int) -> Iterator[list[int]]:
    """So many clients of the live stream; yields how many events each has heard."""
    heard, lines = [0] * count, [socket.create_connection(("127.0.0.1", port)) for _ in range(count)]
    for line in lines:
        line.sendall(b"GET /api/stream HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
    over = threading.Event()

    def read() -> None:
        while not over.is_set():
            for at in range(count):
                if select.select([lines[at]], [], [], 0.01)[0]:
                    heard[at] += lines[at].recv(1 << 20).count(b"data:")

    reader = threading.Thread(target=read)
    reader.start()
    try:
        yield heard
    finally:
        over.set()
        reader.join()
        for line in lines:
            line.close()


def _end(host: subprocess.Popen[bytes]) -> None:
    host.send_signal(signal.SIGINT)
    try:
        host.wait(20)
    except subprocess.TimeoutExpired:
        host.kill()
        host.wait()


def _install(folder: Path) -> tuple[str, dict[str, object]]:
    """A fresh Python with the base install, without extras; its site-packages, installers not counted; limit 120 MB."""
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    done = subprocess.run(
        [f"{folder}/bin/pip", "install", "-q", "--disable-pip-version-check", str(ROOT)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        return sys.executable, {"base_install_mb": f"not measured: {done.stderr.strip().splitlines()[-1][:120]}"}
    site = next((folder / "lib").glob("python*/site-packages"))
    sizes = {
        path.name: _size(path)
        for path in site.iterdir()
        if not path.name.startswith(INSTALLERS) and path.name != "__pycache__"
    }
    largest = sorted(sizes, key=lambda name: -sizes[name])[:6]
    return f"{folder}/bin/python", {
        "base_install_mb": round(sum(sizes.values()) / 1e6, 1),
        "largest_mb": {name: round(sizes[name] / 1e6, 1) for name in largest},
    }


def _size(path: Path) -> int:
    if path.is_file():
        return path.stat().st_size
    return sum(os.lstat(Path(folder, name)).st_size for folder, _, names in os.walk(path) for name in names)


if __name__ == "__main__":
    print(json.dumps(run("--quick" in sys.argv), indent=1))
