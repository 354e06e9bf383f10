"""200 nodes on one real Redis and on one real mosquitto: messages a second, ages, memory, and where it breaks.

The nodes are simulated, their outbox, publisher and connection are real (tools/fleet_nodes.py). Each step raises
the rate of every node. A step is broken when a message is dropped, fewer than 95 in 100 arrive, or the 99th percentile
of their ages is above a second; what was used up then is seen from the processor time of broker, nodes and reader.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tomato_host.service.bus.transport import parse_address
from tomato_host.service.fleet.read import read_fleet

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from tools.fleet_nodes import DRAIN_S

TITLE = "Fleet: 200 nodes on one broker"
ROOT = Path(__file__).resolve().parents[1]
NODES = 200
PROCESSES = 2
RATES = (0.1, 1.0, 5.0, 10.0, 20.0, 40.0)
"""Messages a second of each node; a real tent publishes about 0.1."""
STEP_S = 6.0
P99_MS = 1_000.0
ARRIVED = 0.95
MOSQUITTO = shutil.which("mosquitto") or "/usr/sbin/mosquitto"
TICKS = os.sysconf("SC_CLK_TCK")


def free_port() -> int:
    """A port on the loopback that nobody uses."""
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def broker(kind: str) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """A broker of its own with its shipped settings; gives its address and its process."""
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        if kind == "redis":
            command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", folder]
        else:
            config = Path(folder) / "mosquitto.conf"
            config.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\n")
            command = [MOSQUITTO, "-c", str(config)]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            time.sleep(1.0)
            yield f"{'redis' if kind == 'redis' else 'mqtt'}://127.0.0.1:{port}", process
        finally:
            process.terminate()
            process.wait(10)


def memory_mb(pid: int) -> float:
    """Resident memory."""
    return int(Path(f"/proc/{pid}/status").read_text().split("VmRSS:")[1].split()[0]) / 1e3


def processor_s(pid: int) -> float:
    """Processor time used so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def start(*words: str) -> subprocess.Popen[str]:
    """One process of nodes or readers, ready to go."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tools.fleet_nodes", *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": os.pathsep.join((str(ROOT), str(ROOT / "host")))},
    )
    assert process.stdout is not None
    if process.stdout.readline().strip() != "ready":
        process.kill()
        raise RuntimeError(f"{' '.join(words)} did not get ready")
    return process


def result(process: subprocess.Popen[str]) -> dict[str, Any]:
    """The figures it prints at its end."""
    out, _ = process.communicate(timeout=120)
    found: dict[str, Any] = json.loads(out.strip().splitlines()[-1])
    return found


def step(url: str, pid: int, nodes: int, rate: float, seconds: float) -> dict[str, Any]:
    """All nodes at one rate."""
    share = nodes // PROCESSES
    spans = [(str(n * share), str(share), str(rate), str(seconds)) for n in range(PROCESSES)]
    publishers = [start("publish", url, *span) for span in spans]
    reader = start("read", url, str(nodes), str(seconds + DRAIN_S))
    used_s, began_s = processor_s(pid), time.monotonic()
    for process in publishers:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    told, span_s = result(reader), time.monotonic() - began_s
    broker_s = processor_s(pid) - used_s
    made = [result(process) for process in publishers]
    total = {key: sum(one[key] for one in made) for key in made[0]}
    arrived = told["received"] / max(1, total["made"])
    p99 = told["age_ms"].get("p99", float("inf"))
    return {
        "offered_per_s": round(rate * nodes, 1),
        "delivered_per_s": round(told["received"] / seconds, 1),
        "arrived_share": round(arrived, 4),
        "age_ms": told["age_ms"],
        "alarm_age_ms": told["alarm_age_ms"],
        "dropped": total["dropped"],
        "broker_mb": round(memory_mb(pid), 1),
        "broker_cpu_share": round(broker_s / span_s, 3),
        "nodes_cpu_share": round(total["cpu_s"] / span_s, 3),
        "reader_cpu_share": round(told["cpu_s"] / span_s, 3),
        "holds": total["dropped"] == 0 and arrived >= ARRIVED and p99 <= P99_MS,
    }


def steps(kind: str, nodes: int, rates: tuple[float, ...], seconds: float) -> dict[str, Any]:
    """Rate after rate until one does not hold."""
    out: dict[str, Any] = {"nodes": nodes}
    with broker(kind) as (url, process):
        for rate in rates:
            found = step(url, process.pid, nodes, rate, seconds)
            out[f"at_{rate:g}_per_node_and_s"] = found
            if not found["holds"]:
                break
            out["most_that_held_per_s"] = found["offered_per_s"]
        else:
            out["broke"] = "not within these rates"
        began_s = time.monotonic()
        seen = len(read_fleet(parse_address(url), None))
        out["fleet_table_of_all_ms"] = round((time.monotonic() - began_s) * 1e3, 1)
        out["fleet_table_rows"] = seen
        if kind == "redis":
            out |= _stream_memory(url)
    return out


def _stream_memory(url: str) -> dict[str, Any]:
    """Bytes of one stored reading, and what 200 nodes take when their streams of readings are full (10,000 each)."""
    from redis import Redis

    address = parse_address(url)
    with Redis(host=address.host, port=address.port) as client:
        streams = list(client.scan_iter("tomato/*/telemetry"))
        stored = sum(client.xlen(key) for key in streams)
        size = sum(client.memory_usage(key, samples=0) or 0 for key in streams)
    each = size / max(1, stored)
    return {"bytes_per_stored_reading": round(each), "full_streams_gb": round(NODES * 10_000 * each / 1e9, 2)}


def run(quick: bool) -> dict[str, Any]:
    """Both brokers, where they are installed."""
    nodes, rates, seconds = (20, (0.1, 5.0), 2.0) if quick else (NODES, RATES, STEP_S)
    out: dict[str, Any] = {}
    for kind, program in (("redis", "redis-server"), ("mosquitto", MOSQUITTO)):
        there = shutil.which(program) is not None
        out[kind] = steps(kind, nodes, rates, seconds) if there else f"no {program} here"
    return out
