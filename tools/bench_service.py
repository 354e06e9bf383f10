"""What the outside view costs: install size, memory at rest, time to help, a season's history, the feed per tick."""

from __future__ import annotations

import json
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tomato_host.runtime.recorder import Recorder
from tomato_host.runtime.status import Status
from tomato_host.service.feed import Feed
from tomato_host.service.history import History
from tomato_host.service.settings import ServiceSettings

from shared_schemas.records import EventV1, Record, StateV1

TITLE = "Service: size, memory, help, history, feed"
ROOT = Path(__file__).resolve().parents[1]
START = datetime(2026, 3, 1, tzinfo=UTC)
SLOW_READER = (
    "import os, time\n"
    "fd = int(os.environ['TOMATO_FEED_FD'])\n"
    "while os.read(fd, 4096):\n"
    "    time.sleep(0.05)\n"
)
INSTALLERS = ("pip", "setuptools", "wheel", "_distutils_hack")


def run(quick: bool) -> dict[str, object]:
    """Plain figures; `quick` leaves the fresh install out and looks at memory sooner."""
    figures: dict[str, object] = {"help_s_median_of_7": _help_s()}
    figures |= _history()
    figures |= _feed(500 if quick else 5_000)
    figures |= _resident(6.0 if quick else 60.0)
    if not quick:
        figures |= _install()
    return figures


def _help_s() -> float:
    """`tomato-host --help` from start to end; limit 0.3 s."""
    took = []
    for _ in range(7):
        begin = time.perf_counter()
        subprocess.run([sys.executable, "-m", "tomato_host", "--help"], capture_output=True, check=True, cwd=ROOT)
        took.append(time.perf_counter() - begin)
    return round(statistics.median(took), 3)


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
    return {"season_states": len(lines), "season_load_ms": round((loaded - begin) * 1e3, 1),
            "season_query_ms": round(took * 1e3, 1), "season_json_kb": round(len(text) / 1e3, 1)}


class _NoStore:
    """Keeps nothing: the disk has its own benchmark."""

    def offer(self, record: Record) -> bool:
        return True


def _feed(ticks: int) -> dict[str, object]:
    """What the deciding loop pays per tick, three records in each, with a dashboard that reads slowly."""
    status = Status(START, START)
    recorder, now = Recorder(_NoStore(), status), [0.0]
    event = EventV1(schema_version="event_v1", ts=START, level="INFO", kind="process", name="n", text="x" * 200)
    with tempfile.TemporaryDirectory() as folder:
        feed = Feed(status, recorder, ServiceSettings(), Path(folder),
                    command=[sys.executable, "-c", SLOW_READER], monotonic=lambda: now[0])
        feed.start()
        took = []
        try:
            for _ in range(ticks):
                now[0] += 2.4
                begin = time.perf_counter()
                for _ in range(3):
                    recorder.keep(event)
                feed.tick(START)
                took.append(time.perf_counter() - begin)
        finally:
            feed.stop()
    took.sort()
    return {"feed_ticks": ticks, "feed_us_p50": round(took[ticks // 2] * 1e6, 1),
            "feed_us_p99": round(took[ticks * 99 // 100] * 1e6, 1), "feed_us_worst": round(took[-1] * 1e6, 1)}


def _memory_mb(pid: int) -> tuple[float, float]:
    """Resident, and proportional (shared pages divided among their users), in MB."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    found = {key: int(re.search(rf"^{key}:\s+(\d+)", text, re.MULTILINE)[1]) for key in ("Rss", "Pss")}  # type: ignore[index]
    return round(found["Rss"] / 1024, 1), round(found["Pss"] / 1024, 1)


def _dashboard_of(host: int) -> int | None:
    for child in Path(f"/proc/{host}/task/{host}/children").read_text().split():
        if b"tomato_host.service.serve" in Path(f"/proc/{child}/cmdline").read_bytes():
            return int(child)
    return None


def _resident(rest_s: float) -> dict[str, object]:
    """Host and dashboard at rest on the virtual board (whose own processes are not counted); limit 100 MB."""
    if not Path("/proc/self/smaps_rollup").exists():
        return {"resident": "not measured: no /proc here"}
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "t.toml"
        config.write_text("[service]\nport = 0\n[weather]\nprovider = \"none\"\n")
        host = subprocess.Popen(
            [sys.executable, "-m", "tomato_host", "run", "--board", "sim", "--json", "--config", str(config),
             "--data-dir", f"{folder}/data"], cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            end = time.monotonic() + 30.0
            while (dashboard := _dashboard_of(host.pid)) is None and time.monotonic() < end:
                time.sleep(0.2)
            if dashboard is None:
                return {"resident": "not measured: the dashboard did not start"}
            time.sleep(rest_s)
            host_rss, host_pss = _memory_mb(host.pid)
            web_rss, web_pss = _memory_mb(dashboard)
        finally:
            host.send_signal(signal.SIGINT)
            try:
                host.wait(20)
            except subprocess.TimeoutExpired:
                host.kill()
                host.wait()
    return {"host_rss_mb": host_rss, "dashboard_rss_mb": web_rss, "rss_sum_mb": round(host_rss + web_rss, 1),
            "pss_sum_mb": round(host_pss + web_pss, 1)}


def _install() -> dict[str, object]:
    """Site-packages after a base install without extras, installers not counted; limit 120 MB."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        done = subprocess.run([f"{folder}/bin/pip", "install", "-q", "--disable-pip-version-check", str(ROOT)],
                              capture_output=True, text=True, check=False)
        if done.returncode:
            return {"base_install_mb": f"not measured: {done.stderr.strip().splitlines()[-1][:120]}"}
        site = next(Path(folder, "lib").glob("python*/site-packages"))
        sizes = {path.name: _size(path) for path in site.iterdir()
                 if not path.name.startswith(INSTALLERS) and path.name != "__pycache__"}
    largest = sorted(sizes, key=lambda name: -sizes[name])[:6]
    return {"base_install_mb": round(sum(sizes.values()) / 1e6, 1),
            "largest_mb": {name: round(sizes[name] / 1e6, 1) for name in largest}}


def _size(path: Path) -> int:
    if path.is_file():
        return path.stat().st_size
    return sum(os.lstat(Path(folder, name)).st_size for folder, _, names in os.walk(path) for name in names)


if __name__ == "__main__":
    print(json.dumps(run("--quick" in sys.argv), indent=1))
